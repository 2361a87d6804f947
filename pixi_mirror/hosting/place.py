"""Place an upload in the mirror: its file first, then the indexes that list it, then the record."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pixi_mirror.context import Context
from pixi_mirror.disk import links
from pixi_mirror.disk.files import explain_errors
from pixi_mirror.errors import DiskFullError
from pixi_mirror.hosting.examine import ExaminedUpload, examine
from pixi_mirror.hosting.names import hosted_snapshot
from pixi_mirror.hosting.upload import PackageUpload, UploadOutcome, UploadRefused
from pixi_mirror.mirror.apply import apply_plan
from pixi_mirror.mirror.bring import BringResult
from pixi_mirror.mirror.pins import recorded_pins
from pixi_mirror.mirror.plan import Plan, plan_changes
from pixi_mirror.mirror.tree import Tree, open_mirror
from pixi_mirror.model.packages import HostedKinds, Listing, PackageFile
from pixi_mirror.model.values import MirrorPath

WAIT_S = 8.0
"""How long an upload waits for another writer, in seconds: its client gives up after ten."""


def place_upload(mirror: Path, upload: PackageUpload, context: Context) -> UploadOutcome:
    """Verify an upload, place it, list it and record it.

    Raises:
        UploadRefused: it is not taken; the mirror is as it was.
        BusyError: another process kept the mirror for longer than an upload waits.
        MachineError: the mirror cannot be read or written.
    """
    tree = open_mirror(mirror)
    hosted = _kinds(tree, upload)
    found = examine(upload, hosted, now=datetime.now(UTC))
    with explain_errors("write", upload.path):
        links.publish(upload.path)
    try:
        with tree.writing(timeout_s=WAIT_S, verb="upload"):
            return _place(tree, upload, found, context)
    except DiskFullError as error:
        raise UploadRefused(413, "no room", str(error)) from error


def _kinds(tree: Tree, upload: PackageUpload) -> HostedKinds:
    snapshot = hosted_snapshot(tree.inventory, upload.name)
    if snapshot is None or snapshot.hosted is None:
        raise UploadRefused(403, "not hosted here", f"this mirror hosts nothing named {upload.name!r}.")
    return snapshot.hosted


def _place(tree: Tree, upload: PackageUpload, found: ExaminedUpload, context: Context) -> UploadOutcome:
    package = found.package
    snapshot = hosted_snapshot(tree.inventory, upload.name)
    if snapshot is None:
        raise UploadRefused(403, "not hosted here", f"this mirror hosts nothing named {upload.name!r} any more.")
    known = next((each for each in snapshot.packages if each.path == package.path), None)
    outcome = UploadOutcome(
        path=package.path, is_new=known is None, project=package.name, version=package.version, sha256=upload.sha256
    )
    if known is not None and known.sha256 != upload.sha256:
        raise UploadRefused(
            409,
            "other bytes have this name",
            f"{upload.filename} is here with sha256 {known.sha256}, and other bytes were sent. Files never change: "
            "give the new one another version or build number.",
        )
    if known is not None and tree.path(package.path).exists():
        return outcome
    packages = {each.path: each for each in (*snapshot.packages, package)}
    snapshots = tuple(
        replace(each, packages=tuple(packages[path] for path in sorted(packages))) if each.id == snapshot.id else each
        for each in tree.inventory.snapshots
    )
    pins = replace(recorded_pins(tree.inventory, tree.state.locks, sources={}), snapshots=snapshots)
    plan = plan_changes(tree, pins, layout=tree.inventory.layout)
    apply_plan(tree, plan, context, source=_UploadedFile(upload, found))
    return outcome


class _UploadedFile:
    """One uploaded file, as a source of packages; upstream is not asked for anything."""

    needs_all = False

    def __init__(self, upload: PackageUpload, found: ExaminedUpload) -> None:
        self._upload = upload
        self._found = found

    def bring(self, tree: Tree, _plan: Plan) -> BringResult:
        """Place it."""
        path = self._found.package.path
        tree.announce([path])
        tree.place(path, self._upload.path, sha256=self._upload.sha256)
        tree.sync()
        return BringResult(stored={path: PackageFile(sha256=self._upload.sha256, size=self._upload.size)})

    def listings(
        self, _tree: Tree, _plan: Plan, stored: Mapping[MirrorPath, PackageFile]
    ) -> Mapping[MirrorPath, Listing]:
        """What was read from it."""
        listing = self._found.listing
        return {path: listing for path in stored if listing is not None}
