"""The names that people gave to generations, as a file: `generations/names.json` in the private part of a mirror."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from pixi_mirror.disk.files import explain_errors, read_bytes
from pixi_mirror.errors import MachineError
from pixi_mirror.mirror.inventory_schema import NewerFormatError, require_format

NAMES = "names.json"
"""The name of the file."""

_FORMAT = 1
_LONGEST = 1 << 26
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NUMBER = re.compile(r"[gG]?[0-9]+")
_RESERVED = "current"


def admit_name(raw: str) -> str:
    """A name for a generation.

    Raises:
        ValueError: it is none, or could be taken for a number or for `current`.
    """
    if not _NAME.fullmatch(raw) or _NUMBER.fullmatch(raw) or raw == _RESERVED:
        raise ValueError(f"{raw[:80]!r} is no name for a generation")
    return raw


def read_names(folder: Path) -> Mapping[str, int]:
    """The names in the folder of a mirror's generations.

    Raises:
        MachineError: their file cannot be read or does not parse.
    """
    path = folder / NAMES
    with explain_errors("read", path):
        try:
            return _parse_names(read_bytes(path, limit=_LONGEST))
        except FileNotFoundError:
            return {}
        except NewerFormatError as error:
            raise error.about(path) from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise MachineError(
                f"{path} does not parse: {error}. Nothing was changed. Restore it from a backup, or remove it and "
                "pin the generations again."
            ) from error


def _parse_names(data: bytes) -> Mapping[str, int]:
    raw = json.loads(data)
    require_format(raw["format"], newest=_FORMAT)
    return {admit_name(name): int(number) for name, number in raw["names"].items()}


def dump_names(names: Mapping[str, int]) -> bytes:
    """The bytes of the file."""
    return json.dumps({"format": _FORMAT, "names": dict(sorted(names.items()))}).encode() + b"\n"
