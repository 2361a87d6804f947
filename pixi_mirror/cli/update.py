"""`pixi mirror [update]`."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

from pixi_mirror.cli import options as shared
from pixi_mirror.cli.command import Command, Outcome
from pixi_mirror.cli.parsing import Parser, path
from pixi_mirror.cli.words import counted, files_of, size, table
from pixi_mirror.mirror import Plan
from pixi_mirror.model import Json, MirrorPath, Package, Request, Target
from pixi_mirror.verbs.update import Asked, Updated, update

_DESCRIPTION = """\
Bring the mirror to hold what the locks pin: fetch what is missing, verify every byte, write the channel indexes.
Never removes a package. Without --lock and a choice, refreshes what the mirror was asked for before."""


def _declare(parser: Parser) -> None:
    parser.group("what to mirror")
    parser.values("--lock", convert=path, metavar="PATH", help="a pixi.lock, or the directory that holds it")
    parser.value("--name", metavar="NAME", help="call the subscription so, where the lock's path changes (CI)")
    parser.values("-e", "--environment", metavar="NAME", help="an environment (default: default)")
    parser.flag("--all-environments", help="every environment of the lock")
    parser.values(
        "-p",
        "--platform",
        metavar="PLATFORM",
        help="a platform's name, or subdir:NAME (default: all that the lock has for the environment)",
    )
    parser.flag("--no-pypi", help="leave PyPI packages out")
    parser.flag("--no-build-packages", help="leave out what source packages need to be built")
    parser.flag("--skip-unmirrorable", help="report what cannot be mirrored, and go on")
    parser.flag("--allow-md5", help="accept packages for which the lock has only an md5")
    parser.flag("--allow-unhashed", help="accept packages without a hash; the first fetch pins it")
    parser.group("where to, and how")
    parser.value(
        "-o",
        "--output",
        convert=path,
        default=shared.DEFAULT_MIRROR,
        metavar="DIR",
        help="the mirror (default: ./mirror)",
    )
    parser.flag("--flat", help="one merged channel instead of a directory per channel")
    parser.flag("--dry-run", help="say what would be done, and stop")
    shared.declare_lock_timeout(parser)
    shared.declare_network(parser)
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    report = shared.report_for(options)
    asked = Asked(
        mirror=options.output,
        locks=tuple(options.lock),
        name=options.name,
        request=_request(options),
        flat=options.flat,
        dry_run=options.dry_run,
    )

    def announce(plan: Plan) -> None:
        for message in (*plan.renewal.warnings, *plan.disagreements):
            report.warn(message)
        for line in _refused_and_deferred(plan):
            report.note(line)
        if plan.to_bring:
            for line in _plan_lines(plan):
                report.note(line)

    updated = update(asked, shared.equipment_for(options, report), announce=announce)
    if options.dry_run:
        for message in (*updated.plan.renewal.warnings, *updated.plan.disagreements):
            report.warn(message)
    return Outcome(json=_json(updated), lines=_lines(updated, verbose=options.verbose), error=updated.error)


def _request(options: Namespace) -> Request | None:
    """What is asked of the locks; None: nothing was chosen, so the default or what was asked before."""
    chosen = options.environment or options.all_environments or options.platform
    if not chosen and not options.lock:
        return None
    return Request(
        environments=None if options.all_environments else tuple(dict.fromkeys(options.environment)) or ("default",),
        platforms=tuple(dict.fromkeys(options.platform)),
        pypi=not options.no_pypi,
        build_packages=not options.no_build_packages,
        skip_unmirrorable=options.skip_unmirrorable,
        allow_md5=options.allow_md5,
        allow_unhashed=options.allow_unhashed,
    )


def _place(path: MirrorPath) -> str:
    return path.rpartition("/")[0]


def _plan_lines(plan: Plan) -> list[str]:
    """A row a channel and platform: new, changed, present, no longer wanted."""
    columns: tuple[Sequence[Package], ...] = (
        [plan.packages[path] for path in plan.difference.missing],
        [plan.packages[path] for path in plan.difference.changed],
        [
            package
            for path, package in plan.packages.items()
            if path not in {*plan.difference.missing, *plan.difference.changed}
        ],
        [plan.kept[path] for path in plan.difference.surplus if path in plan.kept],
    )
    places = sorted({_place(package.path) for column in columns for package in column})
    if not places:
        return []
    rows = [["", "new", "changed", "present", "no longer wanted"]]
    rows += [
        [place, *(_cell([package for package in column if _place(package.path) == place]) for column in columns)]
        for place in places
    ]
    if len(places) > 1:
        rows.append(["total", *(_cell(column) for column in columns)])
    return table(rows)


def _cell(packages: Sequence[Package]) -> str:
    if not packages:
        return "-"
    return f"{len(packages)} ({size(sum(package.size or 0 for package in packages))})"


def _refused_and_deferred(plan: Plan) -> list[str]:
    lines = [
        f"left out {refusal.entry}: {refusal.reason}"
        for snapshot in plan.renewal.snapshots
        for refusal in snapshot.refused
    ]
    deferred = sum(snapshot.deferred for snapshot in plan.renewal.snapshots)
    if deferred:
        lines.append(f"not yet mirrored: {counted(deferred, 'PyPI package')} of the lock (--no-pypi hides this)")
    return lines


def _lines(updated: Updated, *, verbose: bool) -> list[str]:
    plan = updated.plan
    wanted = files_of(len(plan.packages), sum(package.size or 0 for package in plan.packages.values()))
    if updated.dry_run:
        lines = [*_plan_lines(plan), *_refused_and_deferred(plan)]
        if plan.to_bring or updated.indexes:
            bring = files_of(len(plan.to_bring), plan.size)
            return [*lines, f"would bring {bring} into {updated.mirror}; nothing was changed"]
        return [*lines, f"nothing to do: {updated.mirror} holds {wanted}"]
    if updated.failed or updated.error is not None:
        return []
    if not updated.fetched and not updated.indexes:
        return [f"nothing to do: {updated.mirror} holds {wanted}, all as locked"]
    brought = files_of(len(updated.fetched), plan.size)
    verb = f"brought {brought}" if updated.fetched else "no package was missing"
    lines = [f"  {path}" for path in updated.fetched] if verbose else []
    indexes = counted(len(updated.indexes), "index", "indexes")
    return [*lines, f"{verb}; wrote {indexes}; {updated.mirror} holds {wanted}, all as locked"]


def _json(updated: Updated) -> Mapping[str, Json]:
    plan = updated.plan
    refused = [*plan.renewal.unacceptable, *(r for snapshot in plan.renewal.snapshots for r in snapshot.refused)]
    return {
        "verb": "update",
        "mirror": str(updated.mirror),
        "dry_run": updated.dry_run,
        "wanted": [_row(package, plan.targets.get(path, ())) for path, package in plan.packages.items()],
        "missing": list(plan.difference.missing),
        "changed": list(plan.difference.changed),
        "surplus": list(plan.difference.surplus),
        "refused": [{"entry": refusal.entry, "reason": refusal.reason} for refusal in refused],
        "not_yet_mirrored": sum(snapshot.deferred for snapshot in plan.renewal.snapshots),
        "warnings": [*plan.renewal.warnings, *plan.disagreements],
        "bytes": plan.size,
        "bytes_unknown": sum(package.size is None for package in plan.to_bring),
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
        "kind": package.kind,
        "name": package.name,
        "version": package.version,
        "build": package.build,
        "subdir": package.subdir,
        "path": package.path,
        "url": str(package.url),
        "sha256": package.sha256,
        "md5": package.md5,
        "size": package.size,
        "targets": [
            {"workspace": target.workspace, "environment": target.environment, "platform": target.platform}
            for target in targets
        ],
    }
    if package.kind == "conda":
        row["record"] = dict(package.record)
    return row


def _blank(options: Namespace) -> Mapping[str, Json]:
    return {"verb": "update", "mirror": str(Path(options.output)), "dry_run": options.dry_run}


COMMAND = Command(description=_DESCRIPTION, declare=_declare, run=_run, blank=_blank)
