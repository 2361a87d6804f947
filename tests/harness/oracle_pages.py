"""The oracle's eyes for PyPI: read an index page as pip and uv do, and say what is wrong with it by itself.

It shares no code with pixi-mirror and stands on the standard library alone; `oracle.py` is what is run.
"""

import json
import posixpath
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote_to_bytes, urlsplit

HTML, PEP691 = "index.html", "index.v1_json"
SIMPLE = "simple"
"""The index that belongs to no URL: its links are relative."""
METADATA = ".metadata"
_PRIVATE = ".pixi-mirror"


class Unreadable(Exception):
    """An index that a client could not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a page says of one file; `None` is what it does not say."""

    path: str
    """Where in the mirror the file is looked for."""
    name: str
    sha256: str | None
    size: int | None
    metadata: str | None
    """The sha256 of what PEP 658 has beside the file; empty: it is there, with any hash."""
    requires_python: str | None
    yanked: str | None
    """The reason, perhaps empty."""
    upload_time: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of an index as a client reads it."""

    kind: Literal["root", "files", "empty"]
    """A root lists projects; a page of files is a project's, or one of links; an empty one of HTML is any of these."""
    content: object
    """The same for the same page in other bytes."""
    links: tuple[Link, ...] = ()
    projects: tuple[str, ...] = ()
    """Directories of project pages that it links to."""
    faults: tuple[str, ...] = ()
    """What is wrong with it whatever else the mirror holds."""


def is_page(path: str) -> bool:
    """Whether a file of a mirror is an index page."""
    return posixpath.basename(path) == PEP691 or path.lower().endswith((".html", ".htm"))


def read_page(mirror: Path, path: str) -> Page:
    """What a client reads at `path`.

    Raises:
        Unreadable: it has a link that nobody can follow.
        ValueError, KeyError, TypeError, AttributeError: it is no page.
    """
    return (_json_page if posixpath.basename(path) == PEP691 else _html_page)(mirror, path)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """A page while it is read."""

    place: str
    links: list[Link] = field(default_factory=list)
    projects: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def add(
        self,
        href: str,
        name: str,
        *,
        hashes: Mapping[str, str],
        size: int | None,
        metadata: Iterable[object],
        told: tuple[str | None, str | None, str | None],
    ) -> None:
        """Take in one file; `metadata` is what each name of the key has, `told` Requires-Python, yanked and time."""
        path = inside(self.place, href)
        is_absolute = bool(urlsplit(href).netloc)
        if is_absolute and is_simple(self.place):
            self.faults.append(f"has the absolute link {href}, and only a relative one leads a client to this mirror")
        if not is_absolute and not is_simple(self.place) and not leads_to_own_files(self.place, path):
            self.faults.append(f"has the relative link {href}, which puts the mirror's address into locks")
        if posixpath.basename(path) != name:
            self.faults.append(f"calls {path} {name!r}")
        if "sha256" not in hashes:
            self.faults.append(f"lists {name} without a sha256")
        declared = [_declared(each) for each in metadata]
        if len({*declared}) > 1:
            self.faults.append(f"declares the core metadata of {name} in two ways")
        requires_python, yanked, upload_time = told
        self.links.append(
            Link(
                path=path,
                name=name,
                sha256=hashes.get("sha256"),
                size=size,
                metadata=next((each for each in declared if each is not None), None),
                requires_python=requires_python,
                yanked=yanked,
                upload_time=upload_time,
            )
        )

    def check_version(self, version: str) -> None:
        """PEP 691: a client must refuse a major version that it does not know."""
        if not re.fullmatch(r"1\.[0-9]+", version):
            self.faults.append(f"has the API version {version!r}, and clients know 1")

    def page(self, kind: Literal["root", "files", "empty"], content: object) -> Page:
        """What was read, all told."""
        paths = [link.path for link in self.links]
        twice = sorted({path for path in paths if paths.count(path) > 1})
        faults = [*self.faults, *(f"lists {path} twice" for path in twice)]
        return Page(
            kind=kind,
            content=content,
            links=tuple(self.links),
            projects=tuple(self.projects),
            faults=tuple(faults),
        )


