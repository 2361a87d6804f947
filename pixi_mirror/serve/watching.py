"""What a server says to those who watch it: whether it is well, how much the mirror holds, and since when."""

import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from pixi_mirror.disk.files import FileIdentity, identity_of
from pixi_mirror.errors import PixiMirrorError
from pixi_mirror.mirror.dates import dates_json, read_dates
from pixi_mirror.mirror.status import environments_of
from pixi_mirror.mirror.tree_view import INVENTORY, TreeView
from pixi_mirror.model.packages import Inventory
from pixi_mirror.model.values import canonical

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Watching:
    """The health and the metrics of one mirror; many threads may use it."""

    def __init__(self, root: Path) -> None:
        """Note the mirror; nothing is read before the first request."""
        self._root = root
        self._lock = threading.Lock()
        self._counted: tuple[FileIdentity, bytes] | None = None

    def health(self, identity: str) -> bytes:
        """The JSON of `/-/health`; `identity` is that of the mirror's directory."""
        return canonical({"status": "ok", "mirror": identity, **dates_json(read_dates(self._root))})

    def metrics(self) -> bytes:
        """The metrics in Prometheus' text form, version 0.0.4.

        Raises:
            OSError: the mirror's inventory cannot be read.
        """
        dates = read_dates(self._root)
        times = b""
        for name, at in (("refresh", dates.refreshed), ("verify", dates.verified)):
            if at is not None:
                help_text = f"When the last {name} ended well, in seconds since 1970."
                times += _metric(f"last_{name}_timestamp_seconds", help_text, {"": at})
        return self._counts() + times

    def _counts(self) -> bytes:
        """What the inventory says; it is read again only when it has changed."""
        with self._lock:
            now = identity_of(os.stat(self._root / INVENTORY))
            if self._counted is None or self._counted[0] != now:
                try:
                    inventory = TreeView(self._root).inventory
                except PixiMirrorError as error:
                    raise OSError(str(error)) from error
                self._counted = now, b"".join(_inventory_metrics(inventory))
            return self._counted[1]


def _inventory_metrics(inventory: Inventory) -> Iterator[bytes]:
    stored = inventory.stored
    yield _metric("files", "Package files in the mirror.", {"": len(stored)})
    yield _metric("bytes", "Bytes of these.", {"": sum(each.size for each in stored.values())})
    yield _metric("deferred_files", "Package files that come on demand.", {"": len(inventory.deferred)})
    files: dict[str, int] = {}
    sizes: dict[str, int] = {}
    for snapshot in inventory.snapshots:
        for each in environments_of(snapshot, stored):
            labels = f'{{workspace="{_label(snapshot.workspace)}",environment="{_label(each.environment)}"}}'
            files[labels] = files.get(labels, 0) + each.files
            sizes[labels] = sizes.get(labels, 0) + each.size
    yield _metric("environment_files", "Package files that an environment wants.", files)
    yield _metric("environment_bytes", "Bytes of these.", sizes)


def _metric(name: str, help_text: str, values: Mapping[str, int]) -> bytes:
    lines = [f"# HELP pixi_mirror_{name} {help_text}", f"# TYPE pixi_mirror_{name} gauge"]
    lines += [f"pixi_mirror_{name}{labels} {value}" for labels, value in values.items()]
    return "".join(f"{line}\n" for line in lines).encode()


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
