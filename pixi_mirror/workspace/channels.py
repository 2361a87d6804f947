"""Read the indexes of channels upstream, with the user's settings: which packages there are, and their records."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urljoin

from pixi_mirror.archives.compression import Decompressor
from pixi_mirror.conda.index_files import REPODATA, REPODATA_ZST, SHARD_INDEX, SHARD_SUFFIX
from pixi_mirror.conda.repodata import read_repodata
from pixi_mirror.conda.shards import read_shard, read_upstream_shard_index
from pixi_mirror.context import Context
from pixi_mirror.disk.files import explain_errors
from pixi_mirror.errors import FetchError, WorkspaceError, WrongBytesError
from pixi_mirror.http.fetcher import Fetcher
from pixi_mirror.model.values import Json, Sha256, Url, sha256_of
from pixi_mirror.paths import is_local, local_path
from pixi_mirror.threads import ThreadPool
from pixi_mirror.workspace.solver_input import (
    Records,
    base_url_in,
    copied_index,
    dependencies,
    is_sound,
    names_in,
    readable,
)

NOARCH = "noarch"
_LARGEST_INDEX = 1 << 30
"""Bytes; the repodata.json of conda-forge for linux-64 has a third of it."""
_LARGEST_SHARD = 1 << 26
_SMALL_INDEX = 1 << 25
"""Bytes; a `repodata.json` up to this size is parsed, which takes a second."""
_WHOLE = (REPODATA_ZST, REPODATA)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubdirIndex:
    """What a channel has for one subdir."""

    base_url: str
    """Where its packages are, with a slash at the end."""
    shards: Mapping[str, Sha256] = field(default_factory=dict)
    """The sha256 of the shard of each name."""
    shards_url: str = ""
    records: Mapping[str, Records] = field(default_factory=dict)
    """Of a small index: the records of each name."""
    file: Path | None = None
    """A large `repodata.json` on this machine, which is not taken apart; None: there is none."""

    def names(self) -> frozenset[str]:
        """The names of its packages; if they are read from a large index, perhaps some more."""
        if self.file is not None:
            return frozenset(names_in(self.file))
        return frozenset({*self.shards, *self.records})


class ChannelReader:
    """Reads channels upstream, each index once."""

    def __init__(self, context: Context, *, workspace: Path, folder: Path, channels: Sequence[str]) -> None:
        """Prepare; nothing is read yet.

        Args:
            context: of the verb.
            workspace: whose settings count.
            folder: an empty directory for what is read.
            channels: URLs without a slash at the end, in the order of their priority.

        Raises:
            MachineError: a settings file does not parse.
        """
        settings = context.settings(workspace)
        for warning in settings.warnings:
            context.progress.warn(warning)
        plain = {url.split("/", 3)[2] for url in channels if url.startswith("http://")}  # as the user says
        network = replace(settings.network, http_hosts=settings.network.http_hosts | plain)
        self._fetcher = Fetcher(network, context.progress, connections=settings.jobs)
        self._jobs = settings.jobs
        self._progress = context.progress
        self._folder = folder
        self._channels = tuple(channels)
        self._indexes: dict[tuple[int, str], SubdirIndex] = {}
        self._shards: dict[tuple[int, str, str], Records] = {}

    def close(self) -> None:
        """End every connection."""
        self._fetcher.close()

    def names(self, subdir: str) -> frozenset[str]:
        """The names of all packages that the channels have for a platform.

        Raises:
            FetchError: an index cannot be fetched, or there is no such channel.
            WorkspaceError: what was fetched is no index.
        """
        indexes = [self._index(number, each) for number in range(len(self._channels)) for each in (subdir, NOARCH)]
        return frozenset().union(*(index.names() for index in indexes))

    def copy_channels(self, names: Iterable[str], subdir: str) -> tuple[str, ...]:
        """Write channels to this machine that have what a solver may need, and return their `file:` URLs.

        Args:
            names: of the packages that are wanted; what they may depend on is found from their records.
            subdir: the platform.

        Raises:
            FetchError, WrongBytesError: an index or a shard cannot be fetched, or is another.
            WorkspaceError: what was fetched is no index.
            MachineError: no file can be written.
        """
        places = [(number, each) for number in range(len(self._channels)) for each in (subdir, NOARCH)]
        if any(self._index(*place).file is not None for place in places):
            # What the packages of a large index depend on is not known here, so the solver gets all there is.
            for place in places:
                self._indexes[place] = self._whole(place)
        reached = self._reach(frozenset(names), places)
        for number, each in places:
            index = self._indexes[number, each]
            target = self._folder / f"{subdir}-{number}" / each / REPODATA
            if index.file is not None:
                with explain_errors("write", target):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.hardlink_to(index.file)
                continue
            wanted = index.records if self._is_whole(places) else reached
            found = [self._records(number, each, name) for name in sorted(wanted)]
            _write(
                target, [copied_index(each, {name: record for records in found for name, record in records.items()})]
            )
        return tuple((self._folder / f"{subdir}-{number}").as_uri() for number in range(len(self._channels)))

    def base_url(self, channel: int, subdir: str) -> str:
        """Where the packages of a channel's subdir are, with a slash at the end."""
        return self._indexes[channel, subdir].base_url

    def _is_whole(self, places: Iterable[tuple[int, str]]) -> bool:
        return any(self._indexes[place].file is not None for place in places)

    def _whole(self, place: tuple[int, str]) -> SubdirIndex:
        """The index of a subdir that is no shards."""
        index = self._indexes[place]
        return self._read_index(*place, forms=_WHOLE) if index.shards else index

    def _records(self, number: int, subdir: str, name: str) -> Records:
        index = self._indexes[number, subdir]
        return index.records.get(name) or self._shards.get((number, subdir, name)) or {}

    def _reach(self, names: frozenset[str], places: Sequence[tuple[int, str]]) -> frozenset[str]:
        """The packages, and all that they may depend on; what of them is in shards is fetched."""
        seen: set[str] = set()
        pending = set(names)
        with ThreadPool(self._jobs) as pool:
            while pending:
                seen |= pending
                wanted = [
                    (number, subdir, name)
                    for number, subdir in places
                    for name in sorted(pending & self._indexes[number, subdir].shards.keys())
                    if (number, subdir, name) not in self._shards
                ]
                self._shards.update(zip(wanted, pool.map(self._fetch_shard, wanted), strict=True))
                pending = {
                    dependency
                    for number, subdir in places
                    for name in pending
                    for record in self._records(number, subdir, name).values()
                    for dependency in dependencies(record)
                } - seen
        return frozenset(seen)

    def _fetch_shard(self, wanted: tuple[int, str, str]) -> Records:
        number, subdir, name = wanted
        index = self._indexes[number, subdir]
        digest = index.shards[name]
        url = Url(f"{index.shards_url}{digest}{SHARD_SUFFIX}")
        data = self._fetcher.read(url, accept="*/*", limit=_LARGEST_SHARD).data
        if sha256_of(data) != digest:
            raise WrongBytesError(
                f"{url} is not the shard that the index names: its sha256 is another. Try again later."
            )
        try:
            return {file: readable(record) for file, record in read_shard(data).items() if is_sound(record)}
        except ValueError as error:
            raise WorkspaceError(f"{url} cannot be read: {error}.") from None

    def _index(self, number: int, subdir: str) -> SubdirIndex:
        if (number, subdir) not in self._indexes:
            self._indexes[number, subdir] = self._read_index(number, subdir, forms=(SHARD_INDEX, *_WHOLE))
        return self._indexes[number, subdir]

    def _read_index(self, number: int, subdir: str, *, forms: Iterable[str]) -> SubdirIndex:
        """The index of a subdir in the first form that there is. As in pixi, only `noarch` must not be missing."""
        channel = self._channels[number]
        place = f"{channel}/{subdir}/"
        self._progress.note(f"reading the index of {Url(place)}")
        failure: FetchError | None = None
        for name in forms:
            if is_local(place) and not local_path(f"{place}{name}").is_file():
                continue
            try:
                data = self._fetcher.read(Url(f"{place}{name}"), accept="*/*", limit=_LARGEST_INDEX).data
            except FetchError as error:
                if not error.lasting:
                    raise
                failure = error
                continue
            try:
                return _parsed(data, name, place, self._folder / f"index-{number}-{subdir}.json")
            except ValueError as error:
                raise WorkspaceError(f"{Url(place + name)} cannot be read: {error}.") from None
        if subdir != NOARCH:
            return SubdirIndex(base_url=place)
        if failure is not None:
            raise FetchError(f"there is no channel at {Url(channel)}, or it cannot be read: {failure}", lasting=True)
        raise WorkspaceError(f"there is no channel at {Url(channel)}: it has no {NOARCH}/{REPODATA}.")


