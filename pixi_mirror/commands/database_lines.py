"""How a database of advisories reads to people and as JSON; without the parts that read such a database."""

from collections.abc import Mapping
from datetime import UTC, datetime

from pixi_mirror.model.advisories import AdvisoryDatabase
from pixi_mirror.model.values import Json, MirrorPath
from pixi_mirror.progress import counted


def age_in_days(newest: datetime) -> int:
    """Days since the advisory was changed that was changed last."""
    return (datetime.now(tz=UTC) - newest).days


def age(newest: datetime) -> str:
    """How old a database is: when the advisory in it was changed that was changed last."""
    days = age_in_days(newest)
    passed = "today" if days < 1 else f"{counted(days, 'day')} ago"
    return f"last changed on {newest:%Y-%m-%d}, {passed}"


def database_line(path: MirrorPath, database: AdvisoryDatabase) -> str:
    """A database in a mirror, for people."""
    count = counted(database.advisories, "advisory", "advisories")
    return f"{database.name}: {count} of {database.source}, {age(database.newest_at)}; in {path.rpartition('/')[0]}/"


def database_json(path: MirrorPath, database: AdvisoryDatabase) -> Mapping[str, Json]:
    """A database in a mirror, as JSON; its file is named by its sha256.

    `newest` is when the advisory was changed that was changed last, RFC 3339 in UTC.
    """
    return {
        "name": database.name,
        "source": database.source,
        "path": path,
        "sha256": path.rpartition("/")[2].partition(".")[0],
        "advisories": database.advisories,
        "newest": database.newest,
    }
