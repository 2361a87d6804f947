"""Read an index page of the simple API, HTML or JSON, as something hostile; pure.

PEP 503 and 592 (HTML, yanked files), 629 (versions), 658 and 714 (core metadata), 691 (JSON), 700 (sizes, times), 792
(status of a project).
"""

import codecs
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from pixi_mirror.model.values import Json, Sha256, admit_sha256
from pixi_mirror.pypi.html_tags import tags
from pixi_mirror.pypi.names import file_name_of
from pixi_mirror.pypi.simple import TEXT_HTML, V1_HTML, V1_JSON, FileLink

_STATUSES = frozenset({"archived", "quarantined", "deprecated"})
_MAJOR = re.compile(r"1(?:\.[0-9]+)*")
_OF_A_FILE = frozenset(
    {"href", "data-requires-python", "data-yanked", "data-core-metadata", "data-dist-info-metadata", "data-upload-time",
     "data-size"}
)  # fmt: skip
_ATTRIBUTES = {"a": _OF_A_FILE, "base": frozenset({"href"}), "meta": frozenset({"name", "content"})}
_ABSOLUTE = re.compile(r"(?:https?://[^/?#]+|file://[^/?#]*)[/?]", re.IGNORECASE)
_WEB = ("http://", "https://")
_ENCODED = re.compile(r"[A-Za-z0-9:/?@!$&'()*+,;=._~%\[\]-]+")
_NO_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NO_TEXT = re.compile(r"[\udc80-\udcff]")
"""What a byte that is not UTF-8 becomes when a page is decoded."""
_ENCODINGS = (
    rb"[\"']?(utf-8|utf-16(?:le|be)?|us-ascii|latin1|iso-8859-(?:[1-9]|1[013456])|windows-125[0-8]|koi8-[ru]"
    rb"|shift_jis|euc-(?:jp|kr)|gb2312|gbk|gb18030|big5)(?![\w-])"
)
"""The names of those that web pages have (WHATWG, Encoding), as far as Python has them by these names."""
_CHARSET = re.compile(rb";\s*charset\s*=\s*" + _ENCODINGS, re.IGNORECASE)
_CHARSET_IN_HEAD = re.compile(rb"<meta\s[^>]*?charset\s*=\s*" + _ENCODINGS, re.IGNORECASE)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})")
_SIZE = re.compile(r"[0-9]{1,18}")
_LONGEST = 1024
"""Characters of one attribute of a file."""
_LONGEST_NAME = 255
_LONGEST_URL = 4096


def read_page(data: bytes, *, url: str, content_type: str | None) -> tuple[tuple[FileLink, ...], str | None]:
    """The files that a page lists, in its order; and the status of its project, None for an active one.

    A project that is quarantined lists no files (PEP 792).

    A file is left out if its name, URL, hash or size is impossible. Any other attribute that is impossible, or that is
    not UTF-8, is lost alone.

    Args:
        data: the page.
        url: where relative links start.
        content_type: as the server gives it; None or empty if it gives none.

    Raises:
        ValueError: it is no page of an index, it is damaged, or it is of a version of the API that is not known.
            PEP 629: "If the major version is unknown, then the client MUST raise an error".
    """
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind not in ("", V1_JSON, TEXT_HTML, V1_HTML.lower()):
        raise ValueError(f"it is {kind[:80]!r}, where a page of an index is {V1_JSON} or text/html")
    text = _decoded(data, content_type or "")
    is_json = kind == V1_JSON or (not kind and text.lstrip().startswith("{"))
    if is_json:
        content = _content_of_json(text)
        links, status = _links_of_json(content, url), _status_of_json(content)
    else:
        links, status = _links_of_html(text, url), _status_of_html(text)
    return tuple(link for link in links if link is not None), status


def _status_of_json(content: Mapping[str, Json]) -> str | None:
    raw = content.get("project-status")
    return _status(raw.get("status") if isinstance(raw, dict) else None)


def _status_of_html(text: str) -> str | None:
    for _, attributes in tags(text, {"meta": frozenset({"name", "content"})}):
        if attributes.get("name", "").strip().lower() == "pypi:project-status":
            return _status(attributes.get("content", "").strip())
    return None


def _status(raw: Json) -> str | None:
    """A status that is not `active`; one that PEP 792 does not know is passed over, as it has it."""
    return raw if isinstance(raw, str) and raw in _STATUSES else None


