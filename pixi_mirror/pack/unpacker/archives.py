"""Extract a conda package into a folder of its own; nothing of it can lie outside."""

from __future__ import annotations

import bz2
import os
import posixpath
import shutil
import stat
import subprocess
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from pixi_mirror.pack.unpacker.packs import Package
from pixi_mirror.pack.unpacker.refusal import PROGRAM, WRONG_BYTES, Refusal, plain
from pixi_mirror.pack.unpacker.tars import members

_PIECE = 1 << 20
_EARLIEST, _LATEST = 315_532_800, 1 << 33
"""Seconds: the beginning of 1980, as rattler has it, and what every filesystem keeps."""


def extract(package: Package, folder: Path, scratch: Path) -> None:
    """Extract a package into `folder`, which is new; `scratch` is a folder for what is needed meanwhile.

    Raises:
        Refusal: it is damaged, holds what leads outside, or zstd is missing.
    """
    made: set[str] = set()
    folder.mkdir()
    try:
        with package.source.open() as file:
            if package.file_name.endswith(".tar.bz2"):
                with bz2.open(file) as stream:
                    _take(cast("BinaryIO", stream), folder, made, package.path)
                return
            with zipfile.ZipFile(file) as archive:
                for start in ("pkg-", "info-"):
                    with archive.open(_part(archive, start, package.path)) as part:
                        _take_zstd(cast("BinaryIO", part), folder, made, package.path, scratch)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError) as error:
        raise _broken(package.path, error) from error
    except OSError as error:
        if error.errno is None:  # bz2 complains of wrong bytes so
            raise _broken(package.path, error) from error
        raise


def require_zstd() -> None:
    """Refuse to begin where nothing can read a `.conda`.

    Raises:
        Refusal: neither this Python nor a program can.
    """
    if _library() is None and _program() is None:
        raise Refusal(
            "the packages are compressed with zstd, which this Python cannot read. Install the program `zstd` (most "
            "systems have a package of that name), or run this with Python 3.14 or newer",
            status=PROGRAM,
        )


def _part(archive: zipfile.ZipFile, start: str, where: str) -> zipfile.ZipInfo:
    found = [each for each in archive.infolist() if each.filename.startswith(start)]
    if len(found) != 1 or not found[0].filename.endswith(".tar.zst"):
        raise _broken(where, f"it has {len(found)} members {start}*.tar.zst, and a conda package has one")
    return found[0]


def _library() -> type | None:
    try:
        from compression import zstd
    except ImportError:
        return None
    return cast("type", zstd.ZstdFile)


def _program() -> str | None:
    return shutil.which("zstd") or shutil.which("unzstd")


def _take_zstd(part: BinaryIO, folder: Path, made: set[str], where: str, scratch: Path) -> None:
    if reader := _library():
        from compression import zstd

        try:
            with reader(part) as stream:
                _take(stream, folder, made, where)
        except zstd.ZstdError as error:
            raise _broken(where, error) from error
        return
    require_zstd()
    with _decompressed(part, where, scratch) as stream:
        _take(stream, folder, made, where)


@contextmanager
def _decompressed(part: BinaryIO, where: str, scratch: Path) -> Iterator[BinaryIO]:
    """What the program `zstd` makes of a member, which it is given as a file: feeding it could wait for ever."""
    with tempfile.TemporaryFile(dir=scratch) as copy, tempfile.TemporaryFile(dir=scratch) as said:
        shutil.copyfileobj(part, copy, _PIECE)
        copy.seek(0)
        command = [str(_program()), "-d", "-c", "-q"]
        with subprocess.Popen(command, stdin=copy, stdout=subprocess.PIPE, stderr=said) as process:  # noqa: S603 - ours
            assert process.stdout is not None  # noqa: S101 - a pipe was asked for
            try:
                yield cast("BinaryIO", process.stdout)
            except Refusal:
                process.kill()
                raise
            finally:
                process.stdout.close()
        if process.returncode:
            said.seek(0)
            words = said.read(500).decode("utf-8", "replace").strip()
            raise _broken(where, f"zstd ended with {process.returncode}: {words}")


def _take(stream: BinaryIO, folder: Path, made: set[str], where: str) -> None:
    """Make what a tar holds, and read on to the end: a checksum stands behind the last byte."""
    for member, body in members(stream, where):
        target = folder / member.name
        if member.kind == "folder" or not member.name:
            _folder(folder, member.name, made, where)
            continue
        _folder(folder, posixpath.dirname(member.name), made, where)
        if os.path.lexists(target):
            if stat.S_ISDIR(os.lstat(target).st_mode):
                raise _broken(where, f"{member.name} is a folder and something else")
            target.unlink()  # the later one counts, as in every tar
        if member.kind == "softlink":
            _soft_link(member.target, target, where)
        elif member.kind == "hardlink":
            _hard_link(folder, member.target, target, made, where)
        else:
            with target.open("xb") as file:
                file.writelines(body.chunks())
            target.chmod(member.mode & 0o777 | 0o600)
            time = min(max(member.time, _EARLIEST), _LATEST)
            os.utime(target, (time, time))
    while stream.read(_PIECE):
        pass


def _folder(folder: Path, name: str, made: set[str], where: str) -> None:
    """Make a folder and those above it, none of which may be a link."""
    if not name or name in made:
        return
    _folder(folder, posixpath.dirname(name), made, where)
    path = folder / name
    if os.path.lexists(path):
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            raise _broken(where, f"{name} is a folder and something else")
    else:
        path.mkdir()
    made.add(name)


def _soft_link(leads_to: str, target: Path, where: str) -> None:
    # Where it leads is looked at when it is put into the environment, which may be elsewhere in the tree.
    if not leads_to or "\0" in leads_to or posixpath.isabs(leads_to):
        raise _broken(where, f"the link {target.name} leads outside of the package, to {leads_to!r}")
    target.symlink_to(leads_to)


def _hard_link(folder: Path, leads_to: str, target: Path, made: set[str], where: str) -> None:
    name = plain(leads_to, where)
    original = folder / name
    known = not posixpath.dirname(name) or posixpath.dirname(name) in made
    if not known or not os.path.lexists(original) or not stat.S_ISREG(os.lstat(original).st_mode):
        raise _broken(where, f"{target.name} is a link to {leads_to!r}, which is no file before it")
    shutil.copy2(original, target)  # each is put into the environment by itself


def _broken(where: str, why: object) -> Refusal:
    return Refusal(f"{where} is no conda package, or a damaged one: {why}", status=WRONG_BYTES)
