"""What `ls` and `why` find in an inventory; no file of a package is there or looked at."""

from dataclasses import replace

import pytest
from harness.inventories import conda, digest, inventory, sdist, snapshot

from pixi_mirror.errors import WorkspaceError
from pixi_mirror.mirror import inventory_file, inventory_text
from pixi_mirror.mirror.contents import ContentsFilter, list_contents
from pixi_mirror.mirror.wants import find_wants
from pixi_mirror.model.packages import PackageFile

pytestmark = pytest.mark.broken_mirror("it has records alone")

BASE, TOOL = conda("base"), conda("tool", subdir="linux-64", depends=["base"])
THING, OLD, LATER = sdist("big-thing"), conda("old"), conda("later")


@pytest.fixture
def mirror(tmp_path):
    """Two workspaces; `old` is no longer wanted, `later` is deferred, and `built` serves to build something."""
    built = conda("built", depends=["base"])
    shop = snapshot(BASE, TOOL, THING, LATER, built)
    (cell,) = shop.cells
    test = replace(cell, environment="test", platform="gpu", packages=(BASE.path,))
    shop = replace(shop, cells=(replace(cell, build_packages=(built.path,)), test), tools=(sdist("flit"),))
    held = (BASE, TOOL, THING, OLD, built)
    tree = {each.path: PackageFile(sha256=digest(each.name), size=7) for each in held}
    whole = inventory(
        snapshot(BASE, name="lab"), shop, tree=tree, kept={OLD.path: OLD}, deferred=frozenset({LATER.path})
    )
    (tmp_path / inventory_file.FILE).write_bytes(inventory_text.dump(whole))
    return tmp_path


def names(mirror, **wanted):
    return [each.package.name for each in list_contents(mirror, ContentsFilter(**wanted)).packages]


def test_everything_is_listed_by_name_with_its_state(mirror):
    found = {each.package.name: each for each in list_contents(mirror, ContentsFilter()).packages}
    states = {name: each.state for name, each in found.items()}
    assert states == {
        "base": "here", "big-thing": "here", "built": "here", "flit": "missing", "later": "deferred", "old": "surplus",
        "tool": "here",
    }  # fmt: skip
    assert [*found] == sorted(found)
    assert [(each.workspace, each.environment, each.platform) for each in found["base"].targets] == [
        ("lab", "default", "linux-64"), ("shop", "default", "linux-64"), ("shop", "test", "gpu"),
    ]  # fmt: skip
    assert found["big-thing"].origin == "https://pypi.example/simple"
    assert found["big-thing"].package.size == 7, "the lock does not say it, and the file is here"
    assert found["tool"].origin == "https://conda.anaconda.org/conda-forge"
    assert list_contents(mirror, ContentsFilter()).size == sum(
        each.package.size for each in found.values() if each.state in ("here", "surplus")
    )


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"names": ("b*",)}, ["base", "big-thing", "built"]),
        ({"names": ("Big_*", "OLD")}, ["big-thing", "old"]),
        ({"kinds": ("pypi",)}, ["big-thing", "flit"]),
        ({"kinds": ("git",)}, []),
        ({"channels": ("conda-forge",), "names": ("*l*",)}, ["built", "later", "old", "tool"]),
        ({"environments": ("test",)}, ["base"]),
        ({"platforms": ("gpu",)}, ["base"]),
        ({"platforms": ("subdir:linux-64",), "names": ("[bt]*",)}, ["base", "big-thing", "built", "tool"]),
    ],
)
def test_each_part_of_the_filter_narrows_the_list(mirror, wanted, expected):
    assert names(mirror, **wanted) == expected


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ({"environments": ("tset",)}, "'tset', perhaps 'test' was meant"),
        ({"platforms": ("gpus",)}, "'gpus', perhaps 'gpu' was meant"),
        ({"channels": ("forge",)}, "from a channel 'forge'"),
    ],
)
def test_what_the_mirror_does_not_know_is_refused(mirror, wanted, problem):
    with pytest.raises(WorkspaceError, match=problem):
        names(mirror, **wanted)


def test_who_wants_a_package_is_said_with_what_needs_it(mirror):
    found = find_wants(mirror, "Base")
    assert [each.package.path for each in found.packages] == [BASE.path]
    assert [
        (want.workspace, want.environment, [each.package.name for each in want.dependants]) for want in found.wants
    ] == [("lab", "default", []), ("shop", "default", ["tool"]), ("shop", "test", [])]
    assert [each.name for each in found.wants[1].chain] == ["tool", "base"]
    (want,) = find_wants(mirror, "built").wants
    assert (want.is_build, want.dependants) == (True, ())
    (want,) = find_wants(mirror, "FLIT").wants
    assert (want.environment, want.is_build) == (None, True)
    assert find_wants(mirror, "old").wants == ()
    lacking = find_wants(mirror, "bsae")
    assert (lacking.packages, lacking.similar) == ((), ("base",))
