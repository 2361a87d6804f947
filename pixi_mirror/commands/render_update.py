"""Carry out an update and tell what it found and did."""

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pixi_mirror.commands.change_lines import change_json, change_lines
from pixi_mirror.commands.command import Outcome
from pixi_mirror.commands.options import make_context, make_progress
from pixi_mirror.commands.package_rows import package_json, refusals_json, targets_json
from pixi_mirror.commands.policy_lines import policy_json
from pixi_mirror.commands.text import files_of, nothing_to_do, table
from pixi_mirror.errors import UsageError
from pixi_mirror.mirror.checkout import checkout_sources, outside_sources, sources_json, unbuildable_commits
from pixi_mirror.mirror.plan import Plan
from pixi_mirror.mirror.subscriptions import SourceSelection
from pixi_mirror.mirror.update import update
from pixi_mirror.mirror.update_result import UpdateRequest, UpdateResult
from pixi_mirror.model.packages import Package, Target
from pixi_mirror.model.request import Request
from pixi_mirror.model.values import Json
from pixi_mirror.policy.files import PolicyFiles, read_policy_files
from pixi_mirror.progress import Progress, counted, format_size


def run(options: Namespace, question: Mapping[str, Any]) -> Outcome:
    """Do what the options ask; `question` is what to remember it by if nothing was wrong."""
    report = make_progress(options)
    request = UpdateRequest(
        mirror=options.output,
        names_mirror=options.names_mirror,
        selection=SourceSelection(
            manifests=tuple(options.manifest_path),
            locks=tuple(options.lock),
            lock_format=options.lock_format,
            index_url=options.index_url,
            name=options.name,
            request=_request(options),
            locked=options.locked,
        ),
        flat=options.flat,
        defer=options.defer,
        dry_run=options.dry_run,
        fork=options.fork,
        policy=_policy(options),
        drops_policy=options.no_policy,
        question=question,
    )

    announce = announcer(report, verbose=options.verbose)
    updated = update(request, make_context(options, report), announce=announce)
    if options.dry_run:
        for message in updated.plan.warnings:
            report.warn(message)
    shown = _json(updated) if options.json or options.report else {}  # for a large mirror it takes a while
    return Outcome(json=shown, lines=update_lines(updated, verbose=options.verbose), error=updated.error)


def _policy(options: Namespace) -> PolicyFiles | None:
    """The policy that the options name; None: none, so that the recorded one holds."""
    if options.no_policy and (options.policy is not None or options.minimum_age is not None):
        raise UsageError("--no-policy drops the policy of the mirror, and --policy and --minimum-age give it one.")
    if options.policy is None and options.minimum_age is None:
        return None
    return read_policy_files(options.policy, minimum_age=options.minimum_age)


def announcer(report: Progress, *, verbose: bool) -> Callable[[Plan], None]:
    """What shows a plan before the first byte is fetched."""

    def announce(plan: Plan) -> None:
        for message in plan.warnings:
            report.warn(message)
        for line in (*_refused(plan), *_from_checkout(plan)):
            report.note(line)
        if plan.to_bring or plan.deferred:
            for line in (*_plan_lines(plan), *change_lines(plan.changes, verbose=verbose)):
                report.note(line)

    return announce


def _request(options: Namespace) -> Request | None:
    """What is asked of the locks; None: nothing was chosen, so the default or what was asked before."""
    chosen = options.environment or options.all_environments or options.platform
    if not chosen and not options.lock and not options.manifest_path:
        return None
    return Request(
        environments=None if options.all_environments else tuple(dict.fromkeys(options.environment)) or ("default",),
        platforms=tuple(dict.fromkeys(options.platform)),
        pypi=not options.no_pypi,
        build_packages=not options.no_build_packages,
        skip_unmirrorable=options.skip_unmirrorable,
        allow_md5=options.allow_md5,
        allow_unhashed=options.allow_unhashed,
        build_requires=tuple(sorted(set(options.build_requires))),
        with_build_requirements=options.with_build_requirements,
    )


def _place(package: Package) -> str:
    """The row of a package: its channel and subdir, or the host of a PyPI file."""
    in_subdir = package.kind in ("conda", "attestations")
    return package.path.rpartition("/")[0] if in_subdir else package.path.partition("/")[0]


def _plan_lines(plan: Plan) -> list[str]:
    """A row a channel and platform, or a host of PyPI files: new, changed, deferred if any, present, unwanted."""
    absent = {*plan.difference.missing, *plan.difference.changed, *plan.deferred}
    columns: tuple[Sequence[Package], ...] = (
        [plan.packages[path] for path in plan.difference.missing],
        [plan.packages[path] for path in plan.difference.changed],
        [plan.packages[path] for path in sorted(plan.deferred)],
        [package for path, package in plan.packages.items() if path not in absent],
        [plan.kept[path] for path in plan.difference.surplus if path in plan.kept],
    )
    titles = ["new", "changed", "deferred", "present", "no longer wanted"]
    if not plan.deferred:
        titles.remove("deferred")
        columns = (*columns[:2], *columns[3:])
    places: dict[str, tuple[list[Package], ...]] = {}
    for number, column in enumerate(columns):
        for package in column:
            places.setdefault(_place(package), tuple([] for _ in columns))[number].append(package)
    if not places:
        return []
    rows = [["", *titles]]
    rows += [[place, *map(_cell, cells)] for place, cells in sorted(places.items())]
    if len(places) > 1:
        rows.append(["total", *(_cell(column) for column in columns)])
    return table(rows)


