"""Receive an upload: verify it, place it, list it, record it; then, and only then, it is answered.

Whoever has the bytes, a server or `host put`, comes through `receive_upload`. `hosting/upload.py` has the values.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pixi_mirror.context import Context
from pixi_mirror.disk import links
from pixi_mirror.disk.files import explain_errors
from pixi_mirror.disk.held_files import HeldFile, held_file
from pixi_mirror.hosting.examine import examine
from pixi_mirror.hosting.place import hosted_kinds, place_upload
from pixi_mirror.hosting.upload import PackageUpload, UploadOutcome
from pixi_mirror.mirror.tree import require_mirror
from pixi_mirror.mirror.tree_changes import ChangingTree
from pixi_mirror.mirror.tree_view import PRIVATE

_INCOMING = "incoming"


@contextmanager
def receive_file(mirror: Path) -> Iterator[HeldFile]:
    """Make a file on the mirror's disk for the bytes of an upload while they come; after the block it is gone.

    What killed processes have left in the same place is removed first.

    Raises:
        MachineError: the disk refuses.
    """
    with explain_errors("write", mirror / PRIVATE / _INCOMING), held_file(mirror / PRIVATE / _INCOMING) as held:
        yield held


class UploadReceiver:
    """Receives the uploads of one mirror, one after another; many threads may use it.

    A server keeps one: what it knows of the mirror's records it need not read for the next upload.
    """

    def __init__(self, mirror: Path, context: Context) -> None:
        """Nothing is read yet."""
        self._mirror = mirror
        self._context = context
        self._one_at_a_time = threading.Lock()
        self._tree: ChangingTree | None = None

    def receive(self, upload: PackageUpload) -> UploadOutcome:
        """Verify an upload, place it, list it and record it.

        Raises:
            UploadRefused: it is not taken; the mirror is as it was.
            BusyError: another process kept the mirror for longer than an upload waits.
            MachineError: the mirror cannot be read or written.
        """
        try:
            with self._one_at_a_time:
                kinds = hosted_kinds(self._current(), upload)
            found = examine(upload, kinds, now=datetime.now(UTC))  # several may be examined at once
            with explain_errors("write", upload.path):
                links.publish(upload.path)
            with self._one_at_a_time:
                return place_upload(self._current(), upload, found, self._context)
        finally:
            upload.path.unlink(missing_ok=True)

    def _current(self) -> ChangingTree:
        if self._tree is None:
            require_mirror(self._mirror)
            self._tree = ChangingTree(self._mirror)
        else:
            self._tree.refresh()
        return self._tree


def receive_upload(mirror: Path, upload: PackageUpload, context: Context) -> UploadOutcome:
    """Receive one upload; see `UploadReceiver.receive`, of which a server keeps one.

    Raises:
        UploadRefused: it is not taken; the mirror is as it was.
        BusyError: another process kept the mirror for longer than an upload waits.
        MachineError: the mirror cannot be read or written.
    """
    return UploadReceiver(mirror, context).receive(upload)
