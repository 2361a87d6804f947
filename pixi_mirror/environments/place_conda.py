"""Put the files of one conda package into an environment that is being made.

Links are collected and made when every file of every package is there: until then the environment holds no link that
a file could be written through.
"""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from pixi_mirror.archives.tar import plain_path
from pixi_mirror.disk.files import NEW_FILE
from pixi_mirror.environments.conda_archive import CheckedMember, CondaArchive, explain_damage, read_members
from pixi_mirror.environments.conda_paths import PackagePath, PackagePaths
from pixi_mirror.environments.conda_plan import PlannedPackage
from pixi_mirror.environments.folders import NewFolders
from pixi_mirror.environments.links import refuse_link_out
from pixi_mirror.environments.placeholders import replace_prefix
from pixi_mirror.environments.prefix import Prefix
from pixi_mirror.errors import ProgramError

_PERMISSIONS = 0o777
_BY_DESCRIPTOR = hasattr(os, "fchmod") and os.utime in os.supports_fd
_EARLIEST, _LATEST = 315_532_800, 1 << 33
"""Seconds: the beginning of 1980, as rattler has it, and what every filesystem keeps."""


class PlacedLink(NamedTuple):
    """A link that is to be made."""

    path: str
    """In the prefix."""
    leads_to: str


class PlacedPackage(NamedTuple):
    """What became of a package."""

    rows: list[dict[str, Any]]
    """What `conda-meta` says of its files and links."""
    links: list[PlacedLink]
    unsigned: list[str]
    """Programs for macOS that were changed, and that this machine cannot sign."""


def place_package(planned: PlannedPackage, prefix: Prefix, scratch: Path, check: Callable[[], None]) -> PlacedPackage:
    """Write the files of a package.

    Args:
        planned: the package and where its files go.
        prefix: the environment, which has no link yet.
        scratch: a folder for temporary files.
        check: is called before each file, and may raise.

    Raises:
        WrongBytesError: it is damaged, contradicts its own list of files, or has no room for the prefix.
        OSError: a file cannot be written.
    """
    placing = _Placing(planned, prefix, check)
    again: set[str] = set()
    with explain_damage(planned.archive.file_name):
        for member, row in listed_members(planned.archive, planned.paths, scratch):
            again |= placing.take(member, row)
        if again:
            placing.take_again(again, scratch)
    return PlacedPackage(placing.rows, placing.links, placing.unsigned)


def listed_members(
    archive: CondaArchive, paths: PackagePaths, scratch: Path
) -> Iterator[tuple[CheckedMember, PackagePath | None]]:
    """Yield the members that are not documents, each with its row in the list of files, if it is there.

    Raises:
        ValueError: the archive is damaged, holds what leads outside, or contradicts its list of files.
    """
    rows = {row.source: row for row in paths.rows}
    missing = {row.source for row in paths.rows if row.kind != "folder"}
    parts = ["pkg", "info"] if archive.is_new and any(each.startswith("info/") for each in missing) else ["pkg"]
    for part in parts:
        with closing(read_members(archive, part, scratch)) as members:
            for member in members:
                row = rows.get(member.path)
                if row is not None:
                    _refuse_contradiction(member, row)
                    missing.discard(member.path)
                yield member, row
    if missing:
        raise ValueError(f"it lacks {', '.join(sorted(missing)[:5])}, which its list of files names")


def _refuse_contradiction(member: CheckedMember, row: PackagePath) -> None:
    kind = "link" if member.header.kind == "symlink" else "file"
    if row.kind not in (None, kind):
        raise ValueError(f"{member.path} is a {kind}, and a {row.kind} in its list of files")
    if kind == "link":
        refuse_link_out(row.path, member.header.target)


