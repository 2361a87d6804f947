"""Carry databases of advisories in a mirror: fetch, read, place, record; each file is pinned by its hash when it comes.

Nobody publishes hashes of these databases, so the first bytes are believed, as with packages that have no hash; other
bytes come only where the user asks for an update. A file is named by its hash: the old one stays whole until `prune`.
"""

import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from pixi_mirror.advisories.database import LINES, ZIP, is_zip, lines_of, read_advisories, survey
from pixi_mirror.cache.batch import ObtainedPackage
from pixi_mirror.context import Context
from pixi_mirror.disk.files import explain_errors, hash_file, write_synced
from pixi_mirror.errors import FetchError, MachineError, WorkspaceError
from pixi_mirror.mirror.imported import refuse_own_changes
from pixi_mirror.mirror.tree import Tree, open_mirror
from pixi_mirror.mirror.upstream import open_upstream
from pixi_mirror.model.advisories import FOLDER, AdvisoryDatabase, database_path
from pixi_mirror.model.packages import Package, PackageFile
from pixi_mirror.model.values import MirrorPath, Sha256, Url, admit_path
from pixi_mirror.paths import file_url
from pixi_mirror.suggest import suggested

_VERB = "pixi-mirror advisories"
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldDatabase:
    """A database of advisories in a mirror."""

    path: MirrorPath
    sha256: Sha256
    size: int
    database: AdvisoryDatabase


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatedAdvisories:
    """What became of a database."""

    mirror: Path
    before: HeldDatabase | None
    """What stood for it; None: it is new."""
    now: HeldDatabase | None
    """None: it was removed."""
    about_projects: int
    """How many of its advisories are about projects of PyPI and not withdrawn."""


def held_databases(tree: Tree) -> tuple[HeldDatabase, ...]:
    """The databases that a mirror carries, by name."""
    inventory = tree.inventory
    found = [
        HeldDatabase(path=path, sha256=file.sha256, size=file.size, database=database)
        for path, database in inventory.advisories.items()
        if (file := inventory.stored_at(path)) is not None
    ]
    return tuple(sorted(found, key=lambda each: each.database.name))


def update_advisories(mirror: Path, source: str, *, name: str, context: Context) -> UpdatedAdvisories:
    """Bring a database into a mirror, in place of the one of that name.

    Args:
        mirror: its directory.
        source: a URL, or a file or directory of this machine.
        name: of the database.
        context: of the verb.

    Raises:
        MachineError: there is no mirror, what comes is damaged or no database, or a disk refuses; the old one stays.
        FetchError: it could not be fetched; the old one stays.
        HistoryError: imports fill the mirror.
        BusyError: another process is writing the mirror.
    """
    tree = open_mirror(mirror)
    refuse_own_changes(tree, f"{_VERB} update")
    with tree.writing(timeout_s=context.lock_timeout_s, verb="advisories"), ExitStack() as stack:
        before = next((each for each in held_databases(tree) if each.database.name == name), None)
        file, suffix = _obtain(source, tree, context, stack)
        shown = Url(source) if _is_url(source) else source
        try:
            with explain_errors("read", str(shown)):
                contents = survey(read_advisories(file, suffix))
                sha256, status = hash_file(file)
        except ValueError as error:
            raise _unreadable(str(shown), str(error)) from error
        database = AdvisoryDatabase(
            name=name,
            source=Url(source).stripped if _is_url(source) else Path(source).name,
            advisories=contents.advisories,
            newest=contents.newest,
        )
        now = HeldDatabase(
            path=database_path(name, sha256, suffix), sha256=sha256, size=status.st_size, database=database
        )
        _place(tree, now, file)
        _record(tree, before, now)
    return UpdatedAdvisories(mirror=mirror, before=before, now=now, about_projects=contents.about_projects)