def _parsed(data: bytes, name: str, place: str, file: Path) -> SubdirIndex:
    """An index that was read.

    Raises:
        ValueError: it is none; the text is a sentence.
        MachineError: it is large, and cannot be written to this machine.
    """
    if name == SHARD_INDEX:
        shards = read_upstream_shard_index(data)
        return SubdirIndex(
            base_url=urljoin(place, shards.base_url),
            shards=shards.shards,
            shards_url=urljoin(place, shards.shards_base_url),
        )
    decompressor = Decompressor("zstd")
    _write(file, decompressor.feed(data) if name == REPODATA_ZST else [data])
    if not decompressor.is_complete:
        raise ValueError("its zstd frame is cut short")
    base_url = urljoin(place, base_url_in(file))
    with explain_errors("read", file):
        if file.stat().st_size > _SMALL_INDEX:
            return SubdirIndex(base_url=base_url, file=file)
        document = file.read_bytes()
    records: dict[str, dict[str, Mapping[str, Json]]] = {}
    for file_name, record in read_repodata(document)[1].items():
        if is_sound(record):
            records.setdefault(record["name"].lower(), {})[file_name] = record
    return SubdirIndex(base_url=base_url, records=records)


def _write(file: Path, pieces: Iterable[bytes]) -> None:
    with explain_errors("write", file):
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as target:
            for piece in pieces:
                target.write(piece)
