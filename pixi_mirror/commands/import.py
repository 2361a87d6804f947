"""`pixi mirror import`."""

from argparse import Namespace
from collections.abc import Mapping

from pixi_mirror.airgap.import_archives import ImportRequest, ImportResult, import_archives
from pixi_mirror.airgap.incomplete import missing_json
from pixi_mirror.airgap.read_archive import ArchiveHead
from pixi_mirror.commands import options as shared
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.options import make_context, make_progress
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.text import files_of
from pixi_mirror.commands.values import fingerprint, path
from pixi_mirror.mirror.generation_file import short
from pixi_mirror.model.values import Json
from pixi_mirror.progress import counted


def _declare(parser: Parser) -> None:
    shared.declare_archives(parser, with_mirror=True)
    parser.group("what to accept")
    parser.value(
        "--expect",
        convert=fingerprint,
        metavar="FINGERPRINT",
        help="the fingerprint that the highest generation of the archives must have, as it was read over the telephone",
    )
    parser.value(
        "--trust",
        convert=path,
        metavar="FILE",
        help="only what one of these has signed: lines of `NAME KEY`, as ssh-keygen's allowed_signers",
    )
    parser.flag("--allow-rollback", help="go back to a generation that is older than what the mirror has had")
    parser.flag("--dry-run", help="verify the archives and say what would happen; nothing is written")
    parser.group("indexes")
    shared.declare_indexes(parser)
    shared.declare_lock_timeout(parser)
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    request = ImportRequest(
        archives=options.archives,
        mirror=options.dir,
        expected=options.expect,
        allow_rollback=options.allow_rollback,
        dry_run=options.dry_run,
        signers=options.trust,
    )
    done = import_archives(request, make_context(options, make_progress(options)))
    return Outcome(json=_json(done), lines=_lines(done), error=done.error)


def _lines(done: ImportResult) -> list[str]:
    count = counted(len(done.heads), "archive")
    signed = f", signed by {', '.join(dict.fromkeys(done.signed_by))}" if done.signed_by else ""
    lines = [f"verified {count}: {files_of(sum(map(_files, done.heads)), done.verified)}{signed}"]
    if done.number is not None:
        lines.append(_outcome(done))
    waiting = [each for each in done.incomplete if done.error is None or each.number != _highest(done)]
    lines += [f"g{each.number} waits for {files_of(each.files, each.size)}" for each in waiting]
    return lines


def _files(head: ArchiveHead) -> int:
    return len(head.manifest.in_volume(head.volume))


def _highest(done: ImportResult) -> int:
    return max(head.manifest.number for head in done.heads)


def _outcome(done: ImportResult) -> str:
    fingerprinted = f"g{done.number}" + (f" ({short(done.fingerprint)})" if done.fingerprint is not None else "")
    after = f", after g{done.was}" if done.was not in (None, done.number) else ""
    if not done.is_changed:
        return (
            f"nothing to do: {done.mirror} is {fingerprinted} already"
            if done.error is None
            else (f"{done.mirror} stays {fingerprinted}")
        )
    if done.dry_run:
        return f"{done.mirror} would be {fingerprinted}{after}; nothing was written"
    return f"{done.mirror} is {fingerprinted}{after}: {counted(len(done.placed), 'file')} placed"


def _json(done: ImportResult) -> Mapping[str, Json]:
    return {
        "verb": "import",
        "mirror": str(done.mirror),
        "dry_run": done.dry_run,
        "archives": [
            {
                "path": str(head.path),
                "id": head.manifest.mirror,
                "generation": head.manifest.number,
                "fingerprint": head.manifest.fingerprint,
                "volume": head.volume,
                "volumes": len(head.manifest.volumes),
            }
            for head in done.heads
        ],
        "signed_by": list(dict.fromkeys(done.signed_by)),
        "was": done.was,
        "current": done.number,
        "fingerprint": done.fingerprint,
        "changed": done.is_changed,
        "verified_bytes": done.verified,
        "placed": list(done.placed),
        "incomplete": [missing_json(each) for each in done.incomplete],
    }


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    return {
        "verb": "import",
        "mirror": str(options.dir),
        "dry_run": options.dry_run,
        "archives": [],
        "signed_by": [],
        **dict.fromkeys(("was", "current", "fingerprint")),
        "changed": False,
        "verified_bytes": 0,
        "placed": [],
        "incomplete": [],
    }


COMMAND = Command(
    description="""\
Verify archives of `pixi-mirror export` and let the mirror offer the highest generation that is complete. They may be
given in any order, together or one after the other, from media that cannot be written. If files are missing, what
came is kept, the mirror stays as it is, and status 10 says which archive brings them. A mirror that imports fill
serves, packs, verifies and exports as any other; its updates are made where the archives come from.""",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
    foreign={"--into": "name the mirror's directory after the archives, or by -o"},
)
