"""Lay the files of a pack out on this disk, where they are not yet, and hash every one that counts."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from pixi_mirror.archives.opening import open_compressed
from pixi_mirror.archives.plain_tar import PlainMember, read_plain_tar
from pixi_mirror.archives.self_extracting import open_embedded_tar
from pixi_mirror.archives.streams import ByteStream
from pixi_mirror.disk.files import explain_errors, hash_file
from pixi_mirror.errors import MachineError
from pixi_mirror.model.values import Sha256, admit_sha256
from pixi_mirror.pack.documents import CHANNEL, CHECKSUMS, METADATA, PYPI

LOCK = "pixi.lock"
AGAIN = "Make the pack again, or copy it again; nothing was unpacked."
"""What to do about a pack that is not right."""

_DOCUMENTS = frozenset({CHECKSUMS, METADATA, LOCK})
"""What is read of the files that lie at the top."""
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_DEPTHS = MappingProxyType({CHANNEL: 3, PYPI: 2})
"""How many parts the path of a file has that is used, by the folder at the top."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one file of a pack came to when it was read."""

    sha256: Sha256
    size: int
    """In bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """A pack whose files lie below one folder."""

    name: str
    """How messages call it."""
    root: Path
    found: MappingProxyType[str, Found]
    """Path in the pack -> what was found there; of a folder only what is used or promised."""
    folders: frozenset[str]
    """The paths of those in the channel, even the empty ones."""
    is_lasting: bool
    """Whether the files stay where they are when the run is over."""


def lay_out(pack: Path | ByteStream, folder: Path, *, jobs: int, advance: Callable[[int], None]) -> Laid:
    """The files of a pack: a folder is used where it is, anything else is written into `folder`, which is made.

    A pack that is no path is standard input. `advance` hears of bytes that were read.

    Raises:
        MachineError: it cannot be read, is no pack, is damaged or was cut short; or `folder` cannot be written.
    """
    if not isinstance(pack, Path):
        return _from_stream(pack, "standard input", folder, advance)
    try:
        is_folder = pack.is_dir()
        file = None if is_folder else open(pack, "rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise MachineError(f"the pack {pack} cannot be read: {error.strerror}. Name another file or folder.") from None
    if file is None:
        return _in_place(pack.resolve(), jobs, advance)
    with file:
        return _from_stream(file, str(pack), folder, advance)


def is_used(path: str) -> bool:
    """Whether a file of a pack is read or installed; all others may be there and mean nothing here."""
    top, *rest = path.split("/")
    return len(rest) + 1 == _DEPTHS.get(top) if rest else top in _DOCUMENTS


@contextmanager
def _complaining(name: str) -> Iterator[None]:
    """Turn what is wrong with a pack into an error that names it."""
    try:
        yield
    except ValueError as error:
        raise MachineError(f"{name} is no pack that can be read: {error}. {AGAIN}") from error


def _from_stream(stream: ByteStream, name: str, folder: Path, advance: Callable[[int], None]) -> Laid:
    found: dict[str, Found] = {}
    folders: set[str] = set()
    with _complaining(name), explain_errors("read or write", folder):
        folder.mkdir()
        for member, pieces in read_plain_tar(open_compressed(open_embedded_tar(stream))):
            counted = _counted(pieces, advance)
            if member.kind == "folder":
                folders.add(member.name)
                continue
            folders.add(os.path.dirname(member.name))
            found[member.name] = _written(member, counted, folder) if is_used(member.name) else _hashed(counted)
    return Laid(name=name, root=folder, found=MappingProxyType(found), folders=_in_channel(folders), is_lasting=False)


def _counted(pieces: Iterable[bytes], advance: Callable[[int], None]) -> Iterator[bytes]:
    for piece in pieces:
        advance(len(piece))
        yield piece


def _hashed(pieces: Iterable[bytes]) -> Found:
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
    return Found(sha256=admit_sha256(digest.hexdigest()), size=size)


def _written(member: PlainMember, pieces: Iterable[bytes], folder: Path) -> Found:
    target = folder / member.name
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(target, _NEW, 0o600), "wb", buffering=0) as file:
        return _hashed(_passed_on(pieces, file.write))


def _passed_on(pieces: Iterable[bytes], write: Callable[[memoryview], int]) -> Iterator[bytes]:
    for piece in pieces:
        view = memoryview(piece)
        while view:
            view = view[write(view) :]
        yield piece


def _in_channel(folders: Iterable[str]) -> frozenset[str]:
    return frozenset(each for each in folders if each.startswith(f"{CHANNEL}/") and each.count("/") == 1)


def _in_place(root: Path, jobs: int, advance: Callable[[int], None]) -> Laid:
    def hashed(path: str) -> Found:
        sha256, status = hash_file(root / path)
        advance(status.st_size)
        return Found(sha256=sha256, size=status.st_size)

    with explain_errors("read", root):
        folders = [f"{CHANNEL}/{entry.name}" for entry in _entries(root, CHANNEL) if entry.is_dir()]
        paths = sorted(
            f"{folder}/{entry.name}".lstrip("/")
            for folder in ("", PYPI, *folders)
            for entry in _entries(root, folder)
            if entry.is_file(follow_symlinks=False)
        )
        with ThreadPoolExecutor(jobs) as pool:
            found = dict(zip(paths, pool.map(hashed, paths), strict=True))
    return Laid(name=str(root), root=root, found=MappingProxyType(found), folders=frozenset(folders), is_lasting=True)


def _entries(root: Path, folder: str) -> list["os.DirEntry[str]"]:
    """What is in a folder of the pack; of one that is not there, nothing. No link may stand for what is used."""
    try:
        with os.scandir(root / folder) as entries:
            found = list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
    for entry in found:
        path = f"{folder}/{entry.name}".lstrip("/")
        if entry.is_symlink() and (is_used(path) or path in _DEPTHS or folder == CHANNEL):
            raise MachineError(f"{entry.path} is a link; in a pack are files and folders alone. Copy what it leads to.")
    return found