def _declared(value: object) -> str | None:
    """PEP 714: nothing or false, true, or a hash."""
    if value in (None, False, "false"):
        return None
    if value in (True, "true"):
        return ""
    hashes = value if isinstance(value, dict) else _assignment(str(value))
    return str(hashes.get("sha256", ""))


def _assignment(text: str) -> dict[str, str]:
    key, separator, value = text.partition("=")
    return {key: value} if separator else {}


def leads_to_own_files(place: str, path: str) -> bool:
    """Whether a page of a hosted index, `NAME/simple/PROJECT/`, links to a file that was uploaded to that name.

    Nobody but the mirror has such a file, so a lock has to name the mirror.
    """
    name, _, rest = place.partition("/")
    return rest.partition("/")[0] == SIMPLE and path.startswith(f"{name}/files/")


def is_simple(place: str) -> bool:
    """Whether a path in the mirror is in the index that belongs to no URL."""
    return place == SIMPLE or place.startswith(SIMPLE + "/")


# HTML.


class _Document(HTMLParser):
    """The links of a page: (attributes, text), and what its head says."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: list[tuple[dict[str, str], str]] = []
        self.version = "1.0"
        self.base: str | None = None
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {key: value or "" for key, value in attrs}
        if tag == "a":
            self.anchors.append((attributes, ""))
            self._open = True
        elif tag == "base":
            self.base = attributes.get("href", self.base)
        elif tag == "meta" and attributes.get("name") == "pypi:repository-version":
            self.version = attributes["content"]

    def handle_endtag(self, tag: str) -> None:
        self._open = self._open and tag != "a"

    def handle_data(self, data: str) -> None:
        if self._open:
            attributes, text = self.anchors[-1]
            self.anchors[-1] = (attributes, text + data)


def _html_page(mirror: Path, path: str) -> Page:
    """PEP 503: one anchor a file, `#sha256=` in its href; in the root one anchor a project."""
    reading = _Reading(place=posixpath.dirname(path))
    document = _Document()
    document.feed((mirror / path).read_text(encoding="utf-8"))
    document.close()
    reading.check_version(document.version)
    if document.base is not None:
        reading.faults.append(f"sends clients elsewhere: its base is {document.base!r}")
    for attributes, text in document.anchors:
        href, _, fragment = attributes["href"].partition("#")
        if href.endswith("/"):
            reading.projects.append(inside(reading.place, href))
            if normalised(text.strip()) != posixpath.basename(reading.projects[-1]):
                reading.faults.append(f"calls the project in {reading.projects[-1]} {text.strip()!r}")
            continue
        size = attributes.get("data-size")
        told = (attributes.get(f"data-{key}") for key in ("requires-python", "yanked", "upload-time"))
        reading.add(
            href,
            text.strip(),
            hashes=_assignment(fragment),
            size=None if size is None else int(size),
            metadata=[
                attributes[key] for key in ("data-core-metadata", "data-dist-info-metadata") if key in attributes
            ],
            told=tuple(told),  # type: ignore[arg-type]
        )
    if reading.projects and reading.links:
        reading.faults.append("lists projects and files")
    kind: Literal["root", "files", "empty"] = "root" if reading.projects else "files" if reading.links else "empty"
    content = sorted(json.dumps([attributes, text.strip()], sort_keys=True) for attributes, text in document.anchors)
    return reading.page(kind, content)


# JSON.


def _json_page(mirror: Path, path: str) -> Page:
    """PEP 691: a project's `files`, or the root's `projects`."""
    reading = _Reading(place=posixpath.dirname(path))
    document = json.loads((mirror / path).read_bytes())
    reading.check_version(str(document["meta"]["api-version"]))
    if "projects" in document:
        reading.projects.extend(
            posixpath.join(reading.place, normalised(each["name"])) for each in document["projects"]
        )
        return reading.page("root", document)
    reading.faults.extend(_json_faults(posixpath.basename(reading.place), document))
    for entry in document.get("files", ()):
        yanked = entry.get("yanked", False)
        reading.add(
            entry["url"],
            entry["filename"],
            hashes=entry["hashes"],
            size=entry.get("size"),
            metadata=[entry[key] for key in ("core-metadata", "dist-info-metadata") if key in entry],
            told=(
                entry.get("requires-python"),
                None if yanked is False else "" if yanked is True else yanked,
                entry.get("upload-time"),
            ),
        )
    return reading.page("files", document)


def _json_faults(project: str, document: Mapping[str, Any]) -> Iterator[str]:
    """What PEP 691 and 700 demand of a project's page."""
    if not isinstance(document.get("files"), list):
        yield "has neither files nor projects"
    if document.get("name") != project:
        yield f"says it is of the project {document.get('name')!r}, and stands in {project!r}"
    versions = document.get("versions")
    if not isinstance(versions, list) or not all(isinstance(each, str) and each for each in versions):
        yield f"has the versions {versions!r}, and PEP 700 demands a list of them"
    elif document.get("files") and not versions:
        yield "has files, and versions of none"
    for entry in document.get("files") or ():
        size = entry.get("size")
        is_demanded = "size" in entry or (document.get("meta") or {}).get("api-version") != "1.0"
        if is_demanded and (not isinstance(size, int) or isinstance(size, bool)):
            yield f"lists {entry['filename']} with the size {size!r}, and PEP 700 demands one"


