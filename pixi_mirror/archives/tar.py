"""Read a tar of any dialect as a stream, once and in bounded memory, and refuse what a pack never holds.

`tarfile` would take an archive that was cut off between two members for a whole one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import BinaryIO, Literal

from pixi_mirror.archives.compression import Stream
from pixi_mirror.archives.tar_headers import BLOCK, Header, extended, extended_size, header, real_size, sparse_pairs
from pixi_mirror.archives.zstd import Readable, decompressing

MOST_MEMBERS = 1_000_000

_CHUNK = 1 << 20
_LARGEST_EXTENDED = 1 << 16
_MOST_PADDING = 64 << 20
_MOST_EXTENTS = 100_000
_LONGEST_PATH, _DEEPEST = 1024, 200
_UNLIMITED = 1 << 62
_OWNER_RUNS = 0o100
_STRANGE = re.compile(r'[\\:<>"|?*\x00-\x1f\x7f]')
"""A backslash, a drive's colon and a line break mean something else somewhere."""
_FILES, _FOLDER, _LONG_NAME, _PAX, _PAX_FOR_ALL, _SPARSE = b"0\x007", b"5", b"L", b"xX", b"g", b"S"
_ODD = {b"1": "a link", b"2": "a link", b"3": "a device", b"4": "a device", b"6": "a pipe", b"K": "a link"}
_ZSTD, _OTHERS = b"\x28\xb5\x2f\xfd", (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file or a folder of a tar."""

    name: str
    """A relative path: its parts are plain, with slashes between them, and none of the archive is at it or above it."""
    kind: Literal["file", "folder"]
    size: int
    """Bytes; 0 for a folder. A file of few bytes may announce any number of zeros: compare it with a limit."""
    executable: bool
    """Whether its owner may run it; all other bits of its mode are left out."""


def opened(file: Readable) -> Readable:
    """The tar in `file`, which may be compressed with zstd, as the first packs were, with gzip, bzip2 or xz, or not.

    Reading it raises `ValueError` where the compressed data are damaged.

    Raises:
        ProgramError: it is compressed with zstd, and there is no zstd library.
    """
    start = gathered(file, len(max(_OTHERS, key=len)))
    whole = Pushed(start, file)
    if start.startswith(_ZSTD):
        return decompressing(whole)
    return _Decompressed(whole) if start.startswith(_OTHERS) else whole


def members(file: BinaryIO | Readable) -> Iterator[tuple[Member, Iterator[bytes]]]:
    """Each member with its content in pieces, which are to be taken before the next member, or are passed over.

    Folders that only contain others need not be named by the archive. It is read to its end.

    Raises:
        ValueError: it is damaged or was cut short, wherever; or it holds a link, a device, a name twice, or one that
            could lie outside of the folder that it is unpacked into.
    """
    names = _Names()
    tar = _Tar(file)
    while (found := tar.next_header()) is not None:
        name = names.admitted(found)
        kind, size, pieces = _content(tar, found)
        if not name and kind == "folder":
            continue  # `./`, which tells about the folder that the archive was made in
        if not name:
            raise ValueError(f"the member {found.name!r} of its tar is a file without a name")
        member = Member(name=name, kind=kind, size=size, executable=bool(found.mode & _OWNER_RUNS))
        names.add(member)
        yield member, pieces
        for _ in pieces:
            pass


def gathered(file: Readable, size: int) -> bytes:
    """The next `size` bytes, or those up to the end; a pipe gives fewer at a time."""
    pieces = []
    while size and (piece := file.read(min(size, _CHUNK))):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


class Pushed:
    """A stream of which some bytes were read, to be read again."""

    def __init__(self, start: bytes, file: Readable) -> None:
        self._start = start
        self._file = file

    def read(self, size: int, /) -> bytes:
        """The next bytes, `size` at most."""
        if not self._start:
            return self._file.read(size)
        data, self._start = self._start[:size], self._start[size:]
        return data


class _Decompressed:
    """A compressed stream of the room, with the manners of a file."""

    def __init__(self, file: Readable) -> None:
        self._stream = Stream(file, limit=_UNLIMITED)  # type: ignore[arg-type]

    def read(self, size: int, /) -> bytes:
        return self._stream.take_some(size)


class _Tar:
    """Where in the archive the reading is."""

    def __init__(self, file: Readable) -> None:
        self._file = file
        self._begun = False

    def exactly(self, size: int) -> bytes:
        data = gathered(self._file, size)
        if len(data) < size:
            raise ValueError("it ends in the middle; it was cut short")
        return data

    def next_header(self) -> Header | None:
        """The next one of a member, with what was announced for it; None: the archive's end, with its mark."""
        announced: dict[str, str | bytes] = {}
        while any(block := self.exactly(BLOCK)):
            found = self._header(block)
            if found.kind not in _LONG_NAME + _PAX + _PAX_FOR_ALL:
                return _completed(found, announced)
            if found.size > _LARGEST_EXTENDED:
                raise ValueError(f"an extended header of its tar is {found.size} bytes long")
            data = self.exactly(found.size)
            self.padding(found.size)
            said: dict[str, str | bytes] = {}
            if found.kind == _LONG_NAME:
                said["path"] = data.partition(b"\0")[0]
            else:
                said.update(extended(data))
            if said.keys() & announced.keys() or (said and found.kind == _PAX_FOR_ALL):
                raise ValueError("its tar is damaged: one member is announced in two ways")
            announced |= said
        if announced:
            raise ValueError("its tar is damaged: it announces a member that does not come")
        self._end()
        return None

    def _header(self, block: bytes) -> Header:
        try:
            found = header(block)
        except ValueError as error:
            if self._begun:
                raise
            raise ValueError("it is no tar archive, or it is damaged from its beginning on") from error
        self._begun = True
        return found

    def pieces(self, size: int) -> Iterator[bytes]:
        """The next `size` bytes as they come."""
        while size:
            piece = self._file.read(min(size, _CHUNK))
            if not piece:
                raise ValueError("it ends in the middle of a member; it was cut short")
            size -= len(piece)
            yield piece

    def padding(self, size: int) -> None:
        """Pass over what follows a content of `size` bytes, up to the next block."""
        self.exactly(-size % BLOCK)

    def _end(self) -> None:
        """Look at all that follows the first block of zeros: one more, and then at most zeros that fill a record."""
        if any(self.exactly(BLOCK)):
            raise ValueError("its tar is damaged: a block of zeros stands where it does not end")
        padding = 0
        while data := self._file.read(_CHUNK):
            padding += len(data)
            if data.strip(b"\0") or padding > _MOST_PADDING:
                raise ValueError("bytes that belong to nothing follow the end mark of its tar")


def _completed(found: Header, announced: dict[str, str | bytes]) -> Header:
    path, size = announced.get("path"), announced.get("size")
    return Header(
        name=found.name if path is None else path if isinstance(path, bytes) else path.encode(),
        kind=found.kind,
        size=found.size if size is None else extended_size(str(size)),
        mode=found.mode,
        block=found.block,
    )


def _content(tar: _Tar, found: Header) -> tuple[Literal["file", "folder"], int, Iterator[bytes]]:
    """Kind, size and pieces of a member."""
    slash = found.name.endswith(b"/")  # the oldest dialect knows folders by it
    if found.kind == _FOLDER or (found.kind in _FILES and slash):
        if found.size:
            raise ValueError("its tar is damaged: a folder of it has a content")
        return "folder", 0, iter(())
    if found.kind == _SPARSE:
        return _sparse_content(tar, found)
    if found.kind not in _FILES:
        shown = found.name.decode(errors="replace")
        raise ValueError(f"{shown!r} is {_ODD.get(found.kind, 'no file and no folder')}, which a pack never holds")
    return "file", found.size, _padded(tar, found.size)


def _padded(tar: _Tar, size: int) -> Iterator[bytes]:
    yield from tar.pieces(size)
    tar.padding(size)


def _sparse_content(tar: _Tar, found: Header) -> tuple[Literal["file"], int, Iterator[bytes]]:
    """Of a file with holes, in GNU's dialect: the map of the rest stands in the header and in blocks after it."""
    pairs = sparse_pairs(found.block[386:482])
    goes_on = found.block[482]
    while goes_on:
        block = tar.exactly(BLOCK)
        pairs += sparse_pairs(block[:504])
        goes_on = block[504]
        if len(pairs) > _MOST_EXTENTS:
            raise ValueError("its tar is damaged: a sparse file of it has too many parts")
    size = real_size(found.block)
    end = 0
    for offset, length in pairs:
        if offset < end:
            raise ValueError("its tar is damaged: the parts of a sparse file overlap")
        end = offset + length
    if end > size or sum(length for _, length in pairs) != found.size:
        raise ValueError("its tar is damaged: the parts of a sparse file are not as long as it says")
    return "file", size, _with_holes(tar, found.size, [*pairs, (size, 0)])


def _with_holes(tar: _Tar, stored: int, pairs: list[tuple[int, int]]) -> Iterator[bytes]:
    position = 0
    for offset, length in pairs:
        while position < offset:
            hole = bytes(min(offset - position, _CHUNK))
            position += len(hole)
            yield hole
        yield from tar.pieces(length)
        position += length
    tar.padding(stored)


class _Names:
    """What names were seen, each as its digest: long ones take no more memory than short ones."""

    def __init__(self) -> None:
        self._files: set[bytes] = set()
        self._folders: set[bytes] = set()
        self._named: set[bytes] = set()

    def admitted(self, found: Header) -> str:
        """The name as a plain relative path; empty: the archive's own folder."""
        try:
            raw = found.name.decode()
        except UnicodeDecodeError:
            raise ValueError(f"the name {found.name[:80]!r} is not UTF-8") from None
        parts = [part for part in raw.split("/") if part not in ("", ".")]
        if len(found.name) > _LONGEST_PATH or len(parts) > _DEEPEST:
            raise ValueError(f"the name of the member {raw[:80]!r}... is {len(raw)} characters long")
        if raw.startswith("/") or ".." in parts or _STRANGE.search(raw):
            raise ValueError(f"the member {raw!r} would lie outside, or has a name that not every system can have")
        return "/".join(parts)

    def add(self, member: Member) -> None:
        """Take note of a member."""
        digest = _digest(member.name)
        if digest in self._named:
            raise ValueError(f"{member.name} is in it twice")
        parts = member.name.split("/")
        above = {_digest("/".join(parts[:count])) for count in range(1, len(parts))}
        self._named.add(digest)
        self._folders |= above
        (self._files if member.kind == "file" else self._folders).add(digest)
        if above & self._files or (member.kind == "file" and digest in self._folders):
            raise ValueError(f"{member.name} is in it as a file and as a folder")
        if len(self._named) > MOST_MEMBERS:
            raise ValueError(f"it has more than {MOST_MEMBERS} members")


def _digest(name: str) -> bytes:
    return blake2b(name.encode(), digest_size=16).digest()