def _decoded(data: bytes, content_type: str) -> str:
    """The text of a page: by its byte order mark, by the charset that its server or its head names, else as UTF-8."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    named = _CHARSET.search(content_type.encode()) or _CHARSET_IN_HEAD.search(data[:_LONGEST])
    if named is None or data.startswith(codecs.BOM_UTF8):
        return data.decode("utf-8-sig", "surrogateescape")
    name = named[1].decode().lower()
    # As browsers do: Latin-1 means its superset for Windows.
    name = "cp1252" if name in ("iso-8859-1", "latin1", "us-ascii") else name
    return data.decode(name, "replace" if name.startswith("utf-16") else "surrogateescape")


def _links_of_html(text: str, page: str) -> Iterator[FileLink | None]:
    anchors, base = [], None
    for tag, attributes in tags(text, _ATTRIBUTES):
        match tag:
            case "a":
                anchors.append(attributes)
            case "base":
                base = attributes.get("href") if base is None else base
            case _ if attributes.get("name", "").strip().lower() == "pypi:repository-version":
                _refuse_version(attributes.get("content", "").strip())
    start = page if base is None else _absolute(base, page) or page
    # Every link would repeat it: a page with a long one would fill the memory.
    start = start if len(start) <= _LONGEST else page
    return (_unless_impossible(_link_of_anchor, attributes, start) for attributes in anchors)


def _content_of_json(text: str) -> Mapping[str, Json]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        problem = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        raise ValueError(f"the page of the index is damaged: {problem}") from None
    if not isinstance(content, dict):
        raise ValueError(f"the page of the index is JSON but no object: {type(content).__name__}")  # noqa: TRY004
    meta = content.get("meta", {})
    _refuse_version(meta.get("api-version", "1.0") if isinstance(meta, dict) else meta)
    return content


def _links_of_json(content: Mapping[str, Json], page: str) -> Iterator[FileLink | None]:
    files = content.get("files")
    if not isinstance(files, list):
        raise ValueError("the page of the index has no list of files")  # noqa: TRY004 - the page is wrong, no argument
    return (_unless_impossible(_link_of_object, file, page) for file in files)


def _refuse_version(version: Json) -> None:
    if not isinstance(version, str) or not _MAJOR.fullmatch(version):
        raise ValueError(f"the page of the index is of version {str(version)[:40]!r} of the API, and only 1.x is known")


def _unless_impossible(read: Callable[[Json, str], FileLink], raw: Json, base: str) -> FileLink | None:
    try:
        return read(raw, base)
    except ValueError:
        return None


def _link_of_anchor(attributes: Mapping[str, str], base: str) -> FileLink:
    bare, _, fragment = attributes.get("href", "").partition("#")
    url = _admitted_url(bare, base)
    digest = next((pair[7:] for pair in fragment.split("&") if pair.startswith("sha256=")), None)
    core_metadata = attributes.get("data-core-metadata", attributes.get("data-dist-info-metadata", ""))
    size = attributes.get("data-size")
    size = None if size is None or _NO_TEXT.search(size) else size
    if size is not None and not _SIZE.fullmatch(size):
        raise ValueError(f"{size[:80]!r} is no size")
    yanked = attributes.get("data-yanked")
    return FileLink(
        file_name=_admitted_name(file_name_of(url)),
        url=url,
        sha256=None if digest is None else admit_sha256(digest),
        version=None,
        requires_python=_specifier(attributes.get("data-requires-python")),
        yanked=None if yanked is None else _reason(yanked),
        upload_time=_time(attributes.get("data-upload-time")),
        size=None if size is None else int(size),
        core_metadata=_digest(core_metadata.removeprefix("sha256=")),
    )


def _link_of_object(file: Json, page: str) -> FileLink:
    if not isinstance(file, dict) or not isinstance(file.get("url"), str) or not isinstance(file.get("filename"), str):
        raise ValueError("it has no file name or no URL")  # noqa: TRY004 - the page is wrong, no argument
    hashes = file.get("hashes", {})
    digest = hashes.get("sha256") if isinstance(hashes, dict) else False
    size, yanked = file.get("size"), file.get("yanked", False)
    if size is not None and (not isinstance(size, int) or not _SIZE.fullmatch(str(size))):
        raise ValueError("it has an impossible size")
    if (digest is not None and not isinstance(digest, str)) or not isinstance(yanked, str | bool | None):
        raise ValueError("it has an impossible hash, or is impossibly yanked")
    core_metadata = file.get("core-metadata", file.get("dist-info-metadata"))
    return FileLink(
        file_name=_admitted_name(file["filename"]),
        url=_admitted_url(file["url"].partition("#")[0], page),
        sha256=None if digest is None else admit_sha256(digest),
        version=None,
        requires_python=_specifier(file.get("requires-python")),
        # PEP 691: present and "a truthy value" means yanked.
        yanked=_reason("" if yanked is True else yanked) if yanked else None,
        upload_time=_time(file.get("upload-time")),
        size=size,
        core_metadata=_digest(core_metadata.get("sha256")) if isinstance(core_metadata, dict) else None,
    )


def _digest(raw: Json) -> Sha256 | None:
    try:
        return admit_sha256(raw) if isinstance(raw, str) else None
    except ValueError:
        return None


def _admitted_name(raw: str) -> str:
    if not raw or len(raw) > _LONGEST_NAME or not raw.isprintable() or "/" in raw or "\\" in raw:
        raise ValueError(f"{raw[:80]!r} is no file name")
    return raw


def _admitted_url(raw: str, base: str) -> str:
    url = _absolute(raw, base)
    if url is None:
        raise ValueError(f"{raw[:80]!r} is no URL of a file")
    return url


def _absolute(raw: str, base: str) -> str | None:
    """The URL that `raw` is on a page at `base`; None if no file has such a URL.

    Only a local page links to local files.
    """
    from urllib.parse import quote, urljoin

    url = raw.strip().partition("#")[0]
    if len(url) > _LONGEST_URL:
        return None
    try:
        if not url.lower().startswith(_WEB):
            url = urljoin(base, url)
        if not _ENCODED.fullmatch(url):
            url = quote(url, safe="%:/?@!$&'()*+,;=[]~")
    except ValueError:
        return None
    url = _NO_ESCAPE.sub("%25", url)
    if not _ABSOLUTE.match(url) or (url[:5].lower() == "file:" and base[:5].lower() != "file:"):
        return None
    return url


def _specifier(raw: Json) -> str | None:
    if not isinstance(raw, str) or not 0 < len(raw) < _LONGEST or not raw.isprintable():
        return None
    return raw


def _reason(raw: str) -> str:
    """A reason that is too long or cannot be shown still says that the file was withdrawn."""
    return "".join(letter if letter.isprintable() else " " for letter in raw[:_LONGEST])


def _time(raw: Json) -> str | None:
    if not isinstance(raw, str) or not _TIME.fullmatch(raw):
        return None
    try:
        datetime.fromisoformat(raw)
    except ValueError:
        return None
    return raw
