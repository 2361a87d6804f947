"""Read a file of advisories one by one, in bounded memory: an archive of JSON files as OSV has it, or our own form.

`.zip` is kept as it came. What comes as one JSON file or as a directory is kept as `.jsonl`: an advisory a line, sorted
by id, so that the same advisories have the same bytes.
"""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pixi_mirror.advisories.osv import Advisory, advisory_of, read_advisory
from pixi_mirror.archives.zip import read_content, read_members
from pixi_mirror.model.values import Json, canonical

ZIP, LINES = ".zip", ".jsonl"
"""How the name of a database in a mirror ends."""
_JSON = ".json"
_LARGEST_ADVISORY = 16 << 20
"""Bytes of one advisory. The largest of PyPI has less than one MiB."""
_LARGEST_FILE = 256 << 20
"""Bytes of a JSON file with many advisories, which is read at once."""
_MOST_ADVISORIES = 1_000_000
LARGEST_CONTENT = 8 << 30
"""Bytes of all advisories of an archive, unpacked: a small archive may not keep a reader busy for days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSummary:
    """What is in a database as a whole."""

    advisories: int
    about_projects: int
    """How many are about projects of PyPI and not withdrawn."""
    newest: str
    """When the one that was changed last was changed, RFC 3339 in UTC."""


def read_advisories(path: Path, suffix: str) -> Iterator[Advisory]:
    """The advisories of a database, one at a time.

    Args:
        path: of the file.
        suffix: its form, `ZIP` or `LINES`.

    Raises:
        ValueError: it is damaged or cut short, or a record is none of the format.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        yield from (_of_zip(file) if suffix == ZIP else _of_lines(file))


def survey(advisories: Iterable[Advisory]) -> DatabaseSummary:
    """Read all advisories of a database, and say what is in it.

    Raises:
        ValueError: there is none.
    """
    count = about = 0
    newest = None
    for advisory in advisories:
        count += 1
        about += bool(advisory.affected) and not advisory.is_withdrawn
        newest = advisory.modified if newest is None else max(newest, advisory.modified)
    if newest is None:
        raise ValueError("it has no advisory in it")
    return DatabaseSummary(advisories=count, about_projects=about, newest=newest.isoformat(timespec="seconds"))


def is_zip(path: Path) -> bool:
    """Whether a file begins as a zip archive does, one without members too.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(4) in (b"PK\3\4", b"PK\5\6")


def lines_of(path: Path) -> bytes:
    """The advisories of a JSON file, or of all `.json` files in a directory and below it, in our own form.

    A file has one advisory, a list of them, or an object with such a list under `vulns`, as the API of OSV answers.

    Raises:
        ValueError: a file is no JSON, has no advisories, or is too large; two have one id and differ.
        OSError: a file cannot be read.
    """
    rows: dict[str, bytes] = {}
    for each in _json_files(path):
        try:
            for raw in _advisories_in(each):
                identifier, row = advisory_of(raw).id, canonical(raw)
                if rows.setdefault(identifier, row) != row:
                    raise ValueError(f"{identifier} is there twice, and the two differ")  # noqa: TRY301 - named below
        except (ValueError, RecursionError) as error:
            reason = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
            raise ValueError(reason if each == path else f"{each.relative_to(path)}: {reason}") from None
    return b"".join(row + b"\n" for _, row in sorted(rows.items()))


def _json_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = [Path(folder, name) for folder, _, names in os.walk(path) for name in names if name.endswith(_JSON)]
    if not found:
        raise ValueError("there is no file in it whose name ends with .json")
    return sorted(found)


def _advisories_in(path: Path) -> list[Json]:
    if path.stat().st_size > _LARGEST_FILE:
        raise ValueError(f"it is larger than the {_LARGEST_FILE >> 20} MiB that are read of a JSON file")
    raw = json.loads(path.read_bytes())
    if isinstance(raw, dict) and "id" not in raw and isinstance(raw.get("vulns"), list):
        return list(raw["vulns"])
    return raw if isinstance(raw, list) else [raw]


def _of_zip(file: BinaryIO) -> Iterator[Advisory]:
    left = LARGEST_CONTENT
    for member in read_members(file):
        if not member.name.endswith(_JSON) or member.is_link:
            continue
        left -= member.size
        if left < 0:
            raise ValueError(f"its advisories have more than {LARGEST_CONTENT >> 20} MiB")
        try:
            yield read_advisory(read_content(file, member, limit=_LARGEST_ADVISORY))
        except (ValueError, EOFError) as error:
            raise ValueError(f"{member.name}: {error}") from None


def _of_lines(file: BinaryIO) -> Iterator[Advisory]:
    for number in range(1, _MOST_ADVISORIES + 1):
        line = file.readline(_LARGEST_ADVISORY)
        if not line:
            return
        if not line.endswith(b"\n"):
            raise ValueError(f"line {number} was cut short")
        try:
            yield read_advisory(line)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    raise ValueError(f"it has more than {_MOST_ADVISORIES} advisories")
