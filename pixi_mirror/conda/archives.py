"""Open the tars that a conda package is made of: one in a `.tar.bz2`, two in a `.conda`.

The unpacker of self-extracting packs contains this module, so it runs on Python 3.9.
"""

from collections.abc import Iterator
from typing import BinaryIO

from pixi_mirror.archives.compression import DecompressedStream
from pixi_mirror.archives.zip import StoredContent, ZipMember, read_members


def open_tars(file: BinaryIO, *, file_name: str, limit: int) -> Iterator[DecompressedStream]:
    """Yield each tar, to be read before the next: in a `.conda` what is installed (`pkg-`), and then `info-`.

    Args:
        file: the package, which can seek.
        file_name: its end says which format it has.
        limit: bytes that each tar may have.

    Raises:
        ValueError: a `.conda` has not exactly one of each, or is no zip archive.
    """
    if file_name.endswith(".tar.bz2"):
        yield DecompressedStream(file, kinds=("bzip2",), limit=limit)
        return
    for member in find_parts(file):
        yield DecompressedStream(StoredContent(file, member), kinds=("zstd",), limit=limit)


def find_parts(file: BinaryIO) -> tuple[ZipMember, ZipMember]:
    """Return where the two tars of a `.conda` are, compressed: `pkg-`, and then `info-`.

    Raises:
        ValueError: it has not exactly one of each, or is no zip archive.
    """
    found = [member for member in read_members(file) if member.name.endswith(".tar.zst")]
    return _only(found, "pkg-"), _only(found, "info-")


def open_info_tar(file: BinaryIO, *, file_name: str, limit: int) -> DecompressedStream:
    """Return the tar that holds `info/index.json`.

    Raises:
        ValueError: as `open_tars`.
    """
    return list(open_tars(file, file_name=file_name, limit=limit))[-1]


def _only(found: list[ZipMember], prefix: str) -> ZipMember:
    named = [member for member in found if member.name.startswith(prefix)]
    if len(named) != 1:
        raise ValueError(f"it has {len(named)} members {prefix}*.tar.zst, and a conda package has one")
    return named[0]
