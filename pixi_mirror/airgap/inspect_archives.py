"""Say what archives are without reading their files: which generation, from which base, which volumes are here."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.airgap.manifest import ExportManifest
from pixi_mirror.airgap.read_archive import ArchiveHead, read_head
from pixi_mirror.model.values import Sha256


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
        WrongBytesError: one is no archive of ours, or its head is damaged.
        MachineError: one cannot be read.
    """
    groups: dict[Sha256, list[ArchiveHead]] = {}
    for path in dict.fromkeys(paths):
        head = read_head(path)
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
