"""A plan and how it is applied: packages, then indexes, then the inventory; over real files."""

import hashlib
import json
import os
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import pytest
from harness.directly import Directly
from harness.inventories import conda, digest, sdist, snapshot

from pixi_mirror.cache.batch import FailedPackage
from pixi_mirror.errors import DiskFullError, FetchError, UnmirrorableError
from pixi_mirror.mirror.apply import apply_plan
from pixi_mirror.mirror.bring import BringResult
from pixi_mirror.mirror.pins import recorded_pins
from pixi_mirror.mirror.plan import plan_changes
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.packages import GeneratedFile, PackageFile
from pixi_mirror.model.request import Request
from pixi_mirror.model.values import admit_path

REPODATA = admit_path("conda-forge/noarch/repodata.json")


@dataclass
class Source:
    """Gives each package its name as its bytes; `lacking` has the names of those that cannot be had."""

    directory: object
    needs_all: bool = True
    lacking: tuple = ()
    seen: list = field(default_factory=list)

    def bring(self, tree, plan):
        stored, failed = {}, []
        tree.announce(package.path for package in plan.to_bring)
        for package in plan.to_bring:
            self.seen.append(package.path)
            if package.name in self.lacking:
                failed.append(FailedPackage(package, FetchError(f"no {package.name}")))
                continue
            file = self.directory / "source"
            file.write_bytes(package.name.encode())
            if not (failed and self.needs_all):
                tree.place(package.path, file, sha256=digest(package.name))
                stored[package.path] = PackageFile(sha256=digest(package.name), size=len(package.name))
            file.unlink()
        return BringResult(stored=stored, failed=tuple(failed))

    def listings(self, tree, plan, stored):
        return {}


@pytest.fixture
def mirror(world):
    """The mirror's directory and a context without sidecars."""
    return world.mirror, Directly(world=world).context, world.directory


def pins_of(tree, *snapshots):
    return replace(recorded_pins(tree.inventory, {}, sources={}), snapshots=snapshots)


def bring(mirror, *snapshots, defer=None, unlisted=None, **options):
    """Apply what these subscriptions want; the tree, the plan and the result."""
    root, context, directory = mirror
    tree = Tree(root)
    with tree.writing(timeout_s=0):
        plan = plan_changes(tree, pins_of(tree, *snapshots), layout="channels", defer=defer)
        source = Source(directory, **options) if plan.to_bring else None
        done = apply_plan(tree, plan, context, source=source, unlisted=unlisted)
    return tree, plan, done


def listed(root):
    return set(json.loads((root / REPODATA).read_bytes())["packages.conda"])


def dates(root):
    return {
        path: path.stat().st_mtime_ns
        for path in root.rglob("*")
        if path.is_file() and path.name not in ("lock", "update-lock")
    }


def test_a_first_plan_brings_all_and_lists_it(mirror):
    tree, plan, done = bring(mirror, snapshot(conda("a"), conda("b", subdir="linux-64")))
    assert [package.name for package in plan.to_bring] == ["a", "b"]  # noarch first
    assert plan.size == 2
    assert done.stored.keys() == {package.path for package in plan.to_bring}
    assert listed(mirror[0]) == {"a-1.0-0.conda"}
    assert Tree(mirror[0]).inventory == tree.inventory
    assert done.indexes[0] == REPODATA


def test_the_same_plan_again_writes_nothing(mirror):
    bring(mirror, snapshot(conda("a")))
    before = dates(mirror[0])
    _, plan, done = bring(mirror, snapshot(conda("a")))
    assert plan.difference.missing == plan.difference.changed == plan.difference.surplus == ()
    assert (done.written, done.removed) == ((), ())
    assert dates(mirror[0]) == before


def test_what_nobody_wants_any_more_is_surplus_and_stays_listed(mirror):
    bring(mirror, snapshot(conda("a"), conda("b")))
    tree, plan, _ = bring(mirror, snapshot(conda("a")))
    assert plan.difference.surplus == (conda("b").path,)
    assert tree.inventory.kept.keys() == {conda("b").path}
    assert listed(mirror[0]) == {"a-1.0-0.conda", "b-1.0-0.conda"}


def test_what_was_unlisted_is_wanted_again_and_listed(mirror):
    bring(mirror, snapshot(conda("a"), conda("b")))
    tree, plan, _ = bring(mirror, snapshot(conda("a")))
    with tree.writing(timeout_s=0):
        apply_plan(tree, replace(plan, kept={}), mirror[1], unlisted={conda("b").path: 1.0})
    assert listed(mirror[0]) == {"a-1.0-0.conda"}
    assert tree.state.unlisted == {conda("b").path: 1.0}
    tree, plan, _ = bring(mirror, snapshot(conda("a"), conda("b")))
    assert plan.to_bring == ()
    assert tree.state.unlisted == {}
    assert listed(mirror[0]) == {"a-1.0-0.conda", "b-1.0-0.conda"}


def test_surplus_that_is_gone_is_forgotten(mirror):
    bring(mirror, snapshot(conda("a"), conda("b")))
    (mirror[0] / conda("b").path).unlink()
    tree, plan, _ = bring(mirror, snapshot(conda("a")))
    assert plan.gone == {conda("b").path}
    assert conda("b").path not in tree.inventory.tree
    assert listed(mirror[0]) == {"a-1.0-0.conda"}


def test_a_wanted_file_with_other_bytes_is_changed_and_brought_again(mirror):
    bring(mirror, snapshot(conda("a")))
    path = mirror[0] / conda("a").path
    path.unlink()
    path.write_bytes(b"other")
    _, plan, _ = bring(mirror, snapshot(conda("a")))
    assert plan.difference.changed == (conda("a").path,)
    assert path.read_bytes() == b"a"


