"""Every error that is raised on purpose, with its exit status. Only this module writes statuses down.

There are three kinds: `Ask` (the request is wrong, and repeating it changes nothing), `Wait` (the network or another
process failed, and a later run may succeed) and `Distrust` (bytes are not what was promised; nothing
fetches them again in silence).
"""

from collections.abc import Iterable

DONE = 0
FOUND = 1
"""`verify`, `status --check` or `prune` without `--apply` found something."""


class PixiMirrorError(Exception):
    """An error whose text says in one paragraph what went wrong, where, and what to do.

    Each subclass has its `status`; `items` are the single things that failed, for reports.
    """

    status = 8
    items: tuple[str, ...]

    def __init__(self, message: str, *, items: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.items = tuple(items)


class Ask(PixiMirrorError):
    """The request itself is wrong."""


class Wait(PixiMirrorError):
    """Something outside was not ready; the same command may succeed later."""


class Distrust(PixiMirrorError):
    """Something is not what was promised."""


class UsageError(Ask):
    """The command line cannot be understood."""

    status = 2


class WorkspaceError(Ask):
    """The workspace, its lock or an environment or platform of it cannot be read or does not exist."""

    status = 3


class UnmirrorableError(Ask):
    """Something wanted cannot be mirrored, or two locks want different bytes at one path."""

    status = 4


class PolicyError(Ask):
    """Something wanted is not as the policy of the mirror has it."""

    status = 4


class HistoryError(Ask):
    """A generation is of another mirror, of another history of it, or older than what a mirror holds."""

    status = 4


class FetchError(Wait):
    """Something could not be fetched: network, server error, 401, 403, 404.

    `lasting`: the same request would fail again. The server does not have it or refuses it, or no request can be made
    of its URL. If it is False, a later run may succeed. The table of `http/retry.py` decides about statuses.
    """

    status = 5

    def __init__(self, message: str, *, items: Iterable[str] = (), lasting: bool = False) -> None:
        super().__init__(message, items=items)
        self.lasting = lasting


class WrongBytesError(Distrust):
    """The bytes are not what the lock or a pin promised."""

    status = 6


class ProgramError(PixiMirrorError):
    """A program that we ran failed."""

    status = 7


class MachineError(Ask):
    """A directory, disk, file or port of this machine cannot be used as asked."""

    status = 8


class DiskFullError(MachineError):
    """A disk of this machine is full."""


class FarSideError(Ask):
    """The far side, a store or a server that is written to, refused."""

    status = 9


class IncompleteError(Ask):
    """Files that are needed for an earlier or later state of a mirror are not here."""

    status = 10


class BusyError(Wait):
    """Another process is writing the same mirror."""

    status = 75


class Interrupted(BaseException):
    """A signal stopped the run; `status` is 128 and the signal's number."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"stopped by signal {signal_number}")
        self.status = 128 + signal_number


SEVERITY = (6, 8, 4, 9, 7, 5)
"""With several failures, the exit status is the first of these that occurred."""


class SeveralErrors(PixiMirrorError):
    """A batch was finished and some of it failed; it has every failure."""

    def __init__(self, summary: str, errors: Iterable[PixiMirrorError]) -> None:
        self.errors = tuple(errors)
        lines = [str(error) for error in self.errors]
        super().__init__("\n".join([summary, *_grouped(lines)]), items=lines)
        self.status = most_severe(error.status for error in self.errors)


_EXAMPLES = 3
"""Files that a message names where more of them failed for the same reason."""


def _grouped(messages: Iterable[str]) -> Iterable[str]:
    """A line for each message; of many that differ only in the file or URL at their beginning, the rest once."""
    groups: dict[str, list[str]] = {}
    for message in messages:
        subject, _, rest = message.partition(" ")
        groups.setdefault(rest if "/" in subject else message, []).append(message)
    for rest, group in groups.items():
        if len(group) <= _EXAMPLES:
            yield from (f"  {message}" for message in group)
            continue
        yield f"  {len(group)} files {rest}"
        yield from (f"    {message.partition(' ')[0]}" for message in group[:_EXAMPLES])
        yield f"    and {len(group) - _EXAMPLES} more"


def most_severe(statuses: Iterable[int]) -> int:
    """The exit status for several failures: the first of `SEVERITY`, else the greatest."""
    found = set(statuses)
    return next((status for status in SEVERITY if status in found), max(found, default=DONE))
