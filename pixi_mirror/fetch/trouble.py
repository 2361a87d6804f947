"""Why a request brought nothing, as a value: an exception would drag along others, whose texts hold secrets."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from pixi_mirror.errors import FetchError, WrongBytesError
from pixi_mirror.fetch.routes import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is wrong, in words that hold no secret."""

    reason: str
    """Half a sentence, to stand after a colon."""
    advice: str = ""
    """What a person may do about it; a whole sentence."""
    passing: bool = False
    """Trying again may help."""
    upstream_failed: bool = False
    """A server error or a broken transport: what counts against a target of `[mirrors]`."""
    later: bool = False
    """Trying again in this run does not help; in another it may."""
    unreached: Origin | None = None
    """The place that no connection came about to; None: there was one, or none was tried."""
    error: type[FetchError] | type[WrongBytesError] = FetchError

    @property
    def lasting(self) -> bool:
        """Asking again brings the same: as `FetchError.lasting`."""
        return not (self.passing or self.upstream_failed or self.later)


class Again(Enum):
    """An answer that a request without `Range` will mend."""

    FROM_ZERO = auto()


FROM_ZERO: Final = Again.FROM_ZERO


def broken(reason: str) -> Trouble:
    """The connection or the answer broke; another attempt may succeed."""
    return Trouble(
        reason=reason,
        advice="Run the same command again later; it goes on from there.",
        passing=True,
        upstream_failed=True,
    )
