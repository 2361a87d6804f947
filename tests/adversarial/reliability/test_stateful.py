"""Whatever is done to a mirror, in whatever order: every environment that it pins is whole, and prune takes the rest.

Hypothesis makes up sequences of what users, disks and upstreams do. A model, which shares no code with the program,
knows what each followed lock wanted when the mirror could last be updated; the oracle judges the mirror.
"""

import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
from harness import oracle
from harness.directly import Directly
from harness.looking import sha256
from harness.python_index import PythonIndex
from harness.world import World
from hypothesis import HealthCheck, Phase, settings, stateful
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.packages import build_package
from pixi_mirror.errors import MachineError, PixiMirrorError
from pixi_mirror.lockfile.writer import LockEntry

LOCKS = ("one", "two")
ENVIRONMENTS = ("default", "prod")
CONDA = ("a", "b", "c", "d")
WHEELS = ("left", "right")
DAY_S = 86_400
Wanted = Mapping[str, frozenset[str]]
"""Environment -> packages of it."""

wanted = st.dictionaries(
    st.sampled_from(ENVIRONMENTS), st.frozensets(st.sampled_from([*CONDA, *WHEELS])), min_size=1
)  # fmt: skip
locks = st.sampled_from(LOCKS)
then = st.sampled_from(["prune", "repair", "nothing"])
"""What follows at once: rules that are drawn one by one come to little."""


@cache
def built(name: str):
    if name in WHEELS:
        return build_wheel(name=name, version="1.0")
    return build_package(name=name, subdir="linux-64" if name in "ab" else "noarch")


