"""Read the inventory: `pixi-mirror.json`, canonical, without clock and without any path of this machine."""

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import get_args

from pixi_mirror.mirror.inventory_schema import require_format, require_inventory
from pixi_mirror.mirror.inventory_sources import source_commit, source_directory
from pixi_mirror.model.advisories import FOLDER, AdvisoryDatabase, read_database_row
from pixi_mirror.model.packages import (
    Cell,
    Channel,
    GeneratedFile,
    HostedKinds,
    Inventory,
    Kind,
    Layout,
    Listing,
    Package,
    PackageFile,
    Snapshot,
    Stamp,
)
from pixi_mirror.model.policy import read_policy_row
from pixi_mirror.model.request import Refusal, Request
from pixi_mirror.model.values import Json, MirrorPath, Url, admit_md5, admit_path, admit_sha256, canonical
from pixi_mirror.pypi.requirements import without_secrets

FILE = "pixi-mirror.json"
"""Its name at the root of a mirror."""

FORMAT = 3
"""It goes up whenever an older program could not read what this one writes. All lower ones are read."""

PLAIN_FORMAT = 2
"""What is written where nothing is hosted and no advisories are carried, which an older program reads as well."""

_MIRROR = re.compile(r"[0-9a-f]{32}")


def parse(data: bytes) -> Inventory:
    """The inventory that the bytes spell.

    Raises:
        ValueError: they do not parse, are of a newer format or hold a name or hash that is none.
    """
    try:
        raw = json.loads(data)
        require_format(raw["format"], newest=FORMAT)
        require_inventory(raw)
        if b"\\u" in data:
            canonical(raw)  # half of a character, which only an escape can spell, has no bytes
        waiting = raw.get("deferred", ())
        databases = raw.get("advisories", {})
        named = {*raw["tree"], *raw["listings"], *waiting, *databases, *(row["path"] for row in raw["packages"])}
        if FILE in map(str.casefold, named):
            raise ValueError(f"it names {FILE}, itself, as a file of the mirror")
        admitted = {path: admit_path(path) for path in named}
        for name in {row["name"] for row in raw["packages"]}:
            _require_segment(name)  # it becomes a folder of an index
        pool = [_package(row, admitted) for row in raw["packages"]]
        return Inventory(
            layout=_one_of(raw["layout"], Layout),
            snapshots=tuple(_snapshot(row, pool) for row in raw["subscriptions"]),
            kept=MappingProxyType({pool[number].path: pool[number] for number in raw["kept"]}),
            tree=MappingProxyType({admitted[path]: _content(row) for path, row in raw["tree"].items()}),
            listings=MappingProxyType({admitted[path]: _listing(row) for path, row in raw["listings"].items()}),
            deferred=frozenset(admitted[path] for path in waiting),
            relations=MappingProxyType({admit_path(path): row for path, row in raw.get("relations", {}).items()}),
            advisories=MappingProxyType(
                {admitted[path]: _database(path, row, raw["tree"]) for path, row in databases.items()}
            ),
            policy=read_policy_row(raw["policy"]) if raw.get("policy") is not None else None,
            stamp=_stamp(raw["generation"]) if "generation" in raw else None,
        )
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"it lacks or misspells {error}") from error


def _stamp(row: Mapping[str, Json]) -> Stamp:
    if not _MIRROR.fullmatch(row["mirror"]) or not 1 <= row["number"] <= row["last"]:
        raise ValueError(f"{str(row)[:60]!r} is no generation of a mirror")
    return Stamp(
        mirror=row["mirror"],
        number=row["number"],
        last=row["last"],
        fingerprint=admit_sha256(row["fingerprint"]),
        content=admit_sha256(row["content"]),
        imported=row.get("imported", False),
    )


def _package(row: Json, admitted: Mapping[str, MirrorPath]) -> Package:
    return Package(
        path=admitted[row["path"]],
        url=Url(row["url"]),
        sha256=None if row["sha256"] is None else admit_sha256(row["sha256"]),
        md5=None if row["md5"] is None else admit_md5(row["md5"]),
        size=row["size"],
        kind=_one_of(row["kind"], Kind),
        name=row["name"],
        version=row["version"],
        build=row["build"],
        subdir=row["subdir"],
        record=MappingProxyType(row["record"]),
    )


def _require_segment(raw: str) -> None:
    if "/" in admit_path(raw):
        raise ValueError(f"{raw!r} is not one part of a path")


def _one_of(raw: str, alternatives: Json) -> Json:
    if raw not in get_args(alternatives):
        raise ValueError(f"{raw!r} is none of {', '.join(get_args(alternatives))}")
    return raw


def _snapshot(row: Json, pool: list[Package]) -> Snapshot:
    ours = {pool[number].path for number in row["packages"]}
    if any(pool[number].path not in ours for cell in row["cells"] for number in cell["packages"]):
        raise ValueError(f"an environment of the subscription {row['id']!r} has a package that the subscription lacks")
    return Snapshot(
        id=row["id"],
        workspace=row["workspace"],
        source_sha256=admit_sha256(row["source_sha256"]),
        newest_timestamp=row["newest_timestamp"],
        requests=tuple(_request(request) for request in row["requests"]),
        cells=tuple(_cell(cell, pool) for cell in row["cells"]),
        packages=tuple(pool[number] for number in row["packages"]),
        refused=tuple(Refusal(**refusal) for refusal in row["refused"]),
        tools=tuple(pool[number] for number in row["tools"]),
        tools_for=None if row["tools_for"] is None else admit_sha256(row["tools_for"]),
        directories=tuple(map(source_directory, row.get("directories", ()))),
        commits=tuple(map(source_commit, row.get("commits", ()))),
        hosted=HostedKinds(**row["hosted"]) if "hosted" in row else None,
    )


def _channel(row: Json) -> Channel:
    path = None if row["path"] is None else admit_path(row["path"])
    return Channel(url=row["url"], path=path, has_token=row.get("has_token", False))


def _cell(row: Json, pool: list[Package]) -> Cell:
    _require_segment(row["subdir"])
    return Cell(
        environment=row["environment"],
        platform=row["platform"],
        subdir=row["subdir"],
        channels=tuple(map(_channel, row["channels"])),
        packages=tuple(pool[number].path for number in row["packages"]),
        build_packages=tuple(pool[number].path for number in row.get("build_packages", ())),
        virtual_packages=tuple(map(str, row.get("virtual_packages", ()))),
    )


def _request(row: Mapping[str, Json]) -> Request:
    environments = row["environments"]
    return Request(
        **{
            **row,
            "environments": None if environments is None else tuple(environments),
            "platforms": tuple(row["platforms"]),
            "build_requires": tuple(row["build_requires"]),
        }
    )


def _database(path: str, row: Mapping[str, Json], tree: Json) -> AdvisoryDatabase:
    if not path.startswith(f"{FOLDER}/") or "sha256" not in tree.get(path, ()):
        raise ValueError(f"{path!r} is no file of advisories in the mirror")
    return read_database_row(row)


def _listing(row: Mapping[str, Json]) -> Listing:
    metadata, needs = row["metadata"], row["build_requires"]
    return Listing(
        **{
            **row,
            "metadata": None if metadata is None else admit_sha256(metadata),
            # Earlier builds stored what a pyproject.toml has, user and password of a URL included.
            "build_requires": None if needs is None else tuple(map(without_secrets, needs)),
        }
    )


def _content(row: Json) -> PackageFile | GeneratedFile:
    if "recipe" in row:
        return GeneratedFile(recipe=admit_sha256(row["recipe"]))
    return PackageFile(sha256=admit_sha256(row["sha256"]), size=row["size"])