class _Placing:
    """One package on its way into the environment."""

    def __init__(self, planned: PlannedPackage, prefix: Prefix, check: Callable[[], None]) -> None:
        self._planned, self._prefix, self._check = planned, prefix, check
        self._folders = NewFolders(prefix.here)
        self._files: dict[str, tuple[str, PackagePath | None]] = {}
        """Name of every file so far -> where it was written; the empty text: nowhere."""
        self._second_names: dict[str, list[tuple[CheckedMember, PackagePath]]] = {}
        self._rows: dict[str, dict[str, Any]] = {}
        self._links: dict[str, PlacedLink] = {}
        self.unsigned: list[str] = []
        for row in planned.paths.rows:
            if row.kind == "folder" and row.path not in planned.moved:
                self._folders.make(row.path)

    @property
    def rows(self) -> list[dict[str, Any]]:
        return list(self._rows.values())

    @property
    def links(self) -> list[PlacedLink]:
        return list(self._links.values())

    def take(self, member: CheckedMember, row: PackagePath | None) -> set[str]:
        """Make one member; the names of files whose content has to be read once more."""
        self._check()
        header = member.header
        if header.kind == "hardlink":
            return self._take_second_name(member, row)
        if header.kind == "symlink":
            if row is not None:
                self._add_link(row, header.target)
            return set()
        if row is None:
            self._files[member.path] = ("", None)
            return set()
        self._files[member.path] = (self._write(member, row, member.content.pieces()), row)
        return set()

    def _take_second_name(self, member: CheckedMember, row: PackagePath | None) -> set[str]:
        """Make a second name of a file that came before; it has a content of its own in the environment."""
        first = plain_path(member.header.target)
        if first not in self._files:
            raise ValueError(f"{member.path} is a second name of {first!r}, which is no file before it")
        place, first_row = self._files[first]
        self._files[member.path] = ("", None)
        if row is None:
            return set()
        header = member.header
        if place and first_row is not None and first_row.placeholder is None:
            with (self._prefix.here / place).open("rb") as file:
                status = os.fstat(file.fileno())
                same = header._replace(mode=stat.S_IMODE(status.st_mode), mtime=status.st_mtime)
                self._write(member._replace(header=same), row, iter(lambda: file.read(1 << 20), b""))
            return set()
        self._second_names.setdefault(first, []).append((member, row))
        return {first}

    def take_again(self, names: set[str], scratch: Path) -> None:
        """Read the archive once more, for files that have second names and were changed when they were written."""
        for member, _ in listed_members(self._planned.archive, self._planned.paths, scratch):
            if member.path not in names or member.header.kind not in ("file", "sparse"):
                continue
            self._check()
            data = member.content.read()
            for other, row in self._second_names[member.path]:
                same = other.header._replace(mode=member.header.mode, mtime=member.header.mtime)
                self._write(other._replace(header=same), row, [data])

    def _forget(self, place: str) -> None:
        """Make room where the archive has a name twice: the later one counts, as in every tar."""
        if self._rows.pop(place, None) is not None and self._links.pop(place, None) is None:
            self._folders.clear(place)

    def _add_link(self, row: PackagePath, leads_to: str) -> None:
        place = self._planned.place_of(row.path)
        self._forget(place)
        self._links[place] = PlacedLink(place, leads_to)
        text = os.fsencode(leads_to)  # rattler hashes where a link leads
        self._describe(row, place, "softlink", {"sha256_in_prefix": _sha256(text), "size_in_bytes": len(text)})

    def _write(self, member: CheckedMember, row: PackagePath, pieces: Iterable[bytes]) -> str:
        place = self._planned.place_of(row.path)
        self._forget(place)
        target = self._folders.file(place)
        is_hashed = row.placeholder is not None or row.sha256 is None
        if row.placeholder is not None:
            pieces = replace_prefix(
                pieces, row.placeholder, self._prefix.path, subdir=self._prefix.subdir, is_text=row.is_text
            )
        mode, mtime = member.header.mode & _PERMISSIONS, min(max(member.header.mtime, _EARLIEST), _LATEST)
        size, sha256 = write_new_file(target, pieces, mode=mode, mtime=mtime, is_hashed=is_hashed)
        prefix_fields: dict[str, Any] = {}
        if row.placeholder is not None:
            prefix_fields = {"file_mode": "text" if row.is_text else "binary", "prefix_placeholder": row.placeholder}
            if not row.is_text and sha256 != row.sha256:
                signed = sign(target, self._prefix.subdir)
                if signed is False:
                    self.unsigned.append(place)
                elif signed:
                    content = Path(target).read_bytes()
                    size, sha256 = len(content), _sha256(content)
                    os.utime(target, (mtime, mtime))
        sums = {"sha256_in_prefix": sha256} if is_hashed else {}
        self._describe(row, place, "hardlink", {**sums, "size_in_bytes": size, **prefix_fields})
        return place

    def _describe(self, row: PackagePath, place: str, kind: str, more: dict[str, Any]) -> None:
        fields: dict[str, Any] = {"_path": place}
        if place != row.path:
            fields["original_path"] = row.path
        fields["path_type"] = kind
        if row.no_link:
            fields["no_link"] = True
        if row.sha256 is not None:
            fields["sha256"] = row.sha256
        self._rows[place] = {**fields, **more}


def write_new_file(
    target: str, pieces: Iterable[bytes], *, mode: int, mtime: float | None, is_hashed: bool
) -> tuple[int, str]:
    """Write a file that is not there, with exactly this mode; its size, and its sha256 or the empty text.

    Raises:
        FileExistsError: there is something.
        OSError: it cannot be written.
    """
    digest, size = hashlib.sha256() if is_hashed else None, 0
    file = os.open(target, NEW_FILE, 0o600)
    try:
        for piece in pieces:
            if digest is not None:
                digest.update(piece)
            size += len(piece)
            written = os.write(file, piece) if piece else 0
            while written < len(piece):  # a disk that is nearly full, or a piece of GiB
                written += os.write(file, memoryview(piece)[written:])
        if _BY_DESCRIPTOR:
            os.fchmod(file, mode)
            if mtime is not None:
                os.utime(file, (mtime, mtime))
    finally:
        os.close(file)
    if not _BY_DESCRIPTOR:
        os.chmod(target, mode)
        if mtime is not None:
            os.utime(target, (mtime, mtime))
    return size, digest.hexdigest() if digest is not None else ""


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


_LONGEST_MESSAGE = 500


def sign(program: str, subdir: str) -> bool | None:
    """Sign a program for the platform `subdir`; None: it needs no signature; False: this machine cannot sign.

    Raises:
        ProgramError: the system's `codesign` failed.
    """
    if subdir != "osx-arm64":
        return None
    if sys.platform != "darwin":
        return False
    command = ["/usr/bin/codesign", "--sign", "-", "--force", "--preserve-metadata=entitlements", program]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - the system's own program
    if done.returncode:
        message = done.stderr.decode("utf-8", "replace").strip()[:_LONGEST_MESSAGE]
        raise ProgramError(f"{program} could not be signed: codesign ended with {done.returncode} and said: {message}")
    return True