class Life(stateful.RuleBasedStateMachine):
    """One mirror, two locks that change, a cache that comes and goes, an upstream that is there or not."""

    shared: World
    """The upstream of all lives, and where they are led."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = self.shared.directory / "life"
        self.world = World(directory=self.directory, root=self.shared.root, upstream=self.shared.upstream)
        self.mirror = Directly(world=self.world)
        self.written: dict[str, Wanted | None] = dict.fromkeys(LOCKS)
        """What each lock says; None: it is not there, or cut."""
        self.asked: dict[str, frozenset[str]] = {}
        """The environments that the mirror follows of each lock."""
        self.pinned: dict[str, Wanted] = {}
        """What each followed lock wanted at its last update."""
        self.is_whole = True
        """Whether nothing was damaged since the last update or repair."""

    def teardown(self) -> None:
        self.upstream(there=True)
        shutil.rmtree(self.directory)

    @initialize(environments=wanted)
    def begin(self, environments: Wanted) -> None:
        self.directory.mkdir()
        self.follow("one", frozenset({"default"}), {"default": frozenset([*CONDA, *WHEELS])})
        self.follow("two", frozenset(environments), environments)

    # What users do.

    @rule(lock=locks, environments=wanted, then=then)
    def change(self, lock: str, environments: Wanted, then: str) -> None:
        self.write(lock, environments)
        self.refresh()
        self.go_on(then)

    def go_on(self, then: str) -> None:
        if then == "prune":
            self.prune(apply=True, grace_days=0)
        elif then == "repair":
            self.repair()

    def write(self, lock: str, environments: Wanted) -> None:
        self.written[lock] = environments
        self.world.lock(
            lock,
            environments={
                name: {"linux-64": [self.entry(each) for each in sorted(packages)]}
                for name, packages in environments.items()
            },
            channels=[f"{self.world.upstream.url}/channel/"],
            indexes=[f"{self.world.upstream.url}/simple"],
        )

    @rule(lock=locks)
    def lose_lock(self, lock: str) -> None:
        (self.directory / lock / "pixi.lock").unlink(missing_ok=True)
        self.written[lock] = None

    @rule(lock=locks, environments=st.frozensets(st.sampled_from(ENVIRONMENTS), min_size=1), first=wanted)
    def follow(self, lock: str, environments: frozenset[str], first: Wanted) -> None:
        """Follow environments of a lock, which says `first` if it is not there."""
        if self.written[lock] is None:
            self.write(lock, first)
        written = self.written[lock]
        asked = self.asked.get(lock, frozenset()) | environments
        done = self.updated(f"{lock}/pixi.lock", environments=sorted(environments))
        if done and written is not None:
            assert asked <= written.keys(), "an environment that the lock does not have was accepted"
            self.asked[lock] = asked
            self.pinned[lock] = {name: written[name] for name in asked}

    @rule()
    def refresh(self) -> None:
        if not self.asked:
            return
        readable = {
            lock
            for lock, asked in self.asked.items()
            if (written := self.written[lock]) is not None and asked <= written.keys()
        }
        done = self.updated()
        if done or self.went_on:
            for lock in readable:
                written = self.written[lock]
                assert written is not None
                self.pinned[lock] = {name: written[name] for name in self.asked[lock]}
        assert not done or readable == self.asked.keys(), "a lock that cannot be read was no failure"

    @rule(lock=locks, environment=st.sampled_from([*ENVIRONMENTS, None]), then=then)
    def forget(self, lock: str, environment: str | None, then: str) -> None:
        try:
            self.mirror.forget(f"{lock}/pixi.lock", environments=[environment] if environment else [])
        except PixiMirrorError:
            assert environment not in self.asked.get(lock, ()) if environment else lock not in self.asked
            return
        left, pinned = self.asked.pop(lock) - {environment}, self.pinned.pop(lock)
        if environment and left:
            self.asked[lock], self.pinned[lock] = left, {name: pinned[name] for name in left}
        self.go_on(then)

    @rule(apply=st.sampled_from([True, True, False]), grace_days=st.sampled_from([0, 0, 7]))
    def prune(self, apply: bool, grace_days: float) -> None:
        before = self.files()
        try:
            planned = self.mirror.prune(apply=False, grace_days=grace_days)
            pruned = self.mirror.prune(apply=apply, grace_days=grace_days)
        except MachineError:
            assert self.files() == before, "a prune that refuses has removed something"
            assert not (self.is_whole and self.asked), "a whole mirror with subscriptions was refused"
            return
        assert (pruned.unlisted, pruned.removed, pruned.waiting) == (planned.unlisted, planned.removed, planned.waiting)
        gone = before - self.files()
        assert gone <= {*pruned.removed} if apply else not gone
        assert not gone & self.paths().keys(), "something pinned was removed"
        if apply and self.is_whole:
            self.judge(exactly=True)
            assert grace_days or self.files() == self.paths().keys(), "prune has left what nobody wants"

    # What becomes of disks and upstreams.

    @precondition(lambda self: self.files())
    @rule(data=st.data(), how=st.sampled_from(["gone", "empty", "other bytes"]), with_cache=st.booleans(), then=then)
    def damage(self, data: st.DataObject, how: str, with_cache: bool, then: str) -> None:
        if with_cache:
            shutil.rmtree(self.mirror.cache, ignore_errors=True)
        indexes = [path.relative_to(self.world.mirror).as_posix() for path in self.world.mirror.rglob("repodata.json")]
        path = self.world.mirror / data.draw(st.sampled_from(sorted([*self.files(), *indexes])))
        size = path.stat().st_size
        path.unlink()
        if how != "gone":
            path.write_bytes(b"" if how == "empty" else bytes(size))
        self.is_whole = False
        self.go_on(then)

    @rule()
    def repair(self) -> None:
        found = self.mirror.verify(repair=True)
        if self.is_whole:  # but for damage of what nobody wants, which can be had nowhere
            assert not {*found.missing, *(each.path for each in found.changed)} & self.paths().keys()
            assert not found.indexes
        if found.error is None:
            self.is_whole = True
            after = self.mirror.verify()
            assert not {*after.left} & self.paths().keys(), "something pinned is still wrong"
            assert not after.indexes

    @rule(there=st.sampled_from([True, True, False]))
    def upstream(self, there: bool) -> None:
        root, away = self.shared.root, self.shared.root.with_name("away")
        if there and away.exists():
            away.rename(root)
        elif not there and root.exists():
            root.rename(away)

    # What must be true.

    @invariant()
    def every_pinned_environment_is_whole(self) -> None:
        if self.is_whole:
            self.judge()

    def judge(self, *, exactly: bool = False) -> None:
        """Have the oracle find everything pinned, and with `exactly` nothing else."""
        if not self.world.mirror.exists():
            assert not self.pinned
            return
        problems = oracle.problems(self.world.mirror, expected=self.paths())
        assert [each for each in problems if exactly or not each.endswith("is listed, and nobody wants it")] == []

    def paths(self) -> dict[str, str]:
        """Path -> sha256 of all that is pinned."""
        names = {name for environments in self.pinned.values() for each in environments.values() for name in each}
        return {self.path(name): sha256(self.published(name)) for name in names}

    def files(self) -> set[str]:
        """The packages that the mirror has, listed or not."""
        found = {path for path in self.world.mirror.rglob("*") if path.suffix in {".conda", ".whl"}}
        return {path.relative_to(self.world.mirror).as_posix() for path in found}

    def updated(self, *words: str, **options: list[str]) -> bool:
        """Update; whether that was a success."""
        self.went_on = False
        try:
            done = self.mirror.update(*words, **options)
        except PixiMirrorError:
            return False
        # A refresh goes on without a lock that it cannot read, but not without a file that it cannot fetch.
        self.went_on = not done.failed
        self.is_whole = self.is_whole or self.went_on
        return done.error is None

    def published(self, name: str) -> Path:
        return self.shared.directory / "published" / built(name).file_name

    def path(self, name: str) -> str:
        """In the mirror."""
        url = self.entry(name).url
        return self.world.authority_path + "/" + url.split("/", 3)[3]

    def entry(self, name: str) -> LockEntry:
        return ENTRIES[name]


ENTRIES: dict[str, LockEntry] = {}


@pytest.fixture
def life(world: World, tmp_path: Path):
    """The kind of life that is led in this world."""
    index = PythonIndex(world=world)
    (tmp_path / "published").mkdir()
    for name in CONDA:
        ENTRIES[name] = world.publish(built(name), channel="channel")
    for name in WHEELS:
        ENTRIES[name] = index.publish(built(name), name=name, version="1.0")
    for name in (*CONDA, *WHEELS):
        (tmp_path / "published" / built(name).file_name).write_bytes(built(name).data)
    Life.shared = world
    return Life


def lead(life: type[Life], *, lives: int, steps: int, derandomize: bool) -> None:
    stateful.run_state_machine_as_test(
        life,
        settings=settings(
            max_examples=lives,
            stateful_step_count=steps,
            derandomize=derandomize,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("lives", [5, pytest.param(20, marks=pytest.mark.slow)])
def test_every_pinned_environment_stays_whole_whatever_is_done(life, lives):
    lead(life, lives=lives, steps=20, derandomize=True)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_every_pinned_environment_stays_whole_in_many_lives(life):
    lead(life, lives=300, steps=30, derandomize=False)
