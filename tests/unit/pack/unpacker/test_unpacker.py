"""The unpacker that a self-extracting pack carries makes an environment with a bare Python, or changes nothing."""

import ast
import os
import shutil
import signal
import subprocess
import sys

import pytest
from harness.conda_packages import conda_package
from harness.examples import first
from harness.packs import pack_files, tar_of, write_folder
from harness.unpacking import WAYS, ZSTD, Bench, tree

from pixi_mirror.archives.self_extracting import Unpacker, write_unix_executable
from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.environments.platform import own_subdir
from pixi_mirror.pack.unpacker.assemble import _needed, assembled

HERE = own_subdir()
needs_zstd = pytest.mark.skipif(ZSTD is None and sys.version_info < (3, 14), reason="neither zstd nor Python 3.14")


@pytest.fixture
def bench(tmp_path):
    return Bench(folder=tmp_path)


def simple(**options):
    """A pack of one package that needs no zstd."""
    package = conda_package("a", {"share/a": b"a"}, subdir=HERE, extension="tar.bz2")
    return pack_files([package], platform=HERE, **options)


def pythons():
    """An old Python for whom the packages need no zstd, and a wheel."""
    files = {"bin/python3.11": b"#!/bin/sh\n"}
    python = conda_package("python", files, version="3.11.4", subdir=HERE, extension="tar.bz2")
    wheel = build_wheel(name="w", version="1", entry_points={"console_scripts": {"w": "w:main"}})
    return pack_files([python], [wheel], platform=HERE)


def test_it_is_one_file_that_any_python_since_3_9_reads():
    tree = ast.parse(assembled().decode(), feature_version=(3, 9))
    sources = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript)
    ]
    assert sources == [source for _, source in sorted(_needed().items())]
    outside = {name.split(".")[0] for source in sources for name in imports(source)} - {"pixi_mirror"}
    assert outside <= set(sys.stdlib_module_names) | {"compression", "backports"}


