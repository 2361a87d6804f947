"""Have rattler-index make the sidecars of one channel in a private directory, and read back what it made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from pixi_mirror.conda.index_files import REPODATA, REPODATA_ZST, SHARD_INDEX, SHARD_SUFFIX, SHARDS, shard_path
from pixi_mirror.conda.repodata import read_repodata, repodata
from pixi_mirror.errors import ProgramError
from pixi_mirror.mirror.index_programs import IndexJob, Runner
from pixi_mirror.model.indexes import SidecarFiles
from pixi_mirror.model.values import MirrorPath, Sha256, admit_path

if TYPE_CHECKING:  # a run that makes no sidecars must not pay for reading them
    from pixi_mirror.conda.sidecars import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarOrder:
    """One subdir that is to have sidecars."""

    main: MirrorPath
    data: bytes
    """Of its `repodata.json`."""
    relations: Mapping[str, str]
    """The `channel_relations` in it (CEP 42)."""
    attestations: Mapping[str, bytes]
    """Name of each attestation file that is beside the packages (CEP 50) -> its bytes."""
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
            advice = " Raise the limit of open files (ulimit -n)." if "os error 24" in done.stderr else ""
            raise ProgramError(f"the indexer ended with status {done.status} and said: {done.last_words}{advice}")
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
    for name, data in order.attestations.items():
        # A record keeps its `attestations_sha256` only where both files are.
        (folder / name).write_bytes(data)
        (folder / f"{name}.{hashlib.sha256(data).hexdigest()}").write_bytes(data)
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
    return f"{order.place}: the {name} that the indexer made is not published: {problem}"


def _shard(folder: Path, sha256: Sha256) -> Path:
    return folder / SHARDS / f"{sha256}{SHARD_SUFFIX}"


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
