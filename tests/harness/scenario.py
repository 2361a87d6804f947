"""A change of a mirror that can be stopped anywhere, again and again, each time on a copy of the same beginning."""

import itertools
import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import kill, oracle, osv, program
from harness.child import Completed
from harness.looking import contents, identities, served_files, sha256
from harness.world import World, small_packages

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.packages import build_package
from pixi_mirror.lockfile.writer import CondaLockEntry, PypiLockEntry

_ALWAYS = ("rename", "replace", "link", "unlink")
_PRIVATE = {
    f".pixi-mirror/{name}"
    for name in (
        "hosted.log", "ledger.json", "lock", "receiver", "reserve", "state.json", "state.notes", "unchanged.json",
        "update-lock",
    )
}  # fmt: skip
_HISTORY = re.compile(r"generations/(?:([0-9]+)\.gz|names\.json)|replaced/[0-9a-f]{64}")
_CACHE = {"CACHEDIR.TAG", "identities", "lock", "partial", "sha256"}
_FEW = 3
"""Writes that the counted run may have had more than others: the network decides in how many pieces a body comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One copy of a mirror and its cache."""

    directory: Path

    @property
    def mirror(self) -> Path:
        return self.directory / "mirror"

    @property
    def cache(self) -> Path:
        return self.directory / "cache"

    @property
    def blobs(self) -> set[str]:
        """sha256 of what its cache has."""
        return {path.name for path in (self.cache / "sha256").glob("*/*")}

    @property
    def served(self) -> dict[str, bytes]:
        """What clients may see."""
        return served_files(self.mirror)

    @property
    def litter(self) -> set[str]:
        """What no finished run leaves in the private part or in the cache."""
        found = contents(self.mirror / ".pixi-mirror")
        names = {f".pixi-mirror/{path}" for path in found if not _HISTORY.fullmatch(path)} - _PRIVATE
        names |= self._generations_that_nobody_names(found)
        names |= {path.name for path in self.mirror.glob(".pixi-mirror/tmp/*")}
        if self.cache.is_dir():
            names |= {path.name for path in self.cache.iterdir()} - _CACHE
            names |= {path.name for path in (self.cache / "partial").iterdir()}
        return names

    def _generations_that_nobody_names(self, private: Mapping[str, bytes]) -> set[str]:
        numbers = {int(found[1]) for path in private if (found := _HISTORY.fullmatch(path)) and found[1]}
        inventory = self.mirror / "pixi-mirror.json"
        document = json.loads(inventory.read_bytes()) if inventory.exists() else {}
        stamps = [document.get("generation"), *(change["generation"] for _, change in document.get("journal", ()))]
        stamp = stamps[-1]
        last = stamp["last"] if stamp else max(numbers, default=0)
        return {f"generation {number}, and the last is {last}" for number in numbers if number > last}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A command that turns OLD into NEW."""

    world: World
    args: Callable[[Path], list[object]]
    """Of pixi-mirror, for a mirror."""
    rerun_statuses: tuple[int, ...] = (0,)
    """How a second run may end where the first was complete."""
    is_true_before: bool = True
    """Whether OLD is a mirror that the oracle accepts."""
    has_jobs: bool = True
    """Whether the verb has the option `--jobs`."""
    products: Callable[[Place], Mapping[str, object]] = lambda _place: {}
    """What it makes beside the mirror, by name; each is at every instant absent, or wholly as it was or is to be."""
    rewritten: frozenset[str] = frozenset()
    """What every run writes, also one that changes nothing, as paths in a copy; folders of it are not looked into."""
    litter: Callable[[Place], set[str]] = lambda _place: set()
    """What no finished run leaves beside the mirror."""
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def seed(self) -> Place:
        """OLD; absent: nothing at all."""
        return Place(directory=self.world.directory / "seed")

    def fresh(self) -> Place:
        """A copy of OLD."""
        place = Place(directory=self.world.directory / f"copy-{next(self._numbers)}")
        shutil.copytree(self.seed.directory, place.directory, symlinks=True)
        return place

    def environment(self, place: Place) -> dict[str, str]:
        return self.world.environment | {"PIXI_MIRROR_CACHE_DIR": str(place.cache)}

    def run(self, place: Place, *more: object) -> Completed:
        self.world.upstream.forget_requests()
        return program.run([*self.args(place.mirror), *more], **self.surroundings(place))

    def points(self, *, full: bool) -> list[kill.Point]:
        """Where to stop a run: at every call if `full`, else at every rename, link and removal and a sample."""
        place = self.fresh()
        calls = program.mutating_calls(self.alone(place), **self.surroundings(place), below=place.directory)
        shutil.rmtree(place.directory)
        assert calls
        return [call for call in calls if full or call.kind in _ALWAYS or call.number % 5 == 1]

    def stopped(self, point: kill.Point, *, error: str | None = None) -> tuple[Place, Completed]:
        """A fresh copy after a run that was killed, or whose call failed, at `point`."""
        place = self.fresh()
        options = {"point": point, "error": error, "below": place.directory}
        return place, program.run(self.alone(place), **self.surroundings(place), **options)

    def stopped_after(self, seconds: float, *more: object) -> tuple[Place, Completed]:
        """A fresh copy after a run that was killed when it had run so long, or had ended by itself."""
        place = self.fresh()
        options = {"kill_after_s": seconds}
        return place, program.run([*self.args(place.mirror), *more], **self.surroundings(place), **options)

    def surroundings(self, place: Place) -> dict[str, Any]:
        """Environment and directory of a run."""
        return {"env": self.environment(place), "cwd": self.world.directory}

    def alone(self, place: Place) -> list[object]:
        """The command with as few threads as can be, so that calls have one order."""
        return [*self.args(place.mirror), *(["--jobs", "1"] if self.has_jobs else [])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Says whether a stopped run did any harm."""

    scenario: Scenario
    old: oracle.Listing
    new: oracle.Listing
    end: dict[str, bytes]
    """What is served once the run has ended, path -> bytes."""
    products: tuple[Mapping[str, object], Mapping[str, object]]
    """What there was beside the mirror before and after."""

    def require_sound(self, place: Place, what: object) -> str:
        """Fail unless what clients see is OLD, NEW or BETWEEN; which of them."""
        found = oracle.verdict(place.mirror, old=self.old, new=self.new)
        assert found.state != "broken" or not self.scenario.is_true_before, (what, found.reasons)
        for name, product in self.scenario.products(place).items():
            assert product in [each[name] for each in self.products if name in each], (what, f"{name} is not whole")
        return found.state

    def require_end(self, place: Place, what: object, *, thrice: bool) -> None:
        """Fail unless a second run ends in NEW, fetching nothing that was verified, and a third does nothing."""
        had = place.blobs
        again = self.scenario.run(place)
        assert again.status in self.scenario.rerun_statuses, (what, again.status, again.stderr)
        root = self.scenario.world.root
        paths = {root / request.bare.lstrip("/") for request in self.scenario.world.requests}
        asked = {sha256(path) for path in paths if path.is_file()}  # pages, which are none, may be asked for again
        assert not asked & had, (what, "a verified file was fetched again")
        assert place.served == self.end, what
        assert self.scenario.products(place) == self.products[1], what
        assert place.litter | self.scenario.litter(place) == set(), what
        if thrice:
            before = identities(place.directory)
            third = self.scenario.run(place)
            assert third.status in self.scenario.rerun_statuses, (what, third.stderr)
            assert self.scenario.world.requests == [], what
            written = _written(before, identities(place.directory))
            assert {path for path in written if path.split("/")[0] not in self.scenario.rewritten} == set(), what


