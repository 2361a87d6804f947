"""`unpack` makes an environment of a pack, whoever packed it, with no network; or it changes nothing."""

import json
import os
import shutil
import stat
import subprocess
import sys

import pytest
from harness.child import user_environment
from harness.packs import pack_files, tar_of, write_folder
from harness.world import CHANNEL

from pixi_mirror.commands.program import run
from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.packages import build_package
from pixi_mirror.lockfile.writer import PypiLockEntry

SITE_PACKAGES = "lib/python3.12/site-packages"
PYTHON = build_package(
    name="python", version="3.12.1", subdir="linux-64", files={"bin/python": b"#!/bin/sh\necho python\n"}
)
TOOL = build_package(
    name="tool",
    subdir="linux-64",
    files={
        "bin/tool": b"#!/bin/sh\necho tool\n",
        "etc/conda/activate.d/tool.sh": b"TOLD=activated\n",
        "etc/conda/env_vars.d/tool.json": b'{"tool_home": "here"}',
    },
)
PURE = build_package(name="pure", noarch="python", files={"site-packages/pure.py": b"x = 1\n"})
OLD = build_package(
    name="old-thing", version="1!0.5", subdir="linux-64", extension="tar.bz2", files={"share/old.txt": b"old\n"}
)
ALL = (PYTHON, TOOL, PURE, OLD)
WHEEL = build_wheel(name="ordered_enum", version="0.0.9", entry_points={"console_scripts": {"enum": "ordered_enum:f"}})


