"""What a solver reads of a channel: records taken apart, and written again for a copy; names in a large index."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from pixi_mirror.conda.matchspec_spelling import requires_v3
from pixi_mirror.conda.repodata import repodata
from pixi_mirror.disk.files import explain_errors
from pixi_mirror.errors import WorkspaceError
from pixi_mirror.model.values import Json

Records: TypeAlias = Mapping[str, Mapping[str, Json]]
"""Records by file name."""

_NAME_OF_RECORD = re.compile(rb'"name"\s*:\s*"([^"\\]{1,200})"')
_PIECE = 1 << 20
_OVERLAP = 256
_NAME = re.compile(r"(?:.*::)?\s*([0-9A-Za-z_.-]+)", re.DOTALL)


def copied_index(subdir: str, records: Records) -> bytes:
    """The `repodata.json` of a copy. One call writes it all: there may be a hundred thousand records."""
    if any(map(requires_v3, records.values())):
        return repodata(subdir, records)
    sections = {
        section: {name: record for name, record in records.items() if name.endswith(suffix)}
        for section, suffix in (("packages", ".tar.bz2"), ("packages.conda", ".conda"))
    }
    try:
        return json.dumps({"info": {"subdir": subdir}, **sections, "repodata_version": 1}).encode()
    except RecursionError:
        raise WorkspaceError(f"the index of {subdir} is nested too deeply to be one.") from None


def dependencies(record: Mapping[str, Json]) -> Iterator[str]:
    """The names of the packages that a sound record asks for."""
    for spec in record.get("depends") or ():
        if name := _name_in(spec):
            yield name


@lru_cache(maxsize=1 << 16)
def _name_in(spec: str) -> str | None:
    """The name of the package that a match spec asks for; None: it is none."""
    found = _NAME.match(spec)
    return found[1].lower() if found else None


def is_sound(record: Mapping[str, Json]) -> bool:
    """Whether a record has a name and lists of specs; of any other a solver can make nothing."""
    lists = [record.get(key) or [] for key in ("depends", "constrains")]
    return isinstance(record.get("name"), str) and all(
        isinstance(specs, list) and all(isinstance(spec, str) for spec in specs) for specs in lists
    )


def readable(record: Mapping[str, Json]) -> Mapping[str, Json]:
    """A record of a shard as it stands in `repodata.json`: digests are texts there."""
    return {key: value.hex() if isinstance(value, bytes) else value for key, value in record.items()}


def _pieces(file: Path) -> Iterator[bytes]:
    """The bytes of a file in pieces, each with the end of the one before it."""
    before = b""
    with explain_errors("read", file), file.open("rb") as source:
        while piece := source.read(_PIECE):
            yield before + piece
            before = piece[-_OVERLAP:]


def names_in(file: Path) -> Collection[str]:
    """The names of the records of a whole index; parsing all of it would take seconds and gigabytes."""
    return {found.decode(errors="replace") for piece in _pieces(file) for found in _NAME_OF_RECORD.findall(piece)}


_BASE = re.compile(rb'"base_url"\s*:\s*"([^"\\]*)"')


def base_url_in(file: Path) -> str:
    """The `base_url` (CEP 15) of a whole index, which stands in its `info`; empty: it has none."""
    beginning = next(iter(_pieces(file)), b"")
    found = _BASE.search(beginning[: beginning.find(b'"packages"') if b'"packages"' in beginning else len(beginning)])
    return found[1].decode(errors="replace") if found else ""
