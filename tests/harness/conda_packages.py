"""Build conda packages of every shape: links, folders, placeholders, entry points, lists of files that are not true."""

import bz2
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pixi_mirror.demo.packages import BuiltPackage, zstd_frame

PLACEHOLDER = "/build/" + "placehold_" * 20
"""The prefix that the packages were built for: long enough for every place of a test."""


@dataclass(frozen=True, kw_only=True)
class Link:
    """A softlink, or with `hard` a second name of a file that came before it in the archive."""

    target: str
    hard: bool = False


@dataclass(frozen=True, kw_only=True)
class File:
    """A file with what an archive and a list of files say of it."""

    data: bytes = b""
    mode: int | None = None
    """None: 0755 below `bin` and its like, 0644 elsewhere."""
    mtime: int = 1_500_000_000


@dataclass(frozen=True, kw_only=True)
class Folder:
    """An empty folder."""


Content = bytes | Link | File | Folder


def conda_package(
    name: str,
    files: Mapping[str, Content] = MappingProxyType({}),
    *,
    version: str = "1.0",
    build: str = "0",
    subdir: str = "linux-64",
    noarch: str | None = None,
    noarch_in_record: str | None = "",
    commands: Iterable[str] = (),
    depends: Iterable[str] = (),
    extension: str = "conda",
    listed: list[dict] | None = None,
    unlisted: Iterable[str] = (),
    old_lists: bool = False,
    info: Mapping[str, Content] = MappingProxyType({}),
    dialect: int = tarfile.GNU_FORMAT,
    **extra: object,
) -> BuiltPackage:
    """A package; a content that holds the placeholder is listed with it, as binary where it holds a NUL.

    Args:
        name: In any case; the file name has it as it is.
        files: Path in the archive -> content, in the order of the archive.
        noarch: In `info/index.json`; `commands` make it `python`.
        noarch_in_record: The same in the record of the channel; the empty text: the same.
        commands: Entry points, in `info/link.json`.
        listed: The rows of `info/paths.json` in place of those that tell the truth.
        unlisted: Paths that `info/paths.json` does not have.
        old_lists: `info/files`, `info/has_prefix` and no `info/paths.json`, as before 2017.
        info: More members below `info/`.
        extra: More keys of index and record.
    """
    commands = list(commands)
    noarch = noarch or ("python" if commands else None)
    subdir = "noarch" if noarch else subdir
    index = {"name": name, "version": version, "build": build, "build_number": 0, "depends": list(depends)}
    index |= {"subdir": subdir, "timestamp": 1_700_000_000_000, "license": "MIT", **extra}
    index |= {"noarch": noarch} if noarch else {}
    rows = [_row(path, content, files) for path, content in files.items() if path not in set(unlisted)]
    documents = {"info/index.json": json.dumps(index).encode()}
    if old_lists:
        documents |= _old_lists(rows)
    else:
        paths = {"paths": rows if listed is None else listed, "paths_version": 1}
        documents["info/paths.json"] = json.dumps(paths).encode()
    if commands:
        link = {"noarch": {"type": "python", "entry_points": commands}, "package_metadata_version": 1}
        documents["info/link.json"] = json.dumps(link).encode()
    stem = f"{name}-{version}-{build}"
    told = {**documents, **info}
    if extension == "conda":
        data = conda_archive(stem, tar_archive(told, dialect=dialect), tar_archive(files, dialect=dialect))
    else:
        data = bz2.compress(tar_archive({**told, **files}, dialect=dialect), 1)
    record = dict(index)
    if noarch_in_record != "":
        record.pop("noarch", None)
        record |= {"noarch": noarch_in_record} if noarch_in_record else {}
    record |= {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    record["md5"] = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return BuiltPackage(file_name=f"{stem}.{extension}", data=data, record=MappingProxyType(record))


def _row(path: str, content: Content, files: Mapping[str, Content]) -> dict:
    if isinstance(content, Link) and content.hard:
        content = files[content.target]
    if isinstance(content, Link):
        return {"_path": path, "path_type": "softlink"}
    if isinstance(content, Folder):
        return {"_path": path, "path_type": "directory"}
    data = content.data if isinstance(content, File) else content
    row = {"_path": path, "path_type": "hardlink", "sha256": hashlib.sha256(data).hexdigest()}
    row["size_in_bytes"] = len(data)
    if PLACEHOLDER.encode() in data:
        row |= {"prefix_placeholder": PLACEHOLDER, "file_mode": "binary" if b"\0" in data else "text"}
    return row


def _old_lists(rows: list[dict]) -> dict[str, bytes]:
    lines = [f'{row["prefix_placeholder"]} {row["file_mode"]} "{row["_path"]}"\n' for row in rows if "file_mode" in row]
    files = "".join(f"{row['_path']}\n" for row in rows)
    return {"info/files": files.encode(), **({"info/has_prefix": "".join(lines).encode()} if lines else {})}


def tar_archive(members: Mapping[str, Content], *, dialect: int = tarfile.GNU_FORMAT) -> bytes:
    """A tar of the members in their order, whatever they are called."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=dialect) as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.mtime = 1_500_000_000
            if isinstance(content, Link):
                entry.type, entry.linkname = tarfile.LNKTYPE if content.hard else tarfile.SYMTYPE, content.target
                archive.addfile(entry)
            elif isinstance(content, Folder):
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(entry)
            else:
                file = content if isinstance(content, File) else File(data=content)
                is_program = {"bin", "Scripts", "python-scripts"} & set(name.split("/")[:-1])
                entry.mode = (0o755 if is_program else 0o644) if file.mode is None else file.mode
                entry.size, entry.mtime = len(file.data), file.mtime
                archive.addfile(entry, io.BytesIO(file.data))
    return buffer.getvalue()


def conda_archive(stem: str, info: bytes, content: bytes) -> bytes:
    """A `.conda` of two tars."""
    buffer = io.BytesIO()
    members = {
        "metadata.json": b'{"conda_pkg_format_version": 2}',
        f"pkg-{stem}.tar.zst": zstd_frame(content),
        f"info-{stem}.tar.zst": zstd_frame(info),
    }
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)  # with the time of 1980
    return buffer.getvalue()
