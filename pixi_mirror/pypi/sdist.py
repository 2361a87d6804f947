"""Read the two documents of a source distribution that tell what it is and how it is built; nothing is unpacked."""

import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

from pixi_mirror.archives.compression import Stream
from pixi_mirror.archives.opening import opened
from pixi_mirror.archives.zip import content, members

LARGEST_DOCUMENT = 1 << 20
"""Bytes; a longer document is as good as absent."""
MOST_DECOMPRESSED = 512 << 20
"""Bytes of a decompressed tar that are looked at."""
MOST_MEMBERS = 100_000

_TARS = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_DOCUMENTS = ("PKG-INFO", "pyproject.toml")
_BLOCK = tarfile.BLOCKSIZE
_WITHOUT_DATA = (tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE)
_PAX = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
_UNUSED = (tarfile.XGLTYPE, tarfile.GNUTYPE_LONGLINK)
_REGULAR = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_MOST_DIGITS = 20

_Found: TypeAlias = tuple[str, Callable[[], bytes]]
"""The path of a regular file of at most `LARGEST_DOCUMENT` bytes, and how to read it before the next one is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a source distribution says of itself, byte for byte."""

    pkg_info: bytes | None
    """None: it has none, or not within the limits."""
    pyproject: bytes | None
    """None: it has none, or not within the limits."""


def sdist_documents(path: Path, *, file_name: str) -> Described:
    """`PKG-INFO` and `pyproject.toml` of the one top folder of an sdist (PEP 625, PEP 517).

    At most `MOST_DECOMPRESSED` bytes and `MOST_MEMBERS` members are looked at; what was found until there is given.
    Links are not followed, and a path that leaves the archive matches nothing.

    Raises:
        ValueError: no archive that sdists come in, damaged, or a document is there twice.
        MachineError: the file cannot be read.
    """
    with opened(path, file_name=file_name) as file:
        if file_name.endswith(".zip"):
            return _described(_in_zip(file))
        if file_name.endswith(_TARS):
            return _described(_in_tar(Stream(file, limit=MOST_DECOMPRESSED)))
        raise ValueError(f"this is no name of an sdist that can be read: expected one of {', '.join((*_TARS, '.zip'))}")


def _described(found: Iterator[_Found]) -> Described:
    documents: dict[str, bytes] = {}
    tops: set[str] = set()
    for path, read in found:
        top, _, document = path.removeprefix("./").partition("/")
        if document not in _DOCUMENTS or top in ("", ".", ".."):
            continue
        tops.add(top)
        if document in documents or len(tops) > 1:
            raise ValueError(f"there is more than one {document} or top folder in it ({', '.join(sorted(tops))})")
        documents[document] = read()
    return Described(pkg_info=documents.get("PKG-INFO"), pyproject=documents.get("pyproject.toml"))


def _in_zip(file: BinaryIO) -> Iterator[_Found]:
    for number, member in enumerate(members(file)):
        if number < MOST_MEMBERS and not member.is_link and member.size <= LARGEST_DOCUMENT:
            yield member.name, lambda member=member: content(file, member, limit=LARGEST_DOCUMENT)  # type: ignore[misc]


def _in_tar(stream: Stream) -> Iterator[_Found]:
    """The small regular files of a tar.

    The standard library's reader keeps every member, and reads extended headers whole however long they say they are;
    so only its reading of one header block is used here.
    """
    # What an extended header says of the member after it.
    path: str | None = None
    size: int | None = None
    for number in range(MOST_MEMBERS):
        header = _header(stream, first=number == 0)
        if header is None:
            return
        if header.type in (*_PAX, *_UNUSED, tarfile.GNUTYPE_LONGNAME):
            data = _small(stream, header.size)
            if header.type in _PAX:
                path, size = _pax(data, path, size)
            elif header.type == tarfile.GNUTYPE_LONGNAME:
                path = _text(data.rstrip(b"\0"))
            continue
        length = 0 if header.type in _WITHOUT_DATA else header.size if size is None else size
        end = stream.taken + -(-length // _BLOCK) * _BLOCK
        if end > MOST_DECOMPRESSED:
            return
        if header.type in _REGULAR and length <= LARGEST_DOCUMENT:
            yield path or header.name, lambda length=length: stream.take(length)  # type: ignore[misc]
        stream.skip(end - stream.taken)
        path = size = None


def _header(stream: Stream, *, first: bool) -> tarfile.TarInfo | None:
    """The next header; None at the end of the tar, or of what is looked at."""
    if stream.taken + _BLOCK + LARGEST_DOCUMENT > MOST_DECOMPRESSED:
        return None
    block = stream.take_some(_BLOCK)
    if not block and not first:
        return None
    if not any(block) and len(block) == _BLOCK:
        stream.drain()
        return None
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise ValueError(f"this is no tar archive, or it is damaged: {error}") from error
    if header.size < 0:
        raise ValueError(f"{header.name!r} is {header.size} bytes long, it says")
    if header.type == tarfile.GNUTYPE_SPARSE:
        raise ValueError(f"{header.name!r} is a sparse file, which no sdist needs")
    return header


def _small(stream: Stream, size: int) -> bytes:
    """The content of an extended header, with its padding taken too."""
    if size > LARGEST_DOCUMENT:
        raise ValueError(f"an extended header of its tar is {size} bytes long, more than {LARGEST_DOCUMENT}")
    return stream.take(-(-size // _BLOCK) * _BLOCK)[:size]


def _pax(data: bytes, path: str | None, size: int | None) -> tuple[str | None, int | None]:
    r"""Path and size from the records `"%d %s=%s\n", <length>, <keyword>, <value>` (POSIX pax)."""
    position = 0
    while position < len(data):
        # The length of a record counts its own digits, too.
        space = data.find(b" ", position, position + _MOST_DIGITS)
        digits = data[position : max(space, position)]
        if not digits.isdigit() or not len(digits) < int(digits) <= len(data) - position:
            raise ValueError("an extended header of its tar is damaged")
        keyword, _, value = data[space + 1 : position + int(digits) - 1].partition(b"=")
        if keyword == b"path":
            path = _text(value)
        elif keyword == b"size":
            if not value.isdigit() or len(value) > _MOST_DIGITS:
                raise ValueError("an extended header of its tar holds a size that is no number")
            size = int(value)
        position += int(digits)
    return path, size


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
