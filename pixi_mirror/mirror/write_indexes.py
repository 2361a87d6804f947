"""Write index files, each together with its sidecars, in an order in which no reader is misled.

A client prefers a sidecar to its index file, so a sidecar that is out of date hides the fresh index file. Therefore a
sidecar is replaced or removed before its index file is written. The parts that an old sidecar names stay for some days,
for clients that still hold the old one.
"""

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from pixi_mirror.conda.index_files import SHARD_SUFFIX
from pixi_mirror.errors import ProgramError
from pixi_mirror.mirror.blocked_paths import make_way
from pixi_mirror.mirror.plan import Plan, recorded_indexes
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.indexes import (
    IndexFile,
    SidecarFiles,
    SidecarMaker,
    SidecarResult,
    SidecarRole,
    StandingFiles,
)
from pixi_mirror.model.packages import GeneratedFile
from pixi_mirror.model.values import MirrorPath, Sha256, admit_sha256

_PARTS_AT_ONCE = 256
GRACE_S = 7 * 86_400.0
"""How long a part stays that nothing names any more; clients keep a shard index for up to a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarPlan:
    """Which sidecars the mirror should have, and which it has."""

    maker: SidecarMaker
    recipes: Mapping[MirrorPath, Sha256]
    """Index file -> recipe of its sidecars. An index file that is not here has none."""
    recorded: Mapping[MirrorPath, SidecarRole]
    fresh: frozenset[MirrorPath]
    """The recorded sidecars that stay as they are."""
    to_make: Mapping[MirrorPath, Sha256]
    """Those of `recipes` whose sidecars have to be made."""


def plan_sidecars(tree: Tree, plan: Plan, files: Mapping[MirrorPath, IndexFile], maker: SidecarMaker) -> SidecarPlan:
    """Decide which sidecars of the index files `files` have to be made.

    Raises:
        ProgramError: some have to be made, and the program that the user named does not exist.
    """
    recorded = {path: role for path in recorded_indexes(tree) if (role := maker.role(path)) is not None}
    # A part that only waits to be removed is no reason to make its index file new sidecars.
    recipes = maker.recipes(files, [path for path in recorded if path not in tree.state.unlisted])
    fresh: set[MirrorPath] = set()
    to_make: dict[MirrorPath, Sha256] = {}
    for main, recipe in recipes.items():
        wanted = GeneratedFile(recipe=recipe)
        heads = [
            path
            for path, role in recorded.items()
            if role.main == main and not role.is_part and tree.inventory.tree[path] == wanted
        ]
        # All parts that are not unlisted are named by these heads.
        parts = [
            path
            for path, role in recorded.items()
            if role.main == main and role.is_part and path not in tree.state.unlisted
        ]
        present = [*heads, *parts] if heads else []
        if present and all(_is_intact(tree, plan, path) for path in present):
            fresh.update(present)
        elif present or tree.state.attempts.get(main) != _attempt(recipe, maker.mark()):
            to_make[main] = recipe
    return SidecarPlan(maker=maker, recipes=recipes, recorded=recorded, fresh=frozenset(fresh), to_make=to_make)


def _attempt(recipe: Sha256, mark: str) -> str:
    return hashlib.sha256(f"{recipe} {mark}".encode()).hexdigest()


@dataclass(slots=True, kw_only=True)
class WrittenIndexes:
    """What `write_indexes` leaves; it is filled step by step."""

    sidecars: dict[MirrorPath, GeneratedFile] = field(default_factory=dict)
    """Sidecars to be recorded."""
    unlisted: dict[MirrorPath, float] = field(default_factory=dict)
    """The parts among them that nothing names any more -> since when, in seconds since 1970."""
    attempts: dict[MirrorPath, str] = field(default_factory=dict)
    """Index file -> a digest of the last attempt to make sidecars that gave none."""
    written: list[MirrorPath] = field(default_factory=list)
    removed: list[MirrorPath] = field(default_factory=list)
    error: ProgramError | None = None


def write_indexes(
    tree: Tree, plan: Plan, sidecars: SidecarPlan, files: Mapping[MirrorPath, IndexFile], stale: Iterable[MirrorPath]
) -> WrittenIndexes:
    """Write those of the index files `files` that are `stale`; make, replace or remove their sidecars before.

    Raises:
        MachineError: the disk refuses.
    """
    made = _make_sidecars(tree, plan, sidecars, files)
    stale = [*stale]
    result = WrittenIndexes(
        sidecars={
            path: content for path in sidecars.fresh if isinstance(content := tree.inventory.tree[path], GeneratedFile)
        },
        attempts={main: tried for main, tried in tree.state.attempts.items() if main in files},
        error=made.error,
    )
    new = {path for each in made.files.values() for path in (*each.parts, *each.heads)}
    # A file that the inventory does not know yet is announced, so that a killed run leaves no file that nobody knows.
    if announced := {*new, *(path for path in stale if path not in tree.inventory.tree)}:
        make_way(tree, announced)
        tree.announce(announced)
    # A sidecar that a killed run has left may be older or newer than the index that is written now.
    left = {path: role for path in tree.leftovers() if (role := sidecars.maker.role(path)) is not None}
    current = sidecars.fresh.union(new, *(each.kept for each in made.files.values()))
    obsolete = {path: role for path, role in {**sidecars.recorded, **left}.items() if path not in current}
    heads: dict[MirrorPath, list[MirrorPath]] = {}
    for path, role in sorted(obsolete.items(), key=lambda item: item[1].rank):
        if not role.is_part:
            heads.setdefault(role.main, []).append(path)
    _write_parts(tree, {path: files[path] for path in stale if files[path].is_part}, result)
    unwritten = {*stale} - {*result.written}
    for main in dict.fromkeys([*files, *(role.main for role in obsolete.values())]):
        _renew_sidecars(tree, plan, sidecars, made, main=main, result=result)
        for path in heads.get(main, ()):
            tree.remove(path)
            result.removed.append(path)
        if main in unwritten and (main in sidecars.recipes or main in heads):
            tree.write(main, files[main].content())
            result.written.append(main)
            unwritten.remove(main)
    # The others have no sidecars, so their order does not matter.
    tree.write_all({path: files[path].content() for path in stale if path in unwritten})
    result.written += [path for path in stale if path in unwritten]
    _keep_parts(tree, plan, [path for path, role in obsolete.items() if role.is_part], result)
    return result


def _renew_sidecars(
    tree: Tree, plan: Plan, sidecars: SidecarPlan, made: SidecarResult, *, main: MirrorPath, result: WrittenIndexes
) -> None:
    """Write the new sidecars of an index file, or note that the attempt gave none."""
    if main not in sidecars.to_make:
        return
    result.attempts.pop(main, None)
    if main in made.files:
        _write_sidecars(tree, plan, made.files[main], sidecars.to_make[main], result)
    elif made.error is None:
        result.attempts[main] = _attempt(sidecars.to_make[main], sidecars.maker.mark())


def _write_parts(tree: Tree, parts: Mapping[MirrorPath, IndexFile], result: WrittenIndexes) -> None:
    """Write the files that other index files refer to, and sync them, before any of those is written."""
    for some in _batched(parts.items()):
        tree.write_all({path: part.content() for path, part in some})
        result.written += [path for path, _ in some]
    tree.sync()


def _batched(parts: Iterable[tuple[MirrorPath, IndexFile]]) -> Iterator[tuple[tuple[MirrorPath, IndexFile], ...]]:
    """The parts, so many at a time that their contents do not fill the memory."""
    left = iter(parts)
    while some := tuple(islice(left, _PARTS_AT_ONCE)):
        yield some


def _make_sidecars(
    tree: Tree, plan: Plan, sidecars: SidecarPlan, files: Mapping[MirrorPath, IndexFile]
) -> SidecarResult:
    if not sidecars.to_make:
        return SidecarResult()

    def is_whole(path: MirrorPath) -> bool:
        return _is_intact(tree, plan, path)

    standing = StandingFiles(is_whole=is_whole, read=lambda path: tree.read(path) if is_whole(path) else None)
    return sidecars.maker.make(files, sidecars.to_make, standing=standing, directory=tree.temporary_directory)


def _write_sidecars(tree: Tree, plan: Plan, files: SidecarFiles, recipe: Sha256, result: WrittenIndexes) -> None:
    """Write the parts that the mirror lacks, then the files that name them."""
    whole = {path for path in files.parts if _is_intact(tree, plan, path)}
    tree.write_all({path: data for path, data in files.parts.items() if path not in whole})
    for path, data in files.heads.items():
        tree.write(path, data)
    result.written += [path for path in (*files.parts, *files.heads) if path not in whole]
    result.sidecars.update(recorded_sidecars(files, recipe))


def recorded_sidecars(files: SidecarFiles, recipe: Sha256) -> Mapping[MirrorPath, GeneratedFile]:
    """How the sidecars of an index file are recorded: the heads by their recipe, and parts by the sha256 in their name.

    So what is recorded of a part stays the same as long as the part does.
    """
    parts = {path: GeneratedFile(recipe=part_digest(path)) for path in (*files.parts, *files.kept)}
    return {**parts, **dict.fromkeys(files.heads, GeneratedFile(recipe=recipe))}


def part_digest(path: MirrorPath) -> Sha256:
    """The sha256 of a part's bytes, by which it is called (CEP 16)."""
    return admit_sha256(path.rpartition("/")[2].removesuffix(SHARD_SUFFIX))


def _is_intact(tree: Tree, plan: Plan, path: MirrorPath) -> bool:
    content = tree.inventory.tree.get(path)
    return isinstance(content, GeneratedFile) and plan.held.get(path) == content.recipe


def _keep_parts(tree: Tree, plan: Plan, parts: Iterable[MirrorPath], result: WrittenIndexes) -> None:
    """Keep intact parts that nothing names any more, and remove damaged ones.

    Parts that a killed run has left are not recorded; they are removed with its other leftovers.
    """
    now = time.time()
    for path in parts:
        content = tree.inventory.tree.get(path)
        if not isinstance(content, GeneratedFile):
            continue
        if _is_intact(tree, plan, path):
            result.sidecars[path] = content
            result.unlisted[path] = tree.state.unlisted.get(path, now)
            continue
        if not tree.path(path).is_dir():  # a directory in its place is somebody else's
            tree.remove(path)
        result.removed.append(path)


def overdue_parts(written: WrittenIndexes, *, grace_s: float) -> tuple[MirrorPath, ...]:
    """The parts that have been unlisted for the grace time."""
    now = time.time()
    return tuple(sorted(path for path, since in written.unlisted.items() if since + grace_s <= now))
