"""`pack` puts one environment for one platform into one file, as pixi-pack does, and every byte of it is verified."""

import hashlib
import io
import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from harness.child import ROOT, run_python
from harness.conda_packages import Link, conda_package
from harness.damage import writable
from harness.examples import first
from harness.looking import contents
from harness.upstream import status as answering
from harness.world import small_packages

from pixi_mirror.commands.program import run
from pixi_mirror.demo.distributions import build_sdist, build_wheel
from pixi_mirror.demo.packages import build_package
from pixi_mirror.environments.platform import own_subdir
from pixi_mirror.lockfile.writer import CondaLockEntry, LockPlatform, PypiLockEntry
from pixi_mirror.pack.parse import read_checksums

LINUX = ("-p", "linux-64")
HERE = own_subdir()


@pytest.fixture
def pack(world, monkeypatch, capfd):
    """Run `pack` in this process, which saves the start of an interpreter; what it printed."""
    for name in [name for name in os.environ if name.startswith(("PIXI", "RATTLER", "XDG"))]:
        monkeypatch.delenv(name)
    for name, value in world.environment.items():
        if name not in ("PATH", "PYTHONPATH"):
            monkeypatch.setenv(name, value)
    monkeypatch.chdir(world.directory)

    def packed(*words, status=0):
        capfd.readouterr()
        ended = run(["pack", *map(str, words)])
        told = capfd.readouterr()
        assert ended == status, f"ended with {ended}:\n{told.out}\n{told.err}"
        return told

    return packed


