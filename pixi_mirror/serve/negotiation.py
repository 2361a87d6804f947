"""Tell what kind of thing a file of a mirror is to an HTTP client, and choose among the forms of a page; pure."""

import re
from typing import NamedTuple

from pixi_mirror.conda.index_files import INDEX_FILES, SHARD_SUFFIX
from pixi_mirror.paths import MAPPING_HOST
from pixi_mirror.pypi.simple import METADATA, PAGE_HTML, PAGE_JSON, TEXT_HTML, V1_HTML, V1_JSON

_BYTES = "application/octet-stream"

# No name here leads to a Content-Encoding: clients hash what they receive.
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
_ACCEPT = re.compile(r"\s*([^;,\s]+)\s*(?:;([^,]*))?")
_Q = re.compile(r"(?:^|;)\s*q\s*=\s*([^;\s]*)", re.IGNORECASE)


class Form(NamedTuple):
    """One form of a page."""

    content_type: str
    file_name: str


_FORMS = (Form(V1_JSON, PAGE_JSON), Form(V1_HTML, PAGE_HTML), Form(f"{TEXT_HTML}; charset=utf-8", PAGE_HTML))
"""The first is preferred among those that a client names with the same weight."""
_ALIASES = {
    "application/vnd.pypi.simple.latest+json": V1_JSON,
    "application/vnd.pypi.simple.latest+html": V1_HTML,
}


def content_type(path: str) -> str:
    """What `Content-Type` says of a file."""
    if path.startswith(f"{MAPPING_HOST}/"):
        return "application/json"
    return next((media for suffix, media in _TYPES if path.endswith(suffix)), _BYTES)


def is_index(path: str) -> bool:
    """Whether other bytes may stand at a path tomorrow; packages, and what is named by its hash, stay as they are."""
    changes = path.startswith(f"{MAPPING_HOST}/") or path.endswith((METADATA, ".html", ".htm"))
    return changes or path.rpartition("/")[2] in _INDEXES


def is_known(path: str) -> bool:
    """Whether a file has a name as files of mirrors have."""
    return path.startswith(f"{MAPPING_HOST}/") or any(path.endswith(suffix) for suffix, _ in _TYPES)


def forms(accept: str | None, query: str) -> tuple[Form, ...]:
    """The forms of a page, the one that is wanted most first.

    PEP 691: what a client does not accept may be sent all the same, and it is HTML; `?format=` goes before `Accept`.
    """
    if query:
        from urllib.parse import parse_qs

        accept = next(iter(parse_qs(query).get("format", ())), accept)
    weights = _weights(accept or "*/*")

    def wanted(form: Form) -> tuple[float, bool, int]:
        bare = form.content_type.partition(";")[0]
        place = _FORMS.index(form)
        if bare in weights:
            return weights[bare], True, -place
        weight = weights.get(f"{bare.partition('/')[0]}/*", weights.get("*/*", 0.0))
        return weight, False, place  # whoever takes anything gets what people can read

    ordered = sorted(_FORMS, key=wanted, reverse=True)
    acceptable = [form for form in ordered if wanted(form)[0] > 0]
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
