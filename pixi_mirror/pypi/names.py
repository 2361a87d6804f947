"""Read what a location in a lock names, and the file names of wheels and sdists; pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:  # the library is imported where a name is read: start-up counts
    from packaging.tags import Tag

Form: TypeAlias = Literal[
    "wheel",
    "sdist",
    "direct wheel",
    "direct sdist",
    "local wheel",
    "local sdist",
    "directory",
    "git",
    "unsupported",
]
"""What a location is: a file of an index or of a page of links, of a manifest's `url` (direct), of this machine
(local), or no file at all."""

WHEEL = ".whl"
"""How the name of every wheel ends (PEP 427)."""
_SDIST = (".tar.gz", ".zip", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tar")
ARCHIVES = (WHEEL, *_SDIST)
"""How the file that a PyPI location names must end. A page ends otherwise, so that none is taken for a file."""
# Two characters at least: one letter and a colon is a drive.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_SLASHES = re.compile(r"[/\\]")
_CANONICAL = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_PURL = "pkg:pypi/"
_LONGEST_NAME = 255
"""Characters; no file system holds more, and tags multiply: a name of 20,000 would have millions of combinations."""
# No white space, no two separators in a row: the library passes over both in some versions.
_WHEEL_SHAPE = re.compile(r"[A-Za-z0-9_+!]+(?:[.-][A-Za-z0-9_+!]+)*\.whl")


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelName:
    """What the file name of a wheel says."""

    name: str
    """Of the project, normalised."""
    version: str
    """As the file name spells it."""
    tags: "frozenset[Tag]"
    """Every combination of its Python, ABI and platform tags (PEP 425)."""


def canonical_name(name: str) -> str:
    """The normalised name of a project (PEP 503).

    The library is imported only for a name that is not normalised yet: the import takes 20 ms, which is a tenth of a
    run that finds nothing to do.
    """
    if _CANONICAL.fullmatch(name):
        return name
    from packaging.utils import canonicalize_name

    return canonicalize_name(name)


def projects_in_purls(purls: Iterable[str]) -> list[str]:
    """The normalised names of the projects of PyPI in package URLs, sorted, each once."""
    ours = (purl.removeprefix(_PURL) for purl in purls if purl.startswith(_PURL))
    bare = (purl.partition("?")[0].partition("#")[0].partition("@")[0] for purl in ours)
    return sorted({canonical_name(name) for name in bare if name})


def form_of(location: str) -> Form:
    """What the location of a PyPI entry in a lock is; nothing but the location decides."""
    scheme = _SCHEME.match(location)
    if scheme is None:
        return _local(location)
    match scheme[1].lower():
        case "http" | "https":
            return "wheel" if _names_wheel(location) else "sdist"
        case "direct+http" | "direct+https":
            return "direct wheel" if _names_wheel(location) else "direct sdist"
        case "file":
            return _local(_path(location))
        case name if name.startswith("git+"):
            return "git"
        case _:
            return "unsupported"


def file_name_of(location: str) -> str:
    """The name of the file at a URL or path.

    A URL is decoded once, without query and fragment; a path is taken as it is.

    Raises:
        ValueError: there is none, or it changes when it is decoded again, so that two names could be meant.
    """
    from urllib.parse import unquote

    is_path = _SCHEME.match(location) is None
    raw = _SLASHES.split(location)[-1] if is_path else _path(location).rpartition("/")[2]
    try:
        name = raw if is_path else unquote(raw, errors="strict")
    except UnicodeDecodeError:
        raise ValueError(f"{raw[:80]!r} is no file name: what it encodes is not UTF-8") from None
    if not name:
        raise ValueError("its location names no file: nothing stands after the last slash")
    if unquote(name, errors="replace") != name:
        raise ValueError(f"{raw[:80]!r} is encoded twice, so that it does not tell which file name is meant")
    return name


@lru_cache(maxsize=1 << 12)  # a lock names one wheel for many environments and platforms
def wheel_name(file_name: str) -> WheelName:
    """What the file name of a wheel says (PEP 427).

    The version has to be one of PEP 440: pixi and uv take a file whose name has another for an sdist. Unlike the
    library, and like uv, a project's name may be spelled with several separators in a row.

    Raises:
        ValueError: it is not the name of a wheel.
    """
    from packaging.utils import canonicalize_name, parse_wheel_filename

    try:
        if len(file_name) > _LONGEST_NAME or not _WHEEL_SHAPE.fullmatch(file_name):
            raise ValueError("expected NAME-VERSION[-BUILD]-PYTHON-ABI-PLATFORM.whl")  # noqa: TRY301 - one message
        stem, _, rest = file_name.partition("-")
        name = canonicalize_name(stem, validate=True)
        tags = parse_wheel_filename(f"{name.replace('-', '_')}-{rest}")[3]
    except ValueError as error:
        raise ValueError(f"{file_name[:200]!r} is not the name of a wheel: {error}") from None
    return WheelName(name=name, version=rest.partition("-")[0], tags=tags)


def is_wheel_name(file_name: str) -> bool:
    """Whether it is the name of a wheel."""
    try:
        wheel_name(file_name)
    except ValueError:
        return False
    return True


def sdist_version(file_name: str, project: str) -> str | None:
    """The version that the file name of an sdist says; None if it is not an sdist of that project.

    PEP 625 has NAME-VERSION.tar.gz. Older ones end in `.zip` and others, and write name and version as they like, so
    that only who knows the project can tell where its name ends: `a-b-1.0` is 1.0 of `a-b`, and nothing of `a`.
    """
    from packaging.utils import canonicalize_name
    from packaging.version import Version

    stem, wanted = _without_suffix(file_name) or "", canonicalize_name(project)
    ends = [place for place, letter in enumerate(stem) if letter == "-"]
    version = next((stem[end + 1 :] for end in ends if canonicalize_name(stem[:end]) == wanted), "")
    try:
        Version(version)
    except ValueError:
        return None
    return version if version == version.strip() else None


def possible_projects(file_name: str) -> frozenset[str]:
    """The normalised names of the projects that a file can be of: one for a wheel, for an sdist perhaps several.

    Who may upload it has a right to all of them: `a-1.0-1.tar.gz` can be of `a` as well as of `a-1.0`. Empty: it is
    the name of neither.
    """
    if file_name.endswith(WHEEL):
        return frozenset({wheel_name(file_name).name}) if is_wheel_name(file_name) else frozenset()
    stem = _without_suffix(file_name) or ""
    heads = (stem[:place] for place, letter in enumerate(stem[:_LONGEST_NAME]) if letter == "-" and place)
    return frozenset(canonical_name(head) for head in heads if sdist_version(file_name, head) is not None)


def _path(location: str) -> str:
    """Of a URL, without query and fragment."""
    bare = location.partition(":")[2].partition("#")[0].partition("?")[0]
    return "/" + bare[2:].partition("/")[2] if bare.startswith("//") else bare


def _names_wheel(location: str) -> bool:
    try:
        return is_wheel_name(file_name_of(location))
    except ValueError:
        return False


def _local(path: str) -> Form:
    name = _SLASHES.split(path)[-1].lower()
    if name.endswith(WHEEL):
        return "local wheel"
    return "directory" if _without_suffix(name) is None else "local sdist"


def _without_suffix(file_name: str) -> str | None:
    """The file name of an sdist without its suffix; None: it has none of these."""
    suffix = next((suffix for suffix in _SDIST if file_name.lower().endswith(suffix)), None)
    stem = file_name[: -len(suffix)] if suffix else ""
    return stem or None
