"""Compare what a mirror holds with what a destination has by its record, and order what has to be written."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pixi_mirror.conda.index_files import REPODATA, REPODATA_ZST, SHARD_INDEX, SHARD_SUFFIX
from pixi_mirror.errors import IncompleteError, MachineError
from pixi_mirror.mirror.sidecars import is_intact
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.mirror.tree_view import INVENTORY
from pixi_mirror.model.values import MirrorPath, Sha256, sha256_of
from pixi_mirror.publish.destination import Upload
from pixi_mirror.publish.record import Record
from pixi_mirror.pypi.simple import METADATA
from pixi_mirror.sbom.bill import bill_of
from pixi_mirror.sbom.cyclonedx import ENDING, write_cyclonedx
from pixi_mirror.serve.negotiation import content_type, is_index
from pixi_mirror.suggest import advised

_NEVER_CHANGES = "public, max-age=31536000, immutable"
MAY_CHANGE = "no-cache"
"""Index files that belong together must agree, so a reader asks each time, and gets 304 for an unchanged one."""


BILL = MirrorPath(f"pixi-mirror{ENDING}")
"""The path of a bill of materials at a destination. A mirror itself has no such file."""
_BILL_TYPE = "application/vnd.cyclonedx+json"
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


def read_mirror(tree: Tree, *, with_bill: bool = False) -> tuple[Upload, ...]:
    """Everything that clients may ask a mirror for, with the sha256 of the bytes as they are.

    With `with_bill` also what it holds as CycloneDX, without a date: the same mirror has the same bill.

    Raises:
        IncompleteError: files are deferred, so that indexes list what is not here.
        MachineError: a file is missing, damaged, or was written while it was read.
    """
    inventory = tree.inventory
    if inventory.deferred:
        raise IncompleteError(
            f"{tree.root} lists {len(inventory.deferred)} deferred files that are not here yet; nothing was published. "
            f"Bring them first: {advised('update', tree.root)} of these locks without --defer.",
            items=sorted(inventory.deferred),
        )
    held = tree.held()
    bad = [path for path in inventory.tree if held.get(path) is None]
    if bad:
        raise _not_whole(tree, bad)
    made = {path: data for path in inventory.generated if (data := tree.read(path)) is not None}
    digests = {path: sha256_of(data) for path, data in made.items()}
    # Of a sidecar only a program knows the bytes: it has to say the same as its index.
    changed = [
        path
        for path, content in inventory.generated.items()
        if digests.get(path) != content.recipe and not is_intact(path, made.get)
    ]
    if changed:
        raise _not_whole(tree, changed)
    brought = (_upload(tree, path, sha256=each.sha256, size=each.size) for path, each in inventory.stored.items())
    written = (_upload(tree, path, data=data, sha256=digests[path], size=len(data)) for path, data in made.items())
    record = (tree.root / INVENTORY).read_bytes()
    inventory_file = _upload(tree, MirrorPath(INVENTORY), data=record, sha256=sha256_of(record), size=len(record))
    bill = [_bill_upload(tree)] if with_bill else []
    return (*brought, *written, *bill, inventory_file)


def _bill_upload(tree: Tree) -> Upload:
    data = write_cyclonedx(bill_of(tree.inventory, tree))
    upload = _upload(tree, BILL, data=data, sha256=sha256_of(data), size=len(data))
    return replace(upload, content_type=_BILL_TYPE, cache_control=MAY_CHANGE)


def _not_whole(tree: Tree, bad: list[MirrorPath]) -> MachineError:
    shown = ", ".join(sorted(bad)[:_SHOWN]) + (f" and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else "")
    return MachineError(
        f"{tree.root} is not as it was recorded: {shown}; nothing was published. If an update is under way, wait for "
        f"it; else {advised('verify --repair', tree.root)} puts the mirror right.",
        items=sorted(bad),
    )


def _upload(tree: Tree, path: MirrorPath, *, data: bytes | None = None, sha256: Sha256, size: int) -> Upload:
    return Upload(
        path=path,
        source=tree.path(path),
        data=data,
        sha256=sha256,
        size=size,
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
    if not is_index(upload.path) or upload.data is None or name.endswith((SHARD_SUFFIX, METADATA)):
        return 0
    return 3