def imports(source):
    for node in ast.walk(ast.parse(source, feature_version=(3, 9))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from [each.name for each in node.names] if isinstance(node, ast.Import) else [node.module]


def test_it_is_the_same_bytes_every_time():
    first = assembled()
    assembled.cache_clear()
    assert assembled() == first


@pytest.mark.parametrize("version", first(2, ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14"]))
def test_a_bare_python_runs_it(bench, version):
    python = shutil.which(f"python{version}")
    where = [python, "-c", "import sys; print(sys.executable)"]
    found = subprocess.run(where, capture_output=True, text=True, check=False) if python else None
    if found is None or found.returncode:
        pytest.skip(f"no Python {version} here")
    bench.write(pythons())
    said = bench.run("unpacker", python=found.stdout.strip())
    assert f"{bench.env} has the 2 packages of the pack" in said
    assert (bench.env / "bin/w").read_text().startswith(f"#!{bench.env}/bin/python\n")
    assert sorted(os.listdir(bench.folder / "out")) == ["activate.sh", "env"]


@needs_zstd
def test_packages_compressed_with_zstd_are_read_by_the_program_where_no_library_is(bench):
    bench.write(pack_files([conda_package("z", {"share/z": b"z" * 3_000_000}, subdir=HERE)], platform=HERE))
    bench.run("unpacker")
    assert (bench.env / "share/z").read_bytes() == b"z" * 3_000_000


@needs_zstd
@pytest.mark.parametrize("at", first(1, [200, 3000]))
def test_damage_within_a_package_is_refused(bench, at):
    package = conda_package("z", {"share/z": bytes(5000)}, subdir=HERE)
    data = bytearray(package.data)
    data[at] ^= 0xFF
    files = pack_files([package], platform=HERE, hashes=False)
    files[f"channel/{HERE}/{package.file_name}"] = bytes(data)
    bench.write(files)
    assert "z-1.0-0.conda is damaged" in bench.run("unpacker", status=6)
    assert not (bench.folder / "out").exists()


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="it reads zstd itself")
def test_without_zstd_it_says_what_to_install(bench, monkeypatch):
    monkeypatch.setattr("harness.unpacking.ZSTD", None)
    bench.write(pack_files([conda_package("z", {"share/z": b"z"}, subdir=HERE)], platform=HERE))
    python = next((found for each in ("3.9", "3.10", "3.12", "3.13") if (found := _without_library(each))), None)
    if python is None:
        pytest.skip("every Python here reads zstd")
    assert "Install the program `zstd`" in bench.run("unpacker", status=7, python=python)
    assert not (bench.folder / "out").exists()


def _without_library(version):
    """A Python of the machine that has no zstd library; None: there is none of that version."""
    python = shutil.which(f"python{version}")
    if python is None:
        return None
    asked = "import sys, importlib.util as u; print(sys.executable if u.find_spec('backports') is None else '')"
    return subprocess.run([python, "-I", "-c", asked], capture_output=True, text=True, check=False).stdout.strip()


def test_a_pack_is_read_from_a_file_a_folder_and_a_stream(bench):
    files = simple()
    bench.write(files)
    bench.run("unpacker")
    made = tree(bench.folder / "out")
    shutil.rmtree(bench.folder / "out")
    said = bench.run("unpacker", "-", stdin=tar_of(files))
    assert said.count("installing 1 package\n") == said.count("installing") == 1
    assert tree(bench.folder / "out") == made
    shutil.rmtree(bench.folder / "out")
    write_folder(files, bench.folder / "pack")
    before = tree(bench.folder / "pack")
    bench.run("unpacker", "pack", "-e", "other", "-s", "fish")
    assert tree(bench.folder / "pack") == before
    assert sorted(os.listdir(bench.folder / "out")) == ["activate.fish", "other"]


def test_what_is_no_environment_is_left_alone(bench):
    bench.write(simple())
    (bench.env / "mine").mkdir(parents=True)
    assert "something else in it" in bench.run("unpacker", status=8)
    assert os.listdir(bench.folder / "out") == ["env"]
    assert "no name" in bench.run("unpacker", "-e", "../x", status=2)
    assert "invalid choice: 'tcsh'" in bench.run("unpacker", "-s", "tcsh", status=2)


def test_it_refuses_in_pixi_pack_s_words(bench):
    other = "win-arm64" if HERE != "win-arm64" else "linux-64"
    bench.write(pack_files([], platform=other))
    assert "The pack was created for a different platform" in bench.run("unpacker", status=8)
    bench.write({**simple(), "pixi-pack.json": b'{"version": "2", "platform": "linux-64"}'})
    assert "Unsupported pixi-pack version: 2" in bench.run("unpacker", status=8)
    bench.write({"x": b""})
    assert "no pixi-pack.json" in bench.run("unpacker", status=8)


def test_it_says_what_unpack_says_of_the_environment_and_how_to_activate_it(bench):
    bench.write(simple())
    ours, bare = (bench.run(way, "-e", "my env") for way in WAYS)
    assert [line.replace("already has", "has") for line in bare.splitlines()[:2]] == ours.splitlines()[:2]
    assert bare.splitlines()[1] == f"activate it with: . {bench.folder}/out/activate.sh"


def test_it_has_the_name_of_the_script_that_it_is_in(bench):
    bench.write(simple())
    with (bench.folder / "my env.sh").open("wb") as script:
        write_unix_executable(
            script.write,
            tar=lambda write: write((bench.folder / "environment.tar").read_bytes()),
            unpacker=Unpacker(content=assembled(), kind="python"),
        )

    def run(*words):
        return subprocess.run(
            ["sh", "my env.sh", *words], cwd=bench.folder, capture_output=True, text=True, check=False
        )

    assert run("-h").stdout.startswith("usage: my env.sh [-h] [-o DIR] [-e NAME] [-s SHELL] [-v] [-q]\n")
    assert run("--nonsense").stderr.endswith("\nmy env.sh: error: unrecognized arguments: --nonsense\n")
    refused = run("-e", "a/b")
    assert (refused.returncode, refused.stderr[: len("my env.sh: 'a/b'")]) == (2, "my env.sh: 'a/b'")
    assert run().stdout.startswith(f"{bench.folder}/env has the 1 package of the pack\nactivate it with: ")


def test_where_nothing_can_be_written_another_folder_is_asked_for(bench):
    bench.write(simple())
    said = bench.run("unpacker", "-o", "/sys/kernel/new", status=8)
    assert "/sys/kernel/new" in said


def test_it_says_as_much_as_is_wanted(bench):
    bench.write(pythons())
    assert "w-1-py3-none-any.whl" in bench.run("unpacker", "-v")
    shutil.rmtree(bench.folder / "out")
    assert bench.run("unpacker", "-q") == ""


@pytest.mark.parametrize("number", first(1, [signal.SIGTERM, signal.SIGHUP, signal.SIGINT]))
def test_what_is_stopped_leaves_nothing(bench, number):
    (bench.folder / "unpacker.py").write_bytes(assembled())
    (bench.folder / "out").mkdir()
    command = [sys.executable, "-I", "unpacker.py", "-o", "out", "-"]
    child = subprocess.Popen(command, cwd=bench.folder, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    with child:
        child.stdin.write(tar_of(simple())[:1500])
        child.stdin.flush()
        while not list(bench.folder.glob("out/.env.unpacking/*/pack")):
            assert child.poll() is None
        child.send_signal(number)
        child.wait()
    assert child.returncode == 128 + number
    assert os.listdir(bench.folder / "out") == []


PYTHON = f"""\
#!/bin/sh
PYTHONPATH="${{0%/*}}/../lib/python3.11/site-packages" exec '{sys.executable}' "$@"
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a script is no interpreter of scripts elsewhere")
@pytest.mark.parametrize("name", first(1, ["env", "it's a $place", "long" * 40]))
def test_the_commands_of_an_environment_run(bench, name):
    from harness.conda_packages import PLACEHOLDER

    script = b"import tool\ntool.main()\n"
    wheel = build_wheel(
        name="tool",
        version="1.0",
        files={"tool.py": b"def main():\n    print('hi')\n", "tool-1.0.data/scripts/by-script": b"#!python\n" + script},
        entry_points={"console_scripts": {"by-wheel": "tool:main"}},
    )
    patched = f"#!{PLACEHOLDER}/bin/python3.11 -B\n".encode() + script
    noarch = {"site-packages/p.py": b"import tool", "python-scripts/by-patch": patched}
    noarch = conda_package("p", noarch, commands=["by-conda = p:tool.main"], extension="tar.bz2")
    programs = {"bin/python3.11": PYTHON.encode(), "bin/python": PYTHON.encode()}
    python = conda_package("python", programs, version="3.11.4", subdir=HERE, extension="tar.bz2")
    bench.write(pack_files([python, noarch], [wheel], platform=HERE))
    bench.run("unpacker", "-e", name)
    asked = ". out/activate.sh && by-script && by-wheel && by-conda && by-patch"
    environment = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(["sh", "-c", asked], cwd=bench.folder, env=environment, capture_output=True, check=False)
    assert done.stdout == b"hi\n" * 4, done.stderr
