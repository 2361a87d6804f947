"""Platforms of a lock are called as the manifest calls them, by identity and never two alike."""

from pathlib import Path

import pytest

from pixi_mirror.lockfile.entries import Lock, LockedEnvironment, LockedPlatform
from pixi_mirror.pixi.info import NamedPlatform, WorkspaceInfo
from pixi_mirror.pixi.source import with_manifest_names

GLIBC = "__glibc=2.28"


def locked(name, *virtual_packages, subdir="linux-64"):
    return LockedPlatform(name=name, subdir=subdir, virtual_packages=virtual_packages)


def told(name, *virtual_packages, subdir="linux-64"):
    return NamedPlatform(name=name, subdir=subdir, virtual_packages=frozenset(virtual_packages))


def names(in_lock, in_manifest):
    environment = LockedEnvironment(
        channels=(), indexes=(), find_links=(),
        packages={each.name: () for each in in_lock}, build_packages={each.name: () for each in in_lock},
    )  # fmt: skip
    lock = Lock(
        version=7, platforms={each.name: each for each in in_lock}, environments={"e": environment}, newest_timestamp=0
    )
    workspace = WorkspaceInfo(manifest=Path("pixi.toml"), environments={"e": tuple(in_manifest)})
    named = with_manifest_names(lock, workspace)
    found = named.lock.environments["e"]
    assert list(found.packages) == list(found.build_packages)
    assert set(named.lock.platforms) == set(found.packages)
    return list(found.packages)


@pytest.mark.parametrize(
    ("in_lock", "in_manifest", "expected"),
    [
        ([locked("linux-64", GLIBC)], [told("linux-64")], ["linux-64"]),
        ([locked("p1", "__cuda=12", GLIBC)], [told("gpu", "__cuda=12")], ["gpu"]),
        ([locked("p1", "__cuda=13", GLIBC)], [told("gpu", "__cuda=12")], ["p1"]),
        ([locked("p1", "__cuda=12", subdir="win-64")], [told("gpu", "__cuda=12")], ["p1"]),
        (
            [locked("p1", "__cuda=12", "__glibc=2.35"), locked("p2", "__cuda=12", GLIBC)],
            [told("old", "__cuda=12"), told("new", "__cuda=12", "__glibc=2.35")],
            ["new", "old"],
        ),
        ([locked("p1", "__cuda=12"), locked("p2", "__cuda=12")], [told("gpu", "__cuda=12")], ["gpu", "p2"]),
        ([locked("p1", "__cuda=12")], [told("a", "__cuda=12"), told("b", "__cuda=12")], ["p1"]),
        # Below version 7 a lock tells no virtual packages.
        ([locked("linux-64")], [told("gpu", "__cuda=12")], ["gpu"]),
        ([locked("linux-64")], [told("linux-64"), told("gpu", "__cuda=12")], ["linux-64"]),
        ([locked("linux-64")], [told("gpu", "__cuda=12"), told("tpu", "__tpu=1")], ["linux-64"]),
        ([locked("linux-64", GLIBC)], [], ["linux-64"]),
    ],
)
def test_a_platform_has_the_name_of_the_one_like_it(in_lock, in_manifest, expected):
    assert names(in_lock, in_manifest) == expected
