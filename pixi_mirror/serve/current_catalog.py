"""What pages show, read once for each change of the mirror; many threads may ask for it."""

import os
import threading
from collections.abc import Callable, Hashable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from pixi_mirror.advisories.findings import Finding
from pixi_mirror.disk.files import FileIdentity, identity_of
from pixi_mirror.errors import PixiMirrorError
from pixi_mirror.mirror.generation_changes import FileFacts, LastChange, last_change
from pixi_mirror.mirror.tree_view import INVENTORY, TreeView
from pixi_mirror.model.values import MirrorPath, Sha256
from pixi_mirror.pypi.metadata import CoreMetadata, metadata_beside
from pixi_mirror.serve.page.catalog import catalog_of
from pixi_mirror.serve.page.contents import Catalog, ShownFile
from pixi_mirror.serve.page.dependants import Dependants, ReadMetadata

PackageKey: TypeAlias = tuple[str, str]
"""The kind and the name of a package."""

_MOST_PARTS = 8
"""Parts of the catalog that are kept, for users with other rights; further ones are made again."""


class CatalogPart:
    """What one user may read of a mirror, with what is worked out of it when a page first needs it."""

    def __init__(self, catalog: Catalog, read_metadata: ReadMetadata) -> None:
        self.catalog = catalog
        self.read_metadata = read_metadata

    @cached_property
    def dependants(self) -> Dependants:
        """Who needs whom."""
        return Dependants(self.catalog, self.read_metadata)


class MirrorVersion:
    """A mirror as it was at one time."""

    def __init__(self, view: TreeView, identity: FileIdentity | None, wheels: "_WheelMetadata") -> None:
        self._root = view.root
        self._has_advisories = bool(view.inventory.advisories)
        self._lock = threading.Lock()
        self._known_findings: Mapping[PackageKey, tuple[Finding, ...]] | None = None
        updated_s = 0.0 if identity is None else identity.mtime_ns / 1_000_000_000
        self.identity = identity
        self._generations = None if view.is_closed else view.generations
        self._stamp = view.inventory.stamp
        self._read_metadata = wheels
        self.whole = CatalogPart(catalog_of(view.inventory, updated_s=updated_s), wheels)
        self._parts: dict[Hashable, CatalogPart] = {}

    def part(self, key: Hashable, may_read: Callable[[str], bool]) -> CatalogPart:
        """What a user may read.

        Args:
            key: The same for the same rights.
            may_read: Whether the user may read a path of the mirror.
        """
        found = self._parts.get(key)
        if found is None:
            found = CatalogPart(self.whole.catalog.restricted(may_read), self._read_metadata)
            if len(self._parts) >= _MOST_PARTS:
                self._parts.clear()
            self._parts[key] = found
        return found

    def findings(self, kind: str, name: str) -> tuple[Finding, ...] | None:
        """The known vulnerabilities of a package, the worst first; None: the mirror carries no advisories.

        The first call reads all advisories, which may take seconds; other requests for packages wait for it.
        """
        if not self._has_advisories:
            return None
        with self._lock:
            if self._known_findings is None:
                self._known_findings = _findings(self._root)
            return self._known_findings.get((kind, name), ())

    @cached_property
    def change(self) -> LastChange | None:
        """What the last generation changed; None: it is not known, or is for the owner of the mirror alone."""
        if self._generations is None or self._stamp is None:
            return None
        known = {file.path: file for file in self.whole.catalog.files}
        try:
            return last_change(self._generations, self._stamp.number, lambda path: _facts(known.get(path)))
        except PixiMirrorError:  # its file is missing or damaged, which `log` and `verify` say
            return None


def _findings(root: Path) -> Mapping[PackageKey, tuple[Finding, ...]]:
    """The findings of an audit by package; none if the advisories cannot be read, which `audit` and `verify` say."""
    from pixi_mirror.advisories.audit import AuditRequest, audit

    found: dict[PackageKey, tuple[Finding, ...]] = {}
    try:
        audited = audit(AuditRequest(mirror=root))
    except PixiMirrorError:
        return found
    for each in audited.findings:
        found[each.kind, each.package] = (*found.get((each.kind, each.package), ()), each)
    return found


def _facts(file: ShownFile | None) -> FileFacts | None:
    return None if file is None else FileFacts(file.kind, file.name, file.version, file.size)


class _WheelMetadata:
    """The core metadata of wheels, each read once in the life of a server, and not once for each change."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[Sha256, CoreMetadata | None] = {}

    def __call__(self, file: ShownFile) -> CoreMetadata | None:
        if file.metadata is None:
            return None
        if file.metadata not in self._known:
            self._known[file.metadata] = metadata_beside(file.path, self._read)
        return self._known[file.metadata]

    def _read(self, path: MirrorPath) -> bytes | None:
        try:
            return (self._root / path).read_bytes()
        except OSError:
            return None

    def forget(self, catalog: Catalog) -> None:
        """Forget what no wheel of the mirror has any more."""
        kept: Mapping[Sha256, None] = {each.metadata: None for each in catalog.files if each.metadata is not None}
        self._known = {digest: found for digest, found in self._known.items() if digest in kept}


class CurrentCatalog:
    """The catalog of one mirror as it is now."""

    def __init__(self, root: Path) -> None:
        """Note the mirror; nothing is read before the first request."""
        self._root = root
        self._lock = threading.Lock()
        self._wheels = _WheelMetadata(root)
        self._version: MirrorVersion | None = None

    def now(self) -> MirrorVersion:
        """The mirror as it is now, or as it was last if its inventory cannot be read.

        Raises:
            OSError: the records of the mirror could never be read.
        """
        before = self._identity()
        version = self._version
        if version is not None and version.identity == before:
            return version
        with self._lock:
            if self._version is not None and self._version.identity == before:
                return self._version
            try:
                self._version = MirrorVersion(TreeView(self._root), before, self._wheels)
            except PixiMirrorError as error:
                if self._version is None:
                    raise OSError(str(error)) from error
                return self._version
            self._wheels.forget(self._version.whole.catalog)
            return self._version

    def _identity(self) -> FileIdentity | None:
        try:
            return identity_of(os.stat(self._root / INVENTORY))
        except FileNotFoundError:
            return None
