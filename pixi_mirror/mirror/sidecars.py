"""Make the sidecars of `repodata.json`, `.zst` and shards, with rattler-index; publish them only if they say the same.

`repodata.json` itself is always our own. A client that finds a sidecar does not read it, so a sidecar has the same
records, or it does not exist.

The indexer works in a private directory with empty files named like the packages. It opens no package whose record is
in `repodata.json`, and is never given --force. If it lost that file, it would fail at the first empty file, and not
index what the archives say in place of what the channel says.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Literal, TypeAlias

from pixi_mirror.conda.index_files import (
    REPODATA,
    REPODATA_ZST,
    SHARD_INDEX,
    SHARD_SUFFIX,
    SHARDS,
    repodata_path,
    shard_path,
)
from pixi_mirror.conda.repodata import lists_nothing, read_relations, read_repodata, repodata
from pixi_mirror.errors import ProgramError
from pixi_mirror.mirror.index_programs import Choice, IndexJob, IndexPrograms, ProgramEnvironment, Runner
from pixi_mirror.model.indexes import IndexFile, SidecarFiles, SidecarResult, SidecarRole
from pixi_mirror.model.values import MirrorPath, Sha256, admit_path, admit_sha256, canonical
from pixi_mirror.progress import Progress

if TYPE_CHECKING:  # a run that makes no sidecars must not pay for reading them
    from pixi_mirror.conda.sidecars import Records

Shards: TypeAlias = Literal["auto", "always", "never"]

SHARDS_FROM = 6_000_000
"""Bytes of `repodata.json` from which shards pay; measured, see `docs/indexes.md`."""

_RULES = 1
"""Goes up whenever the same index would get other sidecars."""


class ChannelSidecars:
    """Makes the sidecars of every `repodata.json` that lists something."""

    def __init__(
        self, environment: ProgramEnvironment, progress: Progress, *, choice: Choice | None, shards: Shards = "auto"
    ) -> None:
        """Make them with the program `choice`; None: keep those that exist up to date, and begin no new ones."""
        self._programs = IndexPrograms(environment, choice or "auto")
        self._progress = progress
        self._choice = choice
        self._shards = shards

    @property
    def is_named(self) -> bool:
        """Whether the user named the program to use, so that a missing program is an error."""
        return self._choice not in (None, "auto", "json")

    def recipes(
        self, files: Mapping[MirrorPath, IndexFile], sidecars: Collection[MirrorPath]
    ) -> Mapping[MirrorPath, Sha256]:
        """The recipe of the sidecars of each index file that should have some."""
        if self._choice == "json":
            return {}
        roles = [role for path in sidecars if (role := self.role(path)) is not None]
        kept = {role.main for role in roles}
        sharded = {role.main for role in roles if role.is_part}
        found = {}
        for path, file in files.items():
            if path.rpartition("/")[2] != REPODATA or (self._choice is None and path not in kept):
                continue
            data = file.content()
            if not lists_nothing(data):
                with_shards = path in sharded if self._choice is None else self._pays(data)
                found[path] = _recipe(file, with_shards=with_shards)
        return found

    def _pays(self, data: bytes) -> bool:
        return self._shards == "always" or (self._shards == "auto" and len(data) >= SHARDS_FROM)

    def mark(self) -> str:
        """The program that would be used and its version.

        Raises:
            ProgramError: the program that the user named does not exist.
        """
        return self._programs.chosen().mark

    def make(
        self, files: Mapping[MirrorPath, IndexFile], recipes: Mapping[MirrorPath, Sha256], directory: Path
    ) -> SidecarResult:
        """Make the sidecars whose recipes are given by index file, in an empty private directory."""
        program = self._programs.chosen()
        if program.run is None:
            self._progress.note(f"the indexes are plain repodata.json: {program.why}")
            return SidecarResult()
        made: dict[MirrorPath, SidecarFiles] = {}
        orders = (
            SidecarOrder(
                main=main,
                data=files[main].content(),
                shards=recipe == _recipe(files[main], with_shards=True),
            )
            for main, recipe in recipes.items()
        )
        for channel, some in _by_channel(orders):
            try:
                made |= run_indexer(some, program.run, directory, warn=self._progress.warn)
            except ProgramError as error:
                if self.is_named:
                    return SidecarResult(files=made, error=error)
                self._progress.warn(f"{channel or 'the channel'} has plain repodata.json only: {error}")
        return SidecarResult(files=made)

    def role(self, path: MirrorPath) -> SidecarRole | None:
        """What a generated file is to an index file; None: it is no sidecar."""
        return sidecar_role(path)


def sidecar_role(path: MirrorPath) -> SidecarRole | None:
    """What a generated file is to a `repodata.json`; None: it is no sidecar."""
    place, _, name = path.rpartition("/")
    if name == SHARD_INDEX:
        return SidecarRole(main=repodata_path(place), rank=0, is_part=False)
    if name == REPODATA_ZST:
        return SidecarRole(main=repodata_path(place), rank=1, is_part=False)
    if name.endswith(SHARD_SUFFIX) and place.endswith(f"/{SHARDS}"):
        return SidecarRole(main=repodata_path(place.removesuffix(f"/{SHARDS}")), rank=0, is_part=True)
    return None


def is_intact(path: MirrorPath, read: Callable[[MirrorPath], bytes | None]) -> bool:
    """Whether a file is a sidecar that says the same as its `repodata.json`.

    A shard is intact if its name is the sha256 of its bytes (CEP 16).

    Args:
        path: of the file.
        read: gives the bytes of a file of the mirror; None: it does not exist, or is not to be believed.
    """
    from pixi_mirror.conda.sidecars import shard_problem, shards_problem, zst_problem

    role, data = sidecar_role(path), read(path)
    if role is None or data is None:
        return False
    folder, _, name = path.rpartition("/")
    if role.is_part:
        return shard_problem(data, name.removesuffix(SHARD_SUFFIX)) is None
    main = read(role.main)
    if main is None:
        return False
    subdir, records = read_repodata(main)
    relations = read_relations(main)
    if name == REPODATA_ZST:
        return zst_problem(data, subdir, records, relations=relations) is None
    found = shards_problem(data, subdir, records, lambda sha256: read(shard_path(folder, sha256)), relations=relations)
    return found is None


def _recipe(file: IndexFile, *, with_shards: bool) -> Sha256:
    return admit_sha256(hashlib.sha256(canonical([_RULES, file.recipe, with_shards])).hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarOrder:
    """One subdir that is to have sidecars."""

    main: MirrorPath
    data: bytes
    """Of its `repodata.json`."""
    shards: bool

    @property
    def place(self) -> str:
        """Its directory in the mirror."""
        return self.main.rpartition("/")[0]

    @property
    def subdir(self) -> str:
        """The name of that directory."""
        return self.place.rpartition("/")[2]

    @property
    def channel(self) -> str:
        """The directory of its channel in the mirror; empty: the mirror's root."""
        return self.place.rpartition("/")[0]

    @property
    def relations(self) -> Mapping[str, str]:
        """The `channel_relations` of the subdir (CEP 42)."""
        return read_relations(self.data)


