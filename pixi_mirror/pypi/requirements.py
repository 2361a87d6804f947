"""Judge whether a version is one that a Python requirement asks for, where numbers alone tell; pure."""

import re
from collections.abc import Callable, Mapping
from itertools import zip_longest

_Numbers = tuple[int, ...]

_REQUIREMENT = re.compile(r"\s*[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\])?\s*\(?([^;@()]*)\)?\s*(;.*)?")
_CLAUSE = re.compile(r"(===|==|!=|~=|<=|>=|<|>)\s*([^\s]+)")
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_COMPARED: Mapping[str, Callable[[int], bool]] = {
    ">=": lambda order: order >= 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    "<": lambda order: order < 0,
    "==": lambda order: order == 0,
    "===": lambda order: order == 0,
    "!=": lambda order: order != 0,
}


def is_conditional(requirement: str) -> bool:
    """Whether it is asked for only where its marker holds, such as of an extra.

    PEP 508: what follows a `;` is a marker.
    """
    return ";" in requirement


def accepts(requirement: str, version: str) -> bool:
    """Whether `version` may stand for a PEP 508 requirement: false only where it is plain that it may not.

    Versions that are not numbers and dots alone (PEP 440 has more of them) are never refused.
    """
    told = _REQUIREMENT.fullmatch(requirement)
    if told is None or not _PLAIN.fullmatch(version):
        return True
    numbers = _numbers(version)
    return all(_accepts(clause.strip(), numbers) for clause in told[1].split(",") if clause.strip())


def _accepts(clause: str, version: _Numbers) -> bool:
    told = _CLAUSE.fullmatch(clause)
    if told is None:
        return True
    operator, operand = told[1], told[2]
    if operand.endswith(".*") and operator in ("==", "!=") and _PLAIN.fullmatch(operand[:-2]):
        return _begins(version, _numbers(operand[:-2])) == (operator == "==")
    if not _PLAIN.fullmatch(operand):
        return True
    limit = _numbers(operand)
    if operator == "~=":  # PEP 440: `~= 2.2.3` is `>= 2.2.3, == 2.2.*`
        return _order(version, limit) >= 0 and _begins(version, limit[:-1])
    return _COMPARED[operator](_order(version, limit))


def _numbers(version: str) -> _Numbers:
    return tuple(int(part) for part in version.split("."))


def _order(one: _Numbers, other: _Numbers) -> int:
    """Below, at or above zero as `one` is before, at or after `other`; what is missing counts as 0."""
    return next((left - right for left, right in zip_longest(one, other, fillvalue=0) if left != right), 0)


def _begins(version: _Numbers, prefix: _Numbers) -> bool:
    return _order(version[: len(prefix)], prefix) == 0
