"""Format the server's log: a line of JSON for each request and for each file with wrong bytes."""

import json
from datetime import UTC, datetime
from typing import NamedTuple, Protocol


def timestamp(time_s: float) -> str:
    """Format a time in seconds since 1970 for a log: RFC 3339, UTC, to the millisecond."""
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class LogEntry(Protocol):
    """An event that has a line in the log."""

    @property
    def line(self) -> str:
        """One line of JSON, ASCII alone, without its end."""


class Access(NamedTuple):
    """One request and its response."""

    time_s: float
    """When its head was read, in seconds since 1970."""
    client: str
    method: str | None
    """None: the head could not be parsed."""
    path: str | None
    """Without secrets: tokens and queries are masked."""
    status: int
    sent: int
    """Bytes of the body."""
    seconds: float
    user_agent: str | None

    @property
    def line(self) -> str:
        """One line of JSON, ASCII alone, without its end."""
        return json.dumps(
            {
                "time": timestamp(self.time_s),
                "client": self.client,
                "method": self.method,
                "path": self.path,
                "status": self.status,
                "bytes": self.sent,
                "seconds": round(self.seconds, 6),
                "user_agent": self.user_agent,
            }
        )


class WrongBytes(NamedTuple):
    """A file of the mirror whose bytes are not those that the inventory recorded; it is not served."""

    time_s: float
    """When it was hashed, in seconds since 1970."""
    path: str
    expected: str
    """The sha256 of the inventory."""
    found: str
    """The sha256 of the file."""

    @property
    def line(self) -> str:
        """One line of JSON, ASCII alone, without its end."""
        return json.dumps(
            {
                "time": timestamp(self.time_s),
                "wrong_bytes": self.path,
                "expected_sha256": self.expected,
                "found_sha256": self.found,
                "hint": "run `pixi-mirror verify --repair`",
            }
        )
