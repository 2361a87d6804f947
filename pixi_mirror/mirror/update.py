"""Bring the mirror to hold what the locks pin; never remove a package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pixi_mirror.context import Context
from pixi_mirror.errors import MachineError, PixiMirrorError, SeveralErrors, WorkspaceError
from pixi_mirror.mirror.apply import require_program, settle, stale
from pixi_mirror.mirror.memo import FILE as UNCHANGED
from pixi_mirror.mirror.memo import memo
from pixi_mirror.mirror.plan import Plan, is_ignorant, planned, undeferrable
from pixi_mirror.mirror.requests import Chosen, Wished, inputs_of, is_refresh, named_wishes, refreshing_wishes
from pixi_mirror.mirror.subscriptions import only_workspace, refusal_of, renewed
from pixi_mirror.mirror.supply import bring_and_learn, resolve_build_requirements
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.indexes import Companion
from pixi_mirror.model.packages import Layout, Listing, Stored
from pixi_mirror.model.values import Json, MirrorPath

if TYPE_CHECKING:  # a run with nothing to fetch must not pay for it
    from pixi_mirror.cache.batch import Failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the user asks an update for."""

    mirror: Path
    chosen: Chosen
    flat: bool
    defer: bool
    """Whether what is not there is to come when somebody asks for it."""
    dry_run: bool
    question: Mapping[str, Json]
    """All of this and the surroundings, as they were told: what to remember a complete update by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Updated:
    """What an update found and did."""

    mirror: Path
    dry_run: bool
    plan: Plan
    """As found before the run."""
    indexes: tuple[MirrorPath, ...]
    """Index files written, or in a dry run those to be written."""
    fetched: tuple[MirrorPath, ...]
    fetched_size: int
    """Bytes of these."""
    failed: tuple[Failed, ...]
    error: PixiMirrorError | None
    """Why the run was not a success; None: it was."""


def update(asked: Asked, context: Context, *, announce: Callable[[Plan], None]) -> Updated:
    """Renew the pins, bring what is missing or changed, index it and record it; a dry run stops before that.

    `announce` hears the plan before the first byte is fetched.

    Raises:
        UsageError: the choices exclude each other.
        WorkspaceError: a workspace or lock that was named cannot be read, or lacks an environment or platform.
        UnmirrorableError: two locks want different bytes at one path.
        MachineError: the directory, the disk or the cache cannot be used.
        BusyError: another process is writing the mirror.
    """
    tree = Tree(asked.mirror)
    named = None if is_refresh(asked.chosen, tree) else _named(asked, tree, context)
    # What cannot be done is refused before a directory is made for it.
    early = None if tree.exists else _decided(asked, tree, named, context)
    if asked.dry_run or (early is not None and early.refusal is not None):
        decided = early or _decided(asked, tree, named, context)
        return _result(asked, decided.plan, indexes=stale(tree, decided.plan), error=decided.refusal or decided.problem)
    with tree.writing(timeout_s=context.lock_timeout_s):
        decided = early if early is not None and not tree.inventory.tree else _decided(asked, tree, named, context)
        if decided.refusal is not None:
            return _result(asked, decided.plan, indexes=stale(tree, decided.plan), error=decided.refusal)
        announce(decided.plan)
        here = decided.wished.here
        if here is not None and here.trail:
            tree.remember(context.directory(), here.manifest, here.trail)
        updated = _carried_out(asked, decided.plan, tree, context, decided.problem)
        if updated.error is None and _nothing_to_tell(decided.plan):
            with suppress(OSError, MachineError):  # without it the next run takes longer, and that is all
                tree.write_private(UNCHANGED, _memo(asked, tree, decided))
        return updated


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decided:
    """What is to be done, and why not."""

    wished: Wished
    inputs: Mapping[str, str | None]
    plan: Plan
    refusal: PixiMirrorError | None
    """What cannot be mirrored; None: everything can."""
    problem: PixiMirrorError | None
    """What could not be refreshed; None: everything could."""


def _decided(asked: Asked, tree: Tree, named: Wished | None, context: Context) -> _Decided:
    layout = _layout(asked, tree)
    wished = named or refreshing_wishes(asked.chosen, tree, environ=context.environ)
    inputs = inputs_of(wished, context.directory)
    state = tree.state
    renewal = renewed(tree.inventory, state.locks, wished.wishes, manifests=state.manifests, layout=layout)
    plan = planned(tree, renewal, layout=layout, defer=asked.defer)
    return _Decided(
        wished=wished,
        inputs=inputs,
        plan=plan,
        refusal=refusal_of(renewal.unacceptable) or undeferrable(plan),
        problem=_problem(plan, (*wished.problems, *renewal.problems)),
    )


def _memo(asked: Asked, tree: Tree, decided: _Decided) -> bytes:
    packages = decided.plan.packages.values()
    answer = {"files": len(packages), "bytes": sum(package.size or 0 for package in packages)}
    answer |= {"deferred": len(decided.plan.deferred), "deferred_bytes": decided.plan.deferred_size}
    return memo(str(tree.root), asked.question, inputs=decided.inputs, answer=answer)


def _nothing_to_tell(plan: Plan) -> bool:
    """Whether a run that changes nothing would have no word of warning to repeat."""
    renewal = plan.renewal
    if renewal.warnings or renewal.problems or plan.disagreements or any(each.refused for each in renewal.snapshots):
        return False
    # What a lock names on this machine may change without the lock; the memo looks at locks and manifests alone.
    return not any(each.kind == "pypi" and each.path.startswith("local/") for each in plan.packages.values())


def _carried_out(asked: Asked, plan: Plan, tree: Tree, context: Context, problem: PixiMirrorError | None) -> Updated:
    """Two rounds at most: what the locks pin, and then, once the sdists can be read, what building them needs."""
    done = _brought(asked, plan, tree, context)
    if done.error is None and (more := _tooled(asked, plan, tree, context)) is not None:
        match more:
            case PixiMirrorError():
                done = replace(done, error=more)
            case Plan():
                then = _brought(asked, more, tree, context)
                done = replace(
                    then,
                    plan=done.plan,
                    indexes=tuple(dict.fromkeys((*done.indexes, *then.indexes))),
                    fetched=(*done.fetched, *then.fetched),
                    fetched_size=done.fetched_size + then.fetched_size,
                )
    return done if done.error is not None else replace(done, error=problem)


def _tooled(asked: Asked, plan: Plan, tree: Tree, context: Context) -> Plan | PixiMirrorError | None:
    """The plan with what building needs, or why it cannot be known; None: nothing is asked for, or all is there."""
    snapshots = plan.renewal.snapshots
    requests = (request for snapshot in snapshots for request in snapshot.requests)
    asked_for = any(request.build_requires or request.with_build_requirements for request in requests)
    if not asked_for and not any(snapshot.tools for snapshot in snapshots):
        return None
    from pixi_mirror.mirror.build_tools import retooled

    workspace = only_workspace(plan.renewal.sources)
    try:
        tooled = retooled(
            snapshots,
            tree.inventory.listings,
            lambda question: resolve_build_requirements(context, question, workspace=workspace),
        )
    except PixiMirrorError as error:
        return error
    if tooled == snapshots:
        return None
    return planned(tree, replace(plan.renewal, snapshots=tooled), layout=plan.layout, defer=asked.defer)


def _brought(asked: Asked, plan: Plan, tree: Tree, context: Context) -> Updated:
    fetched: tuple[MirrorPath, ...] = ()
    stored: Mapping[MirrorPath, Stored] = {}
    listings: Mapping[MirrorPath, Listing] = {}
    companion = context.companion(plan.renewal.locks.values())
    require_program(tree, plan, companion)
    if plan.to_bring or is_ignorant(tree, plan):
        brought, listings = bring_and_learn(context, tree, plan)
        if brought.failed:
            return _result(asked, plan, failed=brought.failed, error=_failure(brought.failed, plan))
        fetched, stored = brought.fetched, brought.stored
    settled = settle(tree, plan, stored, companion=companion, learnt=listings)
    indexes = tuple(path for path in settled.written if not _is_part(companion, path))
    return _result(asked, plan, indexes=indexes, fetched=fetched, stored=stored, error=settled.error)


def _is_part(companion: Companion, path: MirrorPath) -> bool:
    role = companion.role(path)
    return role is not None and role.is_part


def _result(
    asked: Asked,
    plan: Plan,
    *,
    indexes: tuple[MirrorPath, ...] = (),
    fetched: tuple[MirrorPath, ...] = (),
    stored: Mapping[MirrorPath, Stored] = MappingProxyType({}),
    failed: tuple[Failed, ...] = (),
    error: PixiMirrorError | None,
) -> Updated:
    return Updated(
        mirror=asked.mirror,
        dry_run=asked.dry_run,
        plan=plan,
        indexes=indexes,
        fetched=fetched,
        fetched_size=sum(each.size for each in stored.values()),
        failed=failed,
        error=error,
    )


def _failure(failed: tuple[Failed, ...], plan: Plan) -> PixiMirrorError:
    return SeveralErrors(
        f"{len(failed)} of {len(plan.to_bring)} files could not be brought; the mirror is as it was, "
        "and what did arrive is kept in the cache for the next run:",
        [failure.error for failure in failed],
    )


def _problem(plan: Plan, problems: tuple[WorkspaceError, ...]) -> PixiMirrorError | None:
    if not problems:
        return None
    return WorkspaceError(
        "\n".join(
            [
                f"{len(problems)} of {len(plan.renewal.snapshots)} subscriptions could not be refreshed; what they "
                "wanted last stays:",
                *(f"  {problem}" for problem in problems),
            ]
        ),
        items=[str(problem) for problem in problems],
    )


def _named(asked: Asked, tree: Tree, context: Context) -> Wished:
    """What the user names, looked for before anything is made on disk."""
    return named_wishes(asked.chosen, tree, directory=context.directory(), environ=context.environ)


def _layout(asked: Asked, tree: Tree) -> Layout:
    """A mirror keeps the layout that it was begun with."""
    layout = tree.inventory.layout
    if asked.flat and layout == "channels" and tree.inventory.tree:
        raise MachineError(
            f"{asked.mirror} holds one directory per channel already, so it cannot become flat. "
            "Name another directory for the flat mirror."
        )
    return "flat" if asked.flat else layout
