"""What a generation holds, as a set of rows; pure.

The inventory numbers its packages, so that one new package changes many lines. The rows name packages by their
content, so that the difference of two sets of rows is as large as the change. Rows become the JSON of an inventory
again; `inventory_file` checks every value of it.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pixi_mirror.mirror.inventory_file import FORMAT, PLAIN_FORMAT
from pixi_mirror.mirror.inventory_text import PackageTexts, listing_row, parts_of
from pixi_mirror.model.advisories import database_row
from pixi_mirror.model.packages import Inventory, PackageFile, Snapshot
from pixi_mirror.model.policy import policy_row
from pixi_mirror.model.values import Json, Sha256, canonical_text, sha256_of

_REQUESTS = '["requests",'
"""How rows begin that are no part of the content: what was requested of a lock, which rolling back leaves alone."""

FILE_ROW = '["file",'
"""How rows of files begin: the path, the sha256 and the size follow."""

_KEY_LENGTH = 24
"""Hexadecimal digits of the name of a package row; 96 bits tell the packages of one mirror apart."""


def rows_of(inventory: Inventory, texts: PackageTexts) -> frozenset[str]:
    """The rows of an inventory. `texts` are the spellings that are known already.

    Files that no index lists, and files that are made from the pins, are no part of a generation.
    """
    rows = set(_other_rows(inventory, texts))
    for snapshot in inventory.snapshots:
        # Most subscriptions are the same before and after a change.
        rows |= texts.rows_of(snapshot, lambda snapshot: frozenset(_snapshot_rows(snapshot, texts)))
    return frozenset(rows)


def _other_rows(inventory: Inventory, texts: PackageTexts) -> Iterator[str]:
    """The rows of what belongs to no subscription alone."""
    # Most rows are put together from texts: encoding each as a value would take four times as long.
    yield canonical_text(["layout", inventory.layout])
    for package in inventory.kept.values():
        text = texts.text_of(package)
        yield f'["package","{_key(text)}",{text}]'
        yield f'["kept","{_key(text)}"]'
    listed = {*inventory.kept, *inventory.advisories, *(package.path for package in inventory.wanted)}
    for path, content in inventory.tree.items():
        if path in listed and isinstance(content, PackageFile):
            yield f'["file",{canonical_text(path)},"{content.sha256}",{canonical_text(content.size)}]'
    for path, listing in inventory.listings.items():
        if path in listed:
            yield canonical_text(["listing", path, listing_row(listing)])
    yield from (canonical_text(["advisories", path, database_row(each)]) for path, each in inventory.advisories.items())
    if inventory.policy is not None:
        yield canonical_text(["policy", policy_row(inventory.policy)])
    yield from (canonical_text(["deferred", path]) for path in inventory.deferred)
    yield from (canonical_text(["relations", folder, found]) for folder, found in inventory.relations.items())


def _snapshot_rows(snapshot: Snapshot, texts: PackageTexts) -> Iterator[str]:
    parts = parts_of((snapshot,), (), texts)
    keys = [f'"{_key(text)}"' for text in parts.packages]
    yield from (f'["package",{key},{text}]' for key, text in zip(keys, parts.packages, strict=True))
    yield from _subscription_rows(parts.subscriptions[0], keys, [canonical_text(path) for path in parts.paths])


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_KEY_LENGTH]


def _subscription_rows(snapshot: Json, keys: Sequence[str], paths: Sequence[str]) -> Iterator[str]:
    name = snapshot["id"]
    yield canonical_text(["requests", name, snapshot["source_sha256"], snapshot["requests"]])
    if not snapshot["cells"] and "hosted" not in snapshot:
        return  # it is followed, and nothing is pinned for it yet
    pins = ["pins", name, snapshot["workspace"], snapshot["newest_timestamp"], snapshot["tools_for"]]
    yield canonical_text(pins)
    if "hosted" in snapshot:
        yield canonical_text(["hosted", name, snapshot["hosted"]])
    yield from (canonical_text(["refused", name, row]) for row in snapshot["refused"])
    yield from (canonical_text(["directory", name, row]) for row in snapshot.get("directories", ()))
    yield from (canonical_text(["commit", name, row]) for row in snapshot.get("commits", ()))
    yield from _each_row(["wanted", name], snapshot["packages"], keys)
    yield from _each_row(["tool", name], snapshot["tools"], keys)
    for cell in snapshot["cells"]:
        where = [name, cell["environment"], cell["platform"]]
        yield canonical_text(["cell", *where, cell["subdir"], cell["channels"], cell["virtual_packages"]])
        yield from _each_row(["in", *where], cell["packages"], paths)
        yield from _each_row(["builds", *where], cell["build_packages"], paths)


def _each_row(start: Json, numbers: Iterable[int], texts: Sequence[str]) -> Iterator[str]:
    """A row for each number: what all of them begin with, and the text that has the number."""
    lead = canonical_text(start)[:-1]
    return (f"{lead},{texts[number]}]" for number in numbers)


def files_of(rows: Iterable[str]) -> frozenset[tuple[str, str]]:
    """The files of some rows, by path and sha256."""
    files = (json.loads(row) for row in rows if row.startswith(FILE_ROW))
    return frozenset((path, sha256) for _, path, sha256, _ in files)


def count_files(rows: Iterable[str]) -> tuple[int, int]:
    """How many files the rows have, and how many bytes these have."""
    sizes = [int(row.rpartition(",")[2][:-1]) for row in rows if row.startswith(FILE_ROW)]
    return len(sizes), sum(sizes)


def without_requests(rows: Iterable[str]) -> frozenset[str]:
    """The rows that are content."""
    return frozenset(row for row in rows if not row.startswith(_REQUESTS))


def content_digest(rows: Iterable[str]) -> Sha256:
    """The digest of what clients are offered: two mirrors with the same digest offer the same."""
    return digest_of(sorted(without_requests(rows)))


def digest_of(ordered: Iterable[str]) -> Sha256:
    """The same of the rows that are content, sorted."""
    return sha256_of("\n".join(ordered).encode())


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
        "format": FORMAT if "hosted" in kinds else PLAIN_FORMAT,
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
        "advisories": dict(kinds.get("advisories", ())),
        **dict(zip(("policy",), (row for (row,) in kinds.get("policy", ())), strict=False)),
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
        **dict(zip(("hosted",), (row for (row,) in of("hosted")), strict=False)),
    }
