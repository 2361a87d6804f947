"""What the access log says of one request, as a line of JSON."""

import json
from datetime import UTC, datetime
from typing import NamedTuple


def moment(time_s: float) -> str:
    """A time in seconds since 1970 as a log has it: RFC 3339, UTC, to the millisecond."""
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Access(NamedTuple):
    """One request and how it was answered."""

    time_s: float
    """When its head was read, in seconds since 1970."""
    client: str
    method: str | None
    """None: the head could not be understood."""
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
                "time": moment(self.time_s),
                "client": self.client,
                "method": self.method,
                "path": self.path,
                "status": self.status,
                "bytes": self.sent,
                "seconds": round(self.seconds, 6),
                "user_agent": self.user_agent,
            }
        )