def members(data):
    """Path -> content of the files in a tar."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {each.name: tar.extractfile(each).read() for each in tar if each.isfile()}


def packed_files(path):
    return members(path.read_bytes())


def litter(directory):
    return [path.name for path in directory.rglob("*.partial")]


def record_of(files, subdir, name):
    document = json.loads(files[f"channel/{subdir}/repodata.json"])
    return {**document["packages"], **document["packages.conda"]}[name]


def wheel_entry(world, wheel, **more):
    path = f"/files/{wheel.file_name}"
    url = world.upstream.put(path, wheel.data)
    return PypiLockEntry(url=url, name=more.pop("name"), version="1.0", sha256=wheel.sha256, **more)


def python_workspace(world, *more, name="workspace"):
    """A workspace with a python and a wheel."""
    python = world.publish(build_package(name="python", version="3.12.3", build="h1_0", subdir="linux-64"))
    wheel = wheel_entry(world, build_wheel(name="ordered-enum", version="1.0"), name="ordered-enum")
    return world.lock(name, environments={"default": {"linux-64": [python, wheel, *more]}})


# What is in it


def test_a_pack_holds_what_the_lock_pins_and_what_rides_along(world, pack):
    world.workspace()
    told = pack("workspace", *LINUX)
    assert told.out == "environment.tar: default for linux-64, 4 packages, 101.4 kB\n"
    files = packed_files(world.directory / "environment.tar")
    for name in ("tool-linux", "base", "pure", "old"):
        package = small_packages()[name]
        assert files[f"channel/{package.record['subdir']}/{package.file_name}"] == package.data
    sums = read_checksums(files.pop("SHA256SUMS"))
    assert sums == {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    assert files["pixi.lock"] == (world.directory / "workspace/pixi.lock").read_bytes()
    assert files["pixi.toml"] == (world.directory / "workspace/pixi.toml").read_bytes()
    assert json.loads(files["pixi-pack.json"])["platform"] == "linux-64"
    names = [line.split("=")[0].strip(" -") for line in files["environment.yml"].decode().splitlines()[4:]]
    assert names == ["old-thing", "tool", "base", "pure"], "by their URLs, of which those of noarch are the last"
    assert list(json.loads(files["channel/linux-64/repodata.json"])["packages"]) == ["old-thing-1!0.5-0.tar.bz2"]


def test_a_strict_pack_holds_nothing_else(world, pack):
    world.workspace()
    pack("workspace", "-p", "osx-arm64", "--strict-compat", "--compat-version", "0.6.0")
    with tarfile.open(world.directory / "environment.tar") as tar:
        names = tar.getnames()
        assert {(each.mtime, each.uid, each.gid, each.uname) for each in tar} == {(1153704088, 0, 0, "")}
    assert names == [
        "channel", "channel/noarch", "channel/noarch/base-2024.1-0.conda", "channel/noarch/repodata.json",
        "channel/osx-arm64", "channel/osx-arm64/repodata.json", "channel/osx-arm64/tool-1.0-h34_1.conda",
        "environment.yml", "pixi-pack.json",
    ]  # fmt: skip
    files = packed_files(world.directory / "environment.tar")
    assert json.loads(files["pixi-pack.json"])["pixi-pack-version"] == "0.6.0"
    assert files["environment.yml"].decode().endswith("dependencies:\n  - base=2024.1=0\n  - tool=1.0=h34_1\n")


def test_gnu_tar_reads_a_pack_to_its_end(world, pack):
    world.workspace()
    pack("workspace", *LINUX)
    done = subprocess.run(
        ["tar", "-xf", "environment.tar", "--to-stdout", "channel/noarch/base-2024.1-0.conda"],
        cwd=world.directory, capture_output=True, check=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == (small_packages()["base"].data, b"")


def test_two_packs_of_one_lock_are_the_same_bytes(world, pack):
    world.workspace()
    for name in ("one.tar", "two.tar"):
        pack("workspace", *LINUX, "-o", name)
    first, second = ((world.directory / name).read_bytes() for name in ("one.tar", "two.tar"))
    assert first == second


def test_a_platform_without_noarch_packages_has_a_noarch_folder_that_conda_can_read(world, pack):
    only = world.publish(build_package(name="only", subdir="linux-64"))
    world.lock("workspace", environments={"default": {"linux-64": [only]}})
    pack("workspace", *LINUX)
    listed = json.loads(packed_files(world.directory / "environment.tar")["channel/noarch/repodata.json"])
    assert (listed["packages"], listed["packages.conda"]) == ({}, {})


def test_a_hotfix_of_the_lock_stands_in_the_pack(world, pack):
    entry = world.publish(build_package(name="patched", subdir="win-64", depends=["libzlib >=1.2.13,<1.3.0a0"]))
    fixed = entry.hotfixed(depends=["libzlib >=1.2.13,<2.0.0a0"])
    world.lock("workspace", environments={"default": {"win-64": [fixed]}})
    pack("workspace", "-p", "win-64")
    files = packed_files(world.directory / "environment.tar")
    assert record_of(files, "win-64", "patched-1.0-0.conda")["depends"] == ["libzlib >=1.2.13,<2.0.0a0"]


def test_a_record_without_a_timestamp_is_packed(world, pack):
    entry = world.publish(build_package(name="timeless", subdir="linux-64"))
    record = {key: value for key, value in entry.record.items() if key != "timestamp"}
    world.lock(
        "workspace", environments={"default": {"linux-64": [CondaLockEntry(url=entry.url, record=record)]}}, version=7
    )
    pack("workspace", *LINUX, "--strict-compat")
    files = packed_files(world.directory / "environment.tar")
    assert "timestamp" not in record_of(files, "linux-64", "timeless-1.0-0.conda")


def test_wheels_lie_in_a_folder_of_their_own_and_the_missing_pip_is_told(world, pack):
    python_workspace(world)
    told = pack("workspace", *LINUX, "--json")
    files = packed_files(world.directory / "environment.tar")
    assert "pypi/ordered_enum-1.0-py3-none-any.whl" in files
    assert (
        files["environment.yml"]
        .decode()
        .endswith(
            "  - python=3.12.3=h1_0\n  - pip:\n    - --no-index\n    - --find-links ./pypi\n    - ordered-enum==1.0\n"
        )
    )
    assert "no pip" in json.loads(told.out)["warnings"][0]


def test_wheels_without_a_python_are_told_of_once_unless_it_is_injected(world, pack):
    wheel = wheel_entry(world, build_wheel(name="ordered-enum", version="1.0"), name="ordered-enum")
    world.lock("workspace", environments={"default": {"linux-64": [wheel], "win-64": [wheel]}})
    told = pack("workspace", *LINUX, "-p", "win-64")
    assert told.err.count("no python to install them for") == 1
    python = build_package(name="python", version="3.12.3", subdir="linux-64")
    (world.directory / python.file_name).write_bytes(python.data)
    assert "no python" not in pack("workspace", *LINUX, "-i", python.file_name).err


# What is chosen


def test_the_manifest_may_be_a_file_a_directory_or_here(world, pack, monkeypatch):
    world.workspace()
    pack("workspace/pixi.toml", *LINUX, "-o", "file.tar")
    pack("workspace", *LINUX, "-o", "directory.tar")
    monkeypatch.chdir(world.directory / "workspace")
    pack(*LINUX, "-o", world.directory / "here.tar")
    digests = {(world.directory / f"{name}.tar").read_bytes() for name in ("file", "directory", "here")}
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("workspace", "-e", "prd"), "environment not found in lockfile: prd. "),
        (("workspace", "-p", "win-64"), "platform not found in lockfile: win-64. "),
        (("nowhere",), "manifest path does not exist at "),
        ((".",), "there is no lock at "),
    ],
)
def test_what_the_lock_does_not_have_is_told(world, pack, words, reason):
    world.workspace()
    assert reason in pack(*words, *(() if "-p" in words else LINUX), status=3).err
    assert not (world.directory / "environment.tar").exists()


def test_a_platform_goes_by_its_name_or_is_the_first_of_its_subdir(world, pack):
    cells = {name: [world.publish(build_package(name=name, subdir="linux-64"))] for name in ("old", "cuda")}
    platforms = [LockPlatform(name=name, subdir="linux-64") for name in cells]
    world.lock("workspace", environments={"default": cells}, version=7, platforms=platforms)
    told = pack("workspace", *LINUX, "--json")
    assert json.loads(told.out)["packs"][0]["platform"] == "old"
    assert "several platforms of linux-64, and old is packed; for another say -p cuda" in told.err
    pack("workspace", "-p", "cuda")
    files = packed_files(world.directory / "environment.tar")
    assert "channel/linux-64/cuda-1.0-0.conda" in files
    assert json.loads(files["pixi-pack.json"])["platform"] == "linux-64"


def test_several_environments_and_platforms_make_several_packs(world, pack):
    world.workspace()
    told = pack("workspace", *LINUX, "-e", "default", "-e", "prod", "--json")
    packs = json.loads(told.out)["packs"]
    assert [each["output"] for each in packs] == ["default-linux-64.tar", "prod-linux-64.tar"]
    for each in packs:
        data = (world.directory / each["output"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (each["bytes"], each["sha256"])
    assert len(world.requests) == 4, "a file of both is fetched once"
    pack("workspace", *LINUX, "-p", "osx-arm64", "-o", "out/{platform}/{environment}.tar")
    assert sorted(contents(world.directory / "out")) == ["linux-64/default.tar", "osx-arm64/default.tar"]


@pytest.mark.parametrize(
    "words",
    [
        ("-p", "osx-arm64", "-o", "one.tar"),
        ("-e", "default", "-e", "prod", "-o", "{platform}.tar"),
        ("-p", "osx-arm64", "-o", "-"),
        ("-o", "-", "--directory-only"),
        ("-o", "-", "--json"),
        ("--directory-only", "--create-executable"),
        ("--pixi-unpack-source", "x"),
        ("--inject", "workspace/pixi.toml"),
    ],
)
def test_options_that_exclude_each_other_are_refused_before_anything_is_fetched(world, pack, words):
    world.workspace()
    pack("workspace", *LINUX, *words, status=2)
    assert world.requests == []


def test_a_dry_run_fetches_and_writes_nothing(world, pack):
    world.workspace()
    told = pack("workspace", *LINUX, "--dry-run", "--use-cache", "old")
    assert "  channel/noarch/base-2024.1-0.conda\n" in told.out
    assert "environment.tar would get default for linux-64, 4 packages" in told.out
    assert world.requests == []
    assert sorted(path.name for path in world.directory.iterdir()) == ["home", "upstream", "workspace"]


def test_what_is_no_wheel_is_refused_or_left_out_and_told(world, pack):
    sdist = build_sdist(name="pysdl2", version="1.0")
    url = world.upstream.put(f"/files/{sdist.file_name}", sdist.data)
    python_workspace(world, PypiLockEntry(url=url, name="pysdl2", version="1.0", sha256=sdist.sha256))
    told = pack("workspace", *LINUX, status=4)
    assert "package pysdl2 is not a wheel file, we currently require all dependencies to be wheels." in told.err
    told = pack("workspace", *LINUX, "--ignore-pypi-non-wheel", "--json")
    assert "left out pysdl2" in told.err
    assert [each["entry"].split()[0] for each in json.loads(told.out)["skipped"]] == ["pysdl2"]


def test_what_the_lock_has_no_hash_of_is_packed_with_a_warning_or_refused(world, pack):
    """Locks have none of wheels by direct URL, and pixi-pack packs them."""
    wheel = build_wheel(name="direct", version="1.0")
    url = world.upstream.put(f"/files/{wheel.file_name}", wheel.data)
    python_workspace(world, PypiLockEntry(url=url, name="direct", version="1.0"))
    assert f"{wheel.file_name}: the lock has no hash" in pack("workspace", *LINUX).err
    files = packed_files(world.directory / "environment.tar")
    assert files[f"pypi/{wheel.file_name}"] == wheel.data
    assert read_checksums(files["SHA256SUMS"])[f"pypi/{wheel.file_name}"] == wheel.sha256
    assert "the lock has no hash" in pack("workspace", *LINUX, "--require-hashes", status=4).err


def test_many_packages_without_sha256_are_one_warning_and_one_refusal_that_names_a_few(world, pack):
    entries = [
        world.publish(build_package(name=f"thing{n}", subdir="linux-64")).hotfixed(sha256=None) for n in range(9)
    ]
    world.lock("workspace", environments={"default": {"linux-64": entries}})
    told = pack("workspace", *LINUX).err
    assert told.count("the lock has only an md5") == 1
    assert (told.count("/thing"), "9 packages: " in told, "and 4 more" in told) == (5, True, True)
    refused = json.loads(pack("workspace", *LINUX, "--require-hashes", "--json", status=4).out)
    assert len(refused["error"]["items"]) == 9
    assert refused["error"]["message"].count("/thing") == 5


def test_an_editable_package_is_left_out_and_told(world, pack):
    python_workspace(world, PypiLockEntry(url="./mine", name="mine", editable=True))
    assert "left out mine @ ./mine: it is editable" in pack("workspace", *LINUX).err
    assert "mine is not a wheel file" in pack("workspace", *LINUX, "--strict-compat", status=4).err


# Where the files come from


def test_what_cannot_be_downloaded_is_named_and_nothing_is_left(world, pack):
    world.workspace()
    world.upstream.script("/conda-forge/noarch/base-2024.1-0.conda", answering(403))
    told = pack("workspace", *LINUX, status=5)
    assert "could not download package" in told.err
    assert "base-2024.1-0.conda" in told.err
    assert not list(world.directory.glob("*.tar"))


def test_wrong_bytes_of_a_wheel_are_refused(world, pack):
    """pixi-pack#217"""
    python_workspace(world)
    world.upstream.put("/files/ordered_enum-1.0-py3-none-any.whl", b"other bytes")
    assert "expected sha256" in pack("workspace", *LINUX, status=6).err
    assert not list(world.directory.glob("*.tar"))


