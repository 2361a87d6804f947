"""Say which files a pack holds, in which order, and what stands in those that are made for it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from pixi_mirror.conda.index_files import REPODATA
from pixi_mirror.errors import UnmirrorableError
from pixi_mirror.model.packages import Package
from pixi_mirror.model.values import Json, Sha256, sha256_of
from pixi_mirror.pack import documents, parse
from pixi_mirror.pack.obtain import ReadyFile

_NOTHING_CARRIED: Mapping[str, bytes] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a pack is to be written."""

    is_strict: bool = False
    """Whether it holds what pixi-pack writes, byte for byte, and nothing else."""
    compat_version: str = parse.COMPATIBLE
    """The pixi-pack that it says it was made by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One file of a pack."""

    name: str
    """Its path there, with slashes."""
    size: int
    sha256: Sha256
    source: Path | bytes
    """Where its bytes are; what is made for the pack is itself."""


def list_parts(
    files: Sequence[ReadyFile], *, subdir: str, style: Style, carried: Mapping[str, bytes] = _NOTHING_CARRIED
) -> tuple[Part, ...]:
    """The parts of a pack of these files for a platform of `subdir`, in the order in which pixi-pack writes them.

    `carried` rides along at the root, by name, unless the style is strict.

    Raises:
        UnmirrorableError: two of the files have one name and other bytes.
    """
    placed = _placed(files)
    conda = {place: each for place, each in placed.items() if each.package.kind == "conda"}
    wheels = {place: each for place, each in placed.items() if each.package.kind == "pypi"}
    made = {
        parse.METADATA: documents.metadata_bytes(
            parse.Metadata(pixi_pack_version=style.compat_version, platform=subdir)
        ),
        parse.ENVIRONMENT: documents.environment_bytes(
            [_spelled(each) for each in conda.values()],
            [(each.package.name, each.package.version) for each in wheels.values()],
        ),
        **_indexes(conda.values(), subdir, is_strict=style.is_strict),
    }
    parts = [Part(name=place, size=each.size, sha256=each.sha256, source=each.path) for place, each in placed.items()]
    if not style.is_strict:
        made |= carried
        made[parse.EXPLICIT] = documents.explicit_bytes(subdir, {place: _record(each) for place, each in conda.items()})
    parts += [_made(name, data) for name, data in made.items()]
    if not style.is_strict:
        parts.append(_made(parse.CHECKSUMS, documents.checksums_bytes({part.name: part.sha256 for part in parts})))
    # Depth first, each folder by the bytes of its names.
    return tuple(sorted(parts, key=lambda part: part.name.encode().split(b"/")))


def folders(parts: Iterable[Part]) -> frozenset[str]:
    """Every folder that the parts lie in, those above it included."""
    found = set()
    for part in parts:
        path = part.name
        while path := path.rpartition("/")[0]:
            found.add(path)
    return frozenset(found)


def place_of(package: Package) -> str:
    """Where a package lies in a pack."""
    file_name = package.path.rpartition("/")[2]
    if package.kind == "pypi":
        return f"{parse.PYPI}/{file_name}"
    return f"{parse.CHANNEL}/{package.subdir}/{file_name}"


def _placed(files: Iterable[ReadyFile]) -> dict[str, ReadyFile]:
    placed: dict[str, ReadyFile] = {}
    for each in files:
        place = place_of(each.package)
        other = placed.setdefault(place, each)
        if other.sha256 != each.sha256:
            raise UnmirrorableError(
                f"{other.package.url} and {each.package.url} have one place in a pack, {place}, and other bytes "
                f"({other.sha256} and {each.sha256}): a pack has one channel. Leave one out, or make a mirror with "
                "`pixi-mirror update`, where both have their place."
            )
    return placed


def _spelled(ready: ReadyFile) -> tuple[str, str, str]:
    package = ready.package
    return package.name, package.version, package.build or ""


def _record(ready: ReadyFile) -> Mapping[str, Json]:
    """The record with the hash that the bytes have: it is all that vouches for them there."""
    return {**ready.package.record, "sha256": ready.sha256}


def _indexes(conda: Iterable[ReadyFile], subdir: str, *, is_strict: bool) -> Mapping[str, bytes]:
    listed: dict[str, dict[str, Mapping[str, Json]]] = {} if is_strict else {"noarch": {}, subdir: {}}
    for each in conda:
        # A strict pack says what the lock says; pixi-pack adds nothing that is not promised there.
        record = each.package.record if is_strict else _record(each)
        listed.setdefault(str(each.package.subdir), {})[each.file_name] = record
    return {
        f"{parse.CHANNEL}/{name}/{REPODATA}": documents.repodata_bytes(name, records, is_strict=is_strict)
        for name, records in listed.items()
    }


def _made(name: str, data: bytes) -> Part:
    return Part(name=name, size=len(data), sha256=sha256_of(data), source=data)
