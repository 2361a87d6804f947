"""What a Python package says of itself: its core metadata, and what building it needs; pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

from pixi_mirror.pypi.names import normalised

LARGEST = 16 * 1024 * 1024
"""Bytes of METADATA, PKG-INFO or pyproject.toml that are read at most."""
_LARGEST_TOML = 1024 * 1024
_MOST_REQUIREMENTS = 10_000
_LONGEST = 4096
"""Characters of a value."""
_HEADER = re.compile(rb"([!-9;-~]++):(.*)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")
_READ = frozenset({"name", "version", "requires-python", "requires-dist"})
_LEGACY = ("setuptools>=40.8.0",)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreMetadata:
    """Those of the core metadata that decide what is installed."""

    name: str
    """As written; not normalised."""
    version: str
    requires_python: str | None
    """None: any version."""
    requires_dist: tuple[str, ...]
    """As PEP 508 has it, in the order of the file."""


def read_metadata(data: bytes) -> CoreMetadata:
    """The core metadata in the headers of METADATA or PKG-INFO; what follows them is not looked at.

    Raises:
        ValueError: it has no name or version, a value is impossible, it is not UTF-8, or it is too large.
    """
    if len(data) > LARGEST:
        raise ValueError(f"its core metadata have {len(data)} bytes, more than the {LARGEST} that are read")
    found: dict[str, list[str]] = {header: [] for header in sorted(_READ)}
    for header, value in _headers(data):
        found[header].append(value)
        if len(found[header]) > _MOST_REQUIREMENTS:
            raise ValueError(f"its core metadata have more than {_MOST_REQUIREMENTS} times {header!r}")
    return CoreMetadata(
        name=_only("name", found, _NAME),
        version=_only("version", found, _VERSION),
        requires_python=next((value for value in found["requires-python"] if value), None),
        requires_dist=tuple(value for value in found["requires-dist"] if value),
    )


def build_requirements(pyproject: bytes | None) -> tuple[str, ...]:
    """What building an sdist with this pyproject.toml needs; None: it has no such file.

    PEP 518: where none is named, tools act as if it were setuptools; PEP 517: "the legacy setup.py".

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
    if not isinstance(requires, list) or not all(isinstance(item, str) for item in requires):
        raise ValueError("its pyproject.toml is damaged: [build-system] requires is no list of strings")
    return tuple(_admitted("requires", item) for item in requires)


def required_name(requirement: str) -> str:
    """The normalised name of the project that a PEP 508 requirement asks for; empty: it is none."""
    found = _NAME.match(requirement.strip())
    return normalised(found[0]) if found else ""


def _headers(data: bytes) -> Iterator[tuple[str, str]]:
    """The headers that are read, unfolded; they end, as in an e-mail, at an empty line or at what is no header."""
    header, pieces = "", list[bytes]()
    for line in BytesIO(data):
        if line[:1] in (b" ", b"\t") and header:
            pieces.append(line)
            continue
        if header in _READ:
            yield header, _value(header, pieces)
        found = _HEADER.fullmatch(line)
        if found is None:
            return
        header, pieces = found[1].decode("ascii").lower(), [found[2]]
    if header in _READ:
        yield header, _value(header, pieces)


def _value(header: str, pieces: list[bytes]) -> str:
    raw = b" ".join(piece.strip() for piece in pieces).strip()
    try:
        return _admitted(header, raw.decode())
    except UnicodeDecodeError:
        raise ValueError(f"its core metadata are not UTF-8 where they say {header!r}") from None


def _admitted(header: str, value: str) -> str:
    if len(value) > _LONGEST or not value.isprintable():
        raise ValueError(f"what it says for {header!r} is too long or cannot be shown: {value[:80]!r}")
    return value


def _only(header: str, found: dict[str, list[str]], grammar: re.Pattern[str]) -> str:
    values = sorted(set(found[header]))
    if not values:
        raise ValueError(f"its core metadata do not say {header!r}")
    if len(values) > 1 or not grammar.fullmatch(values[0]):
        raise ValueError(f"its core metadata say an impossible {header!r}: {', '.join(values)[:80]!r}")
    return values[0]
