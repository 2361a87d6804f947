"""Negotiate what a response carries: its type, the form of a page, the conditions of a request; pure.

RFC 9110, 12 (negotiation) and 13 (conditional requests); PEP 691 (forms of an index page).
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import NamedTuple

from pixi_mirror.conda.index_files import INDEX_FILES, SHARD_SUFFIX
from pixi_mirror.git.index import CHANGING_FILES
from pixi_mirror.model.attestations import is_attestations, is_current_attestations
from pixi_mirror.paths import MAPPING_HOST
from pixi_mirror.pypi.simple import METADATA, PAGE_HTML, PAGE_JSON, TEXT_HTML, V1_HTML, V1_JSON

_BYTES = "application/octet-stream"

# There is no Content-Encoding for any of them, because clients hash the bytes that they receive.
_TYPES = (
    (".json.zst", "application/zstd"),
    (SHARD_SUFFIX, "application/zstd"),
    (".json", "application/json"),
    (f"/{PAGE_JSON}", V1_JSON),
    (".html", "text/html; charset=utf-8"),
    (METADATA, "text/plain; charset=utf-8"),
    (".tar.bz2", "application/x-bzip2"),
    (".tar.gz", "application/gzip"),
    (".zip", "application/zip"),
    (".conda", _BYTES),
    (".whl", _BYTES),
)
_INDEXES = (
    *INDEX_FILES,
    "pixi-mirror.json",
    PAGE_HTML,
    PAGE_JSON,
)
_OF_REPOSITORIES = tuple(f"/{name}" for name in CHANGING_FILES)
_ACCEPT = re.compile(r"\s*([^;,\s]+)\s*(?:;([^,]*))?")
_Q = re.compile(r"(?:^|;)\s*q\s*=\s*([^;\s]*)", re.IGNORECASE)


class Form(NamedTuple):
    """One form of a page."""

    content_type: str
    file_name: str


_FORMS = (Form(V1_JSON, PAGE_JSON), Form(V1_HTML, PAGE_HTML), Form(f"{TEXT_HTML}; charset=utf-8", PAGE_HTML))
"""Of those that a client names with the same weight, the first is preferred."""
_ALIASES = {
    "application/vnd.pypi.simple.latest+json": V1_JSON,
    "application/vnd.pypi.simple.latest+html": V1_HTML,
}


def content_type(path: str) -> str:
    """The `Content-Type` of a file."""
    if path.startswith(f"{MAPPING_HOST}/") or is_attestations(path):
        return "application/json"
    return next((media for suffix, media in _TYPES if path.endswith(suffix)), _BYTES)


def is_index(path: str) -> bool:
    """Whether the bytes at a path may change; packages, and files that are named by their hash, never do."""
    changes = path.startswith(f"{MAPPING_HOST}/") or path.endswith((METADATA, ".html", ".htm", *_OF_REPOSITORIES))
    return changes or is_current_attestations(path) or path.rpartition("/")[2] in _INDEXES


def is_known(path: str) -> bool:
    """Whether the name is one that files of mirrors have."""
    return (
        path.startswith(f"{MAPPING_HOST}/")
        or is_attestations(path)
        or any(path.endswith(suffix) for suffix, _ in _TYPES)
    )


def forms(accept: str | None, query: str) -> tuple[Form, ...]:
    """The forms of a page, the preferred one first.

    PEP 691: a server may send a form that the client does not accept, and this one then sends HTML.

    Args:
        accept: The field `Accept`; None: it is not there.
        query: Of the URL; `format=` in it goes before `accept`.
    """
    if query:
        from urllib.parse import parse_qs

        accept = next(iter(parse_qs(query).get("format", ())), accept)
    weights = _weights(accept or "*/*")

    def weight_of(form: Form) -> tuple[float, bool, int]:
        bare = form.content_type.partition(";")[0]
        place = _FORMS.index(form)
        if bare in weights:
            return weights[bare], True, -place
        weight = weights.get(f"{bare.partition('/')[0]}/*", weights.get("*/*", 0.0))
        return weight, False, place  # `*/*` alone gets HTML, which people can read

    ordered = sorted(_FORMS, key=weight_of, reverse=True)
    acceptable = [form for form in ordered if weight_of(form)[0] > 0]
    return (*acceptable, *(form for form in reversed(_FORMS) if form not in acceptable))


def _weights(accept: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for found in _ACCEPT.finditer(accept):
        name = found[1].lower()
        quality = _Q.search(found[2] or "")
        try:
            weight = min(1.0, float(quality[1])) if quality else 1.0
        except ValueError:
            weight = 0.0
        name = _ALIASES.get(name, name)
        weights[name] = max(weight, weights.get(name, 0.0))
    return weights


_ENTITY_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


class Validators(NamedTuple):
    """What tells a client whether the bytes that it has are still the same (RFC 9110, 8.8)."""

    etag: str
    """Strong, with its quotation marks."""
    modified_s: int
    """When the bytes were last modified, in seconds since 1970: `Last-Modified`."""
    settled_s: int
    """When the file got its place, in seconds since 1970: later than `modified_s` where an older file was put back."""

    @property
    def last_modified(self) -> str:
        """The field of that name."""
        return http_date(self.modified_s)


def http_date(seconds: float) -> str:
    """Format a time in seconds since 1970 as HTTP does (RFC 9110, 5.6.7)."""
    return format_datetime(datetime.fromtimestamp(int(seconds), UTC), usegmt=True)


def status_of(fields: Mapping[str, str], validators: Validators) -> int:
    """Evaluate the conditions of a request in the order of RFC 9110, 13.2.2; the status is 200, 304 or 412."""
    if (tags := fields.get("if-match")) is not None:
        if not _has_tag(tags, validators.etag, weakly=False):
            return 412
    elif (since := _seconds(fields.get("if-unmodified-since"))) is not None and validators.modified_s > since:
        return 412
    if (tags := fields.get("if-none-match")) is not None:
        return 304 if _has_tag(tags, validators.etag, weakly=True) else 200
    since = _seconds(fields.get("if-modified-since"))
    return 304 if since is not None and _is_unmodified(since, validators) else 200


def _is_unmodified(since: int, validators: Validators) -> bool:
    # If an older file was put back, the client has a newer one: by the date alone it would be "unmodified".
    return since == validators.modified_s or since >= max(validators.modified_s, validators.settled_s)


def is_range_valid(fields: Mapping[str, str], validators: Validators) -> bool:
    """Whether `If-Range` lets `Range` count (RFC 9110, 13.1.5: strong comparison, and dates must be equal)."""
    condition = fields.get("if-range")
    if condition is None:
        return True
    if condition.endswith('"'):
        return condition == validators.etag
    return _seconds(condition) == validators.modified_s


def _has_tag(tags: str, etag: str, *, weakly: bool) -> bool:
    if tags.strip() == "*":
        return True
    return any(found[1] == etag and (weakly or found[0] == etag) for found in _ENTITY_TAG.finditer(tags))


def _seconds(date: str | None) -> int | None:
    """Parse a date; None: it is malformed, and RFC 9110, 13.1.3 says to ignore it."""
    if date is None:
        return None
    try:
        found = parsedate_to_datetime(date)
        return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
