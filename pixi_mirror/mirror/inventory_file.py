"""Read the inventory: `pixi-mirror.json`, canonical, without clock and without any path of this machine."""

import json
from collections.abc import Mapping
from types import MappingProxyType

from pixi_mirror.mirror.inventory_journal import apply_changes, parse_changes, split_journal
from pixi_mirror.mirror.inventory_rows import (
    content_of,
    listing_of,
    one_of,
    package_of,
    require_segment,
    stamp_of,
)
from pixi_mirror.mirror.inventory_schema import require_format, require_inventory
from pixi_mirror.mirror.inventory_sources import source_commit, source_directory
from pixi_mirror.model.advisories import FOLDER, AdvisoryDatabase, read_database_row
from pixi_mirror.model.packages import (
    Cell,
    Channel,
    HostedKinds,
    Inventory,
    Layout,
    Package,
    Snapshot,
)
from pixi_mirror.model.policy import read_policy_row
from pixi_mirror.model.request import Refusal, Request
from pixi_mirror.model.values import Json, admit_path, admit_sha256, canonical

FILE = "pixi-mirror.json"
"""Its name at the root of a mirror."""

FORMAT = 3
"""It goes up whenever an older program could not read what this one writes. All lower ones are read."""

PLAIN_FORMAT = 2
"""What is written where nothing is hosted and no advisories are carried, which an older program reads as well."""


def parse(data: bytes) -> Inventory:
    """The inventory that the bytes spell.

    Raises:
        ValueError: they do not parse, are of a newer format or hold a name or hash that is none.
    """
    document, lines = split_journal(data)
    inventory = _document(document)
    return apply_changes(inventory, parse_changes(lines)) if lines else inventory


def _document(data: bytes) -> Inventory:
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
            require_segment(name)  # it becomes a folder of an index
        pool = [package_of(row, admitted) for row in raw["packages"]]
        return Inventory(
            layout=one_of(raw["layout"], Layout),
            snapshots=tuple(_snapshot(row, pool) for row in raw["subscriptions"]),
            kept=MappingProxyType({pool[number].path: pool[number] for number in raw["kept"]}),
            tree=MappingProxyType({admitted[path]: content_of(row) for path, row in raw["tree"].items()}),
            listings=MappingProxyType({admitted[path]: listing_of(row) for path, row in raw["listings"].items()}),
            deferred=frozenset(admitted[path] for path in waiting),
            relations=MappingProxyType({admit_path(path): row for path, row in raw.get("relations", {}).items()}),
            advisories=MappingProxyType(
                {admitted[path]: _database(path, row, raw["tree"]) for path, row in databases.items()}
            ),
            policy=read_policy_row(raw["policy"]) if raw.get("policy") is not None else None,
            stamp=stamp_of(raw["generation"]) if "generation" in raw else None,
        )
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"it lacks or misspells {error}") from error


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
    require_segment(row["subdir"])
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
