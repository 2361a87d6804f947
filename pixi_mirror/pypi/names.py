"""What the names of PyPI say: of projects, of locations in a lock, of wheels and sdists; pure."""

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

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
"""What a location is: of an index or its pages of links, of a manifest's `url`, of this machine, or no file at all."""

_WHEEL = ".whl"
_SDIST = (".tar.gz", ".zip", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tar")
ARCHIVES = (_WHEEL, *_SDIST)
"""How a file must end that a PyPI location names; a page, which ends otherwise, can so never be mistaken for one."""
_SEPARATORS = re.compile(r"[-_.]+")
# Two characters at least: one letter and a colon is a drive.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_SLASHES = re.compile(r"[/\\]")
# PEP 440, with what it lets stand for the canonical spelling.
_VERSION = re.compile(
    r"v?(?:[0-9]+!)?[0-9]+(?:\.[0-9]+)*"
    r"(?:[._-]?(?:alpha|a|beta|b|preview|pre|c|rc)[._-]?[0-9]*)?"
    r"(?:-[0-9]+|[._-]?(?:post|rev|r)[._-]?[0-9]*)?"
    r"(?:[._-]?dev[._-]?[0-9]*)?"
    r"(?:\+[a-z0-9]+(?:[._-][a-z0-9]+)*)?",
    re.IGNORECASE | re.ASCII,
)
_WHEEL_PROJECT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._]*[A-Za-z0-9])?")
_BUILD = re.compile(r"[0-9][A-Za-z0-9._]*")
_TAG = re.compile(r"[A-Za-z0-9_]+")
_FEWEST_PARTS, _MOST_PARTS = 5, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelName:
    """What the file name of a wheel says."""

    name: str
    """Of the project, as written: `_` for what was `-`, `.` or `_`."""
    version: str
    build: str | None
    """Starts with a digit; None: it has no build tag."""
    pythons: tuple[str, ...]
    abis: tuple[str, ...]
    platforms: tuple[str, ...]


def normalised(name: str) -> str:
    """The one spelling of a project's name.

    PEP 503: "lowercased with all runs of the characters ., -, or _ replaced with a single - character".
    """
    return _SEPARATORS.sub("-", name).lower()


def form_of(location: str) -> Form:
    """What the location of a PyPI entry is; nothing but the location decides."""
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
    """The name of the file at a URL or path: of a URL decoded once, without query and fragment; of a path as it is.

    Raises:
        ValueError: there is none, or decoding it again would give another, so that nobody knows which is meant.
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


def wheel_name(file_name: str) -> WheelName:
    """What the file name of a wheel says.

    PEP 427: "{distribution}-{version}(-{build tag})?-{python tag}-{abi tag}-{platform tag}.whl". The version is one of
    PEP 440: pixi and uv take a file whose name has another for an sdist.

    Raises:
        ValueError: it is not the name of a wheel.
    """
    stem = file_name.removesuffix(_WHEEL)
    parts = stem.split("-")
    if stem == file_name or not _FEWEST_PARTS <= len(parts) <= _MOST_PARTS:
        raise _no_wheel(
            file_name, "expected name-version-python-abi-platform.whl, with a build tag before python or none"
        )
    name, version, *builds, pythons, abis, platforms = parts
    if not _WHEEL_PROJECT.fullmatch(name):
        raise _no_wheel(file_name, f"{name[:80]!r} is no name of a project")
    if not _VERSION.fullmatch(version):
        raise _no_wheel(file_name, f"{version[:80]!r} is no version of PEP 440")
    if builds and not _BUILD.fullmatch(builds[0]):
        raise _no_wheel(file_name, f"{builds[0][:80]!r} is no build tag, which starts with a digit")
    tags = tuple(tuple(part.split(".")) for part in (pythons, abis, platforms))
    for tag in (tag for several in tags for tag in several):
        if not _TAG.fullmatch(tag):
            raise _no_wheel(file_name, f"{tag[:80]!r} is no tag")
    return WheelName(
        name=name, version=version, build=next(iter(builds), None), pythons=tags[0], abis=tags[1], platforms=tags[2]
    )


def is_wheel_name(file_name: str) -> bool:
    """Whether it is the name of a wheel."""
    try:
        wheel_name(file_name)
    except ValueError:
        return False
    return True


def sdist_version(file_name: str, project: str) -> str | None:
    """The version that the file name of an sdist says; None: it is not an sdist of that project.

    PEP 625: "{name}-{version}.tar.gz". Older ones end in `.zip` and others, and write the name as they like.
    """
    stem = _without_suffix(file_name)
    if stem is None:
        return None
    # The project is known, so that `a-b-1.0` is 1.0 of `a-b` whatever `a` would make of it.
    name = r"[-_.]+".join(re.escape(part) for part in normalised(project).split("-"))
    found = re.match(rf"{name}-", stem, re.IGNORECASE | re.ASCII)
    if found is None or not _VERSION.fullmatch(stem, found.end()):
        return None
    return stem[found.end() :]


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
    if name.endswith(_WHEEL):
        return "local wheel"
    return "directory" if _without_suffix(name) is None else "local sdist"


def _without_suffix(file_name: str) -> str | None:
    """The file name of an sdist without its suffix; None: it has none of these."""
    suffix = next((suffix for suffix in _SDIST if file_name.lower().endswith(suffix)), None)
    stem = file_name[: -len(suffix)] if suffix else ""
    return stem or None


def _no_wheel(file_name: str, problem: str) -> ValueError:
    return ValueError(f"{file_name[:200]!r} is not the name of a wheel: {problem}")
