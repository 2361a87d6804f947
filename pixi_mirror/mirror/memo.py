"""Find out, by hashes and identities alone, that nothing has changed since the last complete update.

An update is answered from its memo if every input of its decision is as it was: the options, this program, the locks,
the inventory and the identity of every file. If anything is uncertain, the update decides in full. This module imports
almost nothing, because an unchanged run is mostly start-up.
"""

import errno
import hashlib
import json
import os
import stat
from collections.abc import Mapping, Sequence
from io import BufferedReader
from typing import Any

from pixi_mirror import __version__
from pixi_mirror.disk.files import FileIdentity, identity_of, is_same, open_regular

FILE = "unchanged.json"
"""Its name in the private part of a mirror."""
_PRIVATE = ".pixi-mirror"
_STATE = f"{_PRIVATE}/state.json"
_INVENTORY = "pixi-mirror.json"
_FORMAT = 3
_LARGEST = 1 << 27
_PROGRAMS = ("pixi", "rattler-index", "pixi.exe", "rattler-index.exe")
_VARIABLES = ("PIXI_HOME", "PIXI_PROJECT_MANIFEST")
"""Environment variables by which pixi or a workspace is found."""


def decision_inputs(environ: Mapping[str, str], python: str, path: Sequence[str]) -> list[str]:
    """What an update's decision depends on besides its options: the programs and libraries that exist.

    Nothing is run or imported: a program is known by its path, size and time, a library by the time of its folder.
    """
    home = environ.get("USERPROFILE" if os.name == "nt" else "HOME", "")
    pixi_home = environ.get("PIXI_HOME") or os.path.join(home, ".pixi")
    path_folders = filter(None, environ.get("PATH", "").split(os.pathsep))
    folders = [os.path.dirname(python), *path_folders, os.path.join(pixi_home, "bin")]
    programs = [os.path.join(folder, name) for folder in folders for name in _PROGRAMS]
    programs += [environ.get("PIXI_EXE", ""), *(folder for folder in path if folder.endswith("-packages"))]
    found = [f"{name}={environ[name]}" for name in _VARIABLES if name in environ]
    for each in filter(None, programs):
        try:
            status = os.stat(each)
        except OSError:
            continue
        found.append(f"{each} {status.st_size} {status.st_mtime_ns}")
    return found


def _open(path: str) -> BufferedReader:
    return open(open_regular(path, follow_links=True), "rb")


def sha256_of(path: str) -> str | None:
    """The sha256 of a file; None: it does not exist.

    Raises:
        OSError: it exists and cannot be read, or is larger than any lock or manifest.
    """
    try:
        with _open(path) as file:
            if os.fstat(file.fileno()).st_size > _LARGEST:
                raise OSError(errno.EFBIG, f"it is larger than {_LARGEST} bytes", path)
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return None


def dump_memo(
    mirror: str, question: Mapping[str, Any], *, inputs: Mapping[str, str | None], answer: Mapping[str, int]
) -> bytes:
    """The bytes of `FILE` after an update that found or made everything as it should be.

    Args:
        mirror: its directory.
        question: the options of the update and the programs that exist.
        inputs: the files outside the mirror that the decision depends on, by absolute path, with their sha256 from
            before they were read; None: the file must not exist.
        answer: what to say about the mirror as long as nothing changes.

    Raises:
        OSError: the mirror's own records cannot be looked at.
    """
    return json.dumps(
        {
            "format": _FORMAT,
            "program": __version__,
            "question": dict(question),
            "inputs": dict(inputs),
            "records": [identity_of(os.stat(os.path.join(mirror, name))) for name in (_INVENTORY, _STATE)],
            "answer": dict(answer),
        },
        sort_keys=True,
    ).encode()


def recall(mirror: str, question: Mapping[str, Any]) -> dict[str, int] | None:
    """The answer to the same question if nothing has changed since; None: something may have changed."""
    try:
        with _open(os.path.join(mirror, _PRIVATE, FILE)) as file:
            kept = json.loads(file.read(_LARGEST))
        as_recorded = json.loads(json.dumps(dict(question)))
        if (kept["format"], kept["program"], kept["question"]) != (_FORMAT, __version__, as_recorded):
            return None
        records = zip((_INVENTORY, _STATE), kept["records"], strict=True)
        if not all(is_same(FileIdentity(*row), os.stat(os.path.join(mirror, name))) for name, row in records):
            return None
        if not all(sha256_of(path) == sha256 for path, sha256 in kept["inputs"].items()):
            return None
        with _open(os.path.join(mirror, _STATE)) as file:
            identities = json.loads(file.read(_LARGEST))["identities"]
        prefix = mirror + os.sep
        for path, row in identities.items():
            found = os.lstat(prefix + path)
            if not stat.S_ISREG(found.st_mode) or not is_same(FileIdentity(*row), found):
                return None
        return {str(key): int(value) for key, value in kept["answer"].items()}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
