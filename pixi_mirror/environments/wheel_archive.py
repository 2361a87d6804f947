"""Read a wheel: its metadata, its files, and where each belongs, as the binary distribution format says."""

from __future__ import annotations

import base64
import configparser
import csv
import hashlib
import io
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from pixi_mirror.archives.tar import plain_path
from pixi_mirror.environments.commands import EntryPoint, parse_entry_point
from pixi_mirror.environments.prefix import Prefix, PrefixPython
from pixi_mirror.environments.stored_file import StoredFile
from pixi_mirror.errors import WrongBytesError

LARGEST_WHEEL_CONTENT = 64 << 30
"""Bytes that one wheel may become."""

_LARGEST_METADATA = 64 << 20
_STRANGE = frozenset('\\:<>"|?*\0')
_UNIX = 3
_EXECUTE = 0o111


class PackedWheel(NamedTuple):
    """A wheel on this disk."""

    stored: StoredFile
    file_name: str
    name: str
    """Of the project, normalised."""
    version: str
    sha256: str
    """What its bytes come to."""
    is_verified: bool
    """Whether that is what the pack promised; else its content has to be what its own RECORD says."""


class WheelFile(NamedTuple):
    """One file of a wheel."""

    info: zipfile.ZipInfo
    path: str
    """In the prefix."""
    is_script: bool
    """Whether it is a command, whose first line may name the Python."""
    expected: str
    """What RECORD says its bytes come to, such as `sha256=…`; empty: nothing."""

    @property
    def is_executable(self) -> bool:
        """Whether it can be run: every command, whatever the archive says of it."""
        mode = self.info.external_attr >> 16 if self.info.create_system == _UNIX else 0
        return self.is_script or (stat.S_ISREG(mode) and bool(mode & _EXECUTE))


class WheelContent(NamedTuple):
    """What a wheel brings."""

    info: str
    """The folder of its metadata, in the prefix."""
    files: tuple[WheelFile, ...]
    commands: tuple[EntryPoint, ...]


@contextmanager
def explain_bad_wheel(file_name: str) -> Iterator[None]:
    """Turn what is wrong with a wheel into an error that names it.

    Raises:
        WrongBytesError: the block found it wrong.
    """
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError,
            configparser.Error, csv.Error) as error:  # fmt: skip
        raise WrongBytesError(
            f"the wheel {file_name} cannot be installed: {error}. Nothing was installed; make the pack again, or copy "
            "it again."
        ) from error


@contextmanager
def open_wheel(wheel: PackedWheel) -> Iterator[zipfile.ZipFile]:
    """Open a wheel for reading.

    Raises:
        WrongBytesError: it, or what the block finds in it, is damaged.
        OSError: it cannot be read.
    """
    with explain_bad_wheel(wheel.file_name), wheel.stored.open() as file, zipfile.ZipFile(file) as archive:
        yield archive


def wheel_content(wheel: PackedWheel, archive: zipfile.ZipFile, prefix: Prefix) -> WheelContent:
    """Return what a wheel brings.

    Raises:
        ValueError: it is no wheel, or has a file or a command that would lie outside of the environment.
    """
    python = prefix.python
    if python is None:
        raise ValueError("it needs a Python, and there is none")
    members = {_member_path(each): each for each in archive.infolist() if not each.is_dir()}
    if len(members) != sum(not each.is_dir() for each in archive.infolist()):
        raise ValueError("it has a file twice")
    infos = {path.split("/")[0] for path in members if path.split("/")[0].endswith(".dist-info")}
    if len(infos) != 1:
        raise ValueError(f"it has {len(infos)} folders *.dist-info, and needs one")
    info = infos.pop()
    if _project(info) != wheel.name:
        raise ValueError(f"its metadata are in {info}, which is another project's")
    _refuse_version(_metadata(archive, f"{info}/WHEEL"))
    expected = dict(_recorded(_metadata(archive, f"{info}/RECORD") if f"{info}/RECORD" in members else ""))
    own = {f"{info}/{name}" for name in ("RECORD", "RECORD.jws", "RECORD.p7s", "INSTALLER")}
    files = tuple(
        WheelFile(member, *_place(path, info, prefix, python), expected.get(path, ""))
        for path, member in members.items()
        if path not in own and "__pycache__" not in path.split("/")[:-1]  # Python compiles what is here itself
    )
    if sum(each.info.file_size for each in files) > LARGEST_WHEEL_CONTENT:
        raise ValueError(f"it would become more than {LARGEST_WHEEL_CONTENT} bytes")
    points = f"{info}/entry_points.txt"
    commands = tuple(_commands(_metadata(archive, points))) if points in members else ()
    return WheelContent(f"{python.site_packages}/{info}", files, commands)


