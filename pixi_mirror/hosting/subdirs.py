"""Renew the index of one subdir of a hosted channel: its `repodata.json` by one line, its shards by one shard."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pixi_mirror.conda.index import CondaIndex
from pixi_mirror.conda.index_files import SHARD_INDEX, repodata_path
from pixi_mirror.conda.repodata_lines import with_record
from pixi_mirror.context import Context
from pixi_mirror.mirror.index_programs import ProgramEnvironment
from pixi_mirror.mirror.sidecars import ChannelSidecars
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.mirror.write_indexes import recorded_sidecars
from pixi_mirror.model.hosted import hosted_channel
from pixi_mirror.model.indexes import Contents, IndexFile, SidecarFiles, StandingFiles
from pixi_mirror.model.packages import GeneratedFile, Inventory, Package, Snapshot
from pixi_mirror.model.values import MirrorPath, sha256_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewedIndexes:
    """Index files to be written for a change, in this order, and what is recorded of them."""

    parts: Mapping[MirrorPath, bytes] = field(default_factory=dict)
    """What other index files refer to; it is on the disk before those are."""
    heads: Mapping[MirrorPath, bytes] = field(default_factory=dict)
    """Sidecars that clients ask for before the index file."""
    gone_heads: tuple[MirrorPath, ...] = ()
    """Sidecars that would be out of date."""
    pages: Mapping[MirrorPath, bytes] = field(default_factory=dict)
    """Index files."""
    gone_pages: tuple[MirrorPath, ...] = ()
    """Index files that list nothing any more."""
    recorded: Mapping[MirrorPath, GeneratedFile] = field(default_factory=dict)
    unlisted: frozenset[MirrorPath] = frozenset()
    """Parts that nothing names any more; clients that have the old index still ask for them."""

    @property
    def paths(self) -> frozenset[MirrorPath]:
        """Every file that is written or removed."""
        return frozenset((*self.parts, *self.heads, *self.gone_heads, *self.pages, *self.gone_pages))


def renew_subdir(
    tree: Tree, after: Inventory, snapshot: Snapshot, package: Package, context: Context
) -> RenewedIndexes:
    """What becomes of the index of the subdir that a package is in, or was.

    Args:
        tree: the mirror as it is.
        after: its inventory after the change.
        snapshot: that of the hosted name, after the change.
        package: what is changed.
        context: of the verb.
    """
    place = package.path.rpartition("/")[0]
    main = repodata_path(place)
    data = _repodata(tree, after, snapshot, package, main)
    maker = _maker(tree, place, context)
    roles = {
        path: role for path in tree.inventory.generated if path.startswith(f"{place}/") and (role := maker.role(path))
    }
    listed = [path for path in roles if path not in tree.state.unlisted]
    file = IndexFile.of(data)
    recipes = maker.recipes({main: file}, listed)
    made = SidecarFiles(heads={}, parts={})
    if main in recipes:
        standing = StandingFiles(is_whole=tree.inventory.tree.__contains__, read=tree.read)
        result = maker.make({main: file}, recipes, standing=standing, directory=tree.temporary_directory)
        made = result.files.get(main, made)
    recorded = recorded_sidecars(made, recipes[main]) if made.heads else {}
    heads = [path for path in listed if not roles[path].is_part and path not in made.heads]
    return RenewedIndexes(
        parts={path: part for path, part in made.parts.items() if path not in tree.inventory.tree},
        heads=made.heads,
        gone_heads=tuple(sorted(heads, key=lambda path: roles[path].rank)),
        pages={main: data},
        recorded={
            path: content
            for path, content in {**recorded, main: GeneratedFile(recipe=sha256_of(data))}.items()
            if tree.inventory.tree.get(path) != content
        },
        unlisted=frozenset(path for path in listed if roles[path].is_part and path not in recorded),
    )


def _maker(tree: Tree, place: str, context: Context) -> ChannelSidecars:
    """What makes the sidecars: ourselves. An upload is to be answered in seconds, so no program is run for it."""
    here = ProgramEnvironment(environ=context.environ, python=Path(sys.executable), prefix=Path(sys.prefix))
    has_shards = f"{place}/{SHARD_INDEX}" in tree.inventory.generated
    return ChannelSidecars(here, context.progress, choice="own", shards="always" if has_shards else "auto")


def _repodata(tree: Tree, after: Inventory, snapshot: Snapshot, package: Package, main: MirrorPath) -> bytes:
    """The new `repodata.json`: the old one with one line changed, if that is as it was recorded; else all anew."""
    old = tree.read(main) if main in tree.inventory.generated else None
    if old is not None and GeneratedFile(recipe=sha256_of(old)) == tree.inventory.tree[main]:
        name = package.path.rpartition("/")[2]
        stays = [each for each in snapshot.packages if each.path == package.path]
        alone = _index(after, snapshot, stays, package, main).split(b"\n")
        line = next((each.rstrip(b",") for each in alone if each.startswith(b'"%b":{' % name.encode())), None)
        is_plain = line is not None or not any(each.startswith(b'"v3":') for each in alone)
        new = with_record(old, name, line) if is_plain else None
        if new is not None:
            return new
    own = [each for each in snapshot.packages if each.kind == "conda" and each.subdir == package.subdir]
    return _index(after, snapshot, own, package, main)


def _index(after: Inventory, snapshot: Snapshot, packages: list[Package], package: Package, main: MirrorPath) -> bytes:
    contents = Contents(
        packages=packages,
        channels=[(hosted_channel(snapshot.workspace), package.subdir or "noarch")],
        listings={each.path: after.listings[each.path] for each in packages if each.path in after.listings},
        standing=(),
        where=Path,  # no file of the mirror is read
    )
    return CondaIndex().files(contents)[main].content()
