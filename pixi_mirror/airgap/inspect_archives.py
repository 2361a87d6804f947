"""Say what archives are without reading their files: which generation, from which base, which volumes are here."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.airgap.manifest import ExportManifest
from pixi_mirror.airgap.read_archive import ArchiveHead, read_head
from pixi_mirror.disk.files import explain_errors
from pixi_mirror.errors import WrongBytesError
from pixi_mirror.model.values import Sha256
from pixi_mirror.progress import format_size


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedExport:
    """One export, with those of its volumes that were given."""

    manifest: ExportManifest
    identity: Sha256
    archives: tuple[ArchiveHead, ...]

    @property
    def missing(self) -> tuple[int, ...]:
        """The volumes that were not given."""
        given = {head.volume for head in self.archives}
        return tuple(volume for volume in range(1, len(self.manifest.volumes) + 1) if volume not in given)


def inspect_archives(paths: Iterable[Path]) -> tuple[InspectedExport, ...]:
    """The exports that archives belong to, by rising generation.

    Raises:
        WrongBytesError: one is no archive of ours, its head is damaged, or it is shorter than its files.
        MachineError: one cannot be read.
    """
    groups: dict[Sha256, list[ArchiveHead]] = {}
    for path in dict.fromkeys(paths):
        head = read_head(path)
        _refuse_cut(head)
        groups.setdefault(head.identity, []).append(head)
    exports = [
        InspectedExport(
            manifest=heads[0].manifest,
            identity=identity,
            archives=tuple(sorted(heads, key=lambda head: (head.volume, str(head.path)))),
        )
        for identity, heads in groups.items()
    ]
    return tuple(sorted(exports, key=lambda each: (each.manifest.mirror, each.manifest.number, each.identity)))


def _refuse_cut(head: ArchiveHead) -> None:
    """Refuse an archive that cannot hold its files; those who look at a disk before they carry it want to know."""
    with explain_errors("read", head.path):
        size = head.path.stat().st_size
    least = sum(blob.size for blob in head.manifest.in_volume(head.volume))
    if size < least:
        raise WrongBytesError(
            f"{head.path}: it was cut short: it has {format_size(size)}, and its files alone {format_size(least)}. "
            "Copy the archive again, or ask for it again where it comes from."
        )
