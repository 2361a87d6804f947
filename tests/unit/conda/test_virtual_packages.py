"""Virtual packages are read as pixi gives them to its solver."""

import pytest
from harness.child import ROOT

from pixi_mirror.conda.virtual_packages import (
    assumed_virtual_packages,
    default_virtual_packages,
    read_virtual_package,
)
from pixi_mirror.lockfile.source import LockSource


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("__glibc=2.28", "__glibc=2.28=0"),
        ("__unix=0=0", "__unix=0=0"),
        ("__unix", "__unix=0=0"),
        ("__archspec=0=x86_64_v3", "__archspec=1=x86_64_v3"),
        ("__archspec=1=skylake", "__archspec=1=skylake"),
        ("__archspec=0=", "__archspec=1=0"),
        ("__archspec", "__archspec=1=0"),
    ],
)
def test_a_text_of_a_lock_is_read(text: str, expected: str) -> None:
    assert read_virtual_package(text).text == expected


def test_what_is_assumed_depends_on_the_subdir_and_names_its_oldest_microarchitecture() -> None:
    assert [each.name for each in assumed_virtual_packages("linux-64", with_cuda=True)] == [
        "__unix", "__linux", "__glibc", "__cuda", "__archspec",
    ]  # fmt: skip
    builds = {
        subdir: [each.build for each in assumed_virtual_packages(subdir, with_cuda=False) if each.name == "__archspec"]
        for subdir in ("linux-64", "osx-arm64", "win-64", "noarch", "emscripten-wasm32")
    }
    assert builds == {
        "linux-64": ["x86_64"],
        "osx-arm64": ["m1"],
        "win-64": ["x86_64"],
        "noarch": [],
        "emscripten-wasm32": [],
    }


def test_the_defaults_are_those_that_pixi_writes_into_a_lock() -> None:
    """The lock of this project was written by pixi; its manifest names no virtual packages."""
    platforms = LockSource(ROOT / "pixi.lock").read().platforms
    assert len(platforms) == 5
    assert {name: default_virtual_packages(name) for name in platforms} == {
        name: tuple(platform.virtual_packages) for name, platform in platforms.items()
    }


@pytest.mark.rattler
def test_py_rattler_assumes_the_same_microarchitectures() -> None:
    """Where this machine's py-rattler can say it: for its own platform's name it detects a newer one."""
    import rattler

    assert str(rattler.Version(read_virtual_package("__archspec=0=x86_64").version)) == "1"
    (found,) = [
        each.into_generic()
        for each in rattler.VirtualPackage.detect()
        if each.into_generic().name.normalized == "__archspec"
    ]
    assert str(found.version) == "1"
