"""`unpack` works from media that nobody can write to, and for Pythons and systems that keep things elsewhere."""

import os
import shutil
import sys

import pytest
from harness import mounts
from harness.child import user_environment
from harness.conda_packages import PLACEHOLDER, conda_package
from harness.packs import pack_files, tar_of, write_folder
from harness.unpacking import WAYS, Bench, tree

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.environments.platform import own_subdir
from pixi_mirror.pack.unpacker.assemble import assembled

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its paths and scripts are others")
HERE = own_subdir()


@pytest.fixture
def bench(tmp_path):
    return Bench(folder=tmp_path)


@pytest.mark.skipif(not mounts.possible(), reason="this machine does not let us mount")
@pytest.mark.parametrize("way", WAYS)
def test_a_pack_on_a_medium_that_cannot_be_written_is_unpacked_twice(bench, way):
    medium, out = bench.folder / "a medium", bench.folder / "out put"
    files = pack_files([conda_package("a", {"share/a": b"a"}, subdir=HERE, extension="tar.bz2")], platform=HERE)
    write_folder(files, medium / "folder")
    (medium / "environment.tar").write_bytes(tar_of(files))
    before = tree(medium, times=True)
    (bench.folder / "unpacker.py").write_bytes(assembled())
    words = ["-m", "pixi_mirror", "unpack"] if way == "unpack" else ["-I", "-B", bench.folder / "unpacker.py"]
    environment = user_environment(bench.folder / "home")
    with mounts.mounted(mounts.read_only(medium)) as namespace:
        assert namespace.call("touch", medium / "x", env=environment, cwd=bench.folder).status != 0
        for pack in ("environment.tar", "folder"):
            for already in ("has", "already has"):
                command = (sys.executable, *words, medium / pack, "-o", out)
                done = namespace.call(*command, env=environment, cwd=bench.folder)
                assert (done.status, f"env {already} the 1 package of the pack" in done.stdout) == (0, True), (
                    done.stderr
                )
            assert (out / "env/share/a").read_bytes() == b"a"
            assert sorted(os.listdir(out)) == ["activate.sh", "env"]
            shutil.rmtree(out)
    assert tree(medium, times=True) == before


def test_a_python_that_keeps_its_packages_elsewhere_gets_them_there(bench):
    folder = "lib/python3.13t/site-packages"
    python = conda_package(
        "python", {"bin/python3.13": b""}, version="3.13.1", subdir=HERE, python_site_packages_path=folder
    )
    pure = conda_package("pure", {"site-packages/pure.py": b"x"}, commands=["pure = pure:main"], depends=["python"])
    files = pack_files([python, pure], [build_wheel(name="w", version="1", files={"w.py": b"w"})], platform=HERE)
    made = [bench.made(way, files) for way in WAYS]
    assert made[0] == made[1]
    assert {f"env/{folder}/pure.py", f"env/{folder}/w.py", f"env/{folder}/w-1.dist-info/RECORD"} <= made[0].keys()
    assert "env/lib/python3.13" not in made[0]


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac signs")
def test_programs_for_a_mac_that_were_changed_are_named_because_they_have_to_be_signed_there(bench):
    binary = b"\xcf\xfa\xed\xfe" + PLACEHOLDER.encode() + b"\0" * 9
    files = {
        "bin/changed": binary,
        "bin/as-it-was": b"\xcf\xfa\xed\xfe\0",
        "bin/script": f"#!{PLACEHOLDER}/x\n".encode(),
    }
    package = conda_package("tool", files, subdir="osx-arm64")
    bench.write(pack_files([package], platform="osx-arm64"))
    said = bench.run("unpack", "--platform", "osx-arm64")
    assert "this machine cannot sign: bin/changed. On the Mac, run `codesign --sign - --force`" in said
    assert str(bench.env).encode() in (bench.env / "bin/changed").read_bytes()
    package = conda_package("tool", files, subdir="osx-64")
    bench.write(pack_files([package], platform="osx-64"))
    assert "sign" not in bench.run("unpack", "--platform", "osx-64", "-e", "intel")


@pytest.mark.parametrize("way", WAYS)
def test_scripts_that_packages_want_to_have_run_are_named_and_not_run(bench, way):
    files = {"bin/.tool-post-link.sh": b'touch "$PREFIX/run" "$PWD/run"\n', "bin/tool": b""}
    bench.write(pack_files([conda_package("tool", files, subdir=HERE)], platform=HERE))
    said = bench.run(way)
    assert "which pixi does not run either: bin/.tool-post-link.sh. " in said
    assert not (bench.env / "run").exists()
    assert not (bench.folder / "run").exists()
