"""Find the lines of the statements in a TOML text; the standard parser says what a statement is."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from pixi_mirror.clients.marked_lines import lines_of

T = TypeVar("T")

_HEADER = re.compile(r"\s*\[\[?\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$")


class Statement(NamedTuple):
    """A header or a key with its value."""

    table: str
    """As its header spells it, the brackets included; empty: before the first one."""
    key: str | None
    """The text before `=`; None: it is a header."""
    lines: range
    values: Mapping[str, Any]
    """The keys and values of this statement alone; empty for a header."""


def parse_toml(text: str) -> Mapping[str, Any]:
    """Parse a TOML text.

    Raises:
        ValueError: it does not parse, or is nested too deeply for that.
    """
    try:
        return tomllib.loads(text.removeprefix("\ufeff").replace("\r\n", "\n"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def table(found: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The table under a key; an empty one where there is something else, which the client itself refuses."""
    value = found.get(key)
    return value if isinstance(value, dict) else {}


def members(found: Mapping[str, Any], key: str, kind: type[T]) -> list[T]:
    """Those members of the list under a key that are of a kind; none where there is something else."""
    value = found.get(key)
    return [each for each in value if isinstance(each, kind)] if isinstance(value, list) else []


def statements(text: str) -> Iterator[Statement]:
    """The statements of a text that parses, in their order."""
    lines = [line.removeprefix("\ufeff") for line in lines_of(text)]
    table, number = "", 0
    while number < len(lines):
        bare = lines[number].strip()
        if not bare or bare.startswith("#"):
            number += 1
            continue
        if bare.startswith("[") and _HEADER.match(bare):
            table = bare.partition("#")[0].strip() if '"' not in bare and "'" not in bare else bare
            yield Statement(table, None, range(number, number + 1), {})
            number += 1
            continue
        stop = number + 1
        values = _values(lines[number:stop])
        while values is None and stop < len(lines):
            stop += 1
            values = _values(lines[number:stop])
        yield Statement(table, bare.partition("=")[0].strip(), range(number, stop), values or {})
        number = stop


def _values(lines: list[str]) -> Mapping[str, Any] | None:
    try:
        return parse_toml("".join(lines))
    except ValueError:
        return None
