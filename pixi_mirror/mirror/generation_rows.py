"""What a generation holds, as a set of rows; pure.

The inventory numbers its packages, so that one new package changes many lines. The rows name packages by their
content, so that the difference of two sets of rows is as large as the change. Rows are made from the inventory's JSON
and become it again; `inventory_file` checks every value of it.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping

from pixi_mirror.mirror.inventory_file import FORMAT
from pixi_mirror.model.values import Json, Sha256, sha256_of

_REQUESTS = '["requests",'
"""How rows begin that are no part of the content: what was requested of a lock, which rolling back leaves alone."""

FILE_ROW = '["file",'
"""How rows of files begin: the path, the sha256 and the size follow."""

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
# As `canonical` does; one encoder for all rows takes half of the time.

_KEY_LENGTH = 24
"""Hexadecimal digits of the name of a package row; 96 bits tell the packages of one mirror apart."""


def rows_of(document: Json) -> frozenset[str]:
    """The rows of an inventory, given as its JSON.

    Files that no index lists, and files that are made from the pins, are no part of a generation.
    """
    return frozenset(map(_encode, _rows(document)))


def _rows(document: Json) -> Iterator[Json]:
    packages = document["packages"]
    keys = [_key(row) for row in packages]
    yield ["layout", document["layout"]]
    for key, row in zip(keys, packages, strict=True):
        yield ["package", key, row]
    for snapshot in document["subscriptions"]:
        yield from _subscription_rows(snapshot, packages, keys)
    yield from (["kept", keys[number]] for number in document["kept"])
    listed = {row["path"] for row in packages}
    for path, row in document["tree"].items():
        if path in listed and "sha256" in row:
            yield ["file", path, row["sha256"], row["size"]]
    for path, row in document["listings"].items():
        if path in listed:
            yield ["listing", path, row]
    yield from (["deferred", path] for path in document.get("deferred", ()))
    yield from (["relations", folder, found] for folder, found in document.get("relations", {}).items())


def _key(row: Json) -> str:
    return hashlib.sha256(_encode(row).encode()).hexdigest()[:_KEY_LENGTH]


def _subscription_rows(snapshot: Json, packages: list[Json], keys: list[str]) -> Iterator[Json]:
    name = snapshot["id"]
    yield ["requests", name, snapshot["source_sha256"], snapshot["requests"]]
    if not snapshot["cells"]:
        return  # it is followed, and nothing is pinned for it yet
    yield ["pins", name, snapshot["workspace"], snapshot["newest_timestamp"], snapshot["tools_for"]]
    yield from (["refused", name, row] for row in snapshot["refused"])
    yield from (["directory", name, row] for row in snapshot.get("directories", ()))
    yield from (["commit", name, row] for row in snapshot.get("commits", ()))
    yield from (["wanted", name, keys[number]] for number in snapshot["packages"])
    yield from (["tool", name, keys[number]] for number in snapshot["tools"])
    for cell in snapshot["cells"]:
        where = [name, cell["environment"], cell["platform"]]
        yield ["cell", *where, cell["subdir"], cell["channels"], cell.get("virtual_packages", [])]
        yield from (["in", *where, packages[number]["path"]] for number in cell["packages"])
        yield from (["builds", *where, packages[number]["path"]] for number in cell.get("build_packages", ()))


def without_requests(rows: Iterable[str]) -> frozenset[str]:
    """The rows that are content."""
    return frozenset(row for row in rows if not row.startswith(_REQUESTS))


def content_digest(rows: Iterable[str]) -> Sha256:
    """The digest of what clients are offered: two mirrors with the same digest offer the same."""
    text = "\n".join(sorted(without_requests(rows)))
    return sha256_of(text.encode())


def document_of(rows: Iterable[str]) -> bytes:
    """The JSON of the inventory that has these rows and nothing else; files that are made are not in it.

    Raises:
        ValueError: they are no rows of an inventory.
    """
    kinds: dict[str, list[Json]] = {}
    try:
        for row in sorted(rows):
            kind, *rest = json.loads(row)
            kinds.setdefault(kind, []).append(rest)
        return json.dumps(_document(kinds)).encode()
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(f"it lacks or misspells {error}") from error


def _document(kinds: Mapping[str, list[Json]]) -> Json:
    packages = sorted(kinds.get("package", ()), key=lambda row: (row[1]["path"], row[0]))
    number = {key: position for position, (key, _) in enumerate(packages)}
    at = {row["path"]: position for position, (_, row) in enumerate(packages)}
    requests = {name: (source, wanted) for name, source, wanted in kinds.get("requests", ())}
    return {
        "format": FORMAT,
        "layout": kinds["layout"][0][0],
        "packages": [row for _, row in packages],
        "subscriptions": [
            _subscription(pins, kinds, number=number, at=at, source=requests[pins[0]]) for pins in kinds.get("pins", ())
        ],
        "kept": sorted(number[key] for (key,) in kinds.get("kept", ())),
        "tree": {path: {"sha256": sha256, "size": size} for path, sha256, size in kinds.get("file", ())},
        "listings": dict(kinds.get("listing", ())),
        "deferred": [path for (path,) in kinds.get("deferred", ())],
        "relations": dict(kinds.get("relations", ())),
    }


def _subscription(
    pins: Json, kinds: Mapping[str, list[Json]], *, number: Mapping[str, int], at: Mapping[str, int], source: Json
) -> Json:
    name, workspace, newest_timestamp, tools_for = pins

    def of(kind: str) -> list[Json]:
        return [rest for owner, *rest in kinds.get(kind, ()) if owner == name]

    def inside(kind: str) -> Mapping[tuple[str, str], list[int]]:
        found: dict[tuple[str, str], list[int]] = {}
        for environment, platform, path in of(kind):
            found.setdefault((environment, platform), []).append(at[path])
        return found

    packages, builds = inside("in"), inside("builds")
    return {
        "id": name,
        "workspace": workspace,
        "source_sha256": source[0],
        "newest_timestamp": newest_timestamp,
        "requests": source[1],
        "refused": [row for (row,) in of("refused")],
        "packages": sorted(number[key] for (key,) in of("wanted")),
        "tools": sorted(number[key] for (key,) in of("tool")),
        "tools_for": tools_for,
        "cells": [
            {
                "environment": environment,
                "platform": platform,
                "subdir": subdir,
                "channels": channels,
                "packages": sorted(packages.get((environment, platform), ())),
                "build_packages": sorted(builds.get((environment, platform), ())),
                "virtual_packages": virtual_packages,
            }
            for environment, platform, subdir, channels, virtual_packages in of("cell")
        ],
        "directories": [row for (row,) in of("directory")],
        "commits": [row for (row,) in of("commit")],
    }
