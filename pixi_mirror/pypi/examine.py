"""Read from a wheel or an sdist what an index says of it, and whether it says the same as its file name."""

import base64
import csv
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pixi_mirror.archives.opening import open_archive
from pixi_mirror.archives.zip import ZipMember, read_content, read_members
from pixi_mirror.archives.zip_content import content_pieces
from pixi_mirror.model.values import Sha256, sha256_of
from pixi_mirror.pypi.metadata import CoreMetadata, build_requirements, read_metadata
from pixi_mirror.pypi.names import canonical_name, sdist_version, wheel_name
from pixi_mirror.pypi.sdist import read_sdist_documents
from pixi_mirror.pypi.wheel import read_wheel_metadata

LARGEST_RATIO = 200
"""How many times its size a wheel may become; what is not made of zeros does not get near it."""
SMALLEST_LIMIT = 1 << 28
"""Bytes that any wheel may become, whatever the ratio is: reading so many takes some seconds."""
MOST_MEMBERS = 100_000
_LARGEST_RECORD = 32 << 20
_UNLISTED = ("RECORD", "RECORD.jws", "RECORD.p7s")
"""What a RECORD need not have a hash of (PEP 427)."""
_DIST_INFO = ".dist-info"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminedDistribution:
    """What an index says of a distribution."""

    project: str
    """Normalised."""
    version: str
    """As its metadata spell it."""
    requires_python: str | None
    metadata: Sha256 | None
    """Of the core metadata of a wheel, which are served beside it; None: it is an sdist."""
    build_requires: tuple[str, ...] | None
    """What building an sdist needs; None: it is a wheel."""


def examine_wheel(path: Path, *, file_name: str) -> ExaminedDistribution:
    """What a wheel says of itself, after every file in it was compared with its RECORD.

    Raises:
        ValueError: it is no wheel, damaged, hostile, or its name, METADATA and RECORD contradict each other.
        MachineError: the file cannot be read.
    """
    name = wheel_name(file_name)
    data = read_wheel_metadata(path, file_name=file_name)
    found = _read(data, file_name)
    _compare(found, file_name, project=name.name, version=name.version)
    _compare_with_record(path, file_name=file_name)
    return ExaminedDistribution(
        project=name.name,
        version=found.version,
        requires_python=found.requires_python,
        metadata=sha256_of(data),
        build_requires=None,
    )


def examine_sdist(path: Path, *, file_name: str) -> ExaminedDistribution:
    """What an sdist says of itself.

    Raises:
        ValueError: it is no sdist, damaged, has no PKG-INFO, or its name says something else.
        MachineError: the file cannot be read.
    """
    documents = read_sdist_documents(path, file_name=file_name)
    if documents.pkg_info is None:
        raise ValueError(f"{file_name}: it has no PKG-INFO, so it is no sdist")
    found = _read(documents.pkg_info, file_name)
    version = sdist_version(file_name, found.name)
    if version is None:
        raise ValueError(f"{file_name}: its PKG-INFO says {found.name} {found.version}, and its name does not")
    _compare(found, file_name, project=canonical_name(found.name), version=version)
    return ExaminedDistribution(
        project=canonical_name(found.name),
        version=found.version,
        requires_python=found.requires_python,
        metadata=None,
        build_requires=build_requirements(documents.pyproject),
    )


def _read(data: bytes, file_name: str) -> CoreMetadata:
    try:
        return read_metadata(data)
    except ValueError as error:
        raise ValueError(f"{file_name}: {error}") from error


def _compare(found: CoreMetadata, file_name: str, *, project: str, version: str) -> None:
    from packaging.version import InvalidVersion, Version

    try:
        is_equal = Version(found.version) == Version(version)
    except InvalidVersion as error:
        raise ValueError(f"{file_name}: {error}, as PEP 440 has it") from None
    if canonical_name(found.name) != project or not is_equal:
        raise ValueError(f"{file_name}: its metadata say {found.name} {found.version}, and its name does not")


def _compare_with_record(path: Path, *, file_name: str) -> None:
    """Compare every file of a wheel with its RECORD (PEP 427), in bounded memory and time."""
    with open_archive(path, file_name=file_name) as file:
        members = _members(file, limit=max(SMALLEST_LIMIT, LARGEST_RATIO * path.stat().st_size))
        records = [each for name, each in members.items() if _is_record(name)]
        if len(records) != 1:
            raise ValueError(f"it has {len(records)} times .dist-info/RECORD, and a wheel has one")
        listed = _listed(read_content(file, records[0], limit=_LARGEST_RECORD))
        info = records[0].name.rpartition("/")[0]
        if missing := sorted(listed.keys() - members.keys()):
            raise ValueError(f"its RECORD has {missing[0][:80]!r}, and it does not")
        for name, member in members.items():
            if name in (f"{info}/{each}" for each in _UNLISTED):
                continue
            if name not in listed:
                raise ValueError(f"it has {name[:80]!r}, and its RECORD does not")
            _compare_content(file, member, listed[name])


def _members(file: BinaryIO, *, limit: int) -> Mapping[str, ZipMember]:
    found: dict[str, ZipMember] = {}
    size = 0
    for member in read_members(file):
        if member.name.endswith("/"):
            continue
        size += member.size
        if member.name in found:
            raise ValueError(f"it has {member.name[:80]!r} twice")
        if len(found) >= MOST_MEMBERS or size > limit:
            raise ValueError("it becomes too large when it is unpacked, so nobody can use it safely")
        found[member.name] = member
    return found


def _is_record(name: str) -> bool:
    folder, _, document = name.partition("/")
    return document == "RECORD" and folder.lower().endswith(_DIST_INFO)


def _listed(record: bytes) -> Mapping[str, str]:
    """Path -> hash of each row of RECORD, such as `sha256=…`; some writers have backslashes in paths."""
    try:
        rows = list(csv.reader(io.StringIO(record.decode(), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"its RECORD cannot be read: {error}") from None
    return {row[0].replace("\\", "/"): row[1] if len(row) > 1 else "" for row in rows if row}


def _compare_content(file: BinaryIO, member: ZipMember, expected: str) -> None:
    kind, _, value = expected.partition("=")
    if kind not in ("sha256", "sha384", "sha512"):
        raise ValueError(f"its RECORD has no sha256, sha384 or sha512 of {member.name[:80]!r}")
    digest = hashlib.new(kind)
    for piece in content_pieces(file, member):
        digest.update(piece)
    if base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode() != value.rstrip("="):
        raise ValueError(f"{member.name[:80]!r} in it is not what its RECORD says")
