"""Put an extracted conda package into the environment, and write down in `conda-meta` what came of it."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pixi_mirror.pack.unpacker.packs import Package
from pixi_mirror.pack.unpacker.places import (
    Site,
    leads_inside,
    make_command,
    make_folder,
    patched,
    sign,
    target,
    written,
)
from pixi_mirror.pack.unpacker.refusal import Refusal, plain

_OLD_PLACEHOLDER = "/opt/anaconda1anaconda2anaconda3"
"""What a line of `info/has_prefix` means that names none."""
HISTORY = "// not relevant for pixi but for `conda run -p`"
"""In `conda-meta/history`, as pixi-unpack writes it."""


def link(package: Package, folder: Path, site: Site, url: str | None) -> None:
    """Move what a package brings from `folder` to where it belongs; `url`: where the package came from, if known.

    Raises:
        Refusal: the package does not say what it holds, or holds what cannot be put there.
    """
    is_python = package.record.get("noarch") == "python"
    if is_python and site.python is None:
        raise Refusal(f"{package.file_name} is for Python, and the pack holds no package called python")
    rows = [
        row
        for entry in _entries(folder, package)
        for row in _placed(entry, folder, site, package.file_name, is_python=is_python)
    ]
    for line in _commands(folder, package) if is_python else ():
        made = make_command(site, line, package.file_name)
        rows += [written(site, path, kind) for path, kind in made]
    rows.sort(key=lambda row: str(row["_path"]))
    _write_record(package, site, rows, url)


def _entries(folder: Path, package: Package) -> list[dict[str, Any]]:
    """What the package says of its files, as in `info/paths.json`."""
    if (folder / "info/paths.json").is_file():
        found = _read(folder / "info/paths.json", package).get("paths")
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise Refusal(f"{package.file_name} has an info/paths.json without `paths`")
        return found
    return list(_old_entries(folder, package))


def _old_entries(folder: Path, package: Package) -> list[dict[str, Any]]:
    """The same of a package from before 2017, in three lists of lines."""
    if not (folder / "info/files").is_file():
        raise Refusal(f"{package.file_name} has neither info/paths.json nor info/files: it is no conda package")
    placeholders = {}
    for line in _lines(folder / "info/has_prefix"):
        words = line.split(maxsplit=2) if line.count(" ") > 1 else [_OLD_PLACEHOLDER, "text", line]
        placeholders[words[2].strip().strip('"')] = {
            "prefix_placeholder": words[0].strip('"'),
            "file_mode": words[1].strip('"'),
        }
    return [
        {"_path": path, "path_type": "hardlink", **placeholders.get(path, {})} for path in _lines(folder / "info/files")
    ]


def _lines(file: Path) -> list[str]:
    return [line for line in file.read_text(encoding="utf-8").splitlines() if line] if file.is_file() else []


def _placed(entry: dict[str, Any], folder: Path, site: Site, owner: str, *, is_python: bool) -> list[dict[str, Any]]:
    """Put one file into the environment; what `conda-meta` says of it, and nothing of a folder."""
    told = plain(str(entry.get("_path") or ""), owner)
    source, path = folder / told, _path_in_prefix(told, site) if is_python else told
    if entry.get("path_type") == "directory":
        make_folder(site, path, owner)
        return []
    try:
        status = os.lstat(source)
    except FileNotFoundError as error:
        raise Refusal(f"{owner} lacks {told}, which its list of files names") from error
    row: dict[str, Any] = {"_path": path, "path_type": "hardlink"}
    row.update({key: entry[key] for key in ("sha256", "size_in_bytes", "no_link") if entry.get(key) is not None})
    if stat.S_ISLNK(status.st_mode):
        leads_to = os.readlink(source)
        if not leads_inside(path, leads_to):
            raise Refusal(f"{owner} has a link {told}, which leads outside of the environment, to {leads_to!r}")
        os.rename(source, target(site, path, owner))
        site.links.append(path)
        text = os.fsencode(leads_to)  # rattler hashes where a link leads
        row.update(path_type="softlink", sha256_in_prefix=hashlib.sha256(text).hexdigest(), size_in_bytes=len(text))
    elif not stat.S_ISREG(status.st_mode):
        raise Refusal(f"{owner} has {told} as a folder, and its list of files as a file")
    else:
        place = target(site, path, owner)
        os.rename(source, place)
        row.update(_patch(entry, place, site, status, owner))
    return [row]


def _path_in_prefix(path: str, site: Site) -> str:
    """Where a file of a `noarch: python` package belongs."""
    assert site.python is not None  # noqa: S101 - `link` has looked
    first, _, rest = path.partition("/")
    places = {"site-packages": site.python.site_packages, "python-scripts": site.python.commands}
    return f"{places[first]}/{rest}" if rest and first in places else path


def _patch(entry: dict[str, Any], place: Path, site: Site, status: os.stat_result, owner: str) -> dict[str, Any]:
    """Write the environment's path into a file that wants it; what `conda-meta` says of that."""
    placeholder = entry.get("prefix_placeholder")
    if not placeholder:
        return {}
    mode = entry.get("file_mode") or "text"
    before = place.read_bytes()
    after = patched(before, str(placeholder), site, is_text=mode == "text", where=f"{owner}: {entry['_path']}")
    if after != before:
        place.write_bytes(after)
        if mode != "text":
            sign(place, site.platform)
            after = place.read_bytes() if site.platform == "osx-arm64" else after
        # A compiled Python file is as good as absent where its source has another time.
        os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))
    digest = hashlib.sha256(after).hexdigest()
    told = {"file_mode": mode, "prefix_placeholder": placeholder}
    return {"sha256_in_prefix": digest, "size_in_bytes": len(after), **told}


def _commands(folder: Path, package: Package) -> list[str]:
    if not (folder / "info/link.json").is_file():
        return []
    found = _read(folder / "info/link.json", package).get("noarch")
    lines = found.get("entry_points") if isinstance(found, dict) else None
    return [str(line) for line in lines or ()]


def _read(file: Path, package: Package) -> dict[str, Any]:
    try:
        found = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise Refusal(f"{package.file_name} has an info/{file.name} that is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise Refusal(f"{package.file_name} has an info/{file.name} that is not a JSON object")
    return found


def _write_record(package: Package, site: Site, rows: list[dict[str, Any]], url: str | None) -> None:
    document = {
        **package.record,
        "fn": package.file_name,
        # Others do not read a record without one. Where the pack lay today is nothing to write down.
        "url": url or f"file:///{quote(package.path)}",
        "channel": url.rsplit("/", 2)[0] if url else None,
        "requested_specs": [],
        "files": [row["_path"] for row in rows],
        "paths_data": {"paths_version": 1, "paths": rows},
        "link": {"source": "", "type": 3},  # copies: the folder that they came from is gone
    }
    known = {key: value for key, value in document.items() if value is not None}
    text = json.dumps(known, indent=2, ensure_ascii=False) + "\n"
    place = target(site, f"conda-meta/{package.stem}.json", package.file_name)
    place.write_bytes(text.encode("utf-8", "surrogateescape"))