def _written(before: dict, after: dict) -> set[str]:
    # Who decides in full signs the writer lock.
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    return {path for path in changed if not path.endswith(("/lock", "/update-lock", "/.pixi-mirror", "/incoming"))}


def judge(scenario: Scenario) -> Judge:
    """What a run that nobody stops makes of a copy."""
    place = scenario.fresh()
    old, before = oracle.listing(place.mirror), scenario.products(place)
    done = scenario.run(place)
    assert done.status == 0, done.stderr
    new, end = oracle.listing(place.mirror), place.served
    assert place.litter | scenario.litter(place) == set()
    products = (before, scenario.products(place))
    shutil.rmtree(place.directory)
    return Judge(scenario=scenario, old=old, new=new, end=end, products=products)


def require_survival(scenario: Scenario, points: Iterable[kill.Point]) -> str:
    """Kill a run at each point; how many there were, and where the kills left the mirror."""
    judging = judge(scenario)
    states: dict[str, int] = {}
    unreached = 0
    for number, point in enumerate(points):
        place, done = scenario.stopped(point)
        if done.status == 0 and point.kind == "write" and unreached < _FEW:
            unreached += 1
            shutil.rmtree(place.directory)
            continue
        assert done.status == kill.KILLED, (point, done)
        state = judging.require_sound(place, point)
        states[state] = states.get(state, 0) + 1
        judging.require_end(place, point, thrice=number % 3 == 0)
        shutil.rmtree(place.directory)
    shutil.rmtree(scenario.seed.directory)
    return f"{sum(states.values())} points: " + ", ".join(f"{state} {n}" for state, n in sorted(states.items()))


