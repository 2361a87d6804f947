"""Say what a pack holds, from its documents, once every file is what they promise."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from pixi_mirror.conda.index_files import REPODATA
from pixi_mirror.conda.names import SUFFIXES, is_subdir, split_safe_file_name
from pixi_mirror.disk.files import explain_errors, read_bytes
from pixi_mirror.environments.prefix import Archive
from pixi_mirror.environments.wheels import Wheel
from pixi_mirror.errors import MachineError, PixiMirrorError, SeveralErrors, WrongBytesError
from pixi_mirror.model.values import Json, Sha256
from pixi_mirror.pack.documents import CHANNEL, CHECKSUMS, METADATA, PYPI, Metadata, read_checksums, read_metadata
from pixi_mirror.pack.lay_out import AGAIN, LOCK, Found, Laid, is_used
from pixi_mirror.pack.origins import Origins
from pixi_mirror.pypi.names import wheel_name

_LARGEST_DOCUMENT = 256 << 20
_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """What a pack holds; every file is what the pack says of it."""

    metadata: Metadata
    channel: Path
    """The folder of its conda packages, on this disk."""
    archives: tuple[Archive, ...]
    """By name."""
    wheels: tuple[Wheel, ...]
    """By name and version."""
    unverified: tuple[str, ...]
    """The paths in the pack of what is used though the pack has no hash of it."""
    surplus: tuple[str, ...]
    """The paths of archives in the channel that no `repodata.json` lists, so that they are not installed."""


def read(laid: Laid) -> Pack:
    """What a pack holds.

    Raises:
        WrongBytesError: files are missing, or not what `SHA256SUMS` or `repodata.json` promise; all of them are named.
        MachineError: its format is newer, or one of its documents cannot be read.
    """
    metadata = _parsed(laid, METADATA, read_metadata)
    sums = _parsed(laid, CHECKSUMS, read_checksums) if CHECKSUMS in laid.found else None
    wrong = list(_wrong_by_sums(laid, sums))
    if not wrong:
        listed = dict(_listed(laid))
        wrong = [problem for path, record in listed.items() for problem in _wrong_by_record(laid, path, record)]
    if wrong:
        raise _refusal(laid, wrong)
    origins = Origins.read(_bytes(laid, LOCK)) if LOCK in laid.found else Origins()
    archives = tuple(_archive(laid, path, record, origins) for path, record in listed.items())
    _refuse_twins(laid, archives)
    wheels = tuple(_wheels(laid, sums))
    hashless = [path for path, record in listed.items() if not (sums or record.get("sha256") or record.get("md5"))]
    return Pack(
        metadata=metadata,
        channel=laid.root / CHANNEL,
        archives=tuple(sorted(archives, key=lambda each: each.name)),
        wheels=wheels,
        unverified=(*hashless, *(f"{PYPI}/{each.path.name}" for each in wheels if not each.is_verified)),
        surplus=tuple(sorted(path for path in laid.found if _is_archive(path) and path not in listed)),
    )


def _is_archive(path: str) -> bool:
    return is_used(path) and path.startswith(f"{CHANNEL}/") and path.endswith(SUFFIXES)


def _bytes(laid: Laid, path: str) -> bytes:
    if path not in laid.found:
        raise MachineError(f"{laid.name} is no pack: it has no {path}. {AGAIN}")
    if laid.found[path].size > _LARGEST_DOCUMENT:
        raise MachineError(f"{laid.name} is no pack that can be read: its {path} is too large. {AGAIN}")
    with explain_errors("read", laid.root / path):
        return read_bytes(laid.root / path)


def _parsed(laid: Laid, path: str, parse: Callable[[bytes], _Read]) -> _Read:
    try:
        return parse(_bytes(laid, path))
    except (ValueError, RecursionError) as error:
        raise MachineError(f"{laid.name} cannot be unpacked: {error}. {AGAIN}") from None


def _wrong_by_sums(laid: Laid, sums: Mapping[str, Sha256] | None) -> Iterator[str]:
    """What is not as `SHA256SUMS` has it: one sentence each."""
    if sums is None:
        return
    for path, sha256 in sums.items():
        found = laid.found.get(path)
        if found is None:
            yield f"{path} is missing, which {CHECKSUMS} lists"
        elif found.sha256 != sha256:
            yield f"{path}: expected sha256 {sha256} ({CHECKSUMS}), found {found.sha256}"
    for path in sorted(laid.found.keys() - sums.keys()):
        if path != CHECKSUMS and is_used(path):
            yield f"{path} is not in {CHECKSUMS}, so nobody has promised it"


def _listed(laid: Laid) -> Iterator[tuple[str, Mapping[str, Json]]]:
    """The packages of the channel, by path in the pack."""
    for folder in sorted(laid.folders):
        subdir = folder.removeprefix(f"{CHANNEL}/")
        if not is_subdir(subdir):
            raise MachineError(f"{laid.name} cannot be unpacked: {folder} is no subdir of conda. {AGAIN}")
        document = _parsed(laid, f"{folder}/{REPODATA}", _read_repodata)
        for name, record in document.items():
            try:
                yield f"{folder}/{name}", _admitted(name, record, subdir)
            except ValueError as error:
                raise MachineError(f"{laid.name} cannot be unpacked: {folder}/{REPODATA}: {error}. {AGAIN}") from None


def _read_repodata(data: bytes) -> Mapping[str, Json]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its {REPODATA} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise ValueError(f"its {REPODATA} is not an object")  # noqa: TRY004 - what was read is wrong
    # pixi-pack puts all packages under `packages.conda`, others each where it belongs.
    found: dict[str, Json] = {}
    for key in ("packages", "packages.conda"):
        records = document.get(key) or {}
        if not isinstance(records, dict):
            raise ValueError(f"its {REPODATA} has {key} that are no object")  # noqa: TRY004 - what was read is wrong
        found |= records
    return found


_KINDS: Mapping[str, type] = MappingProxyType(
    dict.fromkeys(("depends", "constrains"), list)
    | dict.fromkeys(("build_number", "size", "timestamp"), int)
    | dict.fromkeys(("md5", "sha256", "license"), str)
)
"""What the fields of a record are: py-rattler tells only of a line and a column where one is something else."""


def _admitted(name: str, record: Json, subdir: str) -> Mapping[str, Json]:
    """The record of a package, which has to be of the file that it is for."""
    if not isinstance(record, dict):
        raise ValueError(f"the record of {name} is not an object")  # noqa: TRY004 - what was read is wrong
    parts = split_safe_file_name(name)
    said = tuple(record.get(key) for key in ("name", "version", "build"))
    if said != parts[:3]:
        raise ValueError(f"the record of {name} is of another package: {'-'.join(map(str, said))[:200]}")
    if record.get("subdir", subdir) != subdir:
        raise ValueError(f"the record of {name} is of another subdir than the folder that it lies in")
    for key, kind in _KINDS.items():
        if record.get(key) is not None and not isinstance(record[key], kind):
            raise ValueError(f"the record of {name} has as its {key} {str(record[key])[:200]!r}")
    return {**{key: value for key, value in record.items() if value is not None}, "subdir": subdir}


def _wrong_by_record(laid: Laid, path: str, record: Mapping[str, Json]) -> Iterator[str]:
    """What is not as `repodata.json` has it; where there is a hash, the size decides nothing."""
    found = laid.found.get(path)
    if found is None:
        yield f"{path} is missing, which {REPODATA} lists"
        return
    expected: Json
    told: Json
    if expected := record.get("sha256"):
        kind, told = "sha256", found.sha256
    elif expected := record.get("md5"):
        kind, told = "md5", _md5(laid, path)
    else:
        kind, expected, told = "size", record.get("size"), found.size
    if expected is not None and str(expected).lower() != str(told):
        yield f"{path}: expected {kind} {expected} ({REPODATA}), found {told}"


def _md5(laid: Laid, path: str) -> str:
    with explain_errors("read", laid.root / path), open(laid.root / path, "rb", buffering=0) as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _refusal(laid: Laid, wrong: Iterable[str]) -> PixiMirrorError:
    errors = [WrongBytesError(f"{laid.name}: {each}. {AGAIN}") for each in wrong]
    if len(errors) == 1:
        return errors[0]
    return SeveralErrors(f"{len(errors)} files of {laid.name} are not what it promises:", errors)


def _archive(laid: Laid, path: str, record: Mapping[str, Json], origins: Origins) -> Archive:
    _, subdir, name = path.split("/")
    # A record without a hash gets one, for py-rattler to compare and for the environment to keep.
    told = {**record, "sha256": laid.found[path].sha256}
    channel, url = origins.of(told["sha256"])
    if url is None and laid.is_lasting:
        channel, url = f"{(laid.root / CHANNEL).as_uri()}/", (laid.root / path).as_uri()
    # Not the folder that it is unpacked in, which is about to vanish, and yet a URL, which every client expects here.
    return Archive(file_name=name, subdir=subdir, record=told, url=url or f"file:///{subdir}/{name}", channel=channel)


def _refuse_twins(laid: Laid, archives: Iterable[Archive]) -> None:
    seen: dict[str, Archive] = {}
    for each in archives:
        other = seen.setdefault(each.name, each)
        if other is not each:
            raise MachineError(
                f"{laid.name} cannot be unpacked: it holds {other.file_name} and {each.file_name}, and an environment "
                f"can have one package of the name {each.name}. Make the pack again with one of them."
            )


def _wheels(laid: Laid, sums: Mapping[str, Sha256] | None) -> Iterator[Wheel]:
    for path in sorted(laid.found):
        top, _, name = path.partition("/")
        if top != PYPI or not name or "/" in name:
            continue
        try:
            told = wheel_name(name)
        except ValueError as error:
            raise MachineError(f"{laid.name} cannot be unpacked: {path}: {error}. {AGAIN}") from None
        found: Found = laid.found[path]
        yield Wheel(
            path=laid.root / path,
            name=told.name,
            version=told.version,
            sha256=found.sha256,
            is_verified=sums is not None,
        )
