"""Tell by hashes and identities alone that nothing has changed since the last complete update.

An update answers from here when every input of its decision is what it was: the question, this program, the locks, the
inventory and the identity of every file. It is a memo of that decision and no second way to make it: whatever is not
certain is decided in full. It is a room of its own, and imports almost nothing, because an unchanged run is mostly
start-up.
"""

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from typing import Any

from pixi_mirror import __version__
from pixi_mirror.identity import Identity, identity_of, is_same

FILE = ".pixi-mirror/unchanged.json"
_STATE = ".pixi-mirror/state.json"
_INVENTORY = "pixi-mirror.json"
_FORMAT = 1


def memo(mirror: str, question: Mapping[str, Any], *, inputs: Mapping[str, str | None], answer: str) -> bytes:
    """What to keep in `FILE` after an update that found, or made, everything as it should be.

    `inputs` are the files outside the mirror that the answer depends on, by absolute path, with their sha256; None: the
    file must not exist. `answer` is what to say as long as nothing changes.

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
            "answer": answer,
        }
    ).encode()


def recalled(mirror: str, question: Mapping[str, Any]) -> str | None:
    """The answer to the same question if nothing has changed since; None: that must be found out."""
    try:
        with open(os.path.join(mirror, FILE), "rb") as file:
            kept = json.loads(file.read())
        asked = json.loads(json.dumps(dict(question)))
        if (kept["format"], kept["program"], kept["question"]) != (_FORMAT, __version__, asked):
            return None
        records = zip((_INVENTORY, _STATE), kept["records"], strict=True)
        if not all(is_same(Identity(*row), os.stat(os.path.join(mirror, name))) for name, row in records):
            return None
        if not all(_digest(path) == sha256 for path, sha256 in kept["inputs"].items()):
            return None
        with open(os.path.join(mirror, _STATE), "rb") as file:
            identities = json.loads(file.read())["identities"]
        prefix = mirror + os.sep
        for path, row in identities.items():
            found = os.lstat(prefix + path)
            if not stat.S_ISREG(found.st_mode) or not is_same(Identity(*row), found):
                return None
        return str(kept["answer"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _digest(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None
