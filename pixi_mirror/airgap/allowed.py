"""Refuse archives that do not belong to a mirror: of another mirror, of another history, or older than what it has."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from pixi_mirror.airgap.candidates import Candidate
from pixi_mirror.airgap.manifest import ExportManifest
from pixi_mirror.airgap.read_archive import ArchiveHead
from pixi_mirror.errors import HistoryError, WrongBytesError
from pixi_mirror.mirror.generation_file import short
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.packages import Stamp
from pixi_mirror.model.values import Sha256
from pixi_mirror.suggest import advised


def refuse_mixed(heads: Iterable[ArchiveHead]) -> None:
    """Refuse archives that cannot be of one history.

    Raises:
        HistoryError: they are of several mirrors, or of different generations with one number.
    """
    first: ArchiveHead | None = None
    known: dict[int, tuple[Sha256, Path]] = {}
    for head in heads:
        first = first or head
        if head.manifest.mirror != first.manifest.mirror:
            raise HistoryError(
                f"{first.path} is of the mirror {first.manifest.mirror[:8]}, and {head.path} is of "
                f"{head.manifest.mirror[:8]}: nothing was changed. Import those of one mirror at a time, each mirror "
                "into a directory of its own."
            )
        for number, fingerprint in line_of(head.manifest).items():
            other, where = known.setdefault(number, (fingerprint, head.path))
            if other != fingerprint:
                raise _fork(number, (f"of {where}", other), (f"of {head.path}", fingerprint))


def line_of(manifest: ExportManifest) -> Mapping[int, Sha256]:
    """The fingerprints of a generation and of all before it that its manifest names, by number."""
    return {**manifest.history, manifest.number: manifest.fingerprint}


def refuse_unexpected(heads: Iterable[ArchiveHead], expected: str) -> int:
    """Compare the highest generation of the archives with a fingerprint that was told some other way.

    Args:
        heads: of the archives.
        expected: the first hexadecimal digits of the fingerprint.

    Returns:
        The number of that generation.

    Raises:
        WrongBytesError: it has another one.
    """
    highest = max(heads, key=lambda head: head.manifest.number)
    found = highest.manifest.fingerprint
    if not found.startswith(expected):
        raise WrongBytesError(
            f"{highest.path} brings g{highest.manifest.number} with the fingerprint {short(found)}, and --expect says "
            f"{short(Sha256(expected))}: nothing was changed. Ask again where it comes from; do not use the archive if "
            "the two still differ."
        )
    return highest.manifest.number


def refuse_strangers(tree: Tree, given: Mapping[int, Candidate], waiting: Mapping[int, Candidate]) -> None:
    """Refuse generations that are not of the history of a mirror.

    Raises:
        HistoryError: they are not.
        MachineError: the history of the mirror cannot be read.
    """
    stamp = tree.inventory.stamp
    if stamp is None and (tree.inventory.tree or tree.inventory.snapshots):
        raise HistoryError(
            f"{tree.root} holds packages of its own and no generation yet; nothing was changed. Import into a "
            "directory that is empty or does not exist."
        )
    for candidate in given.values():
        if stamp is not None:
            _refuse_other_mirror(tree, stamp, candidate.manifest)
        known = _known_line(tree, stamp, line_of(candidate.manifest))
        known |= {number: ("that waits here", each.manifest.fingerprint) for number, each in waiting.items()}
        for number, fingerprint in line_of(candidate.manifest).items():
            if number in known and known[number][1] != fingerprint:
                raise _fork(number, known[number], ("of the archive", fingerprint))


def _refuse_other_mirror(tree: Tree, stamp: Stamp, manifest: ExportManifest) -> None:
    if manifest.mirror != stamp.mirror:
        raise HistoryError(
            f"the archive is of the mirror {manifest.mirror[:8]}, and {tree.root} is {stamp.mirror[:8]}: nothing "
            "was changed. Import it into a directory of its own."
        )
    if not stamp.imported and manifest.fingerprint != stamp.fingerprint:
        raise HistoryError(
            f"{tree.root} is the mirror that the archive was exported from: its generations are made here; nothing was "
            f"changed. {advised('rollback N', tree.root)} goes back to one; for a copy, import into another directory."
        )


def _known_line(tree: Tree, stamp: Stamp | None, line: Mapping[int, Sha256]) -> dict[int, tuple[str, Sha256]]:
    known = tree.generations
    found = {
        number: (f"of {tree.root}", known.generation(number).fingerprint)
        for number in known.numbers()
        if number in line
    }
    if stamp is not None:  # its file may be gone
        found[stamp.number] = (f"of {tree.root}", stamp.fingerprint)
    return found


def _fork(number: int, one: tuple[str, Sha256], other: tuple[str, Sha256]) -> HistoryError:
    return HistoryError(
        f"there are two different generations g{number}: the one {one[0]} has the fingerprint {short(one[1])}, and the "
        f"one {other[0]} has {short(other[1])}. The mirror that they come from was restored from a backup, or copied, "
        "and has gone two ways since; nothing was changed. Find out which of them is right. To follow the other one, "
        "have it exported with --full, and import it into a new directory."
    )


def refuse_older(tree: Tree, number: int, last: int) -> HistoryError:
    """The error that says that an archive is older than what a mirror has."""
    return HistoryError(
        f"g{number} is older than g{last}, which {tree.root} had already: nothing was changed. `--allow-rollback` goes "
        f"back to it, and {advised(f'rollback {number}', tree.root)} does if its files are here still."
    )