def _by_channel(orders: Iterable[SidecarOrder]) -> Iterable[tuple[str, list[SidecarOrder]]]:
    """The orders that one run of the program can do: those of a channel with the same `channel_relations`."""
    found: dict[tuple[str, bytes], list[SidecarOrder]] = {}
    for order in orders:
        found.setdefault((order.channel, canonical(dict(order.relations))), []).append(order)
    return ((channel, some) for (channel, _), some in found.items())


def run_indexer(
    orders: Iterable[SidecarOrder], run: Runner, directory: Path, *, warn: Callable[[str], None]
) -> Mapping[MirrorPath, SidecarFiles]:
    """Have a program make the sidecars of some subdirs of one channel, and read them back.

    Args:
        orders: the subdirs.
        run: runs the program.
        directory: private; the program works in it.
        warn: is called with a sentence for each subdir whose sidecars say something else and are left out.

    Raises:
        ProgramError: the program failed.
    """
    orders = list(orders)
    try:
        channel = Path(mkdtemp(dir=directory)).absolute()
        records = {order.main: _lay_out(order, channel) for order in orders}
        if not (channel / "noarch").exists():
            (channel / "noarch").mkdir()
            (channel / "noarch" / REPODATA).write_bytes(repodata("noarch", {}))
        job = IndexJob(
            channel=channel,
            config=channel / "config.toml",
            zst=True,
            shards=any(order.shards for order in orders),
            relations=orders[0].relations if orders else {},
        )
        job.config.write_text(_config(job), encoding="utf-8")
        done = run(job)
        if done.status != 0:
            raise ProgramError(f"the indexer ended with status {done.status} and said: {done.last_words}")
        found = {order.main: _read_back(order, channel / order.subdir, records[order.main], warn) for order in orders}
    except OSError as error:
        raise ProgramError(f"the indexer's files cannot be written or read: {error.strerror}.") from error
    return {main: beside for main, beside in found.items() if beside is not None}


