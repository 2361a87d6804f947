"""The index of conda channels: a canonical `repodata.json` for every subdir, made from pins."""

import posixpath
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from pixi_mirror.conda.index_files import REPODATA, REPODATA_ZST, SHARD_INDEX, SHARD_SUFFIX, repodata_path, shard_path
from pixi_mirror.conda.matchspec_spelling import requires_v3, v3_record
from pixi_mirror.conda.repodata import read_repodata, repodata
from pixi_mirror.errors import MachineError
from pixi_mirror.model.attestations import ATTESTATIONS, attestations_of
from pixi_mirror.model.indexes import Contents, IndexFile
from pixi_mirror.model.packages import Package
from pixi_mirror.model.values import Json, MirrorPath, admit_path
from pixi_mirror.progress import counted

_NOARCH = "noarch"


class CondaIndex:
    """`repodata.json`, in `noarch` always: without it no client takes a directory for a channel."""

    def files(self, contents: Contents) -> Mapping[MirrorPath, IndexFile]:
        """The attestations that records promise, then every `repodata.json`, those of noarch first."""
        listed: dict[str, dict[str, Mapping[str, Json]]] = {}
        for channel, subdir in contents.channels:
            for name in (_NOARCH, subdir):
                listed.setdefault(f"{channel.path}/{name}" if channel.path else name, {})
        for path in contents.standing:
            folder, _, name = path.rpartition("/")
            if name == REPODATA:
                listed.setdefault(folder, {})
        for package in contents.packages:
            place, file_name = _place(package)
            if place is not None:
                records = listed.setdefault(place, {})
                if not _is_yanked(package, contents):
                    records[file_name] = _record(package)
                listed.setdefault(_beside(place, _NOARCH), {})
        made = _current_attestations(contents)
        ordered = sorted(listed, key=lambda place: (not place.endswith(_NOARCH), place))
        for place in ordered:
            made[repodata_path(place)] = _made(place, listed[place], _relations(place, contents))
        return made

    def problem(
        self,
        path: MirrorPath,
        data: bytes,
        contents: Contents,
        *,
        read: Callable[[MirrorPath], bytes | None],
    ) -> str | None:
        """What is wrong with a `repodata.json` or one of its sidecars, read back."""
        place, _, name = path.rpartition("/")
        if name == REPODATA:
            return _json_problem(place, data, _expected(place, contents))
        if name in (REPODATA_ZST, SHARD_INDEX) or name.endswith(SHARD_SUFFIX):
            return _sidecar_problem(path, data, contents, read)
        return None


def _json_problem(place: str, data: bytes, expected: Mapping[str, Mapping[str, Json]]) -> str | None:
    try:
        subdir, found = read_repodata(data)
    except ValueError as error:
        return str(error)
    if subdir != place.rpartition("/")[2]:
        return f"it says subdir {subdir!r}"
    wrong = sorted(file for file in found.keys() | expected.keys() if found.get(file) != expected.get(file))
    if not wrong:
        return None
    return f"{counted(len(wrong), 'record')} not as the inventory has it, the first is {wrong[0]}"


def _sidecar_problem(
    path: MirrorPath,
    data: bytes,
    contents: Contents,
    read: Callable[[MirrorPath], bytes | None],
) -> str | None:
    from pixi_mirror.conda import sidecars

    place, _, name = path.rpartition("/")
    if name.endswith(SHARD_SUFFIX) and name != SHARD_INDEX:
        return sidecars.shard_problem(data, name.removesuffix(SHARD_SUFFIX))
    subdir = place.rpartition("/")[2]
    expected, relations = _expected(place, contents), _relations(place, contents)
    if name == REPODATA_ZST:
        return sidecars.zst_problem(data, subdir, expected, relations=relations)
    return sidecars.shards_problem(
        data, subdir, expected, lambda sha256: read(shard_path(place, sha256)), relations=relations
    )


def _expected(place: str, contents: Contents) -> Mapping[str, Mapping[str, Json]]:
    return {
        file_name: _record(package)
        for package in contents.packages
        for where, file_name in [_place(package)]
        if where == place and not _is_yanked(package, contents)
    }


def _is_yanked(package: Package, contents: Contents) -> bool:
    """Whether a hosted package was withdrawn: no solve finds it, and who has locked it gets it still."""
    listing = contents.listings.get(package.path)
    return listing is not None and listing.yanked is not None


def _place(package: Package) -> tuple[str | None, str]:
    """The directory whose index lists a package, and its file name there; a package by direct URL is in none."""
    place, _, file_name = package.path.rpartition("/")
    listed = package.kind == "conda" and place.rpartition("/")[2] == package.subdir
    return (place if listed else None), file_name


def _current_attestations(contents: Contents) -> dict[MirrorPath, IndexFile]:
    """CEP 50: `PACKAGE.sigs` has the bytes of `PACKAGE.sigs.SHA256`, whose sha256 the record has."""
    here = {package.path for package in contents.packages if package.kind == "attestations"}
    made = {}
    for package in contents.packages:
        found = attestations_of(package)
        if found is not None and found.sha256 is not None and found.path in here:
            content = partial(_read, contents.where(found.path))
            made[admit_path(package.path + ATTESTATIONS)] = IndexFile(found.sha256, content, is_part=True)
    return made


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MachineError(
            f"{path} cannot be read: {error.strerror}. `pixi-mirror verify --repair` fetches what is missing."
        ) from error


def _beside(place: str, name: str) -> str:
    parent, slash, _ = place.rpartition("/")
    return f"{parent}{slash}{name}"


def _record(package: Package) -> Mapping[str, Json]:
    """The record as clients get it, with the hashes that were pinned at the first fetch."""
    record = dict(package.record)
    if package.sha256 is not None:
        record.setdefault("sha256", package.sha256)
    if package.size is not None:
        record.setdefault("size", package.size)
    return v3_record(record) if requires_v3(record) else record


def _relations(place: str, contents: Contents) -> Mapping[str, str]:
    """The relations of a subdir to channels that the mirror has, too: a client would look for others in vain."""
    found = contents.relations.get(MirrorPath(place), {})
    if not found:
        return {}
    channels = {channel.path for channel, _ in contents.channels} | {
        where.rpartition("/")[0] for package in contents.packages for where, _ in [_place(package)] if where is not None
    }
    home = place.rpartition("/")[0]
    return {
        key: reference
        for key, reference in found.items()
        if reference.startswith("../") and posixpath.normpath(f"{home}/{reference}") in channels
    }


def _made(place: str, records: Mapping[str, Mapping[str, Json]], relations: Mapping[str, str]) -> IndexFile:
    return IndexFile.of(repodata(place.rpartition("/")[2], records, relations=relations))
