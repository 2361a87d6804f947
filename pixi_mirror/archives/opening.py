"""Open an archive for reading, and let every complaint about it begin with its name."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pixi_mirror.disk.files import explain_errors, open_regular


@contextmanager
def opened(path: Path, *, file_name: str) -> Iterator[BinaryIO]:
    """The regular file at `path`, for the whole block; `file_name` is how messages call the archive.

    Raises:
        ValueError: the block found the archive wrong; the sentence begins with `file_name`.
        MachineError: the file cannot be read.
    """
    with explain_errors("read", path), open(open_regular(path), "rb") as file:
        try:
            yield file
        except ValueError as error:
            raise ValueError(f"{file_name}: {error}") from error


def taken(file: BinaryIO, size: int) -> bytes:
    """Exactly the next `size` bytes.

    Raises:
        ValueError: the file ends before.
    """
    data = file.read(size)
    if len(data) != size:
        raise ValueError("the archive ends in the middle; it was cut short")
    return data
