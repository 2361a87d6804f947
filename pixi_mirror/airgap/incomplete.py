"""Say what a generation lacks, and which archive brings it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.airgap.candidates import Candidate
from pixi_mirror.airgap.manifest import ExportManifest
from pixi_mirror.errors import IncompleteError
from pixi_mirror.model.values import Json, MirrorPath, Sha256
from pixi_mirror.progress import counted, format_size

_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingPart:
    """Files that one archive brings."""

    volume: int | None
    """The volume of the same export that has them; None: the export has not."""
    generation: int
    """The first generation that has them."""
    files: tuple[MirrorPath, ...]
    size: int
    """Bytes of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingFiles:
    """What a generation lacks."""

    number: int
    volumes: int
    """How many its export has."""
    parts: tuple[MissingPart, ...]

    @property
    def files(self) -> int:
        """How many files it lacks."""
        return sum(len(part.files) for part in self.parts)

    @property
    def size(self) -> int:
        """Bytes of these."""
        return sum(part.size for part in self.parts)


def missing_files(candidate: Candidate, lacking: Collection[Sha256]) -> MissingFiles:
    """What brings the files that a generation lacks."""
    sizes, manifest = candidate.files, candidate.manifest
    volume_of = _volumes(manifest)
    first = dict(zip(sorted(sizes), manifest.introduced, strict=True))
    groups: dict[tuple[int | None, int], list[Sha256]] = {}
    for sha256 in sorted(lacking):
        volume = volume_of.get(sha256)
        groups.setdefault((volume, manifest.number if volume is not None else first[sha256]), []).append(sha256)
    return MissingFiles(
        number=manifest.number,
        volumes=len(manifest.volumes),
        parts=tuple(
            MissingPart(
                volume=volume,
                generation=generation,
                files=tuple(sorted(map(candidate.path_of, group))),
                size=sum(sizes[sha256] for sha256 in group),
            )
            for (volume, generation), group in sorted(groups.items(), key=lambda item: (item[0][0] or 0, item[0][1]))
        ),
    )


def _volumes(manifest: ExportManifest) -> Mapping[Sha256, int]:
    return {
        blob.sha256: volume for volume in range(1, len(manifest.volumes) + 1) for blob in manifest.in_volume(volume)
    }


def incomplete_error(mirror: Path, lacks: Iterable[MissingFiles], current: int | None) -> IncompleteError:
    """The error that says what the highest generation lacks, and what to do."""
    missing = max(lacks, key=lambda each: each.number)
    stays = f"stays at g{current}" if current is not None else "is still empty"
    return IncompleteError(
        "\n".join(
            [
                f"g{missing.number} is not complete: {mirror} {stays}, and what came is kept. It lacks "
                f"{counted(missing.files, 'file')} ({format_size(missing.size)}):",
                *missing_lines(missing),
                "Import what brings them, in any order. If it is lost, carry the output of `pixi-mirror receipt` back, "
                "and export there with --have.",
            ]
        ),
        items=[f"{path}: {_source(part, missing)}" for part in missing.parts for path in part.files],
    )


def missing_json(missing: MissingFiles) -> Json:
    """The same as JSON."""
    return {
        "generation": missing.number,
        "files": missing.files,
        "bytes": missing.size,
        "lacks": [
            {"volume": part.volume, "generation": part.generation, "bytes": part.size, "paths": list(part.files)}
            for part in missing.parts
        ],
    }


def missing_lines(missing: MissingFiles) -> list[str]:
    """What a generation lacks, and where that is: a line for each archive that brings something."""
    lines = [f"  {_described(part, missing)}" for part in missing.parts]
    return [*lines[:_SHOWN], *([f"  and more, in {len(lines) - _SHOWN} other archives"] if len(lines) > _SHOWN else [])]


def _described(part: MissingPart, missing: MissingFiles) -> str:
    return f"{counted(len(part.files), 'file')}, {format_size(part.size)}: {_source(part, missing)}"


def _source(part: MissingPart, missing: MissingFiles) -> str:
    if part.volume is not None:
        return f"volume {part.volume} of {missing.volumes} of this export of g{missing.number}"
    return f"came with g{part.generation}, in an archive that has not arrived"