def test_a_cached_file_that_has_changed_is_found_while_it_is_packed_and_fetched_again(world, pack):
    world.workspace()
    pack("workspace", *LINUX, "-o", "good.tar")
    sha256 = small_packages()["tool-linux"].record["sha256"]
    blob = world.home / "cache" / "sha256" / sha256[:2] / sha256
    before = blob.stat()
    damaged = bytearray(blob.read_bytes())
    damaged[1000] ^= 1
    writable(blob).write_bytes(damaged)
    os.utime(blob, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "has changed on disk" in pack("workspace", *LINUX, status=6).err
    assert (list(world.directory.glob("environment*")), litter(world.directory)) == ([], [])
    pack("workspace", *LINUX)
    assert (world.directory / "environment.tar").read_bytes() == (world.directory / "good.tar").read_bytes()


def test_a_cache_of_pixi_pack_is_used_verified_and_filled(world, pack):
    world.workspace()
    old = world.directory / "old"
    base, tool = small_packages()["base"], small_packages()["tool-linux"]
    good = old / "noarch" / base.file_name
    bad = old / "linux-64" / tool.file_name
    for path, data in ((good, base.data), (bad, tool.data[:1000])):
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
    before = good.stat()
    told = pack("workspace", *LINUX, "--use-cache", "old", "-o", "one.tar")
    assert f"{bad.relative_to(world.directory)}: expected sha256" in told.err
    assert bad.read_bytes() == tool.data
    assert not world.upstream.requests_to(f"/conda-forge/noarch/{base.file_name}")
    assert (old / "CACHEDIR.TAG").read_bytes().startswith(b"Signature: 8a477f597d28d172789f06886806bc55\n")
    assert sorted(contents(old)) == [
        "CACHEDIR.TAG", f"linux-64/{small_packages()['old'].file_name}", f"linux-64/{tool.file_name}",
        f"noarch/{base.file_name}", f"noarch/{small_packages()['pure'].file_name}",
    ]  # fmt: skip
    shutil.rmtree(world.home)
    world.upstream.forget_requests()
    times = {path: path.stat().st_mtime_ns for path in old.rglob("*")}
    pack("workspace", *LINUX, "--use-cache", "old", "-o", "two.tar")
    assert world.requests == []
    assert {path: path.stat().st_mtime_ns for path in old.rglob("*")} == times
    assert good.stat() == before or good.stat().st_mtime_ns == before.st_mtime_ns
    assert (world.directory / "one.tar").read_bytes() == (world.directory / "two.tar").read_bytes()


def test_a_pack_of_a_mirror_asks_nobody(world, pack):
    world.workspace()
    assert run(["update", "--lock", "workspace/pixi.lock"]) == 0
    world.upstream.close()
    shutil.rmtree(world.home / "cache")
    pack("workspace", *LINUX, "--from", "mirror")
    files = packed_files(world.directory / "environment.tar")
    assert files["channel/noarch/base-2024.1-0.conda"] == small_packages()["base"].data
    assert not (world.home / "cache").exists()


def test_what_a_mirror_lacks_is_named(world, pack):
    world.workspace()
    assert run(["update", "--lock", "workspace/pixi.lock", "-p", "osx-arm64"]) == 0
    told = pack("workspace", *LINUX, "--from", "mirror", status=8)
    assert "lacks 3 of the files to pack" in told.err
    assert "tool-1.0-h12_1.conda" in told.err
    assert run(shlex.split(re.search(r"`pixi-mirror (.+)` brings them", told.err)[1])) == 0
    pack("workspace", *LINUX, "--from", "mirror")


@pytest.mark.broken_mirror("a package is removed, to see that its loss is told of")
def test_what_a_mirror_has_lost_is_brought_by_the_command_that_is_named(world, pack):
    world.workspace()
    assert run(["update", "--lock", "workspace/pixi.lock", "-o", "a mirror"]) == 0
    next((world.directory / "a mirror").rglob("base-*.conda")).unlink()
    told = pack("workspace", *LINUX, "--from", "a mirror", status=8)
    assert run(shlex.split(re.search(r"`pixi-mirror (.+)` brings them", told.err)[1])) == 0
    pack("workspace", *LINUX, "--from", "a mirror")


def test_what_is_no_workspace_is_told_from_one_and_the_right_command_named(world, pack):
    world.workspace()
    assert run(["update", "--lock", "workspace/pixi.lock"]) == 0
    pack("workspace", *LINUX)
    told = pack("mirror", status=3)
    assert "mirror is a mirror, and `pack` takes a workspace: `pixi-mirror pack WORKSPACE --from mirror`" in told.err
    told = pack("workspace/pixi.lock", status=3)
    assert "takes the workspace that it lies in: `pixi-mirror pack workspace`." in told.err
    told = pack("environment.tar", status=3)
    assert "`pixi-mirror unpack environment.tar` makes its environment" in told.err


@pytest.mark.broken_mirror("a bit of a package is flipped, to see that it is not packed")
def test_a_damaged_file_of_a_mirror_is_not_packed_and_stays(world, pack):
    world.workspace()
    assert run(["update", "--lock", "workspace/pixi.lock"]) == 0
    [path] = world.mirror.rglob("tool-1.0-h12_1.conda")
    damaged = bytearray(path.read_bytes())
    damaged[1000] ^= 1
    path.unlink()
    path.write_bytes(damaged)
    told = pack("workspace", *LINUX, "--from", "mirror", status=6)
    assert f"{path.relative_to(world.directory)}: expected sha256" in told.err
    pack("workspace", *LINUX, "--from", "mirror", "--directory-only", status=6)
    assert pack("workspace", *LINUX, "--from", "mirror", "-o", "-", status=6).out == ""
    assert path.read_bytes() == damaged
    assert (list(world.directory.glob("environment*")), litter(world.directory)) == ([], [])


def test_mirrors_of_a_configuration_are_asked_instead(world, pack):
    entry = world.publish(small_packages()["base"], base="https://conda.example")
    world.lock("workspace", environments={"default": {"linux-64": [entry]}})
    config = world.directory / "config.toml"
    config.write_text(f'[mirrors]\n"https://conda.example" = ["{world.upstream.url}"]\n')
    pack("workspace", *LINUX, "--config", "config.toml")
    assert len(world.upstream.requests_to("/conda-forge/noarch/base-2024.1-0.conda")) == 1


@pytest.mark.parametrize("spelling", ["file", "absolute", "relative"])
def test_packages_of_this_machine_are_packed_however_the_lock_spells_them(world, pack, spelling):
    """pixi-pack#229: paths below the lock's directory."""
    package = build_package(name="mine", subdir="linux-64")
    path = world.directory / "workspace" / "linux-64" / package.file_name
    path.parent.mkdir(parents=True)
    path.write_bytes(package.data)
    url = {"file": path.as_uri(), "absolute": str(path), "relative": f"./linux-64/{package.file_name}"}[spelling]
    lock = world.lock(
        "workspace",
        environments={"default": {"linux-64": [CondaLockEntry(url=url, record=package.record)]}},
        channels=[(world.directory / "workspace").as_uri()],
    )
    told, subdir = f"\n- conda: {url}\n", "  subdir: linux-64\n"
    text = lock.read_text().replace(subdir, "").replace(told, f"{told}{subdir}")
    lock.write_text(text.replace("  sha256: ", "  # sha256: "))  # pixi writes none for such files
    pack("workspace", *LINUX)
    assert packed_files(world.directory / "environment.tar")[f"channel/linux-64/{package.file_name}"] == package.data


@pytest.mark.parametrize("user", ["user:hunter2", "user:hun'ter2", "user:hunt@er2"])
def test_a_lock_with_a_secret_in_it_is_not_carried(world, pack, user):
    entry = world.publish(small_packages()["base"], base=world.upstream.url.replace("//", f"//{user}@"))
    world.lock("workspace", environments={"default": {"linux-64": [entry]}}, channels=[world.upstream.url])
    told = pack("workspace", *LINUX)
    assert "pixi.lock has a user or a token in a URL" in told.err
    data = (world.directory / "environment.tar").read_bytes()
    assert b"hunter2" not in data
    assert "pixi.lock" not in members(data)


# What is injected


@pytest.mark.parametrize("extension", ["conda", "tar.bz2"])
def test_a_conda_package_is_injected_with_the_record_that_it_tells_of_itself(world, pack, extension):
    world.workspace()
    mine = build_package(name="my-webserver", build="pyh1_0", depends=["base >=2024", "__glibc"], extension=extension)
    (world.directory / mine.file_name).write_bytes(mine.data)
    pack("-i", mine.file_name, "workspace", *LINUX, "--strict-compat")
    files = packed_files(world.directory / "environment.tar")
    assert files[f"channel/noarch/{mine.file_name}"] == mine.data
    record = record_of(files, "noarch", mine.file_name)
    assert (record["sha256"], record["md5"], record["size"]) == (
        hashlib.sha256(mine.data).hexdigest(), hashlib.md5(mine.data).hexdigest(), len(mine.data),
    )  # fmt: skip
    assert files["environment.yml"].decode().endswith("  - my-webserver=1.0=pyh1_0\n")


def test_an_injected_package_makes_the_folder_of_its_platform(world, pack):
    """pixi-pack fails where no package of that platform is locked."""
    base = world.publish(small_packages()["base"])
    world.lock("workspace", environments={"default": {"linux-64": [base]}})
    mine = build_package(name="mine", subdir="linux-64")
    (world.directory / mine.file_name).write_bytes(mine.data)
    pack("workspace", *LINUX, "--strict-compat", "-i", mine.file_name)
    assert f"channel/linux-64/{mine.file_name}" in packed_files(world.directory / "environment.tar")


def test_a_broken_injected_package_is_refused_in_the_words_of_pixi_pack(world, pack):
    world.workspace()
    broken = build_package(
        name="my-webserver-broken", version="0.1.0", build="pyh4616a5c_0", depends=["fastapi >=0.112"]
    )
    (world.directory / broken.file_name).write_bytes(broken.data)
    told = pack("workspace", *LINUX, "-i", broken.file_name, status=4)
    assert (
        "package 'my-webserver-broken=0.1.0=pyh4616a5c_0' has dependency 'fastapi >=0.112', which is not in the "
        "environment"
    ) in told.err
    strict = build_package(name="strict", constrains=["tool <1"])
    (world.directory / strict.file_name).write_bytes(strict.data)
    told = pack("workspace", *LINUX, "-i", strict.file_name, status=4)
    assert (
        "package 'strict=1.0=0' has constraint 'tool <1', which is not satisfied by 'tool=1.0=h12_1' in the environment"
    ) in told.err
    assert world.requests == []


def test_a_locked_package_is_replaced_only_when_that_is_said(world, pack):
    world.workspace()
    mine = build_package(name="base", version="2025.1")
    (world.directory / mine.file_name).write_bytes(mine.data)
    told = pack("workspace", *LINUX, "-i", mine.file_name, status=4)
    assert "would stand beside base=2024.1=0, which is locked" in told.err
    same = small_packages()["base"]
    (world.directory / same.file_name).write_bytes(same.data)
    pack("workspace", *LINUX, "-i", same.file_name)
    pack("workspace", *LINUX, "-i", mine.file_name, "--replace")
    names = packed_files(world.directory / "environment.tar")
    assert {name for name in names if "/base-" in name} == {f"channel/noarch/{mine.file_name}"}


def test_an_injected_wheel_is_judged_by_its_tags_and_requirements(world, pack):
    python_workspace(world)
    wheels = {
        "good": build_wheel(name="good", version="1.0", requires_dist=["ordered-enum>=1", "absent; extra == 'x'"]),
        "lacking": build_wheel(name="lacking", version="1.0", requires_dist=["absent>=2"]),
        "newer": build_wheel(name="newer", version="1.0", requires_dist=["ordered-enum (>=1.5,<2)"]),
        "foreign": build_wheel(name="foreign", version="1.0", tag="cp311-cp311-win_amd64"),
    }
    for wheel in wheels.values():
        (world.directory / wheel.file_name).write_bytes(wheel.data)
    pack("workspace", *LINUX, "-i", wheels["good"].file_name)
    files = packed_files(world.directory / "environment.tar")
    assert files[f"pypi/{wheels['good'].file_name}"] == wheels["good"].data
    assert files["environment.yml"].decode().endswith("    - ordered-enum==1.0\n    - good==1.0\n")
    reasons = {
        "lacking": "package 'lacking==1.0' has dependency 'absent>=2', which is not in the environment",
        "newer": "package 'newer==1.0' has dependency 'ordered-enum (>=1.5,<2)', and the environment has 1.0",
        "foreign": "which python 3.12.3 on linux-64 does not take",
    }
    for name, reason in reasons.items():
        assert reason in pack("workspace", *LINUX, "-i", wheels[name].file_name, status=4).err


def test_a_wheel_over_a_conda_package_of_its_project_needs_a_word(world, pack):
    entry = world.publish(build_package(name="mine-lib", subdir="linux-64"))
    python_workspace(world, entry)
    wheel = build_wheel(name="mine_lib", version="2.0")
    (world.directory / wheel.file_name).write_bytes(wheel.data)
    told = pack("workspace", *LINUX, "-i", wheel.file_name, status=4).err
    assert "would stand beside mine-lib=1.0=0, which is locked" in told
    assert "--replace" in told
    pack("workspace", *LINUX, "-i", wheel.file_name, "--replace")
    names = packed_files(world.directory / "environment.tar")
    assert [name for name in names if "mine" in name] == [f"pypi/{wheel.file_name}"]


def test_an_injected_wheel_stands_for_the_source_that_the_lock_names(world, pack):
    python_workspace(world, PypiLockEntry(url="./mine", name="mine"))
    mine = build_wheel(name="mine", version="1.0")
    (world.directory / mine.file_name).write_bytes(mine.data)
    told = pack("workspace", *LINUX, "-i", mine.file_name)
    assert "left out mine @ ./mine: the injected wheel stands for it" in told.err


@pytest.mark.parametrize("name", ["broken-1.0-0.conda", "broken-1.0-0.tar.bz2", "broken-1.0-py3-none-any.whl"])
def test_a_file_to_inject_that_is_no_package_is_refused(world, pack, name):
    python_workspace(world)
    (world.directory / name).write_bytes(b"no package")
    assert name in pack("workspace", *LINUX, "-i", name, status=8).err
    assert name in pack("workspace", *LINUX, "-i", f"absent/{name}", status=8).err


# Where it goes


def test_a_pack_goes_to_stdout_and_nothing_else_does(world, pack):
    world.workspace()
    pack("workspace", *LINUX)
    command = [sys.executable, "-m", "pixi_mirror", "pack", "workspace", *LINUX, "-o", "-"]
    done = subprocess.run(command, env=world.environment, cwd=world.directory, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (world.directory / "environment.tar").read_bytes()
    assert b"4 packages" in done.stderr


@pytest.mark.slow
def test_a_pack_that_is_cut_off_by_its_reader_is_told(world, pack):
    tool = world.publish(build_package(name="large", subdir="linux-64", payload_size=1_000_000))
    world.lock("workspace", environments={"default": {"linux-64": [tool]}})
    command = f"({sys.executable} -m pixi_mirror pack workspace -p linux-64 -o - ; echo $? >status) | head -c 5"
    options = {"env": world.environment, "cwd": world.directory, "stderr": subprocess.PIPE}
    done = subprocess.run(command, shell=True, stdout=subprocess.DEVNULL, check=False, **options)
    assert (world.directory / "status").read_text() == "8\n", done.stderr
    assert b"Traceback" not in done.stderr


def test_a_folder_is_a_pack_and_a_new_one_leaves_nothing_stale_in_it(world, pack):
    python_workspace(world)
    pack("workspace", *LINUX, "--directory-only")
    folder = world.directory / "environment"
    stale = folder / "pypi" / "stale-1.0-py3-none-any.whl"
    stale.write_bytes(b"")
    pack("workspace", *LINUX, "--directory-only")
    assert not stale.exists()
    pack("workspace", *LINUX)
    assert contents(folder) == packed_files(world.directory / "environment.tar")
    assert litter(world.directory) == []


def test_a_folder_of_something_else_is_not_replaced(world, pack):
    world.workspace()
    told = pack("workspace", *LINUX, "--directory-only", "-o", "upstream", status=8)
    assert "holds other things than a pack" in told.err
    assert (world.root / "conda-forge").is_dir()
    pack("workspace", *LINUX, "-o", "upstream", status=8)
    assert world.requests == [], "it is told before anything is fetched"
    (world.directory / "empty").mkdir()
    pack("workspace", *LINUX, "--directory-only", "-o", "empty")


def test_a_pack_that_stood_there_stays_when_a_new_one_fails(world, pack):
    world.workspace()
    (world.directory / "environment.tar").write_bytes(b"old")
    world.upstream.script("/conda-forge/noarch/base-2024.1-0.conda", answering(404))
    pack("workspace", *LINUX, status=5)
    assert (world.directory / "environment.tar").read_bytes() == b"old"


@pytest.mark.slow
def test_a_file_that_unpacks_itself_is_a_script_of_its_system(world, pack):
    base = world.publish(small_packages()["base"])
    world.lock("workspace", environments={"default": {"linux-64": [base], "win-64": [base]}})
    (world.directory / "pixi-unpack").write_bytes(b"\x7fELF no program")
    source = ("--pixi-unpack-source", "pixi-unpack")
    for subdir, name in (("linux-64", "environment.sh"), ("win-64", "environment.ps1")):
        pack("workspace", "-p", subdir, "--create-executable", *source)
        data = (world.directory / name).read_bytes()
        if name.endswith("sh"):
            assert b"\r" not in data
            assert (world.directory / name).stat().st_mode & stat.S_IXUSR
            assert b"@@END_HEADER@@\n" in data
        else:
            assert not re.search(rb"(?<!\r)\n", data)
            assert b"__END_HEADER__\r\n" in data


def test_the_embedded_program_is_the_same_from_a_path_and_from_a_url(world, pack):
    base = world.publish(small_packages()["base"])
    world.lock("workspace", environments={"default": {"linux-64": [base]}})
    program = b"\x7fELF no program"
    (world.directory / "pixi-unpack").write_bytes(program)
    url = world.upstream.put("/releases/pixi-unpack", program)
    right = ("--pixi-unpack-sha256", hashlib.sha256(program).hexdigest())
    wrong = ("--pixi-unpack-sha256", "0" * 64)
    pack("workspace", *LINUX, "--create-executable", "--pixi-unpack-source", "pixi-unpack", *right, "-o", "path.sh")
    pack("workspace", *LINUX, "--create-executable", "--pixi-unpack-source", url, *right, "-o", "url.txt")
    assert (world.directory / "path.sh").read_bytes() == (world.directory / "url.sh").read_bytes()
    for source in ("pixi-unpack", url):
        pack("workspace", *LINUX, "--create-executable", "--pixi-unpack-source", source, *wrong, "-o", "no", status=6)
    told = pack("workspace", *LINUX, "--create-executable", "--pixi-unpack-source", url)
    assert "nobody promises what" in told.err


# What others make of it


@pytest.mark.rattler
def test_a_pack_goes_through_a_pipe_into_an_environment(world):
    entries = [world.publish(small_packages()[name]) for name in ("base", "old")]
    world.lock("workspace", environments={"default": {"linux-64": entries}})
    us = f"{sys.executable} -m pixi_mirror"
    command = f"{us} pack workspace -p linux-64 -o - | {us} unpack -o far --platform linux-64 -"
    subprocess.run(command, shell=True, check=True, env=world.environment, cwd=world.directory, capture_output=True)
    assert (world.directory / "far/env/share/base.txt").read_bytes() == b"base\n"
    assert (world.directory / "far/env/conda-meta/old-thing-1!0.5-0.json").is_file()


@pytest.mark.skipif(sys.platform != "linux", reason="a pack is for the system that it runs on")
def test_a_file_that_unpacks_itself_does_so_twice_in_a_row(world, pack):
    world.lock("workspace", environments={"default": {HERE: [world.publish(small_packages()["base"])]}})
    pack("workspace", "--create-executable")
    for command in (["bash", "environment.sh"], ["./environment.sh"]):
        environ = world.environment | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        options = {"env": environ, "cwd": world.directory, "capture_output": True}
        done = subprocess.run([*command, "-o", "out"], check=False, **options)
        assert done.returncode == 0, done.stderr
    assert (world.directory / "out/env/share/base.txt").read_bytes() == b"base\n"
    assert (world.directory / "out/activate.sh").is_file()


@pytest.mark.rattler
def test_rattler_installs_from_the_channel_of_a_pack(world, pack):
    pytest.importorskip("rattler")
    world.workspace()
    pack("workspace", *LINUX, "--directory-only")
    tools = ROOT / "tests" / "harness" / "conda_tools.py"
    environ = world.environment | {"RATTLER_CACHE_DIR": str(world.directory / "rattler")}
    words = ("install", world.directory / "prefix", "old-thing base", world.directory / "environment" / "channel")
    done = run_python(tools, *words, env=environ, cwd=world.directory)
    assert done.status == 0, done.stderr
    assert (world.directory / "prefix/share/base.txt").read_bytes() == b"base\n"
    assert len(list((world.directory / "prefix/conda-meta").glob("*.json"))) == 2


@pytest.mark.rattler
def test_conda_package_streaming_reads_every_archive_of_a_pack(world, pack):
    streaming = pytest.importorskip("conda_package_streaming.package_streaming")
    world.workspace()
    pack("workspace", *LINUX)
    files = packed_files(world.directory / "environment.tar")
    archives = [name for name in files if name.endswith((".conda", ".tar.bz2"))]
    for name in archives:
        stream = streaming.stream_conda_component(name, io.BytesIO(files[name]), component="info")
        index = next(tar.extractfile(each).read() for tar, each in stream if each.name == "info/index.json")
        assert record_of(files, name.split("/")[1], name.split("/")[2])["name"] == json.loads(index)["name"]
    assert len(archives) == 4


_MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""


@pytest.mark.full
@pytest.mark.parametrize("words", [("-o", "pack.tar"), ("--create-executable",), ("-o", "-"), ("--directory-only",)])
def test_memory_does_not_grow_with_the_pack(world, words):
    size = 400 << 20
    package = build_package(name="huge", subdir="linux-64")
    path = world.directory / "old" / "linux-64" / package.file_name
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.truncate(size - len(package.data))
        file.seek(0, io.SEEK_END)
        file.write(package.data)  # a zip archive may have anything before it
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    record = {**package.record, "sha256": sha256, "size": size}
    url = f"{world.upstream.url}/conda-forge/linux-64/{package.file_name}"
    world.lock("workspace", environments={"default": {"linux-64": [CondaLockEntry(url=url, record=record)]}})
    command = (sys.executable, "-m", "pixi_mirror", "pack", "workspace", *LINUX, "--use-cache", "old", *words)
    done = run_python("-c", _MEASURED, *command, env=world.environment, cwd=world.directory)
    assert done.status == 0, done.stderr
    assert int(done.stdout) < 150, "MiB"


def hopeless():
    out, below = Link(target="../../etc"), {"share": Link(target="lib"), "share/x": b""}
    yield "a link that leads outside", conda_package("bad", {"share/out": out}), "bad-1.0-0.conda .* share/out leads"
    yield "one that nothing lists", conda_package("bad", {"share/out": out}, unlisted=["share/out"]), "share/out leads"
    yield "an absolute link", conda_package("bad", {"l": Link(target="/lib64")}, extension="tar.bz2"), "to '/lib64'"
    yield "a file below a link", conda_package("bad", below), "share is a folder and something else|share/x"
    listed = [{"_path": "share/y", "path_type": "hardlink"}]
    yield "a list that is not true", conda_package("bad", {"share/x": b""}, listed=listed), "lacks share/y"


@pytest.mark.parametrize(("package", "match"), first(4, [pytest.param(*rest, id=name) for name, *rest in hopeless()]))
@pytest.mark.parametrize("words", [(), ("--strict-compat",), ("--directory-only",)], ids=str)
def test_what_unpack_would_refuse_is_not_packed(world, pack, package, match, words):
    entries = [world.publish(each) for each in (package, small_packages()["base"])]
    world.lock("workspace", environments={"default": {"linux-64": entries}})
    told = pack("workspace", *LINUX, *words, status=4)
    assert re.search(match, told.err)
    assert "`unpack` would refuse it" in told.err
    assert not (world.directory / "environment.tar").exists()
    assert not (world.directory / "environment").exists()


def test_links_that_lead_outside_through_others_are_not_packed(world, pack):
    first = conda_package("first", {"a/b/c/up": Link(target="../.."), "a/x": b""})
    second = conda_package("second", {"y": Link(target="a/b/c/up/../..")})
    entries = [world.publish(each) for each in (first, second)]
    world.lock("workspace", environments={"default": {"linux-64": entries}})
    told = pack("workspace", *LINUX, status=4)
    assert "second-1.0-0.conda cannot be installed: its link y leads out of the environment" in told.err


def test_a_wheel_that_unpack_would_refuse_is_not_packed(world, pack):
    wheel = build_wheel(name="bad", version="1.0", files={"bad-1.0.data/nowhere/x": b""})
    url = world.upstream.put(f"/files/{wheel.file_name}", wheel.data)
    entry = PypiLockEntry(url=url, name="bad", version="1.0", sha256=wheel.sha256)
    world.lock("workspace", environments={"default": {"linux-64": [entry]}})
    told = pack("workspace", *LINUX, status=4)
    assert "the wheel bad-1.0-py3-none-any.whl cannot be installed" in told.err