def update(world: World) -> Scenario:
    """An update of a standing mirror that adds a package and changes the record of another, a hotfix."""
    scenario = first_update(world)
    done = scenario.run(scenario.seed)
    assert done.status == 0, done.stderr
    locked(
        world,
        hotfixed=True,
        more=[build_package(name="added", subdir="linux-64", payload_size=300_000), build_package(name="also-added")],
    )
    return scenario


def first_update(world: World) -> Scenario:
    """The first update, where there is neither mirror nor cache."""
    lock = locked(world)
    scenario = Scenario(world=world, args=lambda mirror: ["--lock", lock, "-o", mirror])
    scenario.seed.directory.mkdir()
    return scenario


def prune(world: World) -> Scenario:
    """A prune that removes at once what an update no longer wants."""
    updating = first_update(world)
    assert updating.run(updating.seed).status == 0
    locked(world, without="pure")
    assert updating.run(updating.seed).status == 0
    args = ["--apply", "--grace", "0"]
    return Scenario(world=world, args=lambda mirror: ["prune", mirror, *args], has_jobs=False)


def forget(world: World) -> Scenario:
    """Forgetting one of two locks."""
    updating = first_update(world)
    assert updating.run(updating.seed).status == 0
    second = world.workspace("second")
    adding = Scenario(world=world, args=lambda mirror: ["--lock", second, "-e", "prod", "-o", mirror])
    assert adding.run(updating.seed).status == 0
    args = ["--lock", second]
    return Scenario(
        world=world, args=lambda mirror: ["forget", mirror, *args], rerun_statuses=(0, 2, 3), has_jobs=False
    )  # fmt: skip


def rollback(world: World) -> Scenario:
    """Going back to where a package had another record, another was not there, and one was wanted that is surplus now.

    No path has other bytes: between a file and its index nobody can say which of them a client has read.
    """
    updating = first_update(world)
    assert updating.run(updating.seed).status == 0
    locked(world, hotfixed=True, without="pure", more=[build_package(name="added", subdir="linux-64")])
    assert updating.run(updating.seed).status == 0
    return Scenario(world=world, args=lambda mirror: ["rollback", "1", "-o", mirror], has_jobs=False)


def advisories(world: World) -> Scenario:
    """A database of advisories that takes the place of another one."""
    updating = first_update(world)
    assert updating.run(updating.seed).status == 0
    files = [world.directory / f"{name}.zip" for name in ("old", "new")]
    for file in files:
        file.write_bytes(osv.all_zip(osv.advisory(file.stem)))
    first, second = (
        Scenario(
            world=world,
            args=lambda mirror, file=file: ["advisories", "update", mirror, "--from", file],
            rewritten=frozenset({"cache"}),  # nobody promises what the file is, so it is copied and hashed each time
        )
        for file in files
    )
    assert first.run(updating.seed).status == 0
    return second


def repair(world: World) -> Scenario:
    """A repair of a mirror that lacks a package and has a damaged one and a damaged index."""
    updating = first_update(world)
    assert updating.run(updating.seed).status == 0
    channel = updating.seed.mirror / world.authority_path / "conda-forge"
    (channel / "noarch/base-2024.1-0.conda").unlink()
    damaged = channel / "linux-64/tool-1.0-h12_1.conda"
    data = damaged.read_bytes()
    damaged.unlink()
    damaged.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    (channel / "linux-64/repodata.json").write_bytes(b"{}")
    return Scenario(world=world, args=lambda mirror: ["verify", mirror, "--repair"], is_true_before=False)


