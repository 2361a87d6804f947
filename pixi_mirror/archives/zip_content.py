"""Read a member of a zip archive piece by piece, however long it is, in bounded memory."""

import zlib
from collections.abc import Iterator
from typing import BinaryIO

from pixi_mirror.archives.zip import STORED, ZipMember, refuse_unreadable, seek_to_data

_PIECE = 1 << 16


def content_pieces(file: BinaryIO, member: ZipMember) -> Iterator[bytes]:
    """Yield the content of a member in pieces of at most 64 KiB; after the last, its size and its CRC are known to fit.

    Nothing else may move the position of `file` meanwhile.

    Raises:
        ValueError: it is encrypted, compressed in an unknown way, damaged, longer or shorter than the directory says,
            or described in two different ways.
    """
    refuse_unreadable(member)
    seek_to_data(file, member)
    size = crc = 0
    for piece in _stored(file, member) if member.method == STORED else _inflated(file, member):
        size += len(piece)
        if size > member.size:
            break
        crc = zlib.crc32(piece, crc)
        yield piece
    if size != member.size:
        raise ValueError(f"{member.name} is not as long as the zip directory says ({member.size} bytes)")
    if crc != member.crc:
        raise ValueError(f"{member.name} is damaged: its CRC-32 is not the one in the zip directory")


def _stored(file: BinaryIO, member: ZipMember) -> Iterator[bytes]:
    left = member.compressed
    while left and (piece := file.read(min(_PIECE, left))):
        left -= len(piece)
        yield piece


def _inflated(file: BinaryIO, member: ZipMember) -> Iterator[bytes]:
    decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for piece in _stored(file, member):
            rest = piece
            while rest and not decompressor.eof:
                if content := decompressor.decompress(rest, _PIECE):
                    yield content
                rest = decompressor.unconsumed_tail
        while not decompressor.eof and (content := decompressor.decompress(b"", _PIECE)):
            yield content
    except zlib.error as error:
        raise ValueError(f"{member.name} is damaged: {error}") from None
    if not decompressor.eof:
        raise ValueError(f"{member.name} is damaged: its compressed bytes end too early")
