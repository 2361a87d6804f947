"""Write what `conda-meta` says of the packages of an environment, and read what it says."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pixi_mirror.disk.files import open_regular
from pixi_mirror.environments.conda_archive import CondaArchive
from pixi_mirror.environments.conda_plan import RECORDS
from pixi_mirror.errors import MachineError

HISTORY = b"// not relevant for pixi but for `conda run -p`"
"""What pixi-unpack writes to `conda-meta/history`: conda takes no directory without one for an environment."""

_REMEDY = "Remove the environment and run the same command again."
_LARGEST_RECORD = 256 << 20
_COPIES = 3
"""The type of `link`: the files are no links to a folder of packages."""


class InstalledConda(NamedTuple):
    """What an environment says of one of its conda packages."""

    name: str
    version: str
    build: str
    sha256: str | None
    md5: str | None
    """Of the archive, both; None: its record does not say."""
    site_packages: str | None
    """Of Python: the folder of its packages; None: where it is by default, or this is no Python."""
    files: tuple[str, ...]
    record: str
    """The path of its record in the prefix."""

    def is_made_of(self, archive: CondaArchive) -> bool:
        """Whether it was installed from the same archive, as far as its record tells."""
        record = archive.record
        if (self.version, self.build) != (record["version"], record["build"]):
            return False
        hashes = ((self.sha256, record.get("sha256")), (self.md5, record.get("md5")))
        return next((one == other for one, other in hashes if one and other), True)


def write_record(folder: Path, archive: CondaArchive, rows: list[dict[str, Any]]) -> None:
    """Write the record of a package; `rows` are what it says of its files.

    Raises:
        OSError: it cannot be written.
    """
    rows = sorted(rows, key=lambda row: os.fsencode(row["_path"]).split(b"/"))  # as rattler sorts paths
    document = {
        **archive.record,
        "fn": archive.file_name,
        "url": archive.url,
        "channel": archive.channel,
        "requested_specs": [],
        "files": [row["_path"] for row in rows],
        "paths_data": {"paths_version": 1, "paths": rows},
        "link": {"source": "", "type": _COPIES},
    }
    known = {key: value for key, value in document.items() if value is not None}
    with open(folder / f"{archive.stem}.json", "xb") as file:
        file.write(
            (_spell(known, rows) + "\n").encode("utf-8", "backslashreplace")
        )  # as JSON escapes a name that is not UTF-8


def _spell(document: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """Return what `json.dumps(document, indent=2)` returns, many times as fast where there are many rows.

    The standard library's quick encoder breaks no lines. So the rows, which hold no tables, are spelled one by one,
    with a line break in what separates their fields.
    """
    text = json.JSONEncoder(ensure_ascii=False).encode
    row = json.JSONEncoder(ensure_ascii=False, separators=(",\n        ", ": ")).encode
    spelled = {
        "files": _listed([text(each["_path"]) for each in rows], "    "),
        "paths_data": '{\n    "paths_version": 1,\n    "paths": '
        + _listed([f"{{\n        {row(each)[1:-1]}\n      }}" for each in rows], "      ")
        + "\n  }",
    }
    fields = (
        f"  {text(key)}: " + (spelled.get(key) or json.dumps(value, indent=2, ensure_ascii=False).replace("\n", "\n  "))
        for key, value in document.items()
    )
    return "{\n" + ",\n".join(fields) + "\n}"


def _listed(items: list[str], indent: str) -> str:
    return f"[\n{indent}" + f",\n{indent}".join(items) + f"\n{indent[2:]}]" if items else "[]"


def installed_conda(prefix: Path) -> dict[str, InstalledConda]:
    """Return the conda packages of an environment by name in lower case; of a directory that is none, nothing.

    Raises:
        MachineError: a record cannot be read.
        OSError: the folder of records cannot be read.
    """
    found = {}
    for path, record in _records(prefix):
        try:
            each = InstalledConda(
                name=str(record["name"]),
                version=record["version"],
                build=record["build"],
                sha256=record.get("sha256"),
                md5=record.get("md5"),
                site_packages=record.get("python_site_packages_path"),
                files=tuple(str(file) for file in record.get("files") or ()),
                record=f"{RECORDS}/{path.name}",
            )
        except (KeyError, TypeError) as error:
            raise MachineError(f"{path} is no record of a conda package: it has no {error}. {_REMEDY}") from None
        found[each.name.lower()] = each
    return found


def _records(prefix: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted((prefix / RECORDS).glob("*.json")):
        try:
            with open(open_regular(path), "rb") as file:
                record = json.loads(file.read(_LARGEST_RECORD))
        except (ValueError, RecursionError):
            raise MachineError(f"{path} does not parse. {_REMEDY}") from None
        if not isinstance(record, dict):
            raise MachineError(f"{path} is no record of a conda package. {_REMEDY}")
        yield path, record
