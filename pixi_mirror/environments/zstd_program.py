"""Decompress zstd with the library of this Python, or else with the program `zstd`."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from pixi_mirror.archives.compression import DecompressedStream, zstd_library
from pixi_mirror.archives.streams import ByteStream
from pixi_mirror.errors import ProgramError

_PIECE_SIZE = 1 << 20
_LONGEST_MESSAGE = 500


def require_zstd() -> None:
    """Refuse to begin where nothing can read a `.conda`.

    Raises:
        ProgramError: neither this Python nor a program can.
    """
    if not _has_library() and _program() is None:
        raise ProgramError(
            "the packages are compressed with zstd, which this Python cannot read. Install the program `zstd` (most "
            "systems have a package of that name), or run this with Python 3.14 or newer."
        )


@contextmanager
def decompress_zstd_stream(stream: ByteStream, scratch: Path, limit: int) -> Iterator[ByteStream]:
    """Give what a stream decompresses to.

    Args:
        stream: zstd frames.
        scratch: a folder for temporary files.
        limit: bytes; a library refuses more.

    Raises:
        ProgramError: nothing here can read zstd.
        ValueError: the stream is damaged; also while it is read.
    """
    if _has_library():
        yield DecompressedStream(stream, kinds=("zstd",), limit=limit)
        return
    require_zstd()
    with _run_program(stream, scratch) as output:
        yield output


def _has_library() -> bool:
    try:
        zstd_library()
    except ImportError:
        return False
    return True


def _program() -> str | None:
    return shutil.which("zstd") or shutil.which("unzstd")


@contextmanager
def _run_program(stream: ByteStream, scratch: Path) -> Iterator[ByteStream]:
    """Give the output of the program; its input is a file, because feeding it could wait for ever."""
    with tempfile.TemporaryFile(dir=scratch) as copy, tempfile.TemporaryFile(dir=scratch) as messages:
        while piece := stream.read(_PIECE_SIZE):
            copy.write(piece)
        copy.seek(0)
        command = [str(_program()), "-d", "-c", "-q"]
        is_whole = False
        with subprocess.Popen(command, stdin=copy, stdout=subprocess.PIPE, stderr=messages) as process:  # noqa: S603
            assert process.stdout is not None  # noqa: S101 - a pipe was asked for
            try:
                yield cast("ByteStream", process.stdout)
                is_whole = not process.stdout.read(1)
            finally:
                if not is_whole:
                    process.kill()
                process.stdout.close()
        if is_whole and process.returncode:
            messages.seek(0)
            words = messages.read(_LONGEST_MESSAGE).decode("utf-8", "replace").strip()
            raise ValueError(f"zstd ended with {process.returncode}: {words}")
