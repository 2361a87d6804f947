"""Find out what a pack holds, of a file, a stream or a folder, and whether every byte is what it promises."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from pixi_mirror.environments.platform import own_subdir
from pixi_mirror.pack.unpacker.refusal import WRONG_BYTES, Refusal, plain, plain_name
from pixi_mirror.pack.unpacker.tars import members

_STEP = 1 << 20
_LARGEST_DOCUMENT = 1 << 30
_SUM = re.compile(r"([0-9A-Fa-f]{64}) [ *](.+)")


class Source(NamedTuple):
    """Where the bytes of one file of a pack are."""

    path: Path
    offset: int
    size: int

    def open(self) -> BinaryIO:
        """The file, to be read and sought in."""
        return cast("BinaryIO", io.BufferedReader(_Window(self), 1 << 16))

    def document(self) -> bytes:
        """All of it.

        Raises:
            Refusal: it is too large to be a document.
        """
        if self.size > _LARGEST_DOCUMENT:
            raise Refusal(f"{self.path}: a document of {self.size} bytes")
        with self.open() as file:
            return file.read()


class Package(NamedTuple):
    """A conda package of a pack."""

    path: str
    """In the pack."""
    source: Source
    record: dict[str, Any]
    """As in `repodata.json`."""

    @property
    def file_name(self) -> str:
        """The last part of its path."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def stem(self) -> str:
        """Name, version and build."""
        return re.sub(r"\.(conda|tar\.bz2)$", "", self.file_name)


class Pack(NamedTuple):
    """What a pack holds."""

    files: dict[str, Source]
    platform: str
    packages: list[Package]
    wheels: list[str]
    """Their paths in the pack."""
    sums: dict[str, str]
    """The sha256 that each file is promised to have; empty: the pack has no SHA256SUMS."""