def remove_advisories(mirror: Path, *, name: str, context: Context) -> UpdatedAdvisories:
    """Carry a database no longer; `prune` removes its file.

    Raises:
        WorkspaceError: there is none of that name.
        MachineError: there is no mirror, or it cannot be written.
        HistoryError: imports fill the mirror.
        BusyError: another process is writing the mirror.
    """
    tree = open_mirror(mirror)
    refuse_own_changes(tree, f"{_VERB} remove")
    with tree.writing(timeout_s=context.lock_timeout_s, verb="advisories"):
        held = {each.database.name: each for each in held_databases(tree)}
        if name not in held:
            raise WorkspaceError(f"{mirror} carries no advisories named {name!r}{suggested(name, held)}.")
        _record(tree, held[name], None)
    return UpdatedAdvisories(mirror=mirror, before=held[name], now=None, about_projects=0)


def _is_url(source: str) -> bool:
    return "://" in source


def _unreadable(source: str, why: str) -> MachineError:
    return MachineError(
        f"{source} is no database of advisories in the format OSV, or it was cut short: {why}. Nothing was changed. "
        "Give the whole archive of JSON files (`all.zip`), a JSON file, or a directory of such files."
    )


def _obtain(source: str, tree: Tree, context: Context, stack: ExitStack) -> tuple[Path, str]:
    """A file of this machine with the advisories of a source, and its form; it may be gone after `stack`."""
    if _is_url(source):
        path = _fetch(Url(source), tree, context)
    else:
        path = Path(source).expanduser()
        if not path.exists():
            raise MachineError(f"there is no file or directory {path}; nothing was changed.")
        if path.is_file() and is_zip(path):
            path = _fetch(Url(file_url(str(Path(os.path.realpath(path))))), tree, context)
    with explain_errors("read", path):
        if path.is_file() and is_zip(path):
            return path, ZIP
        try:
            data = lines_of(path)
        except ValueError as error:
            raise _unreadable(str(Url(source)) if _is_url(source) else str(path), str(error)) from error
    folder = stack.enter_context(tree.temporary_directory())
    file = folder / f"advisories{LINES}"
    with explain_errors("write", file):
        write_synced(file, data, temporary=folder / "new", mode=0o600)
    return file, LINES


def _fetch(url: Url, tree: Tree, context: Context) -> Path:
    """A file of the cache with the bytes behind a URL."""
    package = Package(
        path=admit_path(f"{FOLDER}/fetched"),
        url=url,
        sha256=None,
        md5=None,
        size=None,
        kind="pypi",
        name=FOLDER,
        version="0",
        build=None,
        subdir=None,
        record=MappingProxyType({"indexes": [], "find-links": []}),
    )
    upstream = open_upstream(context, [package], tree)
    with upstream.store.used():
        context.progress.begin("fetching advisories", files=1, size=0)
        for outcome in upstream.batch.obtain([package]):
            if isinstance(outcome, ObtainedPackage):
                return outcome.path
            raise outcome.error
    raise FetchError(f"{url} could not be fetched.")


def _place(tree: Tree, now: HeldDatabase, file: Path) -> None:
    stored = tree.hash_file(now.path)
    if stored is None or stored[0] != now.sha256:
        tree.announce([now.path])
        tree.place(now.path, file, sha256=now.sha256)


def _record(tree: Tree, before: HeldDatabase | None, now: HeldDatabase | None) -> None:
    """Record the new database; the file of the old one is unlisted from now on."""
    inventory, unlisted = tree.inventory, dict(tree.state.unlisted)
    files, databases = dict(inventory.tree), dict(inventory.advisories)
    if before is not None:
        del databases[before.path]
        unlisted[before.path] = time.time()
    if now is not None:
        files[now.path] = PackageFile(sha256=now.sha256, size=now.size)
        databases[now.path] = now.database
        unlisted.pop(now.path, None)
    tree.record(
        replace(inventory, tree=_sorted(files), advisories=_sorted(databases)),
        locks=tree.state.locks,
        unlisted=unlisted,
    )


def _sorted(items: Mapping[MirrorPath, _Item]) -> Mapping[MirrorPath, _Item]:
    return MappingProxyType(dict(sorted(items.items())))
