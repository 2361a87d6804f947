"""Bring a world into one state again and again, stop a run there at each of its calls, and judge what it left."""

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness import kill, oracle
from harness.kill import Point
from harness.looking import identities
from harness.world import World

EVERY = frozenset({"rename", "replace", "link", "symlink", "unlink", "rmdir", "mkdir", "truncate"})
"""Calls that are all tried; of the others (fsync, write, open) every third is."""
NOTES = (".pixi-mirror/unchanged.json", ".pixi-mirror/lock")
"""What a run without work may write: its memo, and the signature of who holds the lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A world in a state to go back to, and a run from there whose end is known."""

    world: World
    args: list[str]
    """Of the run that is stopped."""
    old: oracle.Listing
    new: oracle.Listing
    points: tuple[Point, ...]
    """Every call of the undisturbed run that changes a disk."""

    @property
    def parts(self) -> tuple[Path, Path]:
        """What a run changes."""
        return self.world.mirror, self.world.home

    def rewind(self) -> None:
        """Make everything as it was before the run."""
        for part in self.parts:
            shutil.rmtree(part, ignore_errors=True)
        _copy(self.world.directory / "before", self.world.directory)
        self.world.upstream.forget_requests()

    def stopped(self, point: Point, error: str | None = None):
        """How the run ends that is killed, or whose call fails, at `point`."""
        return kill.killed_at(point, self.args, env=self.world.environment, cwd=self.world.directory, error=error)

    def verdict(self) -> oracle.Verdict:
        """What the mirror is now."""
        return oracle.verdict(self.world.mirror, old=self.old, new=self.new)

    def sample(self, *, every: int) -> Iterator[Point]:
        """Points to try: `every`-th of those that are all to be tried, and a third of that of the others."""
        seen = {True: 0, False: 0}
        for point in self.points:
            important = point.kind in EVERY
            seen[important] += 1
            if (seen[important] - 1) % (every if important else 3 * every) == 0:
                yield point


def scene(world: World, *args: str, after: Iterable[str] = ("--jobs", "1")) -> Scene:
    """The world as it is now, with a run of `args` from here that was undisturbed."""
    before = world.directory / "before"
    before.mkdir()
    for part in (world.mirror, world.home):
        part.mkdir(exist_ok=True)
        _copy(part, before)
    if not any(world.mirror.iterdir()):
        (before / "mirror").rmdir()
        world.mirror.rmdir()
    old = oracle.listing(world.mirror)
    command = [*args, *after]
    points = kill.mutating_calls(command, env=world.environment, cwd=world.directory)
    new = oracle.listing(world.mirror)
    return Scene(world=world, args=command, old=old, new=new, points=tuple(points))


def _copy(source: Path, target: Path) -> None:
    # One `cp` for all, so that hard links between mirror and cache stay links.
    sources = [*source.iterdir()] if source.name == "before" else [source]
    subprocess.run(["cp", "-a", *sources, target], check=True)


def blobs(world: World) -> set[str]:
    """The sha256 of every file that the cache has verified."""
    return {path.name for path in (world.home / "cache" / "sha256").glob("*/*")}


def fetched(world: World) -> list[str]:
    """The sha256 of the file behind every request."""
    from hashlib import sha256

    return [
        sha256(content.data).hexdigest()
        for request in world.requests
        if (content := world.upstream.content(request.bare)) is not None
    ]


def litter(world: World) -> list[str]:
    """What a finished run must not leave: temporary files, partial downloads, files that no record knows."""
    found = [*(world.mirror / ".pixi-mirror" / "tmp").iterdir(), *(world.home / "cache" / "partial").glob("*")]
    known = {*json.loads((world.mirror / "pixi-mirror.json").read_bytes())["tree"], "pixi-mirror.json"}
    files = [path.relative_to(world.mirror) for path in world.mirror.rglob("*") if not path.is_dir()]
    unknown = [path.as_posix() for path in files if path.parts[0] != ".pixi-mirror" and path.as_posix() not in known]
    return sorted([*map(str, found), *unknown])


def recovery_faults(stage: Scene, *, third: bool = True, excused: str | None = None) -> list[str]:
    """What is wrong with a mirror whose run was stopped, and with the runs after that.

    Args:
        stage: The scene, stopped.
        third: Look also at the run after the next one.
        excused: A file that was damaged before the run, so that whoever lists it may list wrong bytes.
    """
    world = stage.world
    found = []
    verdict = stage.verdict()
    found += [f"left broken: {reason}" for reason in verdict.reasons if excused is None or excused not in reason]
    had = blobs(world)
    world.upstream.forget_requests()
    again = world.run(*stage.args)
    if again.status != 0:
        return [*found, f"the next run ended with {again.status}: {again.stderr}"]
    state = stage.verdict()
    if state.state != "NEW":
        found.append(f"the next run ended in {state.state}: {state.reasons}")
    found += [f"fetched again: {sha256}" for sha256 in fetched(world) if sha256 in had]
    found += [f"litter: {path}" for path in litter(world)]
    if third:
        before = identities(world.mirror)
        world.upstream.forget_requests()
        done = world.run(*stage.args)
        after = identities(world.mirror)
        written = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
        written -= {".pixi-mirror", ".pixi-mirror/tmp", *NOTES}
        if done.status != 0 or world.requests or written:
            found.append(f"the third run: status {done.status}, asked {len(world.requests)}, wrote {sorted(written)}")
    return found
