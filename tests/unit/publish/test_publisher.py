"""A publisher that is stopped at any call, or meets another one, leaves no index that lists what is not there."""

import json
import re
import shutil

import pytest

from pixi_mirror.demo.packages import build_package
from pixi_mirror.errors import FarSideError, FetchError, WrongBytesError
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.mirror.tree_view import PUBLISHED
from pixi_mirror.model.values import sha256_of
from pixi_mirror.progress import NoProgress
from pixi_mirror.publish.destination import Held
from pixi_mirror.publish.publish import Publisher

NOW = 1_700_000_000


class Stopped(BaseException):
    """The process was killed."""


class Memory:
    """An object store in memory, which counts calls that change it and can stop, lie, or let somebody else in."""

    name = "memory://"
    ignores_conditions = False

    def __init__(self, *, keeps_conditions=True):
        self.objects = {}
        self.keeps_conditions = keeps_conditions
        self.changes = 0
        self.sent = []
        self.stop_before = None
        self.meanwhile = {}
        self.after_change = lambda: None

    def arrange(self, uploads):
        return uploads

    def is_empty(self):
        return not self.objects

    def read(self, path):
        found = self.objects.get(path)
        return None if found is None else (found, self._tag(found))

    def look(self, path):
        found = self.objects.get(path)
        return None if found is None else Held(size=len(found), sha256=None, tag=self._tag(found))

    def hash(self, path):
        found = self.objects.get(path)
        return None if found is None else sha256_of(found)

    def create(self, upload):
        return self._write(upload, self.objects.get(upload.path) is None)

    def swap(self, upload, tag):
        found = self.objects.get(upload.path)
        return self._write(upload, found is not None and self._tag(found) == tag)

    def _write(self, upload, allowed):
        if not allowed and self.keeps_conditions:
            return None
        self._count()
        data = upload.data if upload.data is not None else upload.source.read_bytes()
        self.objects[upload.path] = data
        self.sent.append(upload.path)
        if upload.path in self.meanwhile:
            self.objects[upload.path] = self.meanwhile.pop(upload.path)
        self.after_change()
        return self._tag(data)

    def remove(self, path):
        self._count()
        self.objects.pop(path, None)
        self.after_change()

    def settle(self):
        pass

    def public_problem(self):
        return None

    def _count(self):
        if self.stop_before is not None and self.changes >= self.stop_before:
            raise Stopped
        self.changes += 1

    @staticmethod
    def _tag(data):
        return f'"{sha256_of(data)[:32]}"'


def lock(world, *names):
    entries = [world.publish(build_package(name=name)) for name in names]
    world.lock("workspace", environments={"default": {"linux-64": entries}})


@pytest.fixture
def mirrored(world):
    lock(world, "one", "two")
    assert world.run("--lock", "workspace/pixi.lock").status == 0
    return world


def open_publisher(world, store, **options):
    tree = Tree(world.mirror)
    settings = {"jobs": 1, "progress": NoProgress(), "now": NOW, "grace_days": 7.0} | options
    return Publisher.opened(store, tree, **settings), tree


def publish(world, store, *, check=False, **options):
    publisher, tree = open_publisher(world, store, **options)
    return publisher.publish(tree, check=check, dry_run=False)


def offered(world):
    found = {}
    for path in world.mirror.rglob("*"):
        name = path.relative_to(world.mirror).as_posix()
        if path.is_file() and not name.startswith(".pixi-mirror/"):
            found[name] = path.read_bytes()
    return found


def require_true(store):
    """Every index lists only what is there."""
    for path, data in store.objects.items():
        if path.endswith("/repodata.json"):
            folder = path.rpartition("/")[0]
            for group in ("packages", "packages.conda"):
                for name, record in json.loads(data)[group].items():
                    assert sha256_of(store.objects[f"{folder}/{name}"]) == record["sha256"]


def without_record(store):
    return {path: data for path, data in store.objects.items() if path != PUBLISHED}


