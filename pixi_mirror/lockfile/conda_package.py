"""The package that a conda entry of a lock stands for. Its name, URL and path are checked by grammar."""

from collections.abc import Mapping

from pixi_mirror.conda.names import SUBDIRS, is_subdir, split_safe_file_name
from pixi_mirror.errors import UnmirrorableError, WorkspaceError
from pixi_mirror.lockfile.entries import CondaBinary
from pixi_mirror.lockfile.mirrorable import missing_archive, shown_location
from pixi_mirror.model.packages import Layout, Package
from pixi_mirror.model.values import Json, MirrorPath, Url, admit_path, mask_secrets
from pixi_mirror.paths import channel, file_url, is_local, local_url, own_path, unsafe_file_name, url_path


def conda_package(entry: CondaBinary, *, layout: Layout, base: str, needs_place: bool = True) -> Package:
    """The package that `entry` of a lock stands for.

    Hashes and size are those of the lock, None where it has none. The record is as it belongs in `repodata.json`: its
    subdir is the folder that the package lies in.

    Args:
        entry: the entry.
        layout: how the mirror is laid out.
        base: the `file:///dir/` URL that relative paths start at.
        needs_place: whether it is refused if its URL has no path in a mirror; else it gets one of its own.

    Raises:
        UnmirrorableError: it has no archive that can be fetched.
        WorkspaceError: its name or its URL is unsafe, or contradicts its record.
    """
    if (problem := missing_archive(entry)) is not None:
        raise UnmirrorableError(problem)
    local = is_local(entry.location)
    url = Url(local_url(entry.location, base) if local else entry.location)
    record = _placed(entry)
    _refuse_name(entry, record)
    path = _path(entry, record, layout) if needs_place else _path_or_own(entry, record, layout)
    return Package.of_record(record, path=path, url=url)


def _placed(entry: CondaBinary) -> Mapping[str, Json]:
    """The record with its folder as its subdir: old locks name the subdir of the platform instead."""
    record = entry.record
    if entry.subdir is None or entry.subdir == record["subdir"]:
        return record
    placed = {key: value for key, value in record.items() if key not in ("arch", "platform")}
    placed["subdir"] = entry.subdir
    known = zip(("arch", "platform"), SUBDIRS.get(entry.subdir, (None, None)), strict=True)
    return placed | {key: value for key, value in known if value is not None}


def _refuse_name(entry: CondaBinary, record: Mapping[str, Json]) -> None:
    try:
        parts = split_safe_file_name(entry.file_name)
    except ValueError as error:
        raise _unsafe(entry, f"{error}") from None
    problem = unsafe_file_name(entry.file_name)
    if problem is not None:
        raise _unsafe(entry, problem)
    recorded = (record["name"], record["version"], record["build"])
    if parts[:3] != recorded:
        raise _unsafe(
            entry, f"its record says {'-'.join(recorded)[:200]!r}, which is another package than the file name"
        )
    if not is_subdir(record["subdir"]):
        raise _unsafe(entry, f"its subdir {record['subdir'][:80]!r} is none that CEP 26 allows")


def _path(entry: CondaBinary, record: Mapping[str, Json], layout: Layout) -> MirrorPath:
    subdir = record["subdir"]
    whole = None
    if not is_local(entry.location):
        whole = url_path(entry.location)  # an unsafe URL is refused as such, before anything is made of its parts
        if entry.subdir is None and layout == "channels":
            return whole  # a package by direct URL: of no channel, so that no index lists it
        # The channel is where the file lies, which need not be what the lock calls its channel.
        home = channel(_home(entry.location), layout)
    elif entry.channel is not None and is_local(entry.channel) and _lies_in(entry):
        home = channel(entry.channel, layout)
    elif layout == "channels":
        return _archive_path(entry, record)
    else:
        return admit_path(f"{subdir}/{entry.file_name}")
    top = f"{home.path}/" if home.path is not None else ""
    path = f"{top}{subdir}/{entry.file_name}"
    if path == whole:
        return whole
    try:
        return admit_path(path)
    except ValueError as error:
        raise _unsafe(entry, str(error)[:200]) from None


def _path_or_own(entry: CondaBinary, record: Mapping[str, Json], layout: Layout) -> MirrorPath:
    try:
        return _path(entry, record, layout)
    except WorkspaceError:
        return own_path(entry.location, entry.file_name)


def _home(location: str) -> str:
    """The URL of the channel that a package's URL lies in, with a final slash."""
    return "/".join([*location.partition("#")[0].partition("?")[0].split("/")[:-2], ""])


def _lies_in(entry: CondaBinary) -> bool:
    """Whether a local package lies in a subdir of the local channel that the lock names for it."""
    if entry.subdir is None or entry.channel is None:
        return False
    return file_url(entry.location) == file_url(f"{entry.channel}/{entry.subdir}/{entry.file_name}")


def _archive_path(entry: CondaBinary, record: Mapping[str, Json]) -> MirrorPath:
    if record.get("sha256") is None:
        raise UnmirrorableError(
            f"the package {shown_location(entry.location)} cannot be mirrored: a mirror files a local archive under "
            "its sha256, and the lock has none. Put it into a channel, or leave its environment out."
        )
    return admit_path(f"local/{record['sha256']}/{entry.file_name}")


def _unsafe(entry: CondaBinary, problem: str) -> WorkspaceError:
    title = shown_location(entry.location)
    return WorkspaceError(
        f"the package {title!r} cannot stand in a mirror: {mask_secrets(problem)}. Nothing was written; correct "
        "the lock, most simply by locking anew."
    )
