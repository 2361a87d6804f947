"""What the last generation changed is read from its own record: packages that came, went or became others."""

import pytest
from harness.inventories import conda, inventory, snapshot

from pixi_mirror.mirror.generation_changes import FileFacts, last_change
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.packages import PackageFile

KEY = ("name:shop", "default", "linux-64")


@pytest.fixture
def recorded(tmp_path):
    """Records generations of a mirror, and gives what the last one changed."""
    tree = Tree(tmp_path / "mirror")

    def record(*packages):
        files = {each.path: PackageFile(sha256=each.sha256, size=each.size) for each in packages}
        with tree.writing(timeout_s=0):
            tree.record(inventory(snapshot(*packages), tree=files), locks={}, unlisted={})
        held = {each.path: FileFacts(each.kind, each.name, each.version, each.size) for each in packages}
        return last_change(tree.generations, tree.inventory.stamp.number, held.get)

    return record


def named(change):
    return [(each.before and each.before.version, each.after and each.after.version) for each in change]


@pytest.mark.broken_mirror("it has no bytes")
def test_the_first_generation_has_no_base_and_no_changes(recorded):
    first = recorded(conda("a"), conda("b"))
    assert (first.number, first.base, first.environments) == (1, None, {})


@pytest.mark.broken_mirror("it has no bytes")
def test_packages_that_came_and_went_are_told_with_their_sizes(recorded):
    recorded(conda("a", data=b"12345"), conda("b"))
    found = recorded(conda("b"), conda("c", data=b"123"))
    assert (found.number, found.base) == (2, 1)
    went, came = found.environments[KEY]
    assert (went.name, went.before.size, went.after) == ("a", 5, None)
    assert (came.name, came.before, came.after.size) == ("c", None, 3)


@pytest.mark.broken_mirror("it has no bytes")
def test_another_file_of_one_name_is_one_change(recorded):
    recorded(conda("a", subdir="noarch"), conda("b"))
    found = recorded(conda("a", subdir="linux-64"), conda("b"))
    (change,) = found.environments[KEY]
    assert change.name == "a"
    assert change.before is not None
    assert change.after is not None


@pytest.mark.broken_mirror("it has no bytes")
def test_an_environment_that_did_not_change_is_not_there(recorded):
    recorded(conda("a", data=b"1"))
    assert recorded(conda("a", data=b"22")).environments == {}  # its path is the same
