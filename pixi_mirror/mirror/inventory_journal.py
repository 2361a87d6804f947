"""The end of an inventory with hosted names: what was uploaded since it was last written as a whole; pure.

Writing all of an inventory for each upload would take time and wear as the mirror grows. So an inventory with hosted
names ends in a journal, `"journal":[…]`, one line a change, and an upload writes its line over the last three bytes of
the file. The file is one JSON document before and after. Each line has the digest of its change. If a writer is killed
in between, the last line is not what its digest says, and has not happened. Whoever writes the inventory as a whole
folds the journal in.
"""

import json
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from pixi_mirror.mirror.inventory_rows import content_of, listing_of, package_of, require_segment, stamp_of
from pixi_mirror.mirror.inventory_schema import require_change
from pixi_mirror.model.packages import GeneratedFile, Inventory, Listing, Package, PackageFile, Stamp
from pixi_mirror.model.values import Json, MirrorPath, admit_path, sha256_of

END = b"]}\n"
"""How the file ends; the next line is written over it."""
_BEGIN = b'},\n"journal":[\n'  # a line break stands in no JSON text, so this is in no name
EMPTY_JOURNAL = (_BEGIN[1:] + END).decode()
"""What stands behind the tree of an inventory that was written as a whole, if it has hosted names."""
_DIGITS = 16
"""Hexadecimal digits of a line's digest, which tells a line from what a killed writer left of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedChange:
    """What becomes of an inventory by an upload, a yank or a deletion."""

    host: str
    """The id of the subscription."""
    package: Package | None = None
    """What is added to it."""
    gone: MirrorPath | None = None
    """What is taken away from it."""
    tree: Mapping[MirrorPath, PackageFile | GeneratedFile]
    """Files that were placed or made anew."""
    listings: Mapping[MirrorPath, Listing]
    removed: frozenset[MirrorPath] = frozenset()
    """Files that are no part of the tree any more, with what was known of them."""
    stamp: Stamp
    """Of the inventory afterwards."""


def split_journal(data: bytes) -> tuple[bytes, list[bytes]]:
    """The document without its journal, and the changes in it, as JSON, in order.

    Raises:
        ValueError: a line in it is damaged that is not the last one.
    """
    at = data.rfind(_BEGIN)
    if at < 0:
        return data, []
    lines = data[at + len(_BEGIN) :].split(b"\n")
    whole: list[bytes] = []
    for number, line in enumerate(lines):
        if (change := _undamaged(line)) is None:
            if any(_undamaged(later) is not None for later in lines[number + 1 :]):
                raise ValueError(f"line {number + 1} of its journal is damaged")
            break
        whole.append(change)
    return data[: at + 1] + b"}\n", whole


def ends_whole(data: bytes, lines: list[bytes]) -> bool:
    """Whether the bytes of an inventory end as these changes were written, with nothing that a killed writer left."""
    return data.endswith(_BEGIN + b"".join(journal_line(line, is_first=not n) for n, line in enumerate(lines)) + END)


def journal_line(change: bytes, *, is_first: bool) -> bytes:
    """The line of a change, to be followed by `END`."""
    return b'%b["%b",%b]\n' % (b"" if is_first else b",", sha256_of(change)[:_DIGITS].encode(), change)


def _undamaged(line: bytes) -> bytes | None:
    """The change in a line; None: there is none, or it is not what its digest says."""
    bare = line.removeprefix(b",")
    digest, change = bare[2 : 2 + _DIGITS], bare[_DIGITS + 4 : -1]
    is_line = bare == b'["%b",%b]' % (digest, change) and change.startswith(b"{")
    return change if is_line and sha256_of(change)[:_DIGITS].encode() == digest else None


def parse_changes(lines: Iterable[bytes]) -> list[HostedChange]:
    """The changes that lines of a journal spell.

    Raises:
        ValueError: one does not parse, or holds a name or hash that is none.
    """
    try:
        return [_change(json.loads(line)) for line in lines]
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"its journal lacks or misspells {error}") from error


def _change(raw: Json) -> HostedChange:
    require_change(raw)
    row = raw.get("package")
    if row is not None:
        require_segment(row["name"])
    return HostedChange(
        host=raw["host"],
        package=None if row is None else package_of(row, {row["path"]: admit_path(row["path"])}),
        gone=admit_path(raw["gone"]) if "gone" in raw else None,
        tree={admit_path(path): content_of(each) for path, each in raw["tree"].items()},
        listings={admit_path(path): listing_of(each) for path, each in raw["listings"].items()},
        removed=frozenset(map(admit_path, raw["removed"])),
        stamp=stamp_of(raw["generation"]),
    )


def apply_changes(inventory: Inventory, changes: Iterable[HostedChange]) -> Inventory:
    """The inventory after some changes, one after the other.

    Raises:
        ValueError: a change is of a subscription that the inventory lacks.
    """
    tree, listings, stamp = dict(inventory.tree), dict(inventory.listings), inventory.stamp
    packages: dict[str, list[Package]] = {}
    known = {snapshot.id: snapshot for snapshot in inventory.snapshots}
    for change in changes:
        if change.host not in known:
            raise ValueError(f"its journal is about {change.host!r}, which it lacks")
        own = packages.setdefault(change.host, [*known[change.host].packages])
        if change.gone is not None:
            _put(own, change.gone, None)
        if change.package is not None:
            _put(own, change.package.path, change.package)
        for path in change.removed:
            tree.pop(path, None)
            listings.pop(path, None)
        tree |= change.tree
        listings |= change.listings
        stamp = change.stamp
    return replace(
        inventory,
        snapshots=tuple(
            replace(each, packages=tuple(packages[each.id])) if each.id in packages else each
            for each in inventory.snapshots
        ),
        tree=MappingProxyType(tree),
        listings=MappingProxyType(listings),
        stamp=stamp,
    )


def _put(packages: list[Package], path: MirrorPath, package: Package | None) -> None:
    """Put a package into a list that is ordered by path, or take the one with its path away."""
    at = bisect_left(packages, path, key=lambda each: each.path)
    stands = at < len(packages) and packages[at].path == path
    packages[at : at + stands] = [] if package is None else [package]