class _Window(io.RawIOBase):
    """One stretch of a file as a file of its own, with a handle of its own: threads read many at once."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._file = source.path.open("rb", buffering=0)
        self._start, self._size, self._at = source.offset, source.size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def readinto(self, buffer: Any, /) -> int:  # noqa: ANN401 - what can be written to has a name from Python 3.12
        view = memoryview(buffer)[: max(0, self._size - self._at)]
        self._file.seek(self._start + self._at)
        count = self._file.readinto(view) if view else 0
        self._at += count or 0
        return count or 0

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def opened(archive: str, scratch: Path) -> Pack:
    """What the pack at a path holds; `-`: standard input, kept in the folder `scratch` as long as need be.

    Raises:
        Refusal: it is no pack, of another format, for another platform, incomplete, or names something outside.
        OSError: it cannot be read, or nothing can be written.
    """
    files = dict(_listing(archive, scratch))
    archive = "standard input" if archive == "-" else archive
    if "pixi-pack.json" not in files:
        raise Refusal(f"{archive} is no pack: it holds no pixi-pack.json")
    sums = dict(_sums(files["SHA256SUMS"])) if "SHA256SUMS" in files else {}
    if absent := sorted(sums.keys() - files.keys()):
        raise Refusal(f"{archive} lacks {', '.join(absent[:5])}, which its SHA256SUMS lists", status=WRONG_BYTES)
    for name in ("pixi-pack.json", "pixi.lock", *(f"channel/{each}/repodata.json" for each in _subdirs(files))):
        if name in files:
            _verify(files[name], name, sums, {})
    metadata = _object(files["pixi-pack.json"], "pixi-pack.json")
    if metadata.get("version") != "1":
        raise Refusal(f"Unsupported pixi-pack version: {metadata.get('version')}")
    if metadata.get("platform") != own_subdir():
        told = f"it is for {metadata.get('platform')}, and this is {own_subdir()}"
        raise Refusal(f"The pack was created for a different platform: {told}")
    packages = [each for subdir in _subdirs(files) for each in _packages(files, subdir)]
    names = [each.record["name"] for each in packages]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise Refusal(f"{archive} holds several packages called {', '.join(twice)}, of which one can be installed")
    wheels = sorted(name for name in files if re.fullmatch(r"pypi/[^/]+\.whl", name))
    return Pack(files, own_subdir(), packages, wheels, sums)


def verify(pack: Pack, path: str, record: dict[str, Any] | None = None) -> bool:
    """Whether anything promised what a file of the pack has to be.

    Raises:
        Refusal: it is not what was promised.
    """
    return _verify(pack.files[path], path, pack.sums, record or {})


def _verify(source: Source, path: str, sums: dict[str, str], record: dict[str, Any]) -> bool:
    promised = [("sha256", sums.get(path)), ("sha256", record.get("sha256")), ("md5", record.get("md5"))]
    if sums and path not in sums:
        raise Refusal(f"{path} is not in the pack's SHA256SUMS: somebody added it", status=WRONG_BYTES)
    kinds = {"sha256"} if promised[0][1] or promised[1][1] else {"md5"} if promised[2][1] else set()
    digests = {kind: hashlib.new(kind, usedforsecurity=False) for kind in kinds}
    with source.open() as file:
        while chunk := file.read(_STEP if digests else 0):
            for digest in digests.values():
                digest.update(chunk)
    for kind, expected in promised:
        if expected and kind in digests and digests[kind].hexdigest() != str(expected).lower():
            found = digests[kind].hexdigest()
            told = f"expected the {kind} {expected}, found {found}"
            raise Refusal(f"{path} is damaged: {told}. Copy the pack again", status=WRONG_BYTES)
    return bool(digests)


def origins(pack: Pack) -> dict[str, str]:
    """sha256 -> URL that a package came from, as the lock tells that the pack carries, without anything secret."""
    if "pixi.lock" not in pack.files:
        return {}
    found, url = {}, ""
    for line in pack.files["pixi.lock"].document().decode("utf-8", "replace").splitlines():
        if told := re.fullmatch(r"\s*(?:- )?(?:conda|url): (https?://\S+)", line):
            url = re.sub(r"(?<=//)[^/@]*@|/t/[^/]+(?=/)|[?#].*", "", told[1])
        elif digest := re.fullmatch(r"\s+sha256: ([0-9a-f]{64})", line):
            found[digest[1]] = url
    return {digest: url for digest, url in found.items() if url}


def _listing(archive: str, scratch: Path) -> Iterator[tuple[str, Source]]:
    path = Path(archive)
    if path.is_dir():
        for folder, folders, names in os.walk(path):
            folders.sort()
            for name in sorted(names):
                file = Path(folder, name)
                yield file.relative_to(path).as_posix(), Source(file, 0, file.stat().st_size)
        return
    seen = set()
    where = "the pack on standard input" if archive == "-" else f"the pack {archive}"
    with sys.stdin.buffer if archive == "-" else path.open("rb") as stream:
        for member, body in members(cast("BinaryIO", stream), where):
            if member.kind == "folder":
                continue
            if member.kind != "file" or not member.name or member.name in seen or "\\" in member.name:
                raise Refusal(f"{where} holds {member.name!r} as a {member.kind}, or twice")
            seen.add(member.name)
            if archive != "-" and stream.seekable():
                yield member.name, Source(path, stream.tell(), member.size)
                continue
            kept = scratch / str(len(seen))
            with kept.open("xb") as copy:
                copy.writelines(body.chunks())
            yield member.name, Source(kept, 0, member.size)


def _object(source: Source, name: str) -> dict[str, Any]:
    try:
        found = json.loads(source.document())
    except (ValueError, RecursionError) as error:
        raise Refusal(f"the pack's {name} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise Refusal(f"the pack's {name} is not a JSON object")
    return found


def _sums(source: Source) -> Iterator[tuple[str, str]]:
    for line in source.document().decode("utf-8", "surrogateescape").splitlines():
        told = _SUM.fullmatch(line)
        if told is None:
            raise Refusal(f"the pack's SHA256SUMS has a line that is none of sha256sum: {line[:200]!r}")
        yield plain(told[2], "SHA256SUMS"), told[1].lower()


def _subdirs(files: dict[str, Source]) -> list[str]:
    return sorted({name.split("/")[1] for name in files if re.match(r"channel/[^/]+/", name)})


def _packages(files: dict[str, Source], subdir: str) -> Iterator[Package]:
    path = f"channel/{subdir}/repodata.json"
    if path not in files:
        raise Refusal(f"the pack lacks {path}")
    document = _object(files[path], path)
    listed: dict[str, Any] = {**(document.get("packages.conda") or {}), **(document.get("packages") or {})}
    for name, record in sorted(listed.items()):
        if not isinstance(record, dict) or not name.endswith((".conda", ".tar.bz2")):
            raise Refusal(f"{path} lists {name!r}, which is no conda package")
        for key in ("name", "version", "build"):
            plain_name(record.get(key), path)
        file = f"channel/{subdir}/{plain_name(name, path)}"
        if file not in files:
            raise Refusal(f"the pack lacks {file}, which its repodata.json lists", status=WRONG_BYTES)
        yield Package(file, files[file], record)
