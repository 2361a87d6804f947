"""Compare what a mirror holds with what a destination has by its record, and order what has to be written."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pixi_mirror.conda.index_files import REPODATA, REPODATA_ZST, SHARD_INDEX, SHARD_SUFFIX
from pixi_mirror.errors import IncompleteError, MachineError
from pixi_mirror.mirror.sidecars import is_intact
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.mirror.tree_view import INVENTORY
from pixi_mirror.model.packages import PackageFile
from pixi_mirror.model.values import MirrorPath, Sha256, sha256_of
from pixi_mirror.publish.destination import Upload
from pixi_mirror.publish.record import Record
from pixi_mirror.serve.negotiation import content_type, is_index

_NEVER_CHANGES = "public, max-age=31536000, immutable"
MAY_CHANGE = "no-cache"
"""Index files that belong together must agree, so a reader asks each time, and gets 304 for an unchanged one."""


_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishPlan:
    """What has to be done at a destination."""

    uploads: tuple[Upload, ...]
    """In the order of their phases."""
    unwanted: tuple[MirrorPath, ...]
    """Files that publishers wrote and that the mirror holds no longer."""
    files: int
    size: int
    """Of everything that the destination has afterwards."""


def read_mirror(tree: Tree) -> tuple[Upload, ...]:
    """Everything that clients may ask a mirror for, with the sha256 of the bytes as they are.

    Raises:
        IncompleteError: files are deferred, so that indexes list what is not here.
        MachineError: a file is missing, damaged, or was written while it was read.
    """
    inventory = tree.inventory
    if inventory.deferred:
        raise IncompleteError(
            f"{tree.root} lists {len(inventory.deferred)} deferred files that are not here yet; nothing was published. "
            "Bring them first: `pixi-mirror update` of these locks without --defer.",
            items=sorted(inventory.deferred),
        )
    held = tree.held()
    bad = [path for path in inventory.tree if held.get(path) is None]
    if bad:
        raise _not_whole(tree, bad)
    made = {path: tree.read(path) for path in inventory.generated}
    changed = [path for path, data in made.items() if data is None or not _is_recorded(tree, path, data, made)]
    if changed:
        raise _not_whole(tree, changed)
    found = [_upload(tree, path, content, made.get(path)) for path, content in inventory.tree.items()]
    record = (tree.root / INVENTORY).read_bytes()
    return (*found, _made_upload(tree, MirrorPath(INVENTORY), record))


def _is_recorded(tree: Tree, path: MirrorPath, data: bytes, made: Mapping[MirrorPath, bytes | None]) -> bool:
    """Whether the bytes of a made file are what the inventory says, or, of a sidecar, say the same as its index."""
    content = tree.inventory.generated[path]
    return sha256_of(data) == content.recipe or is_intact(path, made.get)


def _not_whole(tree: Tree, bad: list[MirrorPath]) -> MachineError:
    shown = ", ".join(sorted(bad)[:_SHOWN]) + (f" and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else "")
    return MachineError(
        f"{tree.root} is not as it was recorded: {shown}; nothing was published. If an update is under way, wait for "
        "it; else `pixi-mirror verify --repair` puts the mirror right.",
        items=sorted(bad),
    )


def _upload(tree: Tree, path: MirrorPath, content: object, data: bytes | None) -> Upload:
    if isinstance(content, PackageFile):
        return Upload(
            path=path,
            source=tree.path(path),
            data=None,
            sha256=content.sha256,
            size=content.size,
            content_type=content_type(path),
            cache_control=MAY_CHANGE if is_index(path) else _NEVER_CHANGES,
        )
    assert data is not None  # noqa: S101 - the caller has read every made file
    return _made_upload(tree, path, data)


def _made_upload(tree: Tree, path: MirrorPath, data: bytes) -> Upload:
    return Upload(
        path=path,
        source=tree.path(path),
        data=data,
        sha256=sha256_of(data),
        size=len(data),
        content_type=content_type(path),
        cache_control=MAY_CHANGE if is_index(path) else _NEVER_CHANGES,
    )


def plan(wanted: Iterable[Upload], record: Record) -> PublishPlan:
    """What a destination with this record lacks, in the one safe order, and what it has beyond that."""
    wanted = tuple(wanted)
    lacking = (each for each in wanted if _differs(record, each.path, each.sha256))
    names = {each.path for each in wanted}
    return PublishPlan(
        uploads=tuple(sorted(lacking, key=lambda each: (phase_of(each), each.path))),
        unwanted=tuple(sorted(path for path in record.files if path not in names)),
        files=len(wanted),
        size=sum(each.size for each in wanted),
    )


def _differs(record: Record, path: MirrorPath, sha256: Sha256) -> bool:
    written = record.files.get(path)
    return written is None or written.sha256 != sha256


def phase_of(upload: Upload) -> int:
    """Of packages, shards, metadata; of other sidecars; of `repodata.json`; of pages; of the inventory."""
    name = upload.path.rpartition("/")[2]
    if upload.path == INVENTORY:
        return 4
    if name == REPODATA:
        return 2
    if name in (REPODATA_ZST, SHARD_INDEX):
        return 1
    if not is_index(upload.path) or upload.data is None or name.endswith((SHARD_SUFFIX, ".metadata")):
        return 0
    return 3
