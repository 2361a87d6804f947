"""Read a conda package: what it says of itself, and its members, each checked before anything is made of it.

No member and no link may lie or lead outside of the package, and none may lie below a link.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from pixi_mirror.archives.compression import DecompressedStream
from pixi_mirror.archives.streams import ByteStream
from pixi_mirror.archives.tar import TarContent, TarMember, plain_path, read_tar
from pixi_mirror.archives.zip import StoredContent
from pixi_mirror.conda.archives import find_parts
from pixi_mirror.environments.links import refuse_link_out
from pixi_mirror.environments.stored_file import StoredFile
from pixi_mirror.environments.zstd_program import decompress_zstd_stream
from pixi_mirror.errors import WrongBytesError

LARGEST_CONTENT = 64 << 30
"""Bytes that one package may become; the largest that there are have about 5 GiB."""

_CONTROL = re.compile(r"[\x00-\x1f]")
_PARTS = ("pkg", "info")
_PIECE_SIZE = 1 << 17
_LARGEST_DOCUMENT = 256 << 20
_INDEX, _PATHS, _LINK = "info/index.json", "info/paths.json", "info/link.json"
_DOCUMENTS = frozenset({_INDEX, _PATHS, _LINK, "info/files", "info/has_prefix"})


class CondaArchive(NamedTuple):
    """A conda package on this disk, verified, and what its record in the environment is to say."""

    stored: StoredFile
    file_name: str
    subdir: str
    """Of the channel's folder that it lies in."""
    record: dict[str, Any]
    """As in `repodata.json`."""
    url: str
    """Where it once came from."""
    channel: str | None
    """The URL of its channel; None: nobody knows."""

    @property
    def name(self) -> str:
        """The package's name, in lower case."""
        return str(self.record["name"]).lower()

    @property
    def stem(self) -> str:
        """Name, version and build, as they begin the file's name."""
        return self.file_name[: -len(".conda" if self.is_new else ".tar.bz2")]

    @property
    def is_new(self) -> bool:
        """Whether it is a `.conda`, which is a zip archive of two tars."""
        return self.file_name.endswith(".conda")


class CheckedMember(NamedTuple):
    """A file or a link in a conda package."""

    path: str
    """Relative and plain."""
    header: TarMember
    content: TarContent


@contextmanager
def explain_damage(file_name: str) -> Iterator[None]:
    """Turn what is wrong with an archive into an error that names it.

    Raises:
        WrongBytesError: the block found it wrong.
    """
    try:
        yield
    except ValueError as error:
        raise WrongBytesError(
            f"{file_name} is damaged, or no package that can be installed: {error}. Copy the pack again, or make it "
            "again with another build of this package."
        ) from error


def read_documents(archive: CondaArchive, scratch: Path) -> dict[str, bytes]:
    """Return the documents below `info/` that say what the package holds, by path.

    Args:
        archive: the package.
        scratch: a folder for temporary files.

    Raises:
        WrongBytesError: the package is damaged, holds what leads outside, or has no such documents.
        ProgramError: nothing here can read zstd.
    """
    found: dict[str, bytes] = {}
    with explain_damage(archive.file_name), closing(read_members(archive, "info", scratch)) as members:
        for member in members:
            if member.path in _DOCUMENTS and member.header.kind == "file":
                if member.header.size > _LARGEST_DOCUMENT:
                    raise ValueError(f"its {member.path} has {member.header.size} bytes")
                found[member.path] = member.content.read()
            elif not member.path.startswith("info/") and _is_enough(found):
                break  # an old package is one tar that begins with its documents
        if _INDEX not in found or not found.keys() & {_PATHS, "info/files"}:
            raise ValueError(f"it has no {_INDEX}, or no list of its files")
    return found


def _is_enough(found: dict[str, bytes]) -> bool:
    return found.keys() >= {_INDEX, _PATHS} and (_LINK in found or b'"noarch"' not in found[_INDEX])


def read_members(archive: CondaArchive, part: str, scratch: Path) -> Generator[CheckedMember, None, None]:
    """Yield the files and links of one part of a package, `info` or `pkg`; an old package has only one part.

    Raises:
        ValueError: it is damaged, or holds what leads outside or is neither file, folder nor link.
        ProgramError: nothing here can read zstd.
    """
    names = _MemberNames()
    with _open_part(archive, part, scratch) as stream:
        for header, content in read_tar(stream, needs_end=False):
            path = names.admit(header)
            if path:
                yield CheckedMember(path, header, content)
        while stream.read(_PIECE_SIZE):
            pass  # a checksum stands behind the last byte


@contextmanager
def _open_part(archive: CondaArchive, part: str, scratch: Path) -> Iterator[ByteStream]:
    with archive.stored.open() as file:
        if not archive.is_new:
            yield DecompressedStream(file, kinds=("bzip2",), limit=LARGEST_CONTENT)
            return
        member = find_parts(file)[_PARTS.index(part)]
        with decompress_zstd_stream(StoredContent(file, member), scratch, LARGEST_CONTENT) as stream:
            yield stream


class _MemberNames:
    """The names of one archive so far: whatever is made by them stays inside."""

    def __init__(self) -> None:
        self._folders: set[str] = set()
        self._others: set[str] = set()
        self._size = 0

    def admit(self, header: TarMember) -> str:
        """Return the path of a file or a link; the empty text: the member is a folder, of which nothing is made."""
        path = plain_path(header.name)
        if _CONTROL.search(path):
            raise ValueError(f"the member {path[:200]!r} has a name with control characters")
        if header.kind == "folder" or not path:
            self._add_folder(path)
            if header.kind != "folder":
                raise ValueError("a member that is no folder has no name")
            return ""
        self._add_folder(path.rpartition("/")[0])
        if path in self._folders:
            raise ValueError(f"{path} is a folder and something else")
        if header.kind == "symlink":
            refuse_link_out(path, header.target)
        elif header.kind not in ("file", "sparse", "hardlink"):
            raise ValueError(f"{path} is neither file, folder nor link")
        self._size += header.size
        if self._size > LARGEST_CONTENT:
            raise ValueError(f"it would become more than {LARGEST_CONTENT} bytes")
        self._others.add(path)
        return path

    def _add_folder(self, path: str) -> None:
        while path and path not in self._folders:
            if path in self._others:
                raise ValueError(f"{path} is a folder and something else, such as a link")
            self._folders.add(path)
            path = path.rpartition("/")[0]
