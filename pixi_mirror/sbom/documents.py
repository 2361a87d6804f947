"""What documents of both formats have: a name, a number that follows from the content, facts of a package; pure."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from uuid import UUID, uuid5

from pixi_mirror.model.packages import Package
from pixi_mirror.model.values import Json
from pixi_mirror.sbom.components import Bill, Component

PRODUCER = "pixi-mirror"
_NAMESPACE = UUID("5f0b1e53-6c5b-5a7e-9a1c-3a3f0f6a9d52")
"""Of our documents: it keeps their numbers apart from those that others derive of the same content."""
_MOST_NAMES = 3
_UNWRITTEN = {
    " ": "%20",
    '"': "%22",
    "<": "%3C",
    ">": "%3E",
    "\\": "%5C",
    "^": "%5E",
    "`": "%60",
    "{": "%7B",
    "|": "%7C",
    "}": "%7D",
}
"""Characters that no URI may have (RFC 3986), though URLs of locks do."""


def document_name(bill: Bill) -> str:
    """How to call what the document is about."""
    shown, more = bill.workspaces[:_MOST_NAMES], len(bill.workspaces) - _MOST_NAMES
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "") or "mirror"


def rows_of(content: Iterable[Json]) -> list[str]:
    """The members of a list of a document, a line each, so that two documents can be compared by lines."""
    encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
    return [encode(each) for each in content]


def document_uuid(form: str, *rows: Iterable[str]) -> UUID:
    """A number for a document, the same for the same content in one format."""
    digest = hashlib.sha256(form.encode())
    for row in chain(*rows):
        digest.update(row.encode(errors="surrogatepass") + b"\n")
    return uuid5(_NAMESPACE, digest.hexdigest())


def join_document(head: Mapping[str, Json], lists: Mapping[str, Sequence[str]]) -> bytes:
    """A JSON object that has the members of `head` and then the lists, whose rows are JSON already."""
    parts = [json.dumps(head, separators=(",", ":"), ensure_ascii=False)[:-1]]
    for key, rows in lists.items():
        parts += [f',"{key}":[\n', ",\n".join(rows), "\n]"]
    return "".join([*parts, "}\n"]).encode(errors="backslashreplace")


def download_url(package: Package) -> str | None:
    """Where a package comes from, without credentials, as a URI; None: from a disk."""
    url = package.url.stripped
    if url.startswith("file:"):
        return None
    pinned = f"{url}@{package.version}" if package.kind == "git" else url
    return "".join(_UNWRITTEN.get(character, character) for character in pinned)


def facts(component: Component) -> Iterator[tuple[str, str]]:
    """What neither format has a field for, as pairs of a name and a value."""
    package = component.package
    yield "path", package.path
    if package.build is not None:
        yield "build", package.build
    if package.subdir is not None:
        yield "subdir", package.subdir
    if not component.is_held:
        yield "deferred", "true"
    for target in component.targets:
        yield "environment", f"{target.workspace}/{target.environment}/{target.platform}"
    for purl in sorted(package.record.get("purls") or ()):
        yield "lock-purl", purl
