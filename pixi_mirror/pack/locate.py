"""Find the files of a pack where they are, and write out only those that cannot be read where they are."""

import hashlib
import os
import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pixi_mirror.archives.opening import open_compressed
from pixi_mirror.archives.plain_tar import PlainMember, read_plain_tar
from pixi_mirror.archives.self_extracting import open_embedded_tar
from pixi_mirror.archives.streams import ByteStream
from pixi_mirror.archives.tar_headers import check_header
from pixi_mirror.disk.files import NEW_FILE, explain_errors
from pixi_mirror.environments.stored_file import StoredFile
from pixi_mirror.errors import MachineError
from pixi_mirror.pack.parse import CHANNEL, CHECKSUMS, METADATA, PYPI

LOCK = "pixi.lock"
AGAIN = "Make the pack again, or copy it again; nothing was unpacked."
"""What to do about a pack that is not right."""

_MIRROR = "pixi-mirror.json"
"""What a folder has that is a mirror."""
_DOCUMENTS = frozenset({CHECKSUMS, METADATA, LOCK})
"""What is read of the files that lie at the top."""
_DEPTHS = {CHANNEL: 3, PYPI: 2}
"""How many parts the path of a file has that is used, by the folder at the top."""
_BLOCK = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class PackFiles:
    """The files of a pack, and where they are."""

    name: str
    """How messages call the pack."""
    stored: dict[str, StoredFile]
    """Path in the pack -> the file; of a folder only what is used or promised."""
    hashes: dict[str, str]
    """Path in the pack -> sha256, of files that were read on the way. Some of them are not stored."""
    folders: frozenset[str]
    """The paths of those in the channel, even the empty ones."""
    root: Path | None
    """The folder that the pack is; None: it is an archive."""

    @property
    def paths(self) -> set[str]:
        """Every file."""
        return {*self.stored, *self.hashes}


def locate_files(pack: Path | ByteStream, folder: Path, *, advance: Callable[[int], None]) -> PackFiles:
    """Return the files of a pack.

    Args:
        pack: a folder; a tar, which is read where it is; or a compressed tar, a self-extracting file or a stream, whose
            files are written out.
        folder: is made, and the files are written there.
        advance: is called with the number of bytes that were written.

    Raises:
        MachineError: it cannot be read, is no pack, is damaged or was cut short; or `folder` cannot be written.
        ProgramError: it is compressed with zstd, and nothing here can read that.
    """
    if not isinstance(pack, Path):
        return _from_stream(pack, "standard input", folder, advance)
    try:
        is_folder = pack.is_dir()
        file = None if is_folder else open(pack, "rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise MachineError(f"the pack {pack} cannot be read: {error.strerror}. Name another file or folder.") from None
    if file is None:
        return _in_folder(pack.resolve())
    with file:
        if not _is_tar(file):
            return _from_stream(file, str(pack), folder, advance)
        return _in_tar(file, pack, folder, advance)


def refuse_other_things(pack: Path) -> None:
    """Refuse what cannot be read, or is what people take for a pack: a lock, a workspace, a mirror.

    Raises:
        MachineError: it is one of these.
    """
    names: set[str] = set()
    try:
        if pack.is_dir():
            names = set(os.listdir(pack))
        else:
            os.close(os.open(pack, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)))
    except OSError as error:
        raise MachineError(f"the pack {pack} cannot be read: {error.strerror}. Name another file or folder.") from None
    if METADATA in names:
        return
    if _MIRROR in names:
        raise MachineError(
            f"{pack} is a mirror and no pack. `pixi-mirror pack WORKSPACE --from {shlex.quote(str(pack))}` makes a "
            "pack of packages that it holds."
        )
    if pack.name == LOCK or pack.suffix == ".toml" or LOCK in names:
        workspace = shlex.quote(str(pack if names else pack.parent))
        raise MachineError(
            f"{pack} is no pack, but what one is made of: `pixi-mirror pack {workspace}` makes one, and `unpack` takes "
            "that."
        )


