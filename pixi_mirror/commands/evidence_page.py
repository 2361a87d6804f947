"""Format a report of `verify` as one page that can be printed; pure. Everything is escaped, and nothing is fetched."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pixi_mirror.model.values import Json
from pixi_mirror.progress import format_size
from pixi_mirror.serve.page.elements import count, facts, name, section, table, text
from pixi_mirror.serve.page.style import STYLE

_PRINT = """\
@page{margin:1.5cm}@media print{body{font-size:9.5pt;padding:0}h2{break-after:avoid}tr{break-inside:avoid}
thead{display:table-header-group}.minor{display:table-cell}}code{overflow-wrap:anywhere}
"""


def evidence_page(found: Mapping[str, Json]) -> bytes:
    """Format a report.

    Args:
        found: as its JSON has it; what a run that failed at once lacks is left out.
    """
    title = f"Report on {text(str(found.get('mirror', 'a mirror')))}"
    return "".join(
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
            f"<title>{title}</title>\n<style>{STYLE}{_PRINT}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n",
            *_content(found),
            "</main>\n</body>\n</html>\n",
        )
    ).encode()


def _content(found: Mapping[str, Json]) -> Iterator[str]:
    checked = found.get("checked") or {}
    bad = [*_findings(found)]
    verdict = f"{count(len(bad), 'finding')}." if bad else "All is as recorded."
    if "error" in found:
        error = found["error"]
        yield f'<p class="warn">It ended with status {error["status"]}: {text(error["message"])}</p>\n'
    yield f'<p class="lead">{verdict}</p>\n'
    yield facts(
        (
            ("Checked at", text(str(found.get("at", "")))),
            ("By", text(str(found.get("tool", "")))),
            ("Checked", f"{count(checked.get('files', 0), 'file')}, {format_size(checked.get('bytes', 0))}"),
            ("How", "only what has changed was hashed (--quick)" if found.get("quick") else "every file was hashed"),
            ("Inventory, SHA-256", f"<code>{text(str(found.get('inventory_sha256') or ''))}</code>"),
        )
    )
    yield from section("findings", "Findings", _finding_rows(bad))
    if "inventory" in found:
        yield from section("inventory", "What the mirror holds", _inventory(found["inventory"]))
    if found.get("subscriptions"):
        yield from section("subscriptions", "For whom", _subscriptions(found["subscriptions"]))
    yield from section("policy", "Policy", _policy(found.get("policy")))
    yield from section("attestations", "Who has signed", _attestations(found.get("attestations")))
    yield from section("advisories", "Known vulnerabilities", _advisories(found.get("advisories")))
    yield from section("licences", "Licences", _licences(found.get("licenses") or ()))
    yield from section("generations", "Generations", _generations(found.get("generations") or ()))
    yield from section("files", "Files", _files(found.get("files") or ()))


def _findings(found: Mapping[str, Json]) -> Iterator[tuple[str, str, str]]:
    """What is wrong: a kind, a path or name, and what is wrong with it."""
    for path in found.get("missing") or ():
        yield "missing", path, ""
    for each in found.get("changed") or ():
        yield "changed", each["path"], f"sha256 {each['found']} instead of {each['expected']}"
    for each in found.get("indexes") or ():
        yield "index", each["path"], each["problem"]
    for each in found.get("closure") or ():
        where = f"{each['environment']} of {each['workspace']} on {each['platform']}"
        yield "environment", each["path"], f"{where}: {each['problem']}"
    for each in (found.get("policy") or {}).get("findings", ()):
        yield "policy", each.get("package") or "", each["message"]
    for each in (found.get("attestations") or {}).get("failed", ()):
        yield "attestation", each["path"], each["reason"]


def _finding_rows(bad: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    if not bad:
        yield "<p>None.</p>\n"
        return
    rows = [(text(kind), text(path), text(problem)) for kind, path, problem in bad]
    yield table("What is wrong", ("Kind", "Path", "Problem"), rows, is_named=True)


def _inventory(inventory: Mapping[str, Json]) -> Iterator[str]:
    yield facts(
        (
            ("Generation", str(inventory["generation"] or "")),
            ("Fingerprint", f"<code>{text(inventory['fingerprint'] or '')}</code>"),
            *(
                (text(kind), f"{count(held['files'], 'file')}, {format_size(held['bytes'])}")
                for kind, held in inventory["kinds"].items()
            ),
        )
    )
    rows = [
        (
            name(each["environment"]),
            name(each["workspace"]),
            ", ".join(map(name, each["platforms"])),
            f"{each['files']:,}",
            format_size(each["bytes"]),
        )
        for each in inventory["environments"]
    ]
    if rows:
        yield table("Environments", ("Environment", "Workspace", "Platforms", "Files", "Size"), rows, numbers=2)


def _subscriptions(subscriptions: Iterable[Mapping[str, Json]]) -> Iterator[str]:
    for each in subscriptions:
        left = each["left_out"]
        yield f"<h3>{name(each['workspace'])}</h3>\n<p>{count(len(each['requests']), 'request')}.</p>\n"
        if left:
            rows = [(text(row["entry"]), text(row["reason"])) for row in left]
            yield table("Left out", ("Entry", "Reason"), rows)


def _policy(found: Mapping[str, Json] | None) -> Iterator[str]:
    if found is None:
        yield "<p>The mirror has none.</p>\n"
        return
    yield (
        f"<p>{name(found['name'])}: {count(len(found['findings']), 'finding')}, "
        f"{count(len(found['warnings']), 'warning')}, {len(found['waived']):,} waived.</p>\n"
    )
    rows = [
        (stated, text(each.get("package") or ""), text(each["message"]))
        for stated, kind in (("against it", "findings"), ("warning", "warnings"), ("waived", "waived"))
        for each in found[kind]
    ]
    if rows:
        yield table("What the policy finds", ("Verdict", "Package", "What"), rows, is_named=True)


def _attestations(found: Mapping[str, Json] | None) -> Iterator[str]:
    if found is None:
        yield "<p>Not checked (--attestations).</p>\n"
        return
    yield (
        f"<p>{count(len({each['path'] for each in found['attested']}), 'package file')} signed for, "
        f"{len(found['failed']):,} with attestations that do not hold, {len(found['unattested']):,} without any, "
        f"by the trusted root <code>{text(found['root_sha256'])}</code>.</p>\n"
    )
    rows = [
        (text(each["path"]), text(each["identity"]), text(each["issuer"]), text(each["repository"] or ""))
        for each in found["attested"]
    ]
    if rows:
        yield table("Signed for", ("File", "By", "Issuer", "Repository"), rows, is_named=True)


def _advisories(found: Mapping[str, Json] | None) -> Iterator[str]:
    if found is None:
        yield "<p>The mirror carries no advisories.</p>\n"
        return
    known = ", ".join(text(each["name"]) for each in found["databases"])
    yield (
        f"<p>{count(len(found['findings']), 'vulnerability', 'vulnerabilities')} in "
        f"{count(found['checked'], 'package file')}, by {known}, last changed at {text(found['newest'])}.</p>\n"
    )
    rows = [
        (name(each["id"]), f"{name(each['name'])} {name(each['version'])}", name(each["severity"]),
         text(each["summary"] or ""))
        for each in found["findings"]
    ]  # fmt: skip
    if rows:
        yield table("Vulnerabilities", ("Advisory", "Package", "Severity", "Summary"), rows, is_named=True)


def _licences(licences: Iterable[Mapping[str, Json]]) -> Iterator[str]:
    rows = [
        (
            name(each["license"]) if each["license"] else '<span class="warn">none stated</span>',
            name(each["expression"] or ""),
            f"{each['files']:,}",
        )
        for each in licences
    ]
    yield table("Licences", ("Licence, as found", "SPDX", "Files"), rows, numbers=1, is_named=True) if rows else ""


def _generations(generations: Iterable[Mapping[str, Json]]) -> Iterator[str]:
    rows = [
        (
            f"{each['number']:,}",
            text(each["at"]),
            f"<code>{text(each['fingerprint'])}</code>",
            f"{each['files']:,}",
            format_size(each["bytes"]),
        )
        for each in generations
    ]
    yield (
        table("Generations", ("Number", "Made at", "Fingerprint", "Files", "Size"), rows, numbers=2, is_named=True)
        if rows
        else "<p>Not known here.</p>\n"
    )


def _files(files: Iterable[Mapping[str, Json]]) -> Iterator[str]:
    rows = [(text(each["path"]), f"<code>{each['sha256']}</code>", format_size(each["size"])) for each in files]
    yield table("Every file, as it was found", ("Path", "SHA-256", "Size"), rows, numbers=1) if rows else ""