def test_a_publisher_stopped_at_any_call_leaves_a_true_store_and_the_next_one_goes_on(mirrored):
    before = Memory()
    publish(mirrored, before)
    lock(mirrored, "one", "three", "four")
    assert mirrored.run("update").status == 0
    assert mirrored.run("prune", "--apply", "--grace", "0", "--force").status == 0
    whole = Memory()
    whole.objects = dict(before.objects)
    publish(mirrored, whole)
    assert whole.changes >= 6
    for calls in range(whole.changes):
        store = Memory()
        store.objects = dict(before.objects)
        store.stop_before = calls
        store.after_change = lambda store=store: require_true(store)
        with pytest.raises(Stopped):
            publish(mirrored, store)
        require_true(store)
        first, store.sent, store.stop_before = set(store.sent), [], None
        publish(mirrored, store)
        assert without_record(store) == without_record(whole), calls
        assert first.isdisjoint(set(store.sent) - {PUBLISHED}), "nothing is sent twice"
        assert publish(mirrored, store).plan.uploads == ()


def test_a_removal_stopped_at_any_call_is_done_by_the_next_one(mirrored):
    first = Memory()
    publish(mirrored, first)
    lock(mirrored, "one")
    assert mirrored.run("update").status == 0
    assert mirrored.run("prune", "--apply", "--grace", "0", "--force").status == 0
    publish(mirrored, first)
    later = NOW + 8 * 86_400
    for calls in range(3):  # the swap of the record, the removal, the swap back
        store = Memory()
        store.objects, store.stop_before = dict(first.objects), calls
        publisher, tree = open_publisher(mirrored, store, now=later)
        with pytest.raises(Stopped):
            publisher.remove_unwanted(tree, dry_run=False)
        require_true(store)
        store.stop_before = None
        publisher, tree = open_publisher(mirrored, store, now=later)
        assert len(publisher.remove_unwanted(tree, dry_run=False).removed) == 1
        assert without_record(store) == offered(mirrored)


def removal_due(world):
    """A store in which a file is due that the mirror holds no longer, and the time at which it is."""
    store = Memory()
    publish(world, store)
    lock(world, "one")
    assert world.run("update").status == 0
    assert world.run("prune", "--apply", "--grace", "0", "--force").status == 0
    publish(world, store)
    return store, NOW + 8 * 86_400


def test_a_second_publisher_that_comes_while_files_are_removed_loses_nothing(mirrored):
    """The other one publishes at each call of the removal; whoever is refused, every index lists only what is there."""
    shutil.copytree(mirrored.mirror, mirrored.directory / "copy", symlinks=True)  # it holds both packages
    first, later = removal_due(mirrored)
    for calls in range(3):
        store = Memory()
        store.objects = dict(first.objects)
        copy = Tree(mirrored.directory / "copy")
        other = Publisher.opened(store, copy, jobs=1, progress=NoProgress(), now=later, grace_days=7.0)
        refused = []

        def come(store=store, calls=calls, other=other, copy=copy, refused=refused):
            if store.changes == calls + 1:
                store.changes += 1
                try:
                    other.publish(copy, check=False, dry_run=False)
                except FarSideError as error:
                    refused.append(error)
            require_true(store)

        if calls == 0:
            other.publish(copy, check=False, dry_run=False)  # between the reading of the record and its swap
        publisher, tree = open_publisher(mirrored, first, now=later)
        publisher.held.destination = store
        store.changes, store.after_change = 0, come
        try:
            publisher.remove_unwanted(tree, dry_run=False)
        except FarSideError as error:
            refused.append(error)
        require_true(store)
        assert len(refused) == 1, (calls, refused)


def test_what_is_being_removed_cannot_be_published_again_until_that_has_ended(mirrored):
    store, later = removal_due(mirrored)
    store.changes, store.stop_before = 0, 1
    publisher, tree = open_publisher(mirrored, store, now=later)
    with pytest.raises(Stopped):
        publisher.remove_unwanted(tree, dry_run=False)
    store.stop_before = None
    lock(mirrored, "one", "two")
    assert mirrored.run("update").status == 0
    with pytest.raises(FarSideError, match="is being removed there, and the mirror holds it again"):
        publish(mirrored, store, now=later)
    publisher, tree = open_publisher(mirrored, store, now=later)
    with pytest.raises(FarSideError, match="Publish first"):
        publisher.remove_unwanted(tree, dry_run=False)
    publish(mirrored, store, now=later)
    assert without_record(store) == offered(mirrored)


