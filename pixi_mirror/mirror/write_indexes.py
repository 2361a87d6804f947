"""Keep beside each index file what a companion makes of it, in an order in which no reader is ever misled.

Clients prefer a sidecar to the file that it stands beside, so one that is out of date is worse than none: it is
replaced or removed before that file is written. The parts that an old sidecar names stay for a while, for readers under
way.
"""

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from pixi_mirror.errors import ProgramError
from pixi_mirror.mirror.plan import Plan, recorded_indexes
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.indexes import IndexFile, SidecarFiles, SidecarMaker, SidecarResult, SidecarRole
from pixi_mirror.model.packages import GeneratedFile
from pixi_mirror.model.values import MirrorPath, Sha256

_PARTS_AT_ONCE = 256
GRACE_S = 7 * 86_400.0
"""How long a part stays that nothing names any more; clients keep a shard index for up to a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarPlan:
    """What is to stand beside the index files, and what of it does."""

    sidecar_maker: SidecarMaker
    recipes: Mapping[MirrorPath, Sha256]
    """Index file -> recipe of its sidecars; one that is missing has none."""
    standing: Mapping[MirrorPath, SidecarRole]
    """Recorded sidecars."""
    fresh: frozenset[MirrorPath]
    """Of the recorded sidecars, those that are as they are to be."""
    redo: Mapping[MirrorPath, Sha256]
    """Those of `recipes` that are to be made."""


def plan_sidecars(
    tree: Tree, plan: Plan, made: Mapping[MirrorPath, IndexFile], sidecar_maker: SidecarMaker
) -> SidecarPlan:
    """What there is to do beside the index files `made`.

    Raises:
        ProgramError: something is to be made, with a program asked for by name that is not there.
    """
    derived = recorded_indexes(tree)
    standing = {path: role for path in derived if (role := sidecar_maker.role(path)) is not None}
    recipes = sidecar_maker.recipes(made, derived)
    fresh: set[MirrorPath] = set()
    redo: dict[MirrorPath, Sha256] = {}
    for main, recipe in recipes.items():
        recorded = GeneratedFile(recipe=recipe)
        present = [
            path
            for path, role in standing.items()
            if role.main == main and tree.inventory.tree[path] == recorded and path not in tree.state.unlisted
        ]
        if present and all(plan.held.get(path) == recipe for path in present):
            fresh.update(present)
        elif present or tree.state.attempts.get(main) != _attempt(recipe, sidecar_maker.mark()):
            redo[main] = recipe
    return SidecarPlan(
        sidecar_maker=sidecar_maker,
        recipes=recipes,
        standing=standing,
        fresh=frozenset(fresh),
        redo=redo,
    )


def _attempt(recipe: Sha256, mark: str) -> str:
    return hashlib.sha256(f"{recipe} {mark}".encode()).hexdigest()


@dataclass(slots=True, kw_only=True)
class WrittenIndexes:
    """What a renewal leaves; filled while it goes on."""

    held: dict[MirrorPath, GeneratedFile] = field(default_factory=dict)
    """Sidecars to be recorded."""
    unlisted: dict[MirrorPath, float] = field(default_factory=dict)
    """Of those, the parts that nothing names any more -> since when, in seconds since 1970."""
    attempts: dict[MirrorPath, str] = field(default_factory=dict)
    """Index file -> what was tried for it last, where nothing came of it."""
    written: list[MirrorPath] = field(default_factory=list)
    removed: list[MirrorPath] = field(default_factory=list)
    error: ProgramError | None = None


def write_indexes(
    tree: Tree, plan: Plan, sidecars: SidecarPlan, made: Mapping[MirrorPath, IndexFile], outdated: Iterable[MirrorPath]
) -> WrittenIndexes:
    """Write the index files `outdated`, with whatever stands beside them made anew, replaced or removed first.

    Raises:
        MachineError: the disk refuses.
    """
    makings = _makings(tree, sidecars, made)
    fresh = {path: GeneratedFile(recipe=sidecars.recipes[sidecars.standing[path].main]) for path in sidecars.fresh}
    attempts = {main: tried for main, tried in tree.state.attempts.items() if main in made}
    renewed = WrittenIndexes(held=fresh, attempts=attempts, error=makings.error)
    new = {path for beside in makings.files.values() for path in (*beside.parts, *beside.heads)}
    outdated = [*outdated]
    # What the inventory does not know yet is announced: a server shows it at once, and a killed run leaves no litter.
    if announced := {*new, *(path for path in outdated if path not in tree.inventory.tree)}:
        tree.intend(announced)
    # What a killed run has put there and not recorded could be older or newer than what is written now.
    loose = {path: role for path in tree.leftovers() if (role := sidecars.sidecar_maker.role(path)) is not None}
    there = {**sidecars.standing, **loose}
    obsolete = {path: role for path, role in there.items() if path not in {*sidecars.fresh, *new}}
    _write_parts(tree, {path: made[path] for path in outdated if made[path].is_part}, renewed)
    alone = {*outdated} - {*renewed.written}
    for main in dict.fromkeys([*made, *(role.main for role in obsolete.values())]):
        if main in sidecars.redo:
            renewed.attempts.pop(main, None)
            if main in makings.files:
                _put_beside(tree, plan, makings.files[main], sidecars.redo[main], renewed)
            elif makings.error is None:
                renewed.attempts[main] = _attempt(sidecars.redo[main], sidecars.sidecar_maker.mark())
        heads = [path for path, role in obsolete.items() if role.main == main and not role.is_part]
        for path in sorted(heads, key=lambda path: obsolete[path].rank):
            tree.remove(path)
            renewed.removed.append(path)
        if main in alone and (main in sidecars.recipes or heads):
            tree.write(main, made[main].content())
            renewed.written.append(main)
            alone.remove(main)
    # Nothing stands beside these, so no reader can be misled by their order.
    tree.write_all({path: made[path].content() for path in outdated if path in alone})
    renewed.written += [path for path in outdated if path in alone]
    _keep_parts(tree, renewed, [path for path, role in obsolete.items() if role.is_part and path in plan.held])
    return renewed


def _write_parts(tree: Tree, parts: Mapping[MirrorPath, IndexFile], renewed: WrittenIndexes) -> None:
    """Make last what other index files refer to, before any of these is written."""
    for some in _batched(parts.items()):
        tree.write_all({path: part.content() for path, part in some})
        renewed.written += [path for path, _ in some]
    tree.sync()


def _batched(parts: Iterable[tuple[MirrorPath, IndexFile]]) -> Iterator[tuple[tuple[MirrorPath, IndexFile], ...]]:
    """The parts, so many at a time that their contents do not fill the memory."""
    left = iter(parts)
    while some := tuple(islice(left, _PARTS_AT_ONCE)):
        yield some


def _makings(tree: Tree, sidecars: SidecarPlan, made: Mapping[MirrorPath, IndexFile]) -> SidecarResult:
    if not sidecars.redo:
        return SidecarResult()
    with tree.workshop() as workshop:
        return sidecars.sidecar_maker.make(made, sidecars.redo, workshop)


def _put_beside(tree: Tree, plan: Plan, beside: SidecarFiles, recipe: Sha256, renewed: WrittenIndexes) -> None:
    whole = {path for path in beside.parts if plan.held.get(path) == _recipe(tree, path)}
    tree.write_all({path: data for path, data in beside.parts.items() if path not in whole})
    for path, data in beside.heads.items():
        tree.write(path, data)
    renewed.written += [path for path in (*beside.parts, *beside.heads) if path not in whole]
    renewed.held.update(dict.fromkeys((*beside.parts, *beside.heads), GeneratedFile(recipe=recipe)))


def _recipe(tree: Tree, path: MirrorPath) -> Sha256 | str:
    content = tree.inventory.tree.get(path)
    return content.recipe if isinstance(content, GeneratedFile) else "not there"


def _keep_parts(tree: Tree, renewed: WrittenIndexes, parts: Iterable[MirrorPath]) -> None:
    """Let parts that nothing names any more stay; those of a killed run go with its other leftovers."""
    now = time.time()
    for path in parts:
        content = tree.inventory.tree.get(path)
        if isinstance(content, GeneratedFile):
            renewed.held[path] = content
            renewed.unlisted[path] = tree.state.unlisted.get(path, now)


def overdue_parts(renewed: WrittenIndexes, *, grace_s: float) -> tuple[MirrorPath, ...]:
    """The parts that have been unlisted for the grace time."""
    now = time.time()
    return tuple(sorted(path for path, since in renewed.unlisted.items() if since + grace_s <= now))