def _member_path(member: zipfile.ZipInfo) -> str:
    is_link = member.create_system == _UNIX and stat.S_ISLNK(member.external_attr >> 16)
    if is_link or _STRANGE & set(member.filename) or any(letter < " " for letter in member.filename):
        raise ValueError(f"its member {member.filename!r} is a link, or has a name that not every system can have")
    path = plain_path(member.filename)
    if path != member.filename:
        raise ValueError(f"its member {member.filename!r} has no plain name")
    return path


def _metadata(archive: zipfile.ZipFile, name: str) -> str:
    try:
        member = archive.getinfo(name)
    except KeyError:
        raise ValueError(f"it has no {name}") from None
    if member.file_size > _LARGEST_METADATA:
        raise ValueError(f"its {name} has {member.file_size} bytes")
    return archive.read(member).decode("utf-8")


def _refuse_version(text: str) -> None:
    """The format says: "Abort if major version is greater"."""
    found = re.search(r"(?im)^Wheel-Version:\s*(\d+)\.\d+\s*$", text)
    if found is None or found[1] != "1":
        raise ValueError("its file WHEEL says no version 1.x of the format")


def _recorded(text: str) -> Iterator[tuple[str, str]]:
    """Path and hash of each row of RECORD; some writers have backslashes in paths."""
    for row in csv.reader(io.StringIO(text)):
        if len(row) > 1:
            yield row[0].replace("\\", "/"), row[1]


def _place(path: str, info: str, prefix: Prefix, python: PrefixPython) -> tuple[str, bool]:
    """Where in the prefix a file of a wheel belongs, and whether it is a command there."""
    first, _, rest = path.partition("/")
    if first != f"{info[: -len('.dist-info')]}.data":
        return f"{python.site_packages}/{path}", False
    scheme, _, rest = rest.partition("/")
    headers = "Include" if prefix.is_windows else f"include/python{python.series}"
    places = {
        "purelib": f"{python.site_packages}/",
        "platlib": f"{python.site_packages}/",
        "scripts": f"{python.commands}/",
        "headers": f"{headers}/{first.partition('-')[0]}/",
        "data": "",
    }
    if scheme not in places or not rest:
        raise ValueError(f"it has {path}, and the format does not say where that belongs")
    return places[scheme] + rest, scheme == "scripts"


class _EntryPoints(configparser.ConfigParser):
    """Entry points, whose names keep their case."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def _commands(text: str) -> Iterator[EntryPoint]:
    parser = _EntryPoints(delimiters=("=",), interpolation=None, strict=False)
    parser.read_string(text)
    for section in ("console_scripts", "gui_scripts"):
        for name, value in parser.items(section) if parser.has_section(section) else ():
            point = parse_entry_point(f"{name} = {value}")
            if _STRANGE & set(point.name):
                raise ValueError(f"its command {point.name!r} has a name that not every system can have")
            yield point


def _project(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.partition("-")[0]).lower()


def encoded_digest(kind: str, digest: bytes) -> str:
    """Return a hash as RECORD has it."""
    return f"{kind}={base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def checked_pieces(member: WheelFile, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Pass the content of a file on, and compare it with what RECORD says; a row without a hash says nothing.

    Raises:
        ValueError: it is something else; after the last piece.
    """
    kind, _, value = member.expected.partition("=")
    if not value or kind not in hashlib.algorithms_available:
        yield from pieces
        return
    digest = hashlib.new(kind, usedforsecurity=False)
    for piece in pieces:
        digest.update(piece)
        yield piece
    if encoded_digest(kind, digest.digest()) != f"{kind}={value.rstrip('=')}":
        raise ValueError(f"{member.info.filename} is not what its RECORD says")
