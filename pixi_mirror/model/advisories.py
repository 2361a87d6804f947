"""Databases of advisories that a mirror carries, so that it can be audited where there is no network."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime

from pixi_mirror.model.values import Json, MirrorPath, admit_path

FOLDER = "advisories"
"""The folder of a mirror in which they lie; each file is named by its sha256."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvisoryDatabase:
    """What the inventory says of one file of advisories in the format OSV; the tree has its sha256."""

    name: str
    """By which it is renewed."""
    source: str
    """Where it came from: a URL without user and query, or the name of a local file or directory."""
    advisories: int
    """How many it has, withdrawn ones included."""
    newest: str
    """When the one that was changed last was changed, RFC 3339 in UTC: what tells how old the whole is."""

    @property
    def newest_at(self) -> datetime:
        """The same as a moment."""
        return datetime.fromisoformat(self.newest)


def database_row(database: AdvisoryDatabase) -> Mapping[str, Json]:
    """A database as it is written into records."""
    return asdict(database)


def read_database_row(row: Mapping[str, Json]) -> AdvisoryDatabase:
    """The database of a row whose values have the right kinds.

    Raises:
        ValueError: its date is none, or its name can be no folder.
    """
    found = AdvisoryDatabase(**{each.name: row[each.name] for each in fields(AdvisoryDatabase)})
    if found.newest_at.tzinfo is None or "/" in admit_path(found.name):
        raise ValueError(f"{str(dict(row))[:80]} is no database of advisories")
    return found


def database_path(name: str, sha256: str, suffix: str) -> MirrorPath:
    """The path of a database in a mirror; it never has other bytes, so that servers and clients may keep it."""
    return admit_path(f"{FOLDER}/{name}/{sha256}{suffix}")
