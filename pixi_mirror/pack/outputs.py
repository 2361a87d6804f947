"""Name the file of a pack, and put it where it was asked for: whole and synced, or not at all."""

import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, TypeAlias

from pixi_mirror.disk.directories import make_directory, sync_directories
from pixi_mirror.disk.files import NEW_FILE, explain_errors, fresh_name, write_synced
from pixi_mirror.disk.hashing_writer import HashingWriter
from pixi_mirror.disk.links import link_or_copy
from pixi_mirror.disk.lock import lock_file, wait_for_lock
from pixi_mirror.errors import BusyError, MachineError, UsageError
from pixi_mirror.model.values import Sha256
from pixi_mirror.pack.contents import Part, folders
from pixi_mirror.pack.parse import METADATA
from pixi_mirror.pack.write import Fill, verified

Form: TypeAlias = Literal["tar", "folder", "executable"]

STDOUT = "-"
_ENVIRONMENT, _PLATFORM = "{environment}", "{platform}"


class PackTarget(NamedTuple):
    """Whose pack a name is for."""

    environment: str
    platform: str
    """Its name."""
    subdir: str


def output_names(template: str | None, form: Form, targets: Sequence[PackTarget]) -> tuple[str, ...]:
    """A name for the pack of each target; None: pixi-pack's for a single one, else one that tells it apart.

    A self-extracting file ends as its system wants it, whatever was asked for: pixi-pack does the same.

    Raises:
        UsageError: several packs would have one name.
    """
    if template is None:
        template = "environment" if len(targets) == 1 else f"{_ENVIRONMENT}-{_PLATFORM}"
        template += ".tar" if form == "tar" else ""
    if template == STDOUT:
        if len(targets) > 1:
            raise UsageError(f"stdout takes one pack, and {len(targets)} are asked for: name files with -o.")
        return (STDOUT,)
    names = tuple(_name(template, form, target) for target in targets)
    if len(set(names)) < len(names):
        lacking = " and ".join(each for each in (_ENVIRONMENT, _PLATFORM) if each not in template)
        raise UsageError(
            f"-o {template} gives several packs one name. Put {lacking or 'something'} into it that tells them apart."
        )
    return names


def _name(template: str, form: Form, target: PackTarget) -> str:
    name = template.replace(_ENVIRONMENT, _plain(target.environment)).replace(_PLATFORM, _plain(target.platform))
    if form != "executable":
        return name
    path = Path(name)
    return str(path.with_suffix(".ps1" if target.subdir.startswith("win-") else ".sh")) if path.name else name


def _plain(word: str) -> str:
    return word.replace("/", "_").replace("\\", "_")


