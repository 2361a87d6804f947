"""Spell the inventory: `pixi-mirror.json`, canonical, without clock and without any path of this machine."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import NamedTuple

from pixi_mirror.mirror.inventory_file import FORMAT, PLAIN_FORMAT
from pixi_mirror.mirror.inventory_journal import EMPTY_JOURNAL, HostedChange
from pixi_mirror.mirror.inventory_sources import source_rows
from pixi_mirror.model.advisories import database_row
from pixi_mirror.model.packages import (
    Channel,
    GeneratedFile,
    Inventory,
    Listing,
    Package,
    PackageFile,
    Snapshot,
    Stamp,
)
from pixi_mirror.model.policy import policy_row
from pixi_mirror.model.values import Json, MirrorPath, canonical_text


class PackageTexts:
    """How each package is spelled, kept for as long as the same inventories are spelled again and again."""

    def __init__(self) -> None:
        """Know none yet."""
        self._known: dict[int, tuple[Package, str]] = {}
        self._rows: dict[int, tuple[Snapshot, frozenset[str]]] = {}

    def rows_of(self, snapshot: Snapshot, make: Callable[[Snapshot], frozenset[str]]) -> frozenset[str]:
        """The rows of a subscription in a generation; `make` makes them the first time."""
        found = self._rows.get(id(snapshot))
        if found is None:
            found = self._rows[id(snapshot)] = snapshot, make(snapshot)
        return found[1]

    def text_of(self, package: Package) -> str:
        """The package as one line of the file."""
        found = self._known.get(id(package))
        if found is None:  # the package is kept as well, so that no other one can get its `id`
            found = self._known[id(package)] = package, package_text(package)
        return found[1]


class InventoryParts(NamedTuple):
    """An inventory as it is spelled, in parts."""

    kept: Sequence[int]
    """Numbers of packages."""
    packages: Sequence[str]
    """A text a package."""
    paths: Sequence[MirrorPath]
    """A path a package."""
    subscriptions: Sequence[Json]


def parts_of(snapshots: Iterable[Snapshot], kept: Iterable[Package], texts: PackageTexts) -> InventoryParts:
    """Number the packages of an inventory, each once however many subscriptions want it."""
    pool = _Pool(texts)
    rows = [_snapshot_row(snapshot, pool) for snapshot in snapshots]
    return InventoryParts(kept=pool.numbers(kept), packages=pool.rows, paths=pool.paths, subscriptions=rows)


def dump(inventory: Inventory, texts: PackageTexts | None = None) -> bytes:
    """The file's bytes: the same inventory always gives the same; one package or tree entry a line.

    `texts` are the spellings that are known already.
    """
    parts = parts_of(inventory.snapshots, inventory.kept.values(), texts or PackageTexts())
    listings = [
        f"{canonical_text(path)}:{canonical_text(listing_row(each))}"
        for path, each in sorted(inventory.listings.items())
    ]
    tree = [f"{canonical_text(path)}:{content_text(content)}" for path, content in sorted(inventory.tree.items())]
    # An older program may not know the key, and brings what is deferred: so it is there only where it is needed.
    deferred = {"deferred": sorted(inventory.deferred)} if inventory.deferred else {}
    known = {path: dict(relations) for path, relations in inventory.relations.items()}
    stamp = {"generation": stamp_row(inventory.stamp)} if inventory.stamp else {}
    databases = {path: database_row(each) for path, each in inventory.advisories.items()}
    carried: dict[str, Json] = {"advisories": databases} if databases else {}
    if inventory.policy is not None:
        carried["policy"] = policy_row(inventory.policy)
    optional = {**deferred, **carried, **({"relations": known} if known else {}), **stamp}
    number = FORMAT if inventory.hosted or carried else PLAIN_FORMAT
    head = canonical_text({"format": number, "kept": parts.kept, "layout": inventory.layout, **optional})[1:-1]
    return "\n".join(
        [
            "{" + head + ',"packages":[',
            ",\n".join(parts.packages),
            '],"subscriptions":[',
            ",\n".join(map(canonical_text, parts.subscriptions)),
            '],"listings":{',
            ",\n".join(listings),
            '},"tree":{',
            ",\n".join(tree),
            "}" + ("}\n" if not inventory.hosted else EMPTY_JOURNAL),
        ]
    ).encode()


def change_bytes(change: HostedChange) -> bytes:
    """Spell a change as one line of the journal of an inventory."""
    rows: dict[str, Json] = {
        "host": change.host,
        "tree": {path: asdict(each) for path, each in change.tree.items()},
        "listings": {path: listing_row(each) for path, each in change.listings.items()},
        "removed": sorted(change.removed),
        "generation": stamp_row(change.stamp),
    }
    if change.gone is not None:
        rows["gone"] = change.gone
    package = "" if change.package is None else f',"package":{package_text(change.package)}'
    return f"{canonical_text(rows)[:-1]}{package}}}".encode()


def stamp_row(stamp: Stamp) -> Json:
    """Spell which generation an inventory is."""
    return {key: value for key, value in asdict(stamp).items() if value is not False}


class _Pool:
    """Packages by number, each spelled once however many subscriptions want it."""

    def __init__(self, texts: PackageTexts) -> None:
        self.rows: list[str] = []
        self.paths: list[MirrorPath] = []
        self._texts = texts
        self._known: dict[str, int] = {}
        self._seen: dict[int, int] = {}

    def numbers(self, packages: Iterable[Package]) -> list[int]:
        return [self._number(package) for package in packages]

    def _number(self, package: Package) -> int:
        if id(package) in self._seen:
            return self._seen[id(package)]
        row = self._texts.text_of(package)
        number = self._known.setdefault(row, len(self.rows))
        if number == len(self.rows):
            self.rows.append(row)
            self.paths.append(package.path)
        self._seen[id(package)] = number
        return number


def package_text(package: Package) -> str:
    """Spell a package as canonical JSON. Its keys stand in their order here, because sorting them takes a while."""
    size = "null" if package.size is None else package.size
    return (
        f'{{"build":{_text(package.build)},"kind":{_text(package.kind)},"md5":{_text(package.md5)},'
        f'"name":{_text(package.name)},"path":{_text(package.path)},"record":{canonical_text(dict(package.record))},'
        f'"sha256":{_text(package.sha256)},"size":{size},"subdir":{_text(package.subdir)},'
        f'"url":{_text(package.url.stripped)},"version":{_text(package.version)}}}'
    )


def _text(value: str | None) -> str:
    return "null" if value is None else canonical_text(value)


def _snapshot_row(snapshot: Snapshot, pool: _Pool) -> Json:
    numbers = pool.numbers(snapshot.packages)
    number = dict(zip((package.path for package in snapshot.packages), numbers, strict=True))
    return {
        "id": snapshot.id,
        "workspace": snapshot.workspace,
        "source_sha256": snapshot.source_sha256,
        "newest_timestamp": snapshot.newest_timestamp,
        "requests": [asdict(request) for request in snapshot.requests],
        "refused": [{"entry": refusal.entry, "reason": refusal.reason} for refusal in snapshot.refused],
        "packages": numbers,
        "tools": pool.numbers(snapshot.tools),
        "tools_for": snapshot.tools_for,
        "cells": [
            {
                "environment": cell.environment,
                "platform": cell.platform,
                "subdir": cell.subdir,
                "channels": [_channel_row(channel) for channel in cell.channels],
                "packages": [number[path] for path in cell.packages],
                "build_packages": [number[path] for path in cell.build_packages],
                "virtual_packages": list(cell.virtual_packages),
            }
            for cell in snapshot.cells
        ],
        # Without any, the inventory is the one that was written before there were any.
        **source_rows(snapshot),
        **({"hosted": asdict(snapshot.hosted)} if snapshot.hosted is not None else {}),
    }


def _channel_row(channel: Channel) -> Json:
    token = {"has_token": True} if channel.has_token else {}
    return {"url": channel.url, "path": channel.path, **token}


def listing_row(listing: Listing) -> Json:
    """What is known about a PyPI file, as it stands in the file."""
    row = asdict(listing)
    for optional in ("size", "status"):
        if row[optional] is None:
            del row[optional]
    return row


def content_text(content: PackageFile | GeneratedFile) -> str:
    """Spell a file of the tree as canonical JSON."""
    if isinstance(content, PackageFile):
        return f'{{"sha256":"{content.sha256}","size":{canonical_text(content.size)}}}'
    return f'{{"recipe":"{content.recipe}"}}'
