"""Bring the mirror to hold what the locks pin; never remove a package."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pixi_mirror.context import Context
from pixi_mirror.errors import MachineError, PixiMirrorError
from pixi_mirror.mirror.apply import apply_plan, refuse_absent_indexer
from pixi_mirror.mirror.blocked_paths import blocked_paths_error
from pixi_mirror.mirror.dates import record_date
from pixi_mirror.mirror.imported import fork, refuse_own_changes
from pixi_mirror.mirror.index_pages import index_pages
from pixi_mirror.mirror.indexes import stale_indexes
from pixi_mirror.mirror.memo import FILE as UNCHANGED
from pixi_mirror.mirror.memo import dump_memo
from pixi_mirror.mirror.pins import renew_pins, unmirrorable_error
from pixi_mirror.mirror.plan import Plan, choose_layout, lacks_listings, plan_changes, undeferrable_error
from pixi_mirror.mirror.subscriptions import (
    SourcesToRenew,
    chosen_sources,
    followed_sources,
    hash_inputs,
    is_refresh,
)
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.mirror.update_errors import failure_of, look_whether_writable, problem_of
from pixi_mirror.mirror.update_result import UpdateRequest, UpdateResult, result_of
from pixi_mirror.mirror.upstream import (
    find_submodules,
    read_file_of_commit,
    resolve_build_backends,
    resolve_build_requirements,
)
from pixi_mirror.mirror.upstream_packages import UpstreamPackages

if TYPE_CHECKING:  # a run with nothing to fetch must not pay for it
    from pixi_mirror.mirror.update_policy import JudgedPlan
    from pixi_mirror.model.policy import PolicyVerdict


_UPLOADS_S = 60.0
"""How long an update waits for uploads that come one after another, however short it waits for other verbs."""


def update(request: UpdateRequest, context: Context, *, announce: Callable[[Plan], None]) -> UpdateResult:
    """Renew the pins, bring what is missing or changed, write the indexes and record it all.

    A dry run stops before anything is brought.

    Args:
        request: what the user requests.
        context: of the verb.
        announce: is called with the plan before the first byte is fetched.

    Raises:
        UsageError: the choices exclude each other.
        WorkspaceError: a workspace or lock that was named cannot be read, or lacks an environment or platform.
        HistoryError: imports fill the mirror, and it is not to become one of its own.
        UnmirrorableError: two locks want different bytes at one path.
        MachineError: the directory, the disk or the cache cannot be used.
        BusyError: another process is writing the mirror.
    """
    tree = Tree(request.mirror)
    if not request.fork:
        refuse_own_changes(tree, "pixi-mirror update")
    named, pages = None, index_pages(context, tree)
    if not is_refresh(request.selection, tree):
        named = chosen_sources(request.selection, tree, context, pages, names_mirror=request.names_mirror)
    # What is impossible is refused before a directory is made for it.
    early = None if tree.exists else _decide(request, tree, named, context)
    if request.dry_run or (early is not None and early.refusal is not None):
        decision = early or _decide(request, tree, named, context)
        if request.dry_run:
            look_whether_writable(tree, context)
        error = decision.refusal or decision.problem
        indexes = stale_indexes(tree, decision.plan)
        return result_of(request, decision.plan, indexes=indexes, error=error, policy=decision.verdict)
    with tree.updating(timeout_s=context.lock_timeout_s):
        with tree.writing(timeout_s=context.lock_timeout_s, verb="update"):
            if request.fork:
                name = fork(tree).mirror[:8]
                context.progress.note(f"{tree.root} is a mirror of its own now, {name}, and takes no more archives")
        # From here to the first change uploads are not kept out: locks are read, and files fetched into the cache.
        decision = early if early is not None and not tree.inventory.tree else _decide(request, tree, named, context)
        if decision.refusal is not None:
            indexes = stale_indexes(tree, decision.plan)
            return result_of(request, decision.plan, indexes=indexes, error=decision.refusal, policy=decision.verdict)
        announce(decision.plan)
        here = decision.sources.here
        if here is not None and here.manifests_digest:
            with _writing(tree, context):
                tree.record_found_workspace(context.directory(), here.manifest, here.manifests_digest)
        result = _carry_out(request, decision, tree, context)
        if result.error is None and _renews_all(decision):
            record_date(request.mirror, "refresh")
        if result.error is None and _is_silent(decision.plan):
            with suppress(OSError, MachineError), _writing(tree, context):  # without it, the next run only takes longer
                tree.write_private(UNCHANGED, _memo(request, tree, decision))
        return result


def _writing(tree: Tree, context: Context) -> AbstractContextManager[None]:
    """Be the only writer for a step of an update; uploads, of which each takes a moment, are waited for."""
    return tree.writing(timeout_s=max(context.lock_timeout_s, _UPLOADS_S), verb="update")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decision:
    """What an update is to do, and why not all of it can be done."""

    sources: SourcesToRenew
    inputs: Mapping[str, str | None]
    plan: Plan
    refusal: PixiMirrorError | None
    """What cannot be mirrored; None: everything can."""
    problem: PixiMirrorError | None
    """What could not be refreshed; None: everything could."""
    judged: JudgedPlan | None
    """What was found against the policy; None: there is none, or something cannot be mirrored anyway."""

    @property
    def verdict(self) -> PolicyVerdict | None:
        """What was found against the policy."""
        return None if self.judged is None else self.judged.verdict


def _decide(request: UpdateRequest, tree: Tree, named: SourcesToRenew | None, context: Context) -> _Decision:
    layout = choose_layout(tree, flat=request.flat)
    sources = named or followed_sources(request.selection, tree, context, index_pages(context, tree))
    inputs = hash_inputs(sources, context.directory)
    state = tree.state
    pins = renew_pins(
        tree.inventory,
        state.locks,
        sources.requests,
        manifests=state.manifests,
        readings=state.readings,
        layout=layout,
    )
    plan = plan_changes(tree, pins, layout=layout, defer=request.defer)
    refusal = unmirrorable_error(pins.unacceptable) or undeferrable_error(plan) or blocked_paths_error(plan)
    judged = None if refusal is not None else _judge(request, plan, tree, context)
    if judged is not None:
        plan = judged.plan
    elif request.drops_policy:
        plan = replace(plan, policy=None)
    return _Decision(
        sources=sources,
        inputs=inputs,
        plan=plan,
        refusal=refusal or (None if judged is None else judged.error),
        problem=problem_of(plan, (*sources.problems, *pins.problems)),
        judged=judged,
    )


def _judge(request: UpdateRequest, plan: Plan, tree: Tree, context: Context) -> JudgedPlan | None:
    """What the policy says of a plan; None: there is none. Where there is none, nothing of it is imported."""
    if request.policy is None and (plan.policy is None or request.drops_policy):
        return None
    from pixi_mirror.mirror.update_policy import judge_plan

    return judge_plan(request, plan, tree, context)


def _renews_all(decision: _Decision) -> bool:
    """Whether every lock that the mirror follows was read."""
    read = {each.subscription for each in decision.sources.requests}
    return all(snapshot.id in read for snapshot in decision.plan.pins.snapshots)


def _memo(request: UpdateRequest, tree: Tree, decision: _Decision) -> bytes:
    packages = decision.plan.packages.values()
    answer = {"files": len(packages), "bytes": sum(package.size or 0 for package in packages)}
    answer |= {"renews_all": _renews_all(decision)}
    answer |= {"deferred": len(decision.plan.deferred), "deferred_bytes": decision.plan.deferred_size}
    return dump_memo(str(tree.root), request.question, inputs=decision.inputs, answer=answer)


def _is_silent(plan: Plan) -> bool:
    """Whether an unchanged run would have no warning to repeat, and its memo covers every input."""
    pins = plan.pins
    if plan.warnings or pins.problems:
        return False
    if plan.policy is not None:
        return False  # ages and waivers change without any file
    if any(each.refused for each in pins.snapshots):
        return False
    if any(os.path.isdir(source.location) for source in pins.sources.values()):
        return False  # a prefix changes without one file that a memo could look at
    # A file on this machine that a lock names may change without the lock; the memo looks at locks and manifests alone.
    return not any(each.kind == "pypi" and each.path.startswith("local/") for each in plan.packages.values())


def _carry_out(request: UpdateRequest, decision: _Decision, tree: Tree, context: Context) -> UpdateResult:
    """Bring what the locks pin. Then, when the sdists can be read, bring what is needed to build them."""
    plan, judged = decision.plan, decision.judged
    done = _apply(request, plan, tree, context, judged)
    if done.error is None and (more := _plan_with_tools(request, plan, tree, context)) is not None:
        match more:
            case PixiMirrorError():
                done = replace(done, error=more)
            case Plan():
                then = _apply(request, more, tree, context, None)
                done = replace(
                    then,
                    plan=done.plan,
                    indexes=tuple(dict.fromkeys((*done.indexes, *then.indexes))),
                    fetched=(*done.fetched, *then.fetched),
                    fetched_size=done.fetched_size + then.fetched_size,
                )
    if judged is not None:
        from pixi_mirror.mirror.update_policy import judge_brought

        after = judge_brought(judged, tree) if done.error is None else None
        done = replace(done, error=done.error or after, policy=judged.verdict)
    return done if done.error is not None else replace(done, error=decision.problem)


def _plan_with_tools(request: UpdateRequest, plan: Plan, tree: Tree, context: Context) -> Plan | PixiMirrorError | None:
    """The plan with build tools and submodules, or why they cannot be found; None: none is needed, or all are there."""
    snapshots = plan.pins.snapshots
    requests = (each for snapshot in snapshots for each in snapshot.requests)
    needs_tools = any(each.build_requires or each.with_build_requirements for each in requests)
    has_sources = any(package.kind == "git" for snapshot in snapshots for package in snapshot.packages)
    if not needs_tools and not has_sources and not any(snapshot.tools for snapshot in snapshots):
        return None
    from pixi_mirror.mirror.build_tools import BuildResolvers, resolve_build_tools

    workspace = plan.pins.workspace
    try:
        with_tools = resolve_build_tools(
            snapshots,
            tree.inventory.listings,
            BuildResolvers(
                wheels=lambda request: resolve_build_requirements(context, request, workspace=workspace),
                submodules=lambda source: find_submodules(context, source, workspace=workspace),
                backends=lambda request: resolve_build_backends(context, request, workspace=workspace),
                read_file=lambda pin, path: read_file_of_commit(tree, pin, path),
            ),
            layout=plan.layout,
        )
    except PixiMirrorError as error:
        return error
    if with_tools == snapshots:
        return None
    more = _with_uploads(tree, replace(plan, pins=replace(plan.pins, snapshots=with_tools)), request)
    return _refused_tools(more, plan, tree, context) or more


def _refused_tools(more: Plan, plan: Plan, tree: Tree, context: Context) -> PixiMirrorError | None:
    """What the policy has against build tools and submodules; None: nothing."""
    if plan.policy is None:
        return None
    from pixi_mirror.mirror.update_policy import judge_more

    return judge_more(more, plan, tree, context)


def _apply(request: UpdateRequest, plan: Plan, tree: Tree, context: Context, judged: JudgedPlan | None) -> UpdateResult:
    source = None if judged is None else judged.source
    if source is None and (plan.to_bring or lacks_listings(tree, plan)):
        source = UpstreamPackages(context)
    planned_on = tree.inventory
    if source is not None:
        refuse_absent_indexer(tree, plan, context)
    with source.fetched(tree, plan) if source is not None else nullcontext(), _writing(tree, context):
        now = plan if tree.inventory is planned_on else _with_uploads(tree, plan, request)
        done = apply_plan(tree, now, context, source=source)
    error = failure_of(done.failed, plan) if done.failed else done.error
    return result_of(request, plan, indexes=done.indexes, stored=done.stored, failed=done.failed, error=error)


def _with_uploads(tree: Tree, plan: Plan, request: UpdateRequest) -> Plan:
    """The plan for a mirror into which uploads have come since it was made."""
    of_locks = (each for each in plan.pins.snapshots if each.hosted is None)
    snapshots = tuple(sorted((*of_locks, *tree.inventory.hosted), key=lambda each: each.id))
    pins = replace(plan.pins, snapshots=snapshots)
    return replace(plan_changes(tree, pins, layout=plan.layout, defer=request.defer), policy=plan.policy)
