"""Read what a Python package says of itself: its core metadata, and what building it needs; pure."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pixi_mirror.model.values import MirrorPath
from pixi_mirror.pypi.requirements import without_secrets
from pixi_mirror.pypi.simple import METADATA

LARGEST = 16 << 20
"""Bytes of METADATA or PKG-INFO that are read at most."""
_LARGEST_HEADERS = 4 << 20
_LARGEST_TOML = 1 << 20
_MOST_FIELDS = 200
"""Different names of fields; the specification has about 40, and the library's time grows with their square."""
_MOST_REQUIREMENTS = 10_000
_LONGEST = 4096
"""Characters of a value."""
_EMPTY_LINE = re.compile(rb"\A[\r\n]|(?>\r\n|[\r\n]){2}")
_FIELD = re.compile(rb"(?:\A|[\r\n])([!-9;-~]++):")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")
_LEGACY = ("setuptools>=40.8.0",)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreMetadata:
    """Those core metadata that decide what is installed, and those that say under which licence."""

    name: str
    """As written; not normalised."""
    version: str
    """As written; old sdists have some that are none of PEP 440."""
    requires_python: str | None
    """None: any version."""
    requires_dist: tuple[str, ...]
    """Requirement lines (PEP 508), in the order of the file."""
    license_expression: str | None = None
    """As written (PEP 639); None: there is none."""
    license: str | None = None
    """As written, perhaps the whole text of a licence; None: there is none."""
    classifiers: tuple[str, ...] = ()


def read_metadata(data: bytes) -> CoreMetadata:
    """The core metadata in the headers of METADATA or PKG-INFO; the text that follows them is not read.

    Raises:
        ValueError: it has no name or version, a value is impossible or not UTF-8, or it is too large.
    """
    from packaging.metadata import parse_email

    raw, apart = parse_email(_headers(data))
    # The library sets a field apart that stands several times though it may not, or that is not UTF-8.
    name = _only("name", [raw["name"]] if "name" in raw else apart.get("name", []))
    version = _only("version", [raw["version"]] if "version" in raw else apart.get("version", []))
    if not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
        raise ValueError(f"its core metadata have an impossible 'name' or 'version': {f'{name} {version}'[:80]!r}")
    pythons = [raw["requires_python"]] if "requires_python" in raw else apart.get("requires-python", [])
    lines = raw.get("requires_dist", [])
    if "requires-dist" in apart:
        raise ValueError("its core metadata are not UTF-8 in 'requires-dist'")
    if len(lines) > _MOST_REQUIREMENTS:
        raise ValueError(f"its core metadata have more than {_MOST_REQUIREMENTS} times 'requires-dist'")
    return CoreMetadata(
        name=name,
        version=version,
        requires_python=next(iter(_lines("requires-python", pythons)), None),
        requires_dist=tuple(_lines("requires-dist", lines)),
        license_expression=raw.get("license_expression"),
        license=raw.get("license"),
        classifiers=tuple(raw.get("classifiers", ())),
    )


def metadata_beside(path: MirrorPath, read: Callable[[MirrorPath], bytes | None]) -> CoreMetadata | None:
    """The core metadata that a mirror has beside a wheel; None: there are none, or they cannot be read.

    Args:
        path: of the wheel.
        read: gives the bytes of a file of the mirror; None: it is not there.
    """
    data = read(MirrorPath(f"{path}{METADATA}"))
    try:
        return None if data is None else read_metadata(data)
    except ValueError:
        return None


def build_requirements(pyproject: bytes | None) -> tuple[str, ...]:
    """The requirement lines of what building an sdist with this pyproject.toml needs, without the secrets of URLs.

    PEP 518: where none is named, tools act as if it were setuptools; PEP 517: "the legacy setup.py".

    Args:
        pyproject: the content of the file; None if the sdist has none.

    Raises:
        ValueError: it is no TOML, or `[build-system] requires` is no list of strings.
    """
    if pyproject is None:
        return _LEGACY
    import tomllib

    if len(pyproject) > _LARGEST_TOML:
        raise ValueError(f"its pyproject.toml has {len(pyproject)} bytes, more than the {_LARGEST_TOML} that are read")
    try:
        content = tomllib.loads(pyproject.decode())
    except (ValueError, RecursionError) as error:
        problem = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        raise ValueError(f"its pyproject.toml is damaged: {problem[:200]}") from None
    table = content.get("build-system", {})
    requires = table.get("requires", list(_LEGACY)) if isinstance(table, dict) else None
    if not isinstance(requires, list) or not all(isinstance(line, str) for line in requires):
        raise ValueError("its pyproject.toml is damaged: [build-system] requires is no list of strings")
    return tuple(without_secrets(_admitted("requires", line)) for line in requires)


def _headers(data: bytes) -> bytes:
    """What stands before the first empty line, if the library can read that in a bounded time."""
    if len(data) > LARGEST:
        raise ValueError(f"its core metadata have {len(data)} bytes, more than the {LARGEST} that are read")
    end = _EMPTY_LINE.search(data)
    headers = data[: end.start()] if end else data
    if len(headers) > _LARGEST_HEADERS:
        raise ValueError(f"its core metadata have {len(headers)} bytes, more than the {_LARGEST_HEADERS} that are read")
    if len({field.lower() for field in _FIELD.findall(headers)}) > _MOST_FIELDS:
        raise ValueError(f"its core metadata have more than {_MOST_FIELDS} different fields")
    return headers


def _only(field: str, values: Iterable[str]) -> str:
    different = sorted({_admitted(field, _unfolded(value)) for value in values})
    if len(different) != 1:
        problem = f"several values of {field!r}: {', '.join(different)[:80]!r}" if different else f"no {field!r}"
        raise ValueError(f"its core metadata have {problem}")
    return different[0]


def _lines(field: str, values: Iterable[str]) -> Iterator[str]:
    """The values that are not empty."""
    return filter(None, (_admitted(field, _unfolded(value)) for value in values))


def _unfolded(value: str) -> str:
    """A value on one line: a long one may be folded over several."""
    return " ".join(value.split())


def _admitted(field: str, value: str) -> str:
    if len(value) > _LONGEST or not value.isprintable():
        raise ValueError(f"its {field!r} is too long or cannot be shown: {value[:80]!r}")
    return value
