"""Wheels are installed as PyPA's own library `installer` does it: the same files, the same bytes, the same commands."""

import stat

import pytest
from harness.package_corpus import corpus, wheel_corpus
from harness.packs import pack_files
from harness.unpacking import WAYS, Bench

pytestmark = [
    pytest.mark.python_tools,
    pytest.mark.filterwarnings("ignore:Skip installing .*__pycache__"),  # bytecode is made anew
]
installer = pytest.importorskip("installer", reason="the library `installer` is not there: extra `python-tools`")

_OWN = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
"""What each installer writes in its own words."""


def installed_by_the_library(folder, wheel, *, version):
    """What the library makes of a wheel: path -> bytes, and whether it is a program."""
    from installer.destinations import SchemeDictionaryDestination
    from installer.sources import WheelFile

    site = folder / "lib" / f"python{version}" / "site-packages"
    scheme = {
        "purelib": site,
        "platlib": site,
        "scripts": folder / "bin",
        "data": folder,
        "headers": folder / "include",
    }
    destination = SchemeDictionaryDestination(
        {key: str(path) for key, path in scheme.items()}, interpreter="/python", script_kind="posix"
    )
    path = folder.parent / wheel.file_name
    path.write_bytes(wheel.data)
    with WheelFile.open(path) as source:
        installer.install(source, destination, additional_metadata={})
    return seen(folder)


def seen(folder):
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), bool(path.stat().st_mode & stat.S_IXUSR))
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.parametrize("way", WAYS)
def test_the_files_of_wheels_are_those_of_the_library(tmp_path, way):
    bench = Bench(folder=tmp_path / "bench")
    bench.folder.mkdir()
    wheels = [wheel for wheel in wheel_corpus() if "share_b" not in wheel.file_name]  # it overwrites a file of share-a
    bench.made(way, pack_files(corpus(), wheels))
    ours = seen(bench.env)
    (site,) = (bench.env / "lib").glob("python3*/site-packages")
    version = site.parent.name.removeprefix("python")
    theirs = {}
    for number, wheel in enumerate(wheels):
        theirs |= installed_by_the_library(tmp_path / str(number), wheel, version=version)
    assert len(theirs) > 15
    for path, (data, is_program) in theirs.items():
        if path.rpartition("/")[2] in _OWN:
            continue
        if path.startswith("include/"):  # the library takes the folder of headers as it is told
            assert [found for place, found in ours.items() if place.endswith(path.rpartition("/")[2])] == [
                (data, False)
            ]
            continue
        assert path in ours, path
        if path.startswith("bin/"):  # the interpreter's place differs
            assert ours[path][1], path
            continue
        assert ours[path] == (data, is_program), path