def test_nothing_is_removed_while_the_indexes_there_may_list_it(mirrored):
    store = Memory()
    publish(mirrored, store)
    lock(mirrored, "one")
    assert mirrored.run("update").status == 0
    assert mirrored.run("prune", "--apply", "--grace", "0", "--force").status == 0
    publisher, tree = open_publisher(mirrored, store, grace_days=0.0)
    with pytest.raises(FarSideError, match="does not hold what the mirror holds yet"):
        publisher.remove_unwanted(tree, dry_run=False)
    require_true(store)


def test_an_index_that_another_publisher_overwrites_later_is_noticed(mirrored):
    store = Memory()
    index = next(path for path in offered(mirrored) if path.endswith("noarch/repodata.json"))

    def overwrite():
        if PUBLISHED in store.objects and not json.loads(store.objects[PUBLISHED])["pending"]:
            store.objects[index] = b'{"packages":{},"packages.conda":{}}'

    store.after_change = overwrite
    with pytest.raises(FarSideError, match="somebody else publishes there"):
        publish(mirrored, store)


def test_a_record_that_another_publisher_overwrites_later_is_noticed(mirrored):
    store = Memory()

    def overwrite():
        if PUBLISHED in store.objects and not json.loads(store.objects[PUBLISHED])["pending"]:
            store.objects[PUBLISHED] += b" "

    store.after_change = overwrite
    with pytest.raises(FarSideError, match=r"pixi-mirror-published\.json has changed"):
        publish(mirrored, store)


def test_a_store_that_ignores_conditions_is_refused_unless_nobody_else_publishes(mirrored):
    store = Memory(keeps_conditions=False)
    with pytest.raises(FarSideError, match="--only-publisher"):
        publish(mirrored, store)
    assert set(store.objects) == {PUBLISHED}
    store.ignores_conditions = True
    publish(mirrored, store)
    assert without_record(store) == offered(mirrored)


def test_another_publisher_of_the_same_mirror_is_noticed_by_the_record(mirrored):
    store = Memory()
    publish(mirrored, store)
    lock(mirrored, "one", "two", "three")
    assert mirrored.run("update").status == 0
    publisher, tree = open_publisher(mirrored, store)
    publish(mirrored, store)  # the other one, between reading the record and writing it
    with pytest.raises(FarSideError, match="somebody else publishes there at the same time"):
        publisher.publish(tree, check=False, dry_run=False)
    assert without_record(store) == offered(mirrored)


def test_an_index_that_is_read_back_as_another_is_wrong_bytes(mirrored):
    store = Memory()
    index = next(path for path in offered(mirrored) if path.endswith("noarch/repodata.json"))
    store.meanwhile[index] = b'{"packages":{},"packages.conda":{}}'
    with pytest.raises(WrongBytesError, match=re.escape(f"{index}: wrote sha256")):
        publish(mirrored, store)


def test_check_takes_what_is_there_for_known_and_replaces_it(mirrored):
    store = Memory()
    publish(mirrored, store)
    index = next(path for path in store.objects if path.endswith("noarch/repodata.json"))
    store.objects[index] = b'{"packages":{},"packages.conda":{}}'
    lock(mirrored, "one", "two", "three")
    assert mirrored.run("update").status == 0
    with pytest.raises(FarSideError, match="--check"):
        publish(mirrored, store)
    require_true(store)
    assert publish(mirrored, store, check=True).mended == (index,)
    assert without_record(store) == offered(mirrored)


def test_what_was_written_before_a_failure_is_recorded(mirrored):
    store = Memory()
    count = store._count

    def fail_at_the_index():
        count()
        if store.changes == 4:
            raise FetchError("memory:// cannot be reached")

    store._count = fail_at_the_index
    with pytest.raises(FetchError):
        publish(mirrored, store)
    written = set(store.sent) - {PUBLISHED}
    assert written <= json.loads(store.objects[PUBLISHED])["files"].keys()


def test_a_mirror_that_was_moved_publishes_to_the_same_place(mirrored):
    store = Memory()
    publish(mirrored, store)
    shutil.copytree(mirrored.mirror, mirrored.directory / "copy", symlinks=True)
    publisher = Publisher.opened(
        store, Tree(mirrored.directory / "copy"), jobs=1, progress=NoProgress(), now=NOW, grace_days=7.0
    )
    assert publisher.publish(Tree(mirrored.directory / "copy"), check=False, dry_run=False).plan.uploads == ()