_BUFFER = 1 << 18
_LOCK, _NEW, _REPLACED = "lock", "new", "replaced"
"""What is in a folder of ours: the lock, the pack, and the one that it takes the place of."""
_END = re.compile(r"[0-9a-f]{16}\.partial")
_PUBLIC, _EXECUTABLE = 0o666, 0o777
"""Modes, before the umask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPack:
    """A pack that was written."""

    size: int
    """Bytes: of the file, or of all files of the folder."""
    sha256: Sha256 | None
    """Of the file; None: it is a folder."""


def write_file(
    target: Path,
    fill: Fill,
    *,
    is_executable: bool = False,
    check: Callable[[Path], None] | None = None,
    what: str = "the pack",
) -> WrittenPack:
    """Make the file at `target` what `fill` writes; a file that stands there is replaced in one step.

    Args:
        target: where it is to be.
        fill: writes it.
        is_executable: whether it may be run.
        check: is given the file when it is synced and has another name still; it raises an error if it is wrong.
        what: how messages call it.

    Raises:
        MachineError: it cannot be written.
    """
    refuse_occupied(target, is_folder=False)
    with explain_errors(f"write {what}", target):
        unsynced = {*make_directory(target.parent), target.parent}
        _clear_leftovers(target)
        temporary, descriptor = _begun(target, _EXECUTABLE if is_executable else _PUBLIC)
        try:
            with open(descriptor, "wb", buffering=_BUFFER) as file, HashingWriter(file.write) as writer:
                fill(writer.write)
                file.flush()
                os.fsync(file.fileno())
                written = WrittenPack(size=writer.size, sha256=writer.sha256)
                if check is not None:
                    check(temporary)
            os.replace(temporary, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        sync_directories(unsynced)
    return written


def _begun(target: Path, mode: int) -> tuple[Path, int]:
    """A new file beside `target`, open and locked, so that nobody takes it for what a killed run has left."""
    while True:
        temporary = _beside(target)
        descriptor = os.open(temporary, NEW_FILE, mode)
        if wait_for_lock(descriptor, temporary):
            return temporary, descriptor
        os.close(descriptor)


def _clear_leftovers(target: Path) -> None:
    """Remove what killed runs for the same target have left, which nobody has locked; put back what had made room."""
    beginning = _beginning(target)
    for path in sorted(target.parent.iterdir()):
        if not path.name.startswith(beginning) or not _END.fullmatch(path.name, len(beginning)) or path.is_symlink():
            continue
        lock = path / _LOCK if path.is_dir() else path
        with suppress(BusyError, MachineError, OSError), _unlocked(lock, target):  # another user's stays
            if path.is_file():
                path.unlink()
                continue
            if (path / _REPLACED).is_dir() and not os.path.lexists(target):
                os.rename(path / _REPLACED, target)
            shutil.rmtree(path)


def _unlocked(lock: Path, target: Path) -> AbstractContextManager[object]:
    return lock_file(lock, timeout_s=0, signed=False, what=f"the pack {target}")


def write_stream(stream: BinaryIO, fill: Fill) -> WrittenPack:
    """Write what `fill` writes to a stream that is open.

    Raises:
        MachineError: whoever reads it has gone away.
    """
    with explain_errors("write the pack to", "stdout"), HashingWriter(stream.write) as writer:
        fill(writer.write)
        stream.flush()
        return WrittenPack(size=writer.size, sha256=writer.sha256)


def write_folder(
    target: Path, parts: Iterable[Part], *, distrust: Callable[[Path], None], advance: Callable[[int], None]
) -> WrittenPack:
    """Make a folder of the parts at `target`; files are links where that can be, as in a mirror, else copies.

    A folder that stands there is replaced if it is empty or a pack: what it held is gone, so that nothing stale is
    installed.

    Raises:
        MachineError: there is something else, or it cannot be written.
        WrongBytesError: a file has changed since it was verified.
    """
    parts = tuple(parts)
    refuse_occupied(target, is_folder=True)
    with explain_errors("write the pack", target):
        make_directory(target.parent)
        _clear_leftovers(target)
        with _workplace(target) as work:
            new = work / _NEW
            for folder in ("", *sorted(folders(parts))):
                (new / folder).mkdir()
            for part in parts:
                _place(part, new, distrust=distrust)
                advance(part.size)
            sync_directories([new, *(new / folder for folder in folders(parts))])
            _exchange(work, target)
        sync_directories([target.parent])
    return WrittenPack(size=sum(part.size for part in parts), sha256=None)


def refuse_wrong(parts: Iterable[Part], *, distrust: Callable[[Path], None]) -> None:
    """Read every part once, so that a stream which cannot be taken back is not begun in vain.

    Raises:
        WrongBytesError: a file has changed since it was verified.
        MachineError: a file cannot be read.
    """
    for part in parts:
        for _ in verified(part, distrust=distrust):
            pass


def refuse_occupied(target: Path, *, is_folder: bool) -> None:
    """Refuse a target at which something stands that a pack does not take the place of.

    Raises:
        MachineError: it does.
    """
    with explain_errors("look at", target):
        if not is_folder and target.is_dir():
            raise MachineError(f"{target} is a directory, and the pack is to be a file. Choose another name with -o.")
        if not is_folder or not os.path.lexists(target):
            return
        if not target.is_dir() or target.is_symlink():
            raise MachineError(f"{target} is no directory, and the pack is to be one. Choose another name with -o.")
        if any(target.iterdir()) and not (target / METADATA).is_file():
            raise MachineError(
                f"{target} holds other things than a pack (it has no {METADATA}), so it is not replaced. Choose "
                "another name with -o, or remove it."
            )


@contextmanager
def _workplace(target: Path) -> Iterator[Path]:
    """A folder of ours beside `target`, empty but for its lock, and gone afterwards."""
    while True:
        work = _beside(target)
        work.mkdir()
        with suppress(FileNotFoundError):  # before it was locked, somebody took it for what a killed run has left
            descriptor = os.open(work / _LOCK, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
            if wait_for_lock(descriptor, work / _LOCK):
                break
            os.close(descriptor)
    try:
        yield work
    finally:
        os.close(descriptor)
        with suppress(OSError):  # the next run clears it
            shutil.rmtree(work)


def _place(part: Part, work: Path, *, distrust: Callable[[Path], None]) -> None:
    place = work / part.name
    temporary = _beside(place)
    if isinstance(part.source, bytes):
        write_synced(place, part.source, temporary=temporary)
        return
    refuse_wrong([part], distrust=distrust)
    link_or_copy(part.source, place, sha256=part.sha256, temporary=temporary)


def _exchange(work: Path, target: Path) -> None:
    """Name the folder that was made; one that stands there makes room first, and comes back if that fails."""
    if not target.exists():
        os.rename(work / _NEW, target)
        return
    os.rename(target, work / _REPLACED)
    try:
        os.rename(work / _NEW, target)
    except BaseException:
        os.rename(work / _REPLACED, target)
        raise


def _beside(target: Path) -> Path:
    return target.with_name(f"{_beginning(target)}{fresh_name()}.partial")


def _beginning(target: Path) -> str:
    return f".{target.name[:64]}."
