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
from pixi_mirror.verbs.wishes import Chosen

_DESCRIPTION = """\
Bring the mirror to hold what the locks pin: fetch what is missing, verify every byte, write the channel indexes.
Never removes a package. With nothing chosen it refreshes the locks that the mirror follows.

  pixi-mirror --lock pixi.lock -e prod      one environment, for every platform that it is locked for; without pixi
  pixi-mirror -e prod                       the same for the workspace around you; asks pixi where it is
  pixi-mirror --lock a/pixi.lock --lock b/pixi.lock --all-environments -p linux-64 -o /srv/mirror
  pixi-mirror                               refresh what ./mirror follows
  pixi-mirror --dry-run                     what a refresh would bring"""


def _declare(parser: Parser) -> None:
    parser.group("what to mirror")
    parser.values(
        "-m",
        "--manifest-path",
        convert=path,
        metavar="PATH",
        help="a workspace that pixi is asked about: its manifest or directory (default: the one around you)",
    )
    parser.flag("--locked", help="have pixi check that the lock is current (default: mirror it as it stands)")
    parser.values("--lock", convert=path, metavar="PATH", help="a pixi.lock, or the directory that holds it")
    parser.value(
        "--name", metavar="NAME", help="follow the lock by this name and not by its path, which may change (CI)"
    )
    parser.values("-e", "--environment", metavar="NAME", help="an environment of the lock (default: `default`)")
    parser.flag("--all-environments", help="every environment of the lock")
    parser.values(
        "-p",
        "--platform",
        metavar="PLATFORM",
        help="a platform: its name, or a conda subdir (default: all that the lock has for the environment)",
    )
    parser.flag("--no-pypi", help="leave PyPI packages out (so far none are mirrored: this hides the note)")
    parser.flag("--no-build-packages", help="leave out what building source packages needs (locks of version 7)")
    parser.flag("--skip-unmirrorable", help="report what cannot be mirrored, and go on")
    parser.flag("--allow-md5", help="accept packages for which the lock has only an md5")
    parser.flag("--allow-unhashed", help="accept packages without a hash; the first fetch pins the hash")
    parser.group("where to, and how")
    parser.value(
        "-o",
        "--output",
        convert=path,
        default=shared.DEFAULT_MIRROR,
        metavar="DIR",
        help="the mirror's directory (default: ./mirror)",
    )
    parser.flag("--flat", help="make one merged channel, not a directory per channel (new mirrors only)")
    shared.declare_indexes(parser)
    parser.flag("--dry-run", help="say what would be brought, and stop")
    shared.declare_lock_timeout(parser)
    shared.declare_network(parser)
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    report = shared.report_for(options)
    asked = Asked(
        mirror=options.output,
        chosen=Chosen(
            manifests=tuple(options.manifest_path),
            locks=tuple(options.lock),
            name=options.name,
            request=_request(options),
            locked=options.locked,
        ),
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
    holds = f"{updated.mirror} holds the conda packages that its locks pin: {wanted}"
    indexes = counted(len(updated.indexes), "index", "indexes")
    if updated.dry_run:
        lines = [*_plan_lines(plan), *_refused_and_deferred(plan)]
        if plan.to_bring or updated.indexes:
            bring = files_of(len(plan.to_bring), plan.size)
            return [*lines, f"would bring {bring}, and write {indexes}; nothing was changed in {updated.mirror}"]
        return [*lines, f"nothing to do: {holds}"]
    if updated.failed or updated.error is not None:
        return []
    if not updated.fetched and not updated.indexes:
        return [f"nothing to do: {holds}"]
    brought = files_of(len(updated.fetched), plan.size)
    verb = f"brought {brought}" if updated.fetched else "no package was missing"
    lines = [f"  {path}" for path in updated.fetched] if verbose else []
    return [*lines, f"{verb}; wrote {indexes}; {holds}"]


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