def is_used(path: str) -> bool:
    """Whether a file of a pack is read or installed; all others may be there and mean nothing here."""
    top, *rest = path.split("/")
    return len(rest) + 1 == _DEPTHS.get(top) if rest else top in _DOCUMENTS


@contextmanager
def _explain(name: str) -> Iterator[None]:
    """Turn what is wrong with a pack into an error that names it."""
    try:
        yield
    except ValueError as error:
        raise MachineError(f"{name} is no pack that can be read: {error}. {AGAIN}") from error


def _is_tar(file: BinaryIO) -> bool:
    """Whether the file begins as a tar does; a pipe does not tell, for it cannot be read twice."""
    if not file.seekable():
        return False
    start = file.read(_BLOCK)
    file.seek(0)
    try:
        check_header(start)
    except (ValueError, IndexError):
        return False
    return True


def _in_tar(file: BinaryIO, pack: Path, folder: Path, advance: Callable[[int], None]) -> PackFiles:
    stored: dict[str, StoredFile] = {}
    folders: set[str] = set()
    with _explain(str(pack)), explain_errors("read or write", folder):
        folder.mkdir()
        for member, pieces in read_plain_tar(file, seekable=True):
            if member.kind == "folder":
                folders.add(member.name)
                continue
            folders.add(os.path.dirname(member.name))
            if member.is_sparse:
                _write(member, _counted(pieces, advance), folder)
                stored[member.name] = StoredFile(folder / member.name, 0, member.size)
            else:
                stored[member.name] = StoredFile(pack, file.tell(), member.size)
    return PackFiles(name=str(pack), stored=stored, hashes={}, folders=_in_channel(folders), root=None)


def _from_stream(stream: ByteStream, name: str, folder: Path, advance: Callable[[int], None]) -> PackFiles:
    stored: dict[str, StoredFile] = {}
    hashes: dict[str, str] = {}
    folders: set[str] = set()
    with _explain(name), explain_errors("read or write", folder):
        folder.mkdir()
        for member, pieces in read_plain_tar(open_compressed(open_embedded_tar(stream))):
            if member.kind == "folder":
                folders.add(member.name)
                continue
            folders.add(os.path.dirname(member.name))
            counted = _counted(pieces, advance)
            if is_used(member.name):
                hashes[member.name] = _write(member, counted, folder)
                stored[member.name] = StoredFile(folder / member.name, 0, member.size)
            else:
                hashes[member.name] = _hash(counted)
    return PackFiles(name=name, stored=stored, hashes=hashes, folders=_in_channel(folders), root=None)


def _counted(pieces: Iterable[bytes], advance: Callable[[int], None]) -> Iterator[bytes]:
    for piece in pieces:
        advance(len(piece))
        yield piece


def _hash(pieces: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def _write(member: PlainMember, pieces: Iterable[bytes], folder: Path) -> str:
    """Write a file out; its sha256."""
    target = folder / member.name
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(target, NEW_FILE, 0o600), "wb", buffering=0) as file:
        return _hash(_passed_on(pieces, file.write))


def _passed_on(pieces: Iterable[bytes], write: Callable[[memoryview], int]) -> Iterator[bytes]:
    for piece in pieces:
        view = memoryview(piece)
        while view:
            view = view[write(view) :]
        yield piece


def _in_channel(folders: Iterable[str]) -> frozenset[str]:
    return frozenset(each for each in folders if each.startswith(f"{CHANNEL}/") and each.count("/") == 1)


def _in_folder(root: Path) -> PackFiles:
    with explain_errors("read", root):
        folders = [f"{CHANNEL}/{entry.name}" for entry in _entries(root, CHANNEL) if entry.is_dir()]
        stored = {
            f"{folder}/{entry.name}".lstrip("/"): StoredFile(Path(entry.path), 0, entry.stat().st_size)
            for folder in ("", PYPI, *folders)
            for entry in _entries(root, folder)
            if entry.is_file(follow_symlinks=False)
        }
    return PackFiles(name=str(root), stored=stored, hashes={}, folders=frozenset(folders), root=root)


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