def test_if_one_cannot_be_had_nothing_is_written_or_recorded(mirror):
    bring(mirror, snapshot(conda("a")))
    before = (mirror[0] / "pixi-mirror.json").read_bytes(), (mirror[0] / REPODATA).read_bytes()
    _, _, done = bring(mirror, snapshot(conda("a"), conda("b"), conda("c")), lacking=("b",))
    assert [failed.package.name for failed in done.failed] == ["b"]
    assert ((mirror[0] / "pixi-mirror.json").read_bytes(), (mirror[0] / REPODATA).read_bytes()) == before


def test_a_source_that_need_not_give_all_lists_what_it_gave(mirror):
    _, _, done = bring(mirror, snapshot(conda("a"), conda("b")), lacking=("b",), needs_all=False)
    assert [failed.package.name for failed in done.failed] == ["b"]
    assert listed(mirror[0]) == {"a-1.0-0.conda"}


@pytest.mark.parametrize("step", ["write_all", "record"])
def test_a_run_that_stops_between_its_steps_lists_only_what_is_there_and_the_next_ends_it(mirror, monkeypatch, step):
    bring(mirror, snapshot(conda("a")))
    inventory = (mirror[0] / "pixi-mirror.json").read_bytes()

    def full(*_args, **_options):
        raise DiskFullError("the disk is full")

    wanted = snapshot(conda("a"), conda("b"))
    with monkeypatch.context() as patch:
        patch.setattr(Tree, step, full)
        with pytest.raises(DiskFullError):
            bring(mirror, wanted)
    assert (mirror[0] / "pixi-mirror.json").read_bytes() == inventory
    assert (mirror[0] / conda("b").path).exists()  # placed before anything lists it
    assert listed(mirror[0]) == {"a-1.0-0.conda"} | ({"b-1.0-0.conda"} if step == "record" else set())
    tree, plan, _ = bring(mirror, wanted)
    assert [package.name for package in plan.to_bring] == ["b"]
    assert listed(mirror[0]) == {"a-1.0-0.conda", "b-1.0-0.conda"}
    assert tree.unknown() == ()


def test_deferred_packages_are_listed_and_not_brought(mirror):
    tree, plan, done = bring(mirror, snapshot(conda("a"), conda("b")), defer=True)
    assert plan.to_bring == ()
    assert plan.deferred == tree.inventory.deferred == {conda("a").path, conda("b").path}
    assert plan.deferred_size == 2
    assert done.stored == {}
    assert listed(mirror[0]) == {"a-1.0-0.conda", "b-1.0-0.conda"}
    tree, plan, _ = bring(mirror, snapshot(conda("a"), conda("b")), defer=False)
    assert [package.name for package in plan.to_bring] == ["a", "b"]
    assert tree.inventory.deferred == frozenset()


def test_what_is_deferred_is_recorded_before_an_index_lists_it(mirror, monkeypatch):
    bring(mirror, snapshot(conda("a")))
    recorded = []
    write_all = Tree.write_all

    def look(tree, contents):
        if REPODATA in contents:
            recorded.append(json.loads((tree.root / "pixi-mirror.json").read_bytes()).get("deferred"))
        write_all(tree, contents)

    monkeypatch.setattr(Tree, "write_all", look)
    bring(mirror, snapshot(conda("a"), conda("b")), defer=True)
    assert recorded == [[conda("b").path]]


def test_an_sdist_that_has_to_be_read_is_not_deferred(mirror):
    request = Request(environments=None, platforms=(), with_build_requirements=True)
    tree = Tree(mirror[0])
    pins = pins_of(tree, snapshot(conda("a"), sdist("src"), request=request))
    plan = plan_changes(tree, pins, layout="channels", defer=True)
    assert plan.deferred == {conda("a").path}
    assert [package.name for package in plan.to_bring] == ["src"]


def test_a_package_without_a_hash_is_pinned_by_its_first_fetch(mirror):
    bring(mirror, snapshot(conda("a", has_hash=False)))
    record = json.loads((mirror[0] / REPODATA).read_bytes())["packages.conda"]["a-1.0-0.conda"]
    assert (record["sha256"], record["size"]) == (hashlib.sha256(b"a").hexdigest(), 1)
    _, plan, _ = bring(mirror, snapshot(conda("a", has_hash=False)))
    assert plan.packages[conda("a").path].sha256 == digest("a")
    assert plan.to_bring == ()


def test_two_locks_that_want_other_bytes_at_one_path_are_no_plan(mirror):
    tree = Tree(mirror[0])
    pins = pins_of(tree, snapshot(conda("a")), snapshot(conda("a", data=b"other"), name="zoo"))
    with pytest.raises(UnmirrorableError, match="nothing was changed"):
        plan_changes(tree, pins, layout="channels")


def test_an_index_that_lists_nothing_any_more_stays_and_is_empty(mirror):
    """Clients that know the subdir must find it, until prune removes it."""
    bring(mirror, snapshot(conda("a"), conda("b", subdir="osx-arm64")))
    tree, _, _ = bring(mirror, snapshot(conda("a")))
    assert isinstance(tree.inventory.tree["conda-forge/osx-arm64/repodata.json"], GeneratedFile)


def test_identities_of_all_files_are_recorded(mirror):
    tree, _, _ = bring(mirror, snapshot(conda("a")))
    assert tree.state.identities.keys() == tree.inventory.tree.keys()
    assert isinstance(tree.state.identities, MappingProxyType)
    for path, identity in tree.state.identities.items():
        assert identity.inode == os.stat(mirror[0] / path).st_ino
