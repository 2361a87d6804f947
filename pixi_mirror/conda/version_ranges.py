"""Read the range of versions in a match spec, and compare versions with it, as CEP 29 does; pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from pixi_mirror.conda.version import CondaVersion

_SPACE = re.compile(r"\s*")
_OPERATOR = re.compile(r"[=!<>~]+")
_LITERAL = re.compile(r"[0-9A-Za-z!._*+-]+")
_GLOB = re.compile(r"\*|(?:\.\*)+\.?", re.ASCII)
_DEEPEST = 20

_HOLDS: Mapping[str, Callable[[CondaVersion, CondaVersion], bool]] = MappingProxyType(
    {
        "==": lambda version, limit: version.key == limit.key,
        "!=": lambda version, limit: version.key != limit.key,
        "<=": lambda version, limit: version.key <= limit.key,
        ">=": lambda version, limit: version.key >= limit.key,
        "<": lambda version, limit: version.key < limit.key,
        ">": lambda version, limit: version.key > limit.key,
        "=": lambda version, limit: version.starts_with(limit),
        "!=.*": lambda version, limit: not version.starts_with(limit),
        "~=": lambda version, limit: version.is_compatible_with(limit),
    }
)


@dataclass(frozen=True, slots=True)
class _Any:
    def holds(self, version: CondaVersion) -> bool:  # noqa: ARG002 - of whatever version
        return True


@dataclass(frozen=True, slots=True)
class _Limit:
    operator: str
    limit: CondaVersion

    def holds(self, version: CondaVersion) -> bool:
        return _HOLDS[self.operator](version, self.limit)


@dataclass(frozen=True, slots=True)
class _All:
    parts: "tuple[Range, ...]"

    def holds(self, version: CondaVersion) -> bool:
        return all(part.holds(version) for part in self.parts)


@dataclass(frozen=True, slots=True)
class _OneOf:
    parts: "tuple[Range, ...]"

    def holds(self, version: CondaVersion) -> bool:
        return any(part.holds(version) for part in self.parts)


Range: TypeAlias = _Any | _Limit | _All | _OneOf
"""A range of versions; `holds(version)` says whether a version is in it."""


def read_range(text: str, *, is_bare: bool = False) -> tuple[Range, str | None]:
    """Read a range of versions, and the build that may follow it.

    Args:
        text: what stands behind the name in a match spec.
        is_bare: whether a build is refused.

    Returns:
        The range, and the build; None: there is none.

    Raises:
        ValueError: CEP 29 has no such range.
    """
    reading = _Reading(text)
    found = reading.alternatives()
    rest = text[reading.position :]
    build = rest.removeprefix("=").strip()
    is_build = not is_bare and rest[:1] in ("=", " ", "\t", "\n") and build[:1] not in ("", "=")
    if rest.strip() and not is_build:
        raise ValueError(f"behind its version stands {rest.strip()!r}, which is no build")
    # CEP 29: in `1.2=build` behind a single `=` the version is exact, and in `==1.2.*` alone it is a prefix.
    if not is_bare and (first := reading.first) is not None:
        operator, literal = first
        if operator == "=" and build and isinstance(found, _Limit | _Any):
            found = _limit("", literal)
        elif operator == "==" and not build and literal.endswith("*"):
            found = _replaced_first(found, _limit("", literal))
    return found, build or None


def _replaced_first(found: Range, first: Range) -> Range:
    """Return `found` with another range in place of its first one."""
    match found:
        case _All(parts):
            return _All((_replaced_first(parts[0], first), *parts[1:]))
        case _OneOf(parts):
            return _OneOf((_replaced_first(parts[0], first), *parts[1:]))
        case _:
            return first


class _Reading:
    """Goes through a text: `|` binds less than `,`, and parentheses most."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._depth = 0
        self.position = 0
        """Behind all that was read, and before white space."""
        self.first: tuple[str, str] | None = None
        """Operator and literal that the text begins with; None: it begins with a parenthesis."""

    def alternatives(self) -> Range:
        parts = [self._conjunction()]
        while self._goes_on("|"):
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else _OneOf(tuple(parts))

    def _conjunction(self) -> Range:
        parts = [self._term()]
        while self._goes_on(","):
            parts.append(self._term())
        return parts[0] if len(parts) == 1 else _All(tuple(parts))

    def _goes_on(self, sign: str) -> bool:
        """Pass over `sign` if it comes next, and say whether it did."""
        space = _SPACE.match(self._text, self.position)
        behind = space.end() if space else self.position
        if not self._text.startswith(sign, behind):
            return False
        self.position = behind + 1
        return True

    def _term(self) -> Range:
        is_first = self.position == 0
        if self._goes_on("("):
            self._depth += 1
            if self._depth > _DEEPEST:
                raise ValueError(f"it has more than {_DEEPEST} parentheses in each other")
            found = self.alternatives()
            if not self._goes_on(")"):
                raise ValueError("a parenthesis of it is not closed")
            self._depth -= 1
            return found
        operator = self._next(_OPERATOR)
        literal = self._next(_LITERAL)
        if is_first:
            self.first = (operator, literal)
        return _limit(operator, literal)

    def _next(self, pattern: re.Pattern[str]) -> str:
        space = _SPACE.match(self._text, self.position)
        found = pattern.match(self._text, space.end() if space else self.position)
        if found is None:
            return ""
        self.position = found.end()
        return found[0]


def _limit(operator: str, literal: str) -> Range:
    if operator and operator not in _HOLDS:
        raise ValueError(f"{operator!r} is no operator")
    if literal in ("*", "*.*"):
        # Hotfixes have `>=*`, which means any version; `<*` means nothing.
        if operator in ("<", ">", "!=") or (operator and literal != "*"):
            raise ValueError(f"{operator + literal!r} allows no version")
        return _Any()
    stem = literal.rstrip(".*")
    glob = literal[len(stem) :]
    if not _GLOB.fullmatch(glob):
        stem, glob = literal, ""
    version = CondaVersion.parse(stem)
    if not glob:
        return _Limit(operator or "==", version)
    if operator and glob.endswith("."):
        raise ValueError(f"{literal!r} is no version, and no prefix of versions")
    if not operator:
        return _Limit("=", version)
    if operator == "!=" and glob in ("*", ".*"):
        return _Limit("!=.*", version)
    return _Limit(">=" if operator == ">" else operator, version)