# Names and places.


def normalised(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


_REFUSED = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_NUMBERED = {f"{kind}{digit}" for kind in ("com", "lpt") for digit in "0123456789\u00b9\u00b2\u00b3"}
_DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$", *_NUMBERED}


def named(segment: str) -> str:
    """The name in a mirror of a segment of a URL: design/product.md, "One rule makes a path of a URL"."""
    raw = unquote_to_bytes(segment)
    if not raw:
        return "="
    text = raw.decode("utf-8", "surrogateescape")
    keeps = unicodedata.normalize("NFC", text) == text

    def escaped(letter: str) -> str:
        return "".join(f"={byte:02X}" for byte in letter.encode("utf-8", "surrogateescape"))

    escapes = {0} if text.partition(".")[0].rstrip(" ").lower() in _DEVICES else set()
    escapes |= {0} if text[0] == " " or text == "=" else set()
    escapes |= {len(text) - 1} if text[-1] in " ." else set()
    escapes |= {found.start() for found in re.finditer(r"=(?=[0-9A-Fa-f]{2})", text)}
    escapes |= {at for at, letter in enumerate(text) if _REFUSED.match(letter)}
    foreign = {at: unicodedata.category(letter) for at, letter in enumerate(text) if not letter.isascii()}
    escapes |= {at for at, kind in foreign.items() if not keeps or kind[0] == "C" or kind in {"Zl", "Zp"}}
    return "".join(escaped(letter) if at in escapes else letter for at, letter in enumerate(text))


def inside(place: str, link: str) -> str:
    """The path in the mirror that a link of an index in `place` leads to, without trailing slash.

    An absolute one leads to its host and path: with `[mirrors]` set, that is where a client looks.

    Raises:
        Unreadable: it leads nowhere.
    """
    parts = urlsplit(link)
    if not (parts.scheme or parts.netloc or parts.path.startswith("/")):
        # Every web server has to find it, so it spells what is on the disk.
        segments = [unquote_to_bytes(each).decode("utf-8", "replace") for each in parts.path.rstrip("/").split("/")]
        if any("/" in each for each in segments):
            raise Unreadable(f"the link {link!r} has a slash within a name")
    else:
        segments = [named(each) for each in parts.path.removeprefix("/").removesuffix("/").split("/")]
    segments = [] if parts.path in {"", "/"} else segments
    if parts.scheme in {"http", "https"} and parts.hostname:
        port = "" if parts.port in {None, {"http": 80, "https": 443}[parts.scheme]} else f"_{parts.port}"
        host = f"ipv6_{parts.hostname.replace(':', '-')}" if ":" in parts.hostname else parts.hostname
        path = "/".join([f"{host}{port}", *segments])
    elif parts.scheme or parts.netloc or parts.path.startswith("/"):
        raise Unreadable(f"the link {link!r} is neither relative nor the address of a file")
    else:
        path = posixpath.normpath("/".join([place, *segments]) if place else "/".join(segments))
    if ".." in path.split("/") or (path + "/").startswith(_PRIVATE + "/"):
        raise Unreadable(f"the link {link!r} leads out of the mirror")
    return path
