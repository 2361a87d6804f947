"""Say what waits in a mirror that imports fill: files that came, and what the generations lack for which they wait."""

from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.airgap.candidates import waiting_candidates
from pixi_mirror.airgap.incomplete import MissingFiles, missing_files
from pixi_mirror.airgap.receipt import origin_of
from pixi_mirror.mirror.tree import open_mirror


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingFiles:
    """What came and is not offered yet."""

    files: int
    size: int
    """Bytes of these."""
    generations: tuple[MissingFiles, ...]
    """Those that they wait for, by rising number, each with what it lacks."""


def find_waiting_files(mirror: Path) -> WaitingFiles:
    """What waits in a mirror; nothing where this user cannot see it.

    Files are looked at and not hashed: the next import does that.

    Raises:
        MachineError: there is no mirror, or what waits cannot be used.
    """
    tree = open_mirror(mirror)
    nothing = WaitingFiles(files=0, size=0, generations=())
    if tree.is_closed:
        return nothing
    sizes = tree.staged.sizes()
    origin = origin_of(tree)
    waiting = {} if origin is None else waiting_candidates(tree.staged, origin)
    if not sizes and not waiting:
        return nothing
    stored, held = tree.inventory.stored, tree.held()
    here = {file.sha256 for path, file in stored.items() if held.get(path) == file.sha256}
    here |= {sha256 for each in waiting.values() for sha256, size in each.files.items() if sizes.get(sha256) == size}
    here |= {*tree.all_replaced()}
    last = tree.inventory.stamp.last if tree.inventory.stamp is not None else 0
    return WaitingFiles(
        files=len(sizes),
        size=sum(sizes.values()),
        generations=tuple(
            missing_files(each, each.files.keys() - here) for number, each in sorted(waiting.items()) if number > last
        ),
    )
