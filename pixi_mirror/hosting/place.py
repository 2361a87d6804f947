"""Place what was examined in the mirror, unless it is there, or other bytes have its name."""

from pixi_mirror.context import Context
from pixi_mirror.errors import DiskFullError
from pixi_mirror.hosting.audit import record_audit
from pixi_mirror.hosting.change import WantedChange, carry_out, settle
from pixi_mirror.hosting.examine import ExaminedUpload
from pixi_mirror.hosting.names import hosted_snapshot
from pixi_mirror.hosting.upload import PackageUpload, UploadOutcome, UploadRefused
from pixi_mirror.mirror.imported import is_imported
from pixi_mirror.mirror.tree_changes import ChangingTree
from pixi_mirror.model.packages import HostedKinds, Snapshot

WAIT_S = 8.0
"""How long an upload waits for another writer, in seconds: its client gives up after ten."""


def hosted_kinds(tree: ChangingTree, upload: PackageUpload) -> HostedKinds:
    """What the name takes that an upload is for.

    Raises:
        UploadRefused: the mirror hosts no such name.
    """
    return _kinds(_hosted(tree, upload))


def place_upload(tree: ChangingTree, upload: PackageUpload, found: ExaminedUpload, context: Context) -> UploadOutcome:
    """Place an upload that was examined, list it and record it.

    Raises:
        UploadRefused: it is not taken; the mirror is as it was.
        BusyError: another process kept the mirror for longer than an upload waits.
        MachineError: the mirror cannot be read or written.
    """
    try:
        with tree.writing(timeout_s=WAIT_S, verb="upload"):
            settle(tree, context)
            return _place(tree, upload, found, context)
    except DiskFullError as error:
        raise UploadRefused(413, "no room", str(error)) from error


def _hosted(tree: ChangingTree, upload: PackageUpload) -> Snapshot:
    found = hosted_snapshot(tree.inventory, upload.name)
    if found is None:
        raise UploadRefused(403, "not hosted here", f"this mirror hosts nothing named {upload.name!r}.")
    return found


def _kinds(snapshot: Snapshot) -> HostedKinds:
    return snapshot.hosted or HostedKinds(conda=False, pypi=False)


def _place(tree: ChangingTree, upload: PackageUpload, found: ExaminedUpload, context: Context) -> UploadOutcome:
    if is_imported(tree):
        raise UploadRefused(
            403, "filled by imports", "what this mirror holds is decided where its archives come from: upload there."
        )
    snapshot = _hosted(tree, upload)
    package = found.package
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
    if known is not None and (tree.hash_file(package.path) or ("",))[0] == upload.sha256:
        return outcome
    # What was there and is gone from the disk, or damaged, is as it was once it has been sent again.
    listing = tree.inventory.listings.get(package.path) if known is not None else found.listing
    record_audit(
        tree,
        action="upload",
        name=upload.name,
        path=package.path,
        sha256=upload.sha256,
        user=upload.user,
        address=upload.address,
    )
    wanted = WantedChange(
        host=snapshot,
        package=known or package,
        source=upload.path,
        listings={package.path: listing} if listing is not None else {},
    )
    carry_out(tree, wanted, context)
    return outcome