def hosted_upload(world: World) -> Scenario:
    """A package put into a hosted channel that has others, with a sidecar."""
    return _hosting(world, ["host", "put", *_built(world, "tool", "2.0"), "--to", "team"])


def hosted_yank(world: World) -> Scenario:
    """A package of a hosted channel yanked."""
    return _hosting(world, ["host", "yank", "tool-1.0-0.conda", "--from", "team"])


def hosted_deletion(world: World) -> Scenario:
    """A wheel and a package of a hosted name deleted; a second run finds none."""
    args = ["host", "delete", "tool-1.0-0.conda", "--from", "team"]
    return _hosting(world, args, rerun_statuses=(0, 4))


def _hosting(world: World, args: list[object], *, rerun_statuses: tuple[int, ...] = (0,)) -> Scenario:
    scenario = Scenario(
        world=world, args=lambda mirror: [*args, "-o", mirror], has_jobs=False, rerun_statuses=rerun_statuses,
        rewritten=frozenset({"mirror/.pixi-mirror/hosted.log"}),
    )  # fmt: skip
    scenario.seed.directory.mkdir()
    mirror, around = scenario.seed.mirror, scenario.surroundings(scenario.seed)
    files = [*_built(world, "tool", "1.0"), *_built(world, "other", "1.0")]
    wheel = build_wheel(name="demo", version="1.0")
    (world.directory / wheel.file_name).write_bytes(wheel.data)
    for words in (["add", "team"], ["put", *files, world.directory / wheel.file_name, "--to", "team"]):
        done = program.run(["host", *words, "-o", mirror], **around)
        assert done.status == 0, done.stderr
    return scenario


def _built(world: World, name: str, version: str) -> list[Path]:
    built = build_package(name=name, version=version, subdir="linux-64")
    (world.directory / built.file_name).write_bytes(built.data)
    return [world.directory / built.file_name]


def python(world: World) -> Scenario:
    """An update that brings a newer wheel of one project and the first of another, with purls for a conda package."""
    first = _wheels(world, ("thing", "1.0"))
    lock = locked(world, more=(), python=first)
    scenario = Scenario(world=world, args=lambda mirror: ["--lock", lock, "-o", mirror])
    scenario.seed.directory.mkdir()
    assert scenario.run(scenario.seed).status == 0
    locked(world, python=_wheels(world, ("thing", "2.0"), ("other", "1.0")))
    return scenario


def _wheels(world: World, *which: tuple[str, str]) -> list[PypiLockEntry]:
    entries = []
    for name, version in which:
        built = build_wheel(name=name, version=version)
        path = world.root / "files" / built.file_name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(built.data)
        url = f"{world.upstream.url}/files/{built.file_name}"
        row = {"filename": built.file_name, "url": url, "hashes": {"sha256": built.sha256}, "size": len(built.data)}
        page = {"meta": {"api-version": "1.1"}, "name": name, "versions": [version], "files": [row]}
        kind = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
        world.upstream.put(f"/simple/{name}/", json.dumps(page).encode(), headers=kind)
        entries.append(PypiLockEntry(url=url, name=name, version=version, sha256=built.sha256))
    return entries


def locked(
    world: World,
    *,
    hotfixed: bool = False,
    more: Iterable = (),
    without: str = "",
    python: Iterable[PypiLockEntry] = (),
) -> Path:
    """Lock the workspace of the scenarios to the small packages and these."""
    names = [name for name in ("base", "pure", "tool-linux") if name != without]
    entries = {name: world.publish(small_packages()[name]) for name in names}
    if hotfixed:
        tool = entries["tool-linux"]
        entries["tool-linux"] = CondaLockEntry(url=tool.url, record={**tool.record, "depends": ["base >=2024"]})
    if python:
        entries["base"] = entries["base"].hotfixed(purls=[])
    cell = [*entries.values(), *(world.publish(package) for package in more), *python]
    indexes = [f"{world.upstream.url}/simple"] if python else []
    return world.lock("workspace", environments={"default": {"linux-64": cell}}, indexes=indexes)
