"""Remove from a destination what its mirror holds no longer; two publishers cannot make an index list what is gone.

The record is swapped first: it lists the files no longer, and says that they are being removed. Who has read the record
before, and publishes, loses the swap of it and is refused; who reads it afterwards knows that the files are not there.
Only then is anything removed. A run that was stopped is gone on with by the next one.
"""

from collections.abc import Mapping
from dataclasses import replace

from pixi_mirror.errors import FarSideError
from pixi_mirror.model.values import DAY_S, MirrorPath
from pixi_mirror.progress import Progress
from pixi_mirror.publish.compare import PublishPlan
from pixi_mirror.publish.held_record import HeldRecord
from pixi_mirror.threads import in_threads


def when_removable(plan: PublishPlan, held: HeldRecord, *, now: int, grace_days: float) -> Mapping[MirrorPath, int]:
    """The files that the mirror holds no longer, each with the second since 1970 from which it can be removed."""
    since = held.record.unwanted
    return {path: since.get(path, now) + int(grace_days * DAY_S) for path in plan.unwanted}


def require_published(plan: PublishPlan, held: HeldRecord) -> None:
    """Refuse to remove anything while the indexes there may list it.

    Raises:
        FarSideError: nothing was published there, another run is under way or was stopped, or the mirror has changed.
    """
    name = held.destination.name
    if held.tag is None:
        raise FarSideError(
            f"{name} holds nothing that was published; nothing was changed. Name the place that was published to."
        )
    if held.record.pending or plan.uploads:
        raise FarSideError(
            f"{name} does not hold what the mirror holds yet, so its indexes may list what would be removed; nothing "
            "was changed. Publish first, without --prune."
        )


def remove_files(paths: tuple[MirrorPath, ...], held: HeldRecord, *, jobs: int, progress: Progress) -> None:
    """Remove files, and those that a run which was stopped had begun to remove.

    Raises:
        FarSideError: the destination refuses, or somebody else publishes there.
        FetchError: it cannot be reached.
    """
    gone = frozenset(paths)
    record = held.record
    if gone:
        held.keep(
            replace(
                record,
                files={path: each for path, each in record.files.items() if path not in gone},
                unwanted={path: second for path, second in record.unwanted.items() if path not in gone},
                removing=tuple(sorted({*record.removing, *gone})),
            )
        )

    def remove(path: MirrorPath) -> None:
        held.destination.remove(path)
        progress.advance(files=1)

    progress.begin("removing", files=len(held.record.removing), size=0)
    in_threads(remove, held.record.removing, jobs)
    held.keep(replace(held.record, removing=()))