@pytest.fixture
def unpack(tmp_path, monkeypatch, capfd):
    """Run `unpack` in this process, which saves the start of an interpreter; what it printed."""
    for name in [name for name in os.environ if name.startswith("PIXI_MIRROR")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIXI_MIRROR_PROGRESS", "none")  # its thread would outlive the test
    monkeypatch.chdir(tmp_path)

    def unpacked(*words, status=0):
        capfd.readouterr()
        ended = run(["unpack", *words])
        told = capfd.readouterr()
        assert ended == status, f"ended with {ended}:\n{told.out}\n{told.err}"
        return json.loads(told.out) if "--json" in words else told.out + told.err

    return unpacked


@pytest.fixture
def child(tmp_path):
    """Run `unpack` in a process of its own, with a home of its own."""

    def ran(*words, given=b""):
        command = [sys.executable, "-m", "pixi_mirror", "unpack", *words]
        environment = user_environment(tmp_path / "home")
        done = subprocess.run(command, env=environment, cwd=tmp_path, input=given, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()

    return ran


@pytest.fixture
def packed(tmp_path):
    """Write a pack as `environment.tar` into the current directory; its files."""

    def write(*packages, wheels=(), **options):
        files = pack_files(packages, wheels, **options)
        (tmp_path / "environment.tar").write_bytes(tar_of(files))
        return files

    return write


def tree(folder):
    """Every file with its content, every link with where it leads."""
    return {
        path.relative_to(folder).as_posix(): os.readlink(path) if path.is_symlink() else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def names(folder):
    return sorted(os.listdir(folder))


@pytest.mark.parametrize("kind", ["tar", "folder", "standard input"])
def test_an_environment_is_made_with_its_records_and_its_script(unpack, child, packed, tmp_path, kind):
    files = packed(*ALL, wheels=[WHEEL])
    if kind == "folder":
        write_folder(files, tmp_path / "environment")
        unpack("environment")
    elif kind == "standard input":
        child("-", given=(tmp_path / "environment.tar").read_bytes())
    else:
        unpack()
    env = tmp_path / "env"
    assert (env / "share/old.txt").read_text() == "old\n"
    assert (env / SITE_PACKAGES / "pure.py").is_file()
    assert (env / SITE_PACKAGES / "ordered_enum-0.0.9.dist-info/INSTALLER").read_text() == "pixi-mirror\n"
    assert (env / "bin/enum").read_text().startswith(f"#!{env}/bin/python\n")
    assert (env / "conda-meta/history").read_text() == "// not relevant for pixi but for `conda run -p`"
    records = [f"{each.file_name.rpartition('.tar')[0] or each.file_name[:-6]}.json" for each in ALL]
    assert names(env / "conda-meta") == sorted([*records, "history"])
    script = 'set -eu; . ./activate.sh; tool; echo "$CONDA_PREFIX $tool_home $TOLD"'
    said = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert said == f"tool\n{env} here activated\n"
    assert {name for name in names(tmp_path) if "unpacking" in name} == set()


def test_nothing_is_left_in_the_home(child, packed, tmp_path):
    packed(*ALL, wheels=[WHEEL])
    child()
    assert tree(tmp_path / "home") == {}
    assert names(tmp_path) == ["activate.sh", "env", "environment.tar", "home"]


@pytest.mark.skipif(shutil.which("unshare") is None, reason="nothing here can shut a process off the network")
def test_a_pack_is_unpacked_with_no_network(packed, tmp_path):
    packed(*ALL, wheels=[WHEEL])
    shut = ["unshare", "--map-root-user", "--net"]
    if subprocess.run([*shut, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not shut a process off the network")
    command = [*shut, sys.executable, "-m", "pixi_mirror", "unpack"]
    subprocess.run(command, env=user_environment(tmp_path / "home"), cwd=tmp_path, capture_output=True, check=True)
    assert (tmp_path / "env/bin/tool").is_file()


def test_the_name_the_place_and_the_shell_can_be_chosen(unpack, packed, tmp_path):
    packed(TOOL)
    unpack("-o", "deep/out", "-e", "custom", "-s", "fish")
    assert names(tmp_path / "deep/out") == ["activate.fish", "custom"]
    assert f'set -gx PATH "{tmp_path}/deep/out/custom/bin:$PATH"' in (tmp_path / "deep/out/activate.fish").read_text()


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x"])
def test_a_name_that_is_none_is_a_matter_of_usage(unpack, packed, tmp_path, name):
    packed(TOOL)
    assert "no name of a directory" in unpack("-e", name, status=2)
    assert "env" not in names(tmp_path)


@pytest.mark.parametrize("words", [("-s", "tcsh"), ("--platform", "linux64"), ("--shell", "BASH")])
def test_a_shell_or_platform_that_nobody_knows_is_a_matter_of_usage(unpack, packed, words):
    packed(TOOL)
    assert f"{words[1]!r}; choose from" in unpack(*words, status=2)


def test_paths_in_files_are_those_of_the_final_place(unpack, tmp_path):
    placeholder = "/opt/placeholder_" + "p" * 200
    files = {
        "bin/script": f"#!{placeholder}/bin/python\n".encode(),
        "lib/binary": b"\0" + placeholder.encode() + b"/lib\0rest",
    }
    package = with_placeholders("prefixed", files, placeholder)
    (tmp_path / "environment.tar").write_bytes(tar_of(pack_files([package])))
    unpack()
    env = tmp_path / "env"
    assert (env / "bin/script").read_text() == f"#!{env}/bin/python\n"
    binary = (env / "lib/binary").read_bytes()
    assert binary.startswith(f"\0{env}/lib\0".encode())
    assert len(binary) == len(files["lib/binary"])


def with_placeholders(name, files, placeholder):
    """A package that says which of its files hold the prefix it was built for."""
    import hashlib
    from types import MappingProxyType

    from pixi_mirror.demo import packages

    index = {"name": name, "version": "1.0", "build": "0", "build_number": 0, "depends": [], "license": "MIT",
             "subdir": "linux-64", "timestamp": 1700000000000, "platform": "linux", "arch": "x86_64"}  # fmt: skip
    info = packages._info(index, files)
    paths = json.loads(info["info/paths.json"])
    for entry in paths["paths"]:
        entry["prefix_placeholder"] = placeholder
        entry["file_mode"] = "binary" if entry["_path"] == "lib/binary" else "text"
    data = packages._conda(f"{name}-1.0-0", {**info, "info/paths.json": json.dumps(paths).encode()}, files)
    record = {**index, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    return packages.BuiltPackage(file_name=f"{name}-1.0-0.conda", data=data, record=MappingProxyType(record))


def test_records_tell_where_packages_came_from_and_name_no_folder_that_is_gone(unpack, packed, tmp_path):
    packed(TOOL)
    unpack()
    record = json.loads((tmp_path / "env/conda-meta/tool-1.0-0.json").read_text())
    assert record["url"] == "file:///linux-64/tool-1.0-0.conda"
    assert "unpacking" not in json.dumps(record)
    assert (record["sha256"], record["files"]) == (TOOL.record["sha256"], sorted(record["files"]))
    import rattler

    (read,) = [rattler.PrefixRecord.from_path(path) for path in (tmp_path / "env/conda-meta").glob("*.json")]
    assert read.name.normalized == "tool"


def test_the_files_of_an_environment_are_linked_to_nothing(unpack, packed, tmp_path):
    packed(*ALL)
    unpack()
    assert {path.stat().st_nlink for path in (tmp_path / "env").rglob("*") if path.is_file()} == {1}


def test_a_second_time_changes_nothing(unpack, packed, tmp_path):
    packed(*ALL, wheels=[WHEEL])
    unpack()
    before = {path: path.lstat().st_ino for path in (tmp_path / "env").rglob("*")}
    told = unpack("--json")
    assert {path: path.lstat().st_ino for path in (tmp_path / "env").rglob("*")} == before
    assert [each["installed"] for each in told["packages"]] == [False] * 5
    assert told["removed"] == []


def test_an_environment_becomes_what_another_pack_holds_and_what_its_owner_added_stays(unpack, packed, tmp_path):
    packed(*ALL, wheels=[WHEEL, build_wheel(name="stays", version="1.0")])
    unpack()
    env = tmp_path / "env"
    (env / "notes.txt").write_text("mine")
    shutil.copytree(env / SITE_PACKAGES / "stays-1.0.dist-info", env / SITE_PACKAGES / "mine-1.0.dist-info")
    (env / SITE_PACKAGES / "mine-1.0.dist-info/INSTALLER").write_text("pip\n")
    newer = build_package(name="tool", version="2.0", subdir="linux-64", files={"bin/tool": b"#!/bin/sh\necho two\n"})
    packed(PYTHON, newer, PURE, wheels=[build_wheel(name="stays", version="1.0"), build_wheel(name="new", version="1")])
    told = unpack("--json")
    assert [each["name"] for each in told["packages"] if each["installed"]] == ["tool", "new"]
    assert [each["name"] for each in told["removed"]] == ["old-thing", "tool", "ordered-enum"]
    assert names(env / "conda-meta") == [
        "history", "pure-1.0-0.json", "python-3.12.1-0.json", "tool-2.0-0.json"
    ]  # fmt: skip
    assert (env / "notes.txt").read_text() == "mine"
    assert names(env / SITE_PACKAGES) == [
        "mine-1.0.dist-info", "new-1.dist-info", "new.py", "pure.py", "stays-1.0.dist-info", "stays.py"
    ]  # fmt: skip
    assert not (env / "bin/enum").exists()
    assert not (env / "share/old.txt").exists()
    assert names(env / "bin") == ["python", "tool"]


def test_what_a_conda_package_brings_is_its_own_whoever_it_says_installed_it(unpack, packed, tmp_path):
    info = "site-packages/brought-1.0.dist-info"
    brought = build_package(
        name="brought",
        noarch="python",
        files={f"{info}/INSTALLER": b"uv\n", f"{info}/RECORD": b"", f"{info}/METADATA": b""},
    )
    packed(PYTHON, brought)
    unpack()
    packed(PYTHON, brought, wheels=[WHEEL])
    told = unpack("--json")
    assert told["removed"] == []
    assert (tmp_path / "env" / SITE_PACKAGES / "brought-1.0.dist-info/INSTALLER").read_text() == "uv\n"


def test_a_run_that_was_killed_leaves_nothing_that_the_next_one_minds(unpack, packed, tmp_path):
    packed(*ALL, *(build_package(name=f"p{number}", payload_size=1 << 20) for number in range(20)))
    command = [sys.executable, "-m", "pixi_mirror", "unpack", "-q"]
    with subprocess.Popen(command, env=user_environment(tmp_path / "home"), cwd=tmp_path) as killed:
        while killed.poll() is None and not list(tmp_path.glob(".env.unpacking/*/new")):
            pass
        killed.kill()
    unpack()
    assert len(names(tmp_path / "env/conda-meta")) == 25
    assert "already has" in unpack()


def test_wheels_follow_python_to_its_next_series(unpack, packed, tmp_path):
    packed(PYTHON, PURE, wheels=[WHEEL])
    unpack()
    packed(build_package(name="python", version="3.13.0", subdir="linux-64"), PURE, wheels=[WHEEL])
    unpack()
    lib = tmp_path / "env/lib"
    assert not (lib / "python3.12/site-packages/ordered_enum.py").exists()
    assert (lib / "python3.13/site-packages/ordered_enum.py").is_file()
    assert (lib / "python3.13/site-packages/pure.py").is_file()


@pytest.mark.parametrize("fault", ["no archive inside", "wheel", "sum"])
def test_a_failure_changes_nothing(unpack, packed, tmp_path, fault):
    packed(*ALL, wheels=[WHEEL])
    unpack()
    before = tree(tmp_path)
    newer = build_package(name="tool", version="2.0", subdir="linux-64")
    files = pack_files([PYTHON, newer], [WHEEL])
    path = "channel/linux-64/tool-2.0-0.conda"
    if fault == "no archive inside":
        files = pack_files([PYTHON, broken("tool", b"this is no conda package")])
    elif fault == "wheel":
        data = bytearray(build_wheel(name="bad", version="1.0").data)
        data[data.index(b"__version__")] ^= 1
        files["pypi/bad-1.0-py3-none-any.whl"] = bytes(data)
    else:
        files[path] += b"x"
    (tmp_path / "next.tar").write_bytes(tar_of(files))
    unpack("next.tar", status=6)
    (tmp_path / "next.tar").unlink()
    assert tree(tmp_path) == before
    shutil.rmtree(tmp_path / "env")
    (tmp_path / "next.tar").write_bytes(tar_of(files))
    unpack("next.tar", status=6)
    assert {name for name in names(tmp_path) if "env" in name} == {"environment.tar"}


def broken(name, data):
    import hashlib
    from dataclasses import replace
    from types import MappingProxyType

    package = build_package(name=name, version="2.0", subdir="linux-64")
    record = {**package.record, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    del record["md5"]
    return replace(package, data=data, record=MappingProxyType(record))


def test_a_pack_that_cannot_be_written_to_is_unpacked(unpack, tmp_path):
    folder = write_folder(pack_files(ALL, [WHEEL]), tmp_path / "pack")
    for path in [folder, *folder.rglob("*")]:
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222)
    before = tree(folder)
    try:
        unpack("pack")
    finally:
        for path in [folder, *folder.rglob("*")]:
            path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o200)
    assert tree(folder) == before
    assert (tmp_path / "env/bin/tool").is_file()


def test_a_pack_for_another_platform_is_refused_unless_that_is_asked_for(unpack, packed, tmp_path):
    foreign = build_package(name="tool", subdir="win-64", files={"Scripts/tool.bat": b"echo tool\r\n"})
    packed(foreign, platform="win-64")
    assert "The pack was created for a different platform" in unpack(status=8)
    assert "env" not in names(tmp_path)
    unpack("--platform", "win-64")
    assert (tmp_path / "env/Scripts/tool.bat").is_file()
    assert (tmp_path / "activate.bat").read_bytes().startswith(b"@chcp 65001 > nul\r\n")


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
def test_a_disk_without_room_for_the_packages_is_named_and_nothing_is_left(packed, unpack, tmp_path):
    import resource

    packed(build_package(name="large", subdir="linux-64", extension="tar.bz2", files={"share/large": bytes(1 << 20)}))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 19, limits[1]))
    try:
        told = unpack("-o", "new", status=8)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert f"cannot be installed into {tmp_path / 'new/env'}: no space is left" in told
    assert [path.name for path in tmp_path.iterdir()] == ["environment.tar"]


def test_wheels_without_a_python_are_refused_with_the_words_of_pixi_pack(unpack, packed, tmp_path):
    packed(TOOL, wheels=[WHEEL])
    assert "No python record found." in unpack(status=8)
    assert "env" not in names(tmp_path)


def test_two_wheels_of_one_project_are_refused(unpack, packed):
    packed(PYTHON, wheels=[WHEEL, build_wheel(name="ordered-enum", version="0.1")])
    assert "one package of the name ordered-enum" in unpack(status=8)


def test_what_nobody_vouches_for_is_told(unpack, packed):
    packed(PYTHON, wheels=[WHEEL])
    told = unpack("--json")
    assert told["unverified"] == [f"pypi/{WHEEL.file_name}"]
    assert "RECORD" in told["warnings"][0]


def test_an_environment_behind_a_link_stays_behind_it(unpack, packed, tmp_path):
    packed(TOOL)
    (tmp_path / "disk").mkdir()
    (tmp_path / "env").symlink_to("disk/real")
    unpack()
    assert os.readlink(tmp_path / "env") == "disk/real"
    assert names(tmp_path / "disk") == ["real"]
    assert f"CONDA_PREFIX={tmp_path}/env\n" in (tmp_path / "activate.sh").read_text()


def test_a_failure_has_every_key_that_a_success_has(unpack, packed):
    packed(TOOL)
    good = unpack("--json")
    bad = unpack("nowhere.tar", "--json", status=8)
    assert good.keys() == bad.keys() - {"error"}
    assert "nowhere.tar cannot be read" in bad["error"]["message"]


def test_what_is_not_there_is_told_of_in_one_line(unpack, tmp_path):
    lines = unpack("nowhere.tar", "--progress", "plain", status=8).splitlines()
    assert lines == [
        "pixi-mirror: the pack nowhere.tar cannot be read: No such file or directory. Name another file or folder."
    ]
    assert names(tmp_path) == []


def test_what_is_no_pack_is_told_from_one_and_the_right_command_named(unpack, tmp_path):
    for place, file in (("a lock", "pixi.lock"), ("a manifest", "pixi.toml"), ("a mirror", "pixi-mirror.json")):
        (tmp_path / place).mkdir()
        (tmp_path / place / file).write_text("{}\n")
    (tmp_path / "a manifest/pixi.lock").write_text("")
    assert "`pixi-mirror pack 'a lock'` makes one" in unpack("a lock/pixi.lock", status=8)
    assert "`pixi-mirror pack 'a manifest'` makes one" in unpack("a manifest/pixi.toml", status=8)
    assert "`pixi-mirror pack 'a manifest'` makes one" in unpack("a manifest", status=8)
    assert "`pixi-mirror pack WORKSPACE --from 'a mirror'` makes a pack" in unpack("a mirror", status=8)


@pytest.mark.parametrize("words", [(), ("--directory-only", "-o", "environment"), ("--create-executable",)], ids=str)
def test_what_we_pack_is_unpacked_and_its_records_tell_where_it_came_from(world, unpack, words):
    url = f"{world.upstream.url}/wheels/{WHEEL.file_name}"
    (world.root / "wheels").mkdir()
    (world.root / "wheels" / WHEEL.file_name).write_bytes(WHEEL.data)
    entries = [world.publish(each) for each in ALL]
    wheel = PypiLockEntry(url=url, name="ordered-enum", version="0.0.9", sha256=WHEEL.sha256)
    world.lock("workspace", environments={"default": {"linux-64": [*entries, wheel]}})
    assert world.run("pack", "workspace", "-p", "linux-64", *words).status == 0
    made = {"--directory-only": "environment", "--create-executable": "environment.sh"}
    told = unpack(made[words[0]] if words else "environment.tar", "--json")
    assert told["unverified"] == []
    assert {each.get("url") for each in told["packages"]} == {None, *(each.url for each in entries)}
    record = json.loads((world.directory / "env/conda-meta/tool-1.0-0.json").read_text())
    assert record["url"] == f"{world.upstream.url}/{CHANNEL}/linux-64/{TOOL.file_name}"
    assert record["channel"].rstrip("/") == f"{world.upstream.url}/{CHANNEL}"
    assert (world.directory / "env" / SITE_PACKAGES / "ordered_enum.py").is_file()


def test_what_is_unpacked_runs(unpack, tmp_path):
    from harness.runnable import packages_of_installed, python_package

    series = f"{sys.version_info[0]}.{sys.version_info[1]}"
    wheel = build_wheel(
        name="greeter",
        version="1.0",
        files={"greeter.py": b"import sys, packaging\ndef main():\n    print(sys.prefix, packaging.__name__)\n"},
        entry_points={"console_scripts": {"greet": "greeter:main"}},
    )
    (tmp_path / "environment.tar").write_bytes(
        tar_of(pack_files([python_package(), *packages_of_installed(["packaging"])], [wheel]))
    )
    unpack()
    script = "set -eu; . ./activate.sh; greet; python -c 'import sys; print(sys.version_info[:2])'"
    said = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert said == f"{tmp_path}/env packaging\n({series.replace('.', ', ')})\n"


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_the_activation_line_can_be_pasted_where_the_path_has_spaces(unpack, packed, tmp_path):
    packed(*ALL)
    line = unpack("-o", "it's my place").splitlines()[-1]
    command = line.removeprefix("activate it with: ")
    assert command != line
    said = subprocess.run(["bash", "-c", f"{command}; tool"], cwd="/", capture_output=True, text=True, check=True)
    assert said.stdout == "tool\n"
