"""Look at files as they stand, to tell later whether anything was written."""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

SIGNATURES = ("last-refresh", "last-verify", "update-lock")
"""The private files that say when a mirror was last refreshed and verified, and who kept other verbs out last."""


def identities(directory: Path) -> dict[str, tuple[int, int]]:
    """Path below `directory` -> inode and mtime_ns, of every file and folder; empty where it is not there.

    What a run that finds nothing to do writes as well is left out: the dates of the last refresh and verify, and who
    kept other verbs out.
    """
    found = {}
    for folder, folders, files in os.walk(directory):
        for name in (*folders, *(name for name in files if name not in SIGNATURES)):
            path = Path(folder, name)
            status = path.lstat()
            changed = 0 if name == ".pixi-mirror" else status.st_mtime_ns  # the first date makes a file in it
            found[path.relative_to(directory).as_posix()] = (status.st_ino, changed)
    return found


_GENERATION = re.compile(rb'"generation":\{[^}]*\},')
"""The random name of a mirror and what depends on it, and how many generations it took to come here."""


def contents(directory: Path) -> dict[str, bytes]:
    """Path below `directory` -> bytes, of every file."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and path.name not in SIGNATURES
    }


def served_files(mirror: Path) -> dict[str, bytes]:
    """What clients may see of a mirror, path -> bytes, without the generation that its inventory names."""
    found = contents(mirror) if mirror.is_dir() else {}
    shown = {path: data for path, data in found.items() if not path.startswith(".pixi-mirror/")}
    if "pixi-mirror.json" in shown:
        shown["pixi-mirror.json"] = _GENERATION.sub(b"", shown["pixi-mirror.json"])
    return shown


def archives(directory: Path) -> set[str]:
    """The conda packages below `directory`, as paths in it."""
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*") if _is_archive(path)}


def _is_archive(path: Path) -> bool:
    return path.name.endswith((".conda", ".tar.bz2")) and path.is_file()


def sha256(path: Path) -> str:
    """Of the bytes of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def repodata(directory: Path) -> dict[str, Any]:
    """File name -> record, of both kinds, as the `repodata.json` of a subdir says."""
    document = json.loads((directory / "repodata.json").read_text(encoding="utf-8"))
    return {**document["packages"], **document["packages.conda"]}
