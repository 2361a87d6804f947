"""Read from a source distribution its metadata and how it is built; nothing is unpacked."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

from pixi_mirror.archives.compression import DecompressedStream
from pixi_mirror.archives.opening import open_archive
from pixi_mirror.archives.tar import BLOCK, read_tar
from pixi_mirror.archives.zip import read_content, read_members

LARGEST_DOCUMENT = 1 << 20
"""Bytes; a longer document is as good as absent."""
MOST_DECOMPRESSED = 512 << 20
"""Bytes of a decompressed tar that are looked at."""
MOST_MEMBERS = 100_000

_TARS = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_COMPRESSIONS = ("gzip", "bzip2", "xz")
_DOCUMENTS = ("PKG-INFO", "pyproject.toml")
_MemberReader: TypeAlias = tuple[str, Callable[[], bytes]]
"""The path of a regular file of at most `LARGEST_DOCUMENT` bytes, and how to read it before the next one is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SdistDocuments:
    """Two files of a source distribution, byte for byte."""

    pkg_info: bytes | None
    """None: it has none, or not within the limits."""
    pyproject: bytes | None
    """None: it has none, or not within the limits."""


def read_sdist_documents(path: Path, *, file_name: str) -> SdistDocuments:
    """Read `PKG-INFO` and `pyproject.toml` from the one top folder of an sdist (PEP 625, PEP 517).

    At most `MOST_DECOMPRESSED` bytes and `MOST_MEMBERS` members are read; what stands after them is not found.
    Links are not followed, and a path that leaves the archive matches nothing.

    Raises:
        ValueError: no archive that sdists come in, damaged, or a document is there twice.
        MachineError: the file cannot be read.
    """
    with open_archive(path, file_name=file_name) as file:
        if file_name.endswith(".zip"):
            return _documents(_in_zip(file))
        if file_name.endswith(_TARS):
            return _documents(_in_tar(DecompressedStream(file, kinds=_COMPRESSIONS)))
        raise ValueError(f"this is no name of an sdist that can be read: expected one of {', '.join((*_TARS, '.zip'))}")


def _documents(members_in_order: Iterator[_MemberReader]) -> SdistDocuments:
    documents: dict[str, bytes] = {}
    tops: set[str] = set()
    for path, read in members_in_order:
        top, _, document = path.removeprefix("./").partition("/")
        if document not in _DOCUMENTS or top in ("", ".", ".."):
            continue
        tops.add(top)
        if document in documents or len(tops) > 1:
            raise ValueError(f"there is more than one {document} or top folder in it ({', '.join(sorted(tops))})")
        documents[document] = read()
    return SdistDocuments(pkg_info=documents.get("PKG-INFO"), pyproject=documents.get("pyproject.toml"))


def _in_zip(file: BinaryIO) -> Iterator[_MemberReader]:
    for number, member in enumerate(read_members(file)):
        if number < MOST_MEMBERS and not member.is_link and member.size <= LARGEST_DOCUMENT:
            yield member.name, lambda member=member: read_content(file, member, limit=LARGEST_DOCUMENT)  # type: ignore[misc]


def _in_tar(stream: DecompressedStream) -> Iterator[_MemberReader]:
    """Yield the small regular files of a tar, up to the limits. A tar of an old writer may lack its end mark."""
    for number, (member, content) in enumerate(read_tar(stream, needs_end=False)):
        if member.kind == "sparse":
            raise ValueError(f"{member.name!r} is a sparse file, which no sdist needs")
        has_content = member.kind in ("file", "unknown")
        stored = member.size + -member.size % BLOCK if has_content else 0
        if number >= MOST_MEMBERS or stream.position + stored + LARGEST_DOCUMENT > MOST_DECOMPRESSED:
            return
        if member.kind == "file" and member.size <= LARGEST_DOCUMENT:
            yield member.name, content.read
    stream.drain()
