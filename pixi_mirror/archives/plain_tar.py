"""Read the tar of a pack: plain files and folders, each once, and nothing else."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

from pixi_mirror.archives.streams import ByteStream, read_exactly
from pixi_mirror.archives.tar import BLOCK, TarMember, plain_path, read_tar

MOST_PLAIN_MEMBERS = 1_000_000

_MOST_PADDING = 64 << 20
"""Bytes of zeros after the end mark; writers fill a record of some KiB."""
_LONGEST_NAME = 1024
_OWNER_EXECUTES = 0o100
_STRANGE = re.compile(r'[\\:<>"|?*\x00-\x1f\x7f]')
"""A backslash, a drive's colon and a line break mean something else somewhere."""
_OTHER_KINDS = {"symlink": "a link", "hardlink": "a link", "device": "a device", "pipe": "a pipe"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainMember:
    """A file or a folder of a pack."""

    name: str
    """A relative path. Its parts are plain, with slashes between them. Each name is in an archive only once."""
    kind: Literal["file", "folder"]
    size: int
    """Bytes; 0 for a folder. A file of few bytes may announce any number of zeros: compare it with a limit."""
    executable: bool
    """Whether its owner may execute it; all other bits of its mode are left out."""
    is_sparse: bool
    """Whether the archive leaves holes of the file out, so that its content does not stand there as it is."""


def read_plain_tar(stream: ByteStream, *, seekable: bool = False) -> Iterator[tuple[PlainMember, Iterator[bytes]]]:
    """Yield each member with its content in pieces. Pieces that are not taken before the next member are skipped.

    Folders that only contain others need not be in the archive. It is read to its end.

    Args:
        stream: begins with the first header.
        seekable: as in `read_tar`. When a member is given, the stream stands at its content.

    Raises:
        ValueError: it is damaged or was cut short, wherever; or it holds a link, a device, a name twice, or a name that
            could lie outside of the folder that it is extracted into.
    """
    names = _Names()
    for found, content in read_tar(stream, seekable=seekable, most_members=MOST_PLAIN_MEMBERS):
        name, kind = _plain_name(found.name), _plain_kind(found)
        if not name and kind == "folder":
            continue  # `./`, which describes the folder that the archive was made in
        if not name:
            raise ValueError(f"the member {found.name!r} of its tar is a file without a name")
        names.add(name, kind)
        size = 0 if kind == "folder" else found.size
        member = PlainMember(
            name=name,
            kind=kind,
            size=size,
            executable=bool(found.mode & _OWNER_EXECUTES),
            is_sparse=found.kind == "sparse",
        )
        yield member, content.pieces()
    _refuse_trailing(stream)


def _plain_name(raw: str) -> str:
    try:
        length = len(raw.encode())
    except UnicodeEncodeError:
        raise ValueError(f"the name {raw[:80]!r} is not UTF-8") from None
    if length > _LONGEST_NAME:
        raise ValueError(f"the name of the member {raw[:80]!r}... is {len(raw)} characters long")
    if _STRANGE.search(raw):
        raise ValueError(f"the member {raw!r} would lie outside, or has a name that not every system can have")
    return plain_path(raw)


def _plain_kind(found: TarMember) -> Literal["file", "folder"]:
    if found.kind == "folder":
        if found.size:
            raise ValueError("its tar is damaged: a folder of it has a content")
        return "folder"
    if found.kind in ("file", "sparse"):
        return "file"
    what = _OTHER_KINDS.get(found.kind, "no file and no folder")
    raise ValueError(f"{found.name!r} is {what}, which a pack never holds")


def _refuse_trailing(stream: ByteStream) -> None:
    """Read to the end of the stream, and refuse anything behind the end mark but zeros that fill a record.

    The end mark is two blocks of zeros; the first one has been read.
    """
    if any(read_exactly(stream, BLOCK)):
        raise ValueError("its tar is damaged: a block of zeros stands where it does not end")
    padding = 0
    while data := stream.read(1 << 20):
        padding += len(data)
        if data.strip(b"\0") or padding > _MOST_PADDING:
            raise ValueError("bytes that belong to nothing follow the end mark of its tar")


class _Names:
    """The names that were seen. Each is kept as its digest, so that long ones take no more memory than short ones."""

    def __init__(self) -> None:
        self._files: set[bytes] = set()
        self._folders: set[bytes] = set()
        self._named: set[bytes] = set()

    def add(self, name: str, kind: Literal["file", "folder"]) -> None:
        """Record a name, and refuse it if it is there already.

        Raises:
            ValueError: it is there, or a part of it is a file.
        """
        digest = _digest(name)
        if digest in self._named:
            raise ValueError(f"{name} is in it twice")
        parts = name.split("/")
        above = {_digest("/".join(parts[:count])) for count in range(1, len(parts))}
        self._named.add(digest)
        self._folders |= above
        (self._files if kind == "file" else self._folders).add(digest)
        if above & self._files or (kind == "file" and digest in self._folders):
            raise ValueError(f"{name} is in it as a file and as a folder")


def _digest(name: str) -> bytes:
    return blake2b(name.encode(), digest_size=16).digest()