def _cell(packages: Sequence[Package]) -> str:
    if not packages:
        return "-"
    known = [package.size for package in packages if package.size is not None]
    if not known:
        return f"{len(packages)} (size unknown)"
    return f"{len(packages)} ({format_size(sum(known))}{'' if len(known) == len(packages) else ' and more'})"


def _refused(plan: Plan) -> list[str]:
    return [
        f"left out {refusal.entry}: {refusal.reason}"
        for snapshot in plan.pins.snapshots
        for refusal in snapshot.refused
    ]


def _from_checkout(plan: Plan) -> list[str]:
    return [
        f"from your checkout, not mirrored: {directory.entry}"
        for snapshot in plan.pins.snapshots
        for directory in snapshot.directories
        if directory.is_inside
    ]


def update_lines(updated: UpdateResult, *, verbose: bool) -> list[str]:
    """What an update did, or would do, for people."""
    plan = updated.plan
    held = sum(package.size or 0 for path, package in plan.packages.items() if path not in updated.fetched)
    nothing = nothing_to_do(
        updated.mirror,
        files=len(plan.packages),
        bytes=held + updated.fetched_size,
        deferred=len(plan.deferred),
        deferred_bytes=plan.deferred_size,
    )
    holds = nothing.partition(": ")[2]
    indexes = counted(len(updated.indexes), "index", "indexes")
    if updated.dry_run:
        lines = [
            *_plan_lines(plan),
            *change_lines(plan.changes, verbose=verbose),
            *_refused(plan),
            *_from_checkout(plan),
        ]
        bring = files_of(len(plan.to_bring), plan.size, unknown=plan.unknown_sizes)
        if why := _hindrance(updated):
            otherwise = "the rest would be" if plan.pins.unacceptable else "without that it would bring"
            return [*lines, f"would bring nothing, since {why}; {otherwise} {bring}"]
        if plan.to_bring or updated.indexes:
            return [*lines, f"would bring {bring}, and write {indexes}; nothing was changed in {updated.mirror}"]
        return [*lines, nothing]
    if updated.failed or updated.error is not None:
        return []
    if not updated.fetched and not updated.indexes:
        return [nothing]
    brought = files_of(len(updated.fetched), updated.fetched_size)
    verb = f"brought {brought}" if updated.fetched else "no package was missing"
    lines = [f"  {path}" for path in updated.fetched] if verbose else []
    return [*lines, f"{verb}; wrote {indexes}; {holds}"]


def _hindrance(updated: UpdateResult) -> str | None:
    """Why an update would bring nothing of what is missing; None: it would."""
    if updated.plan.pins.unacceptable:
        return "something cannot be mirrored"
    verdict = updated.policy
    refuses = verdict is not None and (verdict.findings or verdict.unavailable)
    return "the policy is against something" if refuses else None


def _json(updated: UpdateResult) -> Mapping[str, Json]:
    plan = updated.plan
    refused = [*plan.pins.unacceptable, *(r for snapshot in plan.pins.snapshots for r in snapshot.refused)]
    return {
        "verb": "update",
        "mirror": str(updated.mirror),
        "dry_run": updated.dry_run,
        "wanted": [_row(package, plan.targets.get(path, ())) for path, package in plan.packages.items()],
        "missing": list(plan.difference.missing),
        "changed": list(plan.difference.changed),
        "deferred": sorted(plan.deferred),
        "surplus": list(plan.difference.surplus),
        "changes": [change_json(change) for change in plan.changes],
        "refused": refusals_json(refused),
        **sources_json(
            checkout_sources(plan.pins.snapshots, plan.packages.values()),
            outside_sources(plan.pins.snapshots),
            unbuildable_commits(plan.pins.snapshots, plan.packages.values()),
        ),
        "policy": policy_json(updated.policy),
        "warnings": list(plan.warnings),
        "bytes": plan.size,
        "bytes_unknown": plan.unknown_sizes,
        "indexes": list(updated.indexes),
        "fetched": list(updated.fetched),
        "failed": [
            {
                "path": failure.package.path,
                "url": str(failure.package.url),
                "status": failure.error.status,
                "message": str(failure.error),
            }
            for failure in updated.failed
        ],
    }


def _row(package: Package, targets: Sequence[Target]) -> Json:
    row: dict[str, Json] = {
        **package_json(package),
        "url": str(package.url),
        "sha256": package.sha256,
        "md5": package.md5,
        "size": package.size,
        "targets": targets_json(targets),
    }
    if package.kind == "conda":
        row["record"] = dict(package.record)
    return row
