"""Show what changes in a mirror: `+ numpy 2.3.1 -> 2.3.2 linux-64`, a line for each package and version."""

import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from pixi_mirror.mirror.changes import Effect, PackageChange, PackageName
from pixi_mirror.model.values import Json

_WITHOUT_TERMINAL = 20
"""Lines; a terminal decides by its height."""
_FEWEST = 10
_AROUND = 14
"""Lines of a terminal for the table and the sentences around the list."""

_ORDER: Sequence[Effect] = ("replaced", "added", "restored", "removed")


def change_lines(changes: Iterable[PackageChange], *, verbose: bool) -> list[str]:
    """The changes, grouped by package and version; `verbose`: all of them, else what a terminal has place for."""
    groups: dict[tuple[int, str], dict[str, None]] = {}
    for change in changes:
        name = change.new or change.old
        if name is not None:
            groups.setdefault((_ORDER.index(change.effect), _title(change)), {})[name.place] = None
    lines = [f"  {title} {', '.join(sorted(places))}" for (_, title), places in sorted(groups.items())]
    return lines if verbose else cut_to_terminal(lines)


def name_lines(names: Iterable[PackageName], *, verbose: bool) -> list[str]:
    """`- numpy 2.3.1 linux-64` for files that go, grouped in the same way."""
    groups: dict[str, dict[str, None]] = {}
    for name in names:
        groups.setdefault(f"- {name.name} {name.version}", {})[name.place] = None
    lines = [f"  {title} {', '.join(sorted(places))}" for title, places in sorted(groups.items())]
    return lines if verbose else cut_to_terminal(lines)


def _title(change: PackageChange) -> str:
    old, new = change.old, change.new
    if new is None or old is None:
        name = new or old
        sign = "+" if new is not None else "-"
        again = " (again)" if change.effect == "restored" else ""
        return f"{sign} {name.name} {name.version}{again}" if name is not None else ""
    if old.version != new.version:
        return f"+ {new.name} {old.version} -> {new.version}"
    if old.build != new.build:
        return f"+ {new.name} {new.version} {old.build} -> {new.build}"
    return f"+ {new.name} {new.version} (other bytes)"


def cut_to_terminal(lines: Sequence[str]) -> list[str]:
    """As many of the lines as a terminal has place for, and how many more there are."""
    columns, rows = shutil.get_terminal_size((0, 0)) if sys.stdout.isatty() else (0, 0)
    most = max(_FEWEST, rows - _AROUND) if rows else _WITHOUT_TERMINAL
    shown = [f"{line[: columns - 1]}…" if columns and len(line) > columns else line for line in lines[:most]]
    return [*shown, f"  and {len(lines) - most} more (-v shows all)"] if len(lines) > most else shown


def change_json(change: PackageChange) -> Json:
    """One row of `changes`."""
    name = change.new or change.old
    return {
        "change": change.effect,
        "name": None if name is None else name.name,
        "subdir": None if name is None else name.place,
        "from": _version_json(change.old),
        "to": _version_json(change.new),
        "path": change.path,
        "replaces": change.old_path,
    }


def _version_json(name: PackageName | None) -> Json:
    return None if name is None else {"version": name.version, "build": name.build or None}


def moment(seconds: float) -> str:
    """A date for people, given in seconds since 1970: `2026-12-07 06:13 UTC`."""
    try:
        return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, OSError, ValueError):
        return "a day that no calendar has"


def moment_json(seconds: float) -> str | None:
    """The same in RFC 3339; None: no calendar has that day."""
    try:
        return datetime.fromtimestamp(seconds, tz=UTC).isoformat(timespec="seconds")
    except (OverflowError, OSError, ValueError):
        return None
