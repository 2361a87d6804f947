"""Say what a pack holds, from its documents, once every file is what they promise."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from pixi_mirror.conda.index_files import REPODATA
from pixi_mirror.conda.names import SUFFIXES, is_subdir, split_safe_file_name
from pixi_mirror.disk.files import explain_errors
from pixi_mirror.environments.conda_archive import CondaArchive
from pixi_mirror.environments.parallel import Threads
from pixi_mirror.environments.stored_file import StoredFile
from pixi_mirror.environments.wheel_archive import PackedWheel
from pixi_mirror.errors import MachineError, PixiMirrorError, SeveralErrors, WrongBytesError
from pixi_mirror.model.values import Json, Sha256
from pixi_mirror.pack.locate import AGAIN, LOCK, PackFiles, is_used
from pixi_mirror.pack.origins import origins_of
from pixi_mirror.pack.parse import CHANNEL, CHECKSUMS, METADATA, PYPI, Metadata, read_checksums, read_metadata

_LARGEST_DOCUMENT = 256 << 20
_PIECE_SIZE = 1 << 18
_WHEEL = re.compile(
    r"([A-Za-z0-9](?:[A-Za-z0-9._]*[A-Za-z0-9])?)-([0-9v][A-Za-z0-9._+!]*)(?:-[0-9][A-Za-z0-9._]*)?(?:-[A-Za-z0-9_.]+){3}\.whl"
)
"""PEP 427: "{distribution}-{version}(-{build tag})?-{python tag}-{abi tag}-{platform tag}.whl"."""
_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedPack:
    """What a pack holds; every file is what the pack says of it."""

    metadata: Metadata
    archives: tuple[CondaArchive, ...]
    """By name."""
    wheels: tuple[PackedWheel, ...]
    """By name and version."""
    unverified: tuple[str, ...]
    """The paths in the pack of what is used though the pack has no hash of it."""
    surplus: tuple[str, ...]
    """The paths of archives in the channel that no `repodata.json` lists, so that they are not installed."""


def read_pack(files: PackFiles, *, jobs: int, advance: Callable[[int], None]) -> OpenedPack:
    """Return what a pack holds.

    Args:
        files: where its files are.
        jobs: how many of them are hashed at a time.
        advance: is called with the number of bytes that were hashed.

    Raises:
        WrongBytesError: files are missing, or not what `SHA256SUMS` or `repodata.json` promise; all of them are named.
        MachineError: its format is newer, or one of its documents cannot be read.
    """
    metadata = _parsed(files, METADATA, read_metadata)
    sums = _parsed(files, CHECKSUMS, read_checksums) if CHECKSUMS in files.paths else None
    hashes = dict(_hashed(files, sums, jobs, advance))
    wrong = list(_wrong_by_sums(files, hashes, sums))
    if not wrong:
        listed = dict(_listed(files))
        wrong = [
            problem for path, record in listed.items() for problem in _wrong_by_record(files, hashes, path, record)
        ]
    if wrong:
        raise _refusal(files, wrong)
    origins = origins_of(_bytes(files, LOCK)) if LOCK in files.stored else {}
    archives = tuple(_archive(files, path, record, hashes[path], origins) for path, record in listed.items())
    _refuse_twins(files, archives)
    wheels = tuple(_wheels(files, hashes, sums))
    hashless = [path for path, record in listed.items() if not (sums or record.get("sha256") or record.get("md5"))]
    return OpenedPack(
        metadata=metadata,
        archives=tuple(sorted(archives, key=lambda each: each.name)),
        wheels=wheels,
        unverified=(*hashless, *(f"{PYPI}/{each.file_name}" for each in wheels if not each.is_verified)),
        surplus=tuple(sorted(path for path in files.paths if _is_archive(path) and path not in listed)),
    )


def _hashed(
    files: PackFiles, sums: Mapping[str, Sha256] | None, jobs: int, advance: Callable[[int], None]
) -> Iterator[tuple[str, str]]:
    """The sha256 of every file that is used or promised."""
    yield from files.hashes.items()
    threads = Threads(jobs)
    paths = [path for path in sorted(files.stored) if path not in files.hashes and (sums or is_used(path))]

    def hash_stored(path: str) -> str:
        found = _digest(files.stored[path], "sha256", threads.check)
        advance(files.stored[path].size)
        return found

    with explain_errors("read", files.name):
        yield from zip(paths, threads.each(hash_stored, paths))  # noqa: B905 - `strict` is of Python 3.10


def _digest(stored: StoredFile, kind: str, check: Callable[[], None] = lambda: None) -> str:
    digest = hashlib.new(kind, usedforsecurity=False)
    buffer = memoryview(bytearray(min(_PIECE_SIZE, stored.size) or 1))  # new memory for each piece costs as much
    with stored.open() as file:
        while count := file.readinto(buffer):
            check()
            digest.update(buffer[:count])
    return digest.hexdigest()


def _is_archive(path: str) -> bool:
    return is_used(path) and path.startswith(f"{CHANNEL}/") and path.endswith(SUFFIXES)


def _bytes(files: PackFiles, path: str) -> bytes:
    stored = files.stored.get(path)
    if stored is None:
        raise MachineError(f"{files.name} is no pack: it has no {path}. {AGAIN}")
    if stored.size > _LARGEST_DOCUMENT:
        raise MachineError(f"{files.name} is no pack that can be read: its {path} is too large. {AGAIN}")
    with explain_errors("read", stored.path), stored.open() as file:
        return file.read()


def _parsed(files: PackFiles, path: str, parse: Callable[[bytes], _Read]) -> _Read:
    try:
        return parse(_bytes(files, path))
    except (ValueError, RecursionError) as error:
        raise MachineError(f"{files.name} cannot be unpacked: {error}. {AGAIN}") from None


def _wrong_by_sums(files: PackFiles, hashes: Mapping[str, str], sums: Mapping[str, Sha256] | None) -> Iterator[str]:
    """What is not as `SHA256SUMS` has it: one sentence each."""
    if sums is None:
        return
    for path, sha256 in sums.items():
        found = hashes.get(path)
        if found is None:
            yield f"{path} is missing, which {CHECKSUMS} lists"
        elif found != sha256:
            yield f"{path}: expected sha256 {sha256} ({CHECKSUMS}), found {found}"
    for path in sorted(files.paths - sums.keys()):
        if path != CHECKSUMS and is_used(path):
            yield f"{path} is not in {CHECKSUMS}, so nobody has promised it"


def _listed(files: PackFiles) -> Iterator[tuple[str, Mapping[str, Json]]]:
    """The packages of the channel, by path in the pack."""
    for folder in sorted(files.folders):
        subdir = folder.rpartition("/")[2]
        if not is_subdir(subdir):
            raise MachineError(f"{files.name} cannot be unpacked: {folder} is no subdir of conda. {AGAIN}")
        document = _parsed(files, f"{folder}/{REPODATA}", _read_repodata)
        for name, record in document.items():
            try:
                yield f"{folder}/{name}", _admitted(name, record, subdir)
            except ValueError as error:
                raise MachineError(f"{files.name} cannot be unpacked: {folder}/{REPODATA}: {error}. {AGAIN}") from None


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
    identity = tuple(record.get(key) for key in ("name", "version", "build"))
    if identity != parts[:3]:
        raise ValueError(f"the record of {name} is of another package: {'-'.join(map(str, identity))[:200]}")
    if record.get("subdir", subdir) != subdir:
        raise ValueError(f"the record of {name} is of another subdir than the folder that it lies in")
    for key, kind in _KINDS.items():
        if record.get(key) is not None and not isinstance(record[key], kind):
            raise ValueError(f"the record of {name} has as its {key} {str(record[key])[:200]!r}")
    return {**{key: value for key, value in record.items() if value is not None}, "subdir": subdir}


def _wrong_by_record(
    files: PackFiles, hashes: Mapping[str, str], path: str, record: Mapping[str, Json]
) -> Iterator[str]:
    """What is not as `repodata.json` has it; where there is a hash, the size decides nothing."""
    stored = files.stored.get(path)
    if stored is None:
        yield f"{path} is missing, which {REPODATA} lists"
        return
    expected: Json
    found: Json
    if expected := record.get("sha256"):
        kind, found = "sha256", hashes[path]
    elif expected := record.get("md5"):
        with explain_errors("read", stored.path):
            kind, found = "md5", _digest(stored, "md5")
    else:
        kind, expected, found = "size", record.get("size"), stored.size
    if expected is not None and str(expected).lower() != str(found):
        yield f"{path}: expected {kind} {expected} ({REPODATA}), found {found}"


def _refusal(files: PackFiles, wrong: Iterable[str]) -> PixiMirrorError:
    errors = [WrongBytesError(f"{files.name}: {each}. {AGAIN}") for each in wrong]
    if len(errors) == 1:
        return errors[0]
    return SeveralErrors(f"{len(errors)} files of {files.name} are not what it promises:", errors)


def _archive(
    files: PackFiles, path: str, record: Mapping[str, Json], sha256: str, origins: Mapping[str, tuple[str, str]]
) -> CondaArchive:
    _, subdir, name = path.split("/")
    channel, url = origins.get(sha256, (None, None))
    if url is None and files.root is not None:
        channel, url = f"{(files.root / CHANNEL).as_uri()}/", (files.root / path).as_uri()
    return CondaArchive(
        stored=files.stored[path],
        file_name=name,
        subdir=subdir,
        # A record without a hash gets one for the environment to keep.
        record={**record, "sha256": sha256},
        # Not the folder that it is unpacked in, which is about to vanish, and yet a URL, which every client expects.
        url=url or f"file:///{subdir}/{name}",
        channel=channel,
    )


def _refuse_twins(files: PackFiles, archives: Iterable[CondaArchive]) -> None:
    seen: dict[str, CondaArchive] = {}
    for each in archives:
        other = seen.setdefault(each.name, each)
        if other is not each:
            raise MachineError(
                f"{files.name} cannot be unpacked: it holds {other.file_name} and {each.file_name}, and an environment "
                f"can have one package of the name {each.name}. Make the pack again with one of them."
            )


def _wheels(files: PackFiles, hashes: Mapping[str, str], sums: Mapping[str, Sha256] | None) -> Iterator[PackedWheel]:
    for path in sorted(files.stored):
        top, _, name = path.partition("/")
        if top != PYPI or not name or "/" in name:
            continue
        found = _WHEEL.fullmatch(name)
        if found is None:
            raise MachineError(
                f"{files.name} cannot be unpacked: {path}: {name[:200]!r} is not the name of a wheel: expected "
                f"name-version-python-abi-platform.whl. {AGAIN}"
            )
        yield PackedWheel(
            stored=files.stored[path],
            file_name=name,
            name=re.sub(r"[-_.]+", "-", found[1]).lower(),
            version=found[2],
            sha256=hashes[path],
            is_verified=sums is not None,
        )
