"""Pour the parts of a pack into one stream of bytes, each hashed again as it goes by."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from pixi_mirror.archives.tar_writer import TarWriter
from pixi_mirror.disk.files import explain_errors, open_regular
from pixi_mirror.errors import WrongBytesError
from pixi_mirror.pack.contents import Part, folders

Write: TypeAlias = Callable[[bytes], object]
Fill: TypeAlias = Callable[[Write], None]
"""Writes a whole file through what it is given."""

_CHUNK = 1 << 18


def write_parts(
    parts: Iterable[Part], write: Write, *, distrust: Callable[[Path], None], advance: Callable[[int], None]
) -> None:
    """Write the tar of these parts; `distrust` hears of a file with wrong bytes, `advance` of bytes that are done.

    Raises:
        WrongBytesError: a file has changed since it was verified; the tar is lost.
        MachineError: a file cannot be read.
    """
    parts = tuple(parts)
    tar = TarWriter(write)
    waiting = sorted(folders(parts), key=lambda name: name.encode().split(b"/"), reverse=True)
    for part in parts:
        while waiting and part.name.startswith(f"{waiting[-1]}/"):
            tar.folder(waiting.pop())
        tar.file(part.name, part.size, verified(part, distrust=distrust))
        advance(part.size)
    tar.finish()


def verified(part: Part, *, distrust: Callable[[Path], None]) -> Iterator[bytes]:
    """The bytes of a part, exactly as many as it has; the last of them only if all were right.

    Raises:
        WrongBytesError: they are not those that were verified; `distrust` has heard of the file.
        MachineError: they cannot be read.
    """
    if isinstance(part.source, bytes):
        yield part.source
        return
    digest = hashlib.sha256()
    left = part.size
    with explain_errors("read", part.source), open(open_regular(part.source), "rb", buffering=0) as file:
        while chunk := file.read(min(_CHUNK, left + 1)):
            digest.update(chunk)
            left -= len(chunk)
            if left > 0:
                yield chunk
            else:
                break
    found = digest.hexdigest()
    if left != 0 or found != part.sha256:
        distrust(part.source)
        raise WrongBytesError(
            f"{part.source}: expected sha256 {part.sha256} and {part.size} bytes, found "
            f"{found if left == 0 else 'another size'}; it has changed on disk. No pack was written; run the "
            "same command again, or, where it is a mirror's, `pixi-mirror verify --repair` before."
        )
    if part.size:
        yield chunk
