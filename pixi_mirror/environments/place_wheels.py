"""Install wheels into an environment that is being made. Nothing of them is run.

Not with uv, though it is faster: it writes the path of the folder that the environment is made in into scripts, and
starts the Python of the environment, which another platform's does not.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import posixpath
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from pixi_mirror.environments.commands import CommandFile, command_files
from pixi_mirror.environments.conda_plan import RECORDS
from pixi_mirror.environments.folders import NewFolders
from pixi_mirror.environments.links import LinkMap
from pixi_mirror.environments.place_conda import write_new_file
from pixi_mirror.environments.placeholders import shebang_of_python
from pixi_mirror.environments.prefix import Prefix, PrefixPython
from pixi_mirror.environments.wheel_archive import (
    PackedWheel,
    WheelContent,
    WheelFile,
    checked_pieces,
    encoded_digest,
    explain_bad_wheel,
    open_wheel,
    wheel_content,
)
from pixi_mirror.errors import MachineError

INSTALLER = "pixi-mirror"
NOTE = "pixi-mirror.json"
"""What stands beside `RECORD`: the sha256 of the wheel."""

_PIECE_SIZE = 1 << 18
_PROGRAM, _PLAIN = 0o755, 0o644


class PlannedWheel(NamedTuple):
    """A wheel and where its files go."""

    wheel: PackedWheel
    content: WheelContent
    commands: tuple[CommandFile, ...]
    python: PrefixPython
    real: dict[str, str]
    """Path in the prefix -> the same with no link in it; only of files that no later wheel brings, too."""


def plan_wheels(
    wheels: Sequence[PackedWheel], prefix: Prefix, links: LinkMap, launcher: bytes | None
) -> list[PlannedWheel]:
    """Return where the files of wheels go; of a file that several bring, the last one's stays, in the order given.

    Args:
        wheels: none of them is trusted.
        prefix: the environment, with its conda packages.
        links: all links of the environment.
        launcher: for Windows, what starts commands.

    Raises:
        WrongBytesError: a wheel is damaged, or no wheel that can be installed safely.
        MachineError: two of them bring a file and a folder of one name.
        OSError: a wheel cannot be read.
    """
    found: list[PlannedWheel] = []
    last: dict[str, int] = {}
    for number, wheel in enumerate(wheels):
        with open_wheel(wheel) as archive:
            content = wheel_content(wheel, archive, prefix)
            assert prefix.python is not None  # noqa: S101 - `wheel_content` has looked
            program = "python.exe" if prefix.is_windows else "bin/python"
            commands = tuple(
                each
                for point in content.commands
                for each in command_files(point, prefix, program=program, launcher=launcher)
            )
            paths = [*(each.path for each in content.files), *(each.path for each in commands)]
            paths += [f"{content.info}/{name}" for name in ("INSTALLER", NOTE, "RECORD")]
            real = {path: _real_path(path, links) for path in paths}
        last.update(dict.fromkeys(real.values(), number))
        found.append(PlannedWheel(wheel, content, commands, prefix.python, real))
    _refuse_files_as_folders(last, wheels)
    return [
        each._replace(real={path: place for path, place in each.real.items() if last[place] == number})
        for number, each in enumerate(found)
    ]


def _real_path(path: str, links: LinkMap) -> str:
    """Return a path whose folder is reached through no link; what is at the path itself is replaced."""
    folder = links.resolve(posixpath.dirname(path))
    if folder.split("/")[0] == RECORDS:
        raise ValueError(f"it brings {path}, and {RECORDS} is for the records of conda packages")
    return f"{folder}/{posixpath.basename(path)}" if folder else path.rpartition("/")[2]


def _refuse_files_as_folders(last: dict[str, int], wheels: Sequence[PackedWheel]) -> None:
    for place, number in last.items():
        above = posixpath.dirname(place)
        while above:
            if above in last:
                one, other = wheels[last[above]].file_name, wheels[number].file_name
                raise MachineError(
                    f"{one} and {other} cannot be installed together: {above} is a file in one and a folder in the "
                    "other. Make the pack again with one of them."
                )
            above = posixpath.dirname(above)


def place_wheel(planned: PlannedWheel, prefix: Prefix, check: Callable[[], None]) -> None:
    """Install one wheel.

    Args:
        planned: the wheel and where its files go.
        prefix: the environment, with its conda packages and links.
        check: is called before each file, and may raise.

    Raises:
        WrongBytesError: it is damaged, or not what its RECORD says and nothing else says what it is.
        MachineError: a conda package has a folder where it has a file, or a file where it has a folder.
        OSError: a file cannot be written.
    """
    placing = _PlacingWheel(planned, prefix)
    with open_wheel(planned.wheel) as archive:
        for member in planned.content.files:
            check()
            placing.take(archive, member)
    with explain_bad_wheel(planned.wheel.file_name):
        placing.finish()


class _PlacingWheel:
    """One wheel on its way into the environment."""

    def __init__(self, planned: PlannedWheel, prefix: Prefix) -> None:
        self._planned, self._prefix = planned, prefix
        self._folders = NewFolders(prefix.here)
        self._rows: dict[str, tuple[str, int]] = {}

    def take(self, archive: zipfile.ZipFile, member: WheelFile) -> None:
        """Install a file."""
        with archive.open(member.info) as file:
            pieces = iter(lambda: file.read(_PIECE_SIZE), b"")
            if not self._planned.wheel.is_verified:
                pieces = checked_pieces(member, pieces)
            if member.is_script:
                pieces = self._with_shebang(pieces)
            self._write(member.path, pieces, is_program=member.is_executable)

    def finish(self) -> None:
        """Install what is made here: commands, notes, and RECORD."""
        info = self._planned.content.info
        for command in self._planned.commands:
            self._write(command.path, iter([command.data]), is_program=True)
        self._write(f"{info}/INSTALLER", iter([f"{INSTALLER}\n".encode()]))
        self._write(f"{info}/{NOTE}", iter([json.dumps({"sha256": self._planned.wheel.sha256}).encode()]))
        text = io.StringIO()
        rows = [(self._relative(path), digest, str(size)) for path, (digest, size) in sorted(self._rows.items())]
        csv.writer(text, lineterminator="\n").writerows([*rows, (self._relative(f"{info}/RECORD"), "", "")])
        self._write(f"{info}/RECORD", iter([text.getvalue().encode("utf-8", "surrogateescape")]))

    def _relative(self, path: str) -> str:
        return posixpath.relpath(path, self._planned.python.site_packages)

    def _with_shebang(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        start = next(pieces, b"")  # of up to a MiB
        if start.startswith(b"#!python"):
            _, end, rest = start.partition(b"\n")
            program = self._prefix.in_place("python.exe" if self._prefix.is_windows else "bin/python")
            start = shebang_of_python(program) + end + rest
        yield start
        yield from pieces

    def _write(self, path: str, pieces: Iterator[bytes], *, is_program: bool = False) -> None:
        place = self._planned.real.get(path)
        if place is None:  # a later wheel brings it, too
            digest, size = hashlib.sha256(), 0
            for piece in pieces:
                digest.update(piece)
                size += len(piece)
            self._rows[path] = (encoded_digest("sha256", digest.digest()), size)
            return
        target = self._room(place)
        mode = _PROGRAM if is_program else _PLAIN
        size, sha256 = write_new_file(target, pieces, mode=mode, mtime=None, is_hashed=True)
        self._rows[path] = (encoded_digest("sha256", bytes.fromhex(sha256)), size)

    def _room(self, place: str) -> str:
        try:
            return self._folders.clear(place)
        except (FileExistsError, IsADirectoryError) as error:
            raise MachineError(
                f"{self._planned.wheel.file_name} cannot be installed: where it has {place}, a conda package of the "
                f"pack has a folder, or a file in place of a folder ({error.filename}). Make the pack again without "
                "one of them."
            ) from error
