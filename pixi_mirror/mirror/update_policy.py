"""Judge an update by the policy before the first byte is brought."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pixi_mirror.context import Context
from pixi_mirror.errors import PixiMirrorError
from pixi_mirror.mirror.listings import early_listings
from pixi_mirror.mirror.plan import Plan
from pixi_mirror.mirror.policies import (
    judge_own_rules,
    judge_workspaces,
    policy_error,
    policy_inputs,
    resolved_policy,
    with_program,
)
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.mirror.update_result import UpdateRequest
from pixi_mirror.mirror.upstream_packages import UpstreamPackages
from pixi_mirror.model.hosted import is_hosted_url
from pixi_mirror.model.packages import Listing, Package
from pixi_mirror.model.policy import PolicyRecord, PolicyVerdict
from pixi_mirror.model.values import MirrorPath
from pixi_mirror.policy.files import rules_of
from pixi_mirror.policy.rules import Rules

_NOTHING = "nothing was brought"
_BROUGHT = "the files are in the mirror already, since only they say it, and `verify` says it, too"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedPlan:
    """A plan with the policy that it is to be recorded with, and what was found."""

    plan: Plan
    verdict: PolicyVerdict
    source: UpstreamPackages | None
    """Knows the index pages that were read; None: none was."""

    @property
    def error(self) -> PixiMirrorError | None:
        """Why nothing is to be brought; None: nothing is against it."""
        return policy_error(self.verdict, what=_NOTHING)


def judge_plan(request: UpdateRequest, plan: Plan, tree: Tree, context: Context) -> JudgedPlan | None:
    """Judge what an update is to bring, and all that is wanted besides; None: there is no policy.

    Raises:
        ProgramError: pixi-policy is needed and not there, or cannot judge a workspace.
        MachineError: a policy does not parse, or a file cannot be read.
    """
    record = _record(request, plan, context)
    if record is None:
        return None
    plan = replace(plan, policy=record)
    source, listings = _read_pages(plan, tree, rules_of(record), context, _to_ask(plan, tree, rules_of(record)))
    verdict = judge_own_rules(_of_locks(plan), record, policy_inputs(tree, listings), datetime.now(tz=UTC))
    if record.program is not None:
        given = request.policy.program if request.policy is not None else None
        locks = {subscription: Path(lock) for subscription, lock in plan.pins.locks.items()}
        followed = [snapshot for snapshot in plan.pins.snapshots if snapshot.requests]
        verdict = with_program(verdict, judge_workspaces(followed, locks, given or record.program, context))
    for finding in verdict.warnings:
        context.progress.warn(f"policy: {finding.text}")
    for note in verdict.notes:
        context.progress.warn(note)
    return JudgedPlan(plan=plan, verdict=verdict, source=source)


def judge_more(plan: Plan, before: Plan, tree: Tree, context: Context) -> PixiMirrorError | None:
    """Judge what is needed besides to build, before it is brought; None: nothing is against it."""
    if plan.policy is None:
        return None
    rules = rules_of(plan.policy)
    new = [package for path, package in plan.packages.items() if path not in before.packages]
    _, listings = _read_pages(plan, tree, rules, context, [each for each in new if _has_pages(each, rules)])
    verdict = judge_own_rules(_of_locks(plan), plan.policy, policy_inputs(tree, listings), datetime.now(tz=UTC))
    return policy_error(verdict, what=_NOTHING)


def judge_brought(judged: JudgedPlan, tree: Tree) -> PixiMirrorError | None:
    """Judge what only the files themselves say: sizes and licences that nobody knew; None: nothing is against it."""
    policy = judged.verdict.policy
    rules = rules_of(policy)
    if rules.missing_license == "allow" and rules.largest is None:
        return None
    inventory = tree.inventory
    sizes = {path: file.size for path, file in inventory.stored.items()}
    packages = {
        path: replace(package, size=sizes.get(path, package.size)) for path, package in judged.plan.packages.items()
    }
    plan = replace(judged.plan, packages=packages)
    again = judge_own_rules(_of_locks(plan), policy, policy_inputs(tree, inventory.listings), datetime.now(tz=UTC))
    return policy_error(replace(again, unavailable=()), what=_BROUGHT)


def _record(request: UpdateRequest, plan: Plan, context: Context) -> PolicyRecord | None:
    """The policy that holds from now on."""
    files = request.policy
    if request.drops_policy:
        return None
    if files is None:
        return plan.policy
    if files.is_addition and plan.policy is not None:
        before = plan.policy.rules
        return replace(plan.policy, rules={**before, "age": {**before.get("age", {}), **files.rules["age"]}})
    program = None
    if files.program is not None:
        program = resolved_policy(files.program, map(Path, plan.pins.locks.values()), context)
    return PolicyRecord(name=files.name, rules=files.rules, program=program)


def _of_locks(plan: Plan) -> Plan:
    """The plan without what the mirror hosts itself: a policy judges what comes from elsewhere."""
    return replace(
        plan, packages={path: each for path, each in plan.packages.items() if not is_hosted_url(each.url.raw)}
    )


def _has_pages(package: Package, rules: Rules) -> bool:
    return rules.needs_pages and package.kind == "pypi" and not is_hosted_url(package.url.raw)


def _to_ask(plan: Plan, tree: Tree, rules: Rules) -> list[Package]:
    """The files whose index pages are read: new ones, and all if the status of projects, which changes, is judged."""
    known = tree.inventory.listings
    return [
        package
        for path, package in plan.packages.items()
        if _has_pages(package, rules) and (rules.judges_projects or path not in known or not known[path].is_settled)
    ]


def _read_pages(
    plan: Plan, tree: Tree, rules: Rules, context: Context, packages: Iterable[Package]
) -> tuple[UpstreamPackages | None, Mapping[MirrorPath, Listing]]:
    known, packages = tree.inventory.listings, list(packages)
    if not packages:
        return None, known
    source = UpstreamPackages(context)
    links = source.read_links(tree, plan, packages)
    silent = [each for each in links.undecided if each in known and known[each].is_settled]
    if silent and rules.judges_projects:
        context.progress.warn(
            f"the indexes of {len(silent)} files could not be asked again whether they are yanked or their projects "
            f"quarantined, the first is {min(silent)}; what they said before holds"
        )
    return source, {**known, **early_listings(known, packages, links)}