def _config(job: IndexJob) -> str:
    zst, shards = str(job.zst).lower(), str(job.shards).lower()
    relations = "".join(f"{key} = {json.dumps(value)}\n" for key, value in job.relations.items())
    table = f"\n[index-config.channel-relations]\n{relations}" if relations else ""
    return f"[index-config]\nwrite-zst = {zst}\nwrite-shards = {shards}\n{table}"


def _lay_out(order: SidecarOrder, channel: Path) -> Records:
    folder = channel / order.subdir
    folder.mkdir()
    (folder / REPODATA).write_bytes(order.data)
    _, records = read_repodata(order.data)
    for name in records:
        (folder / name).touch()
    return records


def _read_back(order: SidecarOrder, folder: Path, records: Records, warn: Callable[[str], None]) -> SidecarFiles | None:
    """What the program wrote for one subdir; None: it does not say the same as our `repodata.json`."""
    from pixi_mirror.conda.shards import read_shard_index
    from pixi_mirror.conda.sidecars import shards_problem, zst_problem

    zst = _read(folder / REPODATA_ZST)
    problem = (
        "it was not written" if zst is None else zst_problem(zst, order.subdir, records, relations=order.relations)
    )
    if zst is None or problem is not None:
        warn(_left_out(order, REPODATA_ZST, problem))
        return None
    heads: dict[MirrorPath, bytes] = {}
    parts: dict[MirrorPath, bytes] = {}
    if order.shards:
        shards = _read(folder / SHARD_INDEX)
        problem = "it was not written"
        if shards is not None:
            problem = shards_problem(
                shards,
                order.subdir,
                records,
                lambda sha256: _read(_shard(folder, sha256)),
                relations=order.relations,
            )
        if shards is None or problem is not None:
            warn(_left_out(order, SHARD_INDEX, problem))
            return None
        for sha256 in read_shard_index(shards)[1].values():
            parts[shard_path(order.place, sha256)] = _shard(folder, sha256).read_bytes()
        heads[admit_path(f"{order.place}/{SHARD_INDEX}")] = shards
    heads[admit_path(f"{order.place}/{REPODATA_ZST}")] = zst
    return SidecarFiles(heads=heads, parts=parts)


def _left_out(order: SidecarOrder, name: str, problem: str | None) -> str:
    return f"{order.place} has plain repodata.json only; the {name} that the indexer made is not published: {problem}"


def _shard(folder: Path, sha256: Sha256) -> Path:
    return folder / SHARDS / f"{sha256}{SHARD_SUFFIX}"


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
