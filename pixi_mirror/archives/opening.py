"""Open an archive for reading: a file whose messages begin with its name, or a stream that may be compressed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pixi_mirror.archives.compression import LONGEST_MAGIC, MAGIC, DecompressedStream, compression_of
from pixi_mirror.archives.streams import ByteStream, PrefixedStream, read_up_to
from pixi_mirror.disk.files import explain_errors, open_regular


@contextmanager
def open_archive(path: Path, *, file_name: str) -> Iterator[BinaryIO]:
    """Open a regular file for the whole block.

    Args:
        path: where the file is.
        file_name: what messages call the archive; a blob of the cache has another name than the package in it.

    Raises:
        ValueError: the block found the archive wrong; the sentence begins with `file_name`.
        MachineError: the file cannot be read.
    """
    with explain_errors("read", path), open(open_regular(path), "rb") as file:
        try:
            yield file
        except ValueError as error:
            raise ValueError(f"{file_name}: {error}") from error


def open_compressed(stream: ByteStream) -> ByteStream:
    """Return the content of a stream that is compressed with gzip, bzip2, xz or zstd, or not at all.

    Its first bytes decide. Reading the result raises `ValueError` where the compressed data are damaged.

    Args:
        stream: a pack, which may be a pipe.
    """
    start = read_up_to(stream, LONGEST_MAGIC)
    whole = PrefixedStream(start, stream)
    return whole if compression_of(start) is None else DecompressedStream(whole, kinds=tuple(MAGIC))
