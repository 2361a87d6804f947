"""Have a program index a private tree of stand-ins, and take what it wrote if that says what we wrote.

The stand-ins are empty: an indexer opens no package whose record stands in `repodata.json`, and never gets --force. If
it lost that file it would fail on the first stand-in instead of silently indexing what no channel says (its hotfixes).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from pixi_mirror.conda.repodata import read_repodata, repodata
from pixi_mirror.conda.shards import read_shard_index
from pixi_mirror.conda.sidecars import Records, shards_problem, zst_problem
from pixi_mirror.errors import ProgramError
from pixi_mirror.mirror.indexers.programs import Job, Runner
from pixi_mirror.model.indexes import Beside
from pixi_mirror.model.values import MirrorPath, Sha256, admit_path

_ZST = "repodata.json.zst"
_SHARD_INDEX = "repodata_shards.msgpack.zst"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
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


def worked(
    orders: Iterable[Order], run: Runner, workshop: Path, *, warn: Callable[[str], None]
) -> Mapping[MirrorPath, Beside]:
    """The sidecars of some subdirs of one channel; `warn` hears of those that say something else, which are left out.

    Raises:
        ProgramError: the program failed.
    """
    orders = list(orders)
    try:
        channel = Path(mkdtemp(dir=workshop)).absolute()
        records = {order.main: _laid_out(order, channel) for order in orders}
        if not (channel / "noarch").exists():
            (channel / "noarch").mkdir()
            (channel / "noarch/repodata.json").write_bytes(repodata("noarch", {}))
        job = Job(
            channel=channel, config=channel / "config.toml", zst=True, shards=any(order.shards for order in orders)
        )
        job.config.write_text(_config(job), encoding="utf-8")
        done = run(job)
        if done.status != 0:
            raise ProgramError(f"the indexer ended with status {done.status} and said: {done.last_words}")
        found = {order.main: _taken(order, channel / order.subdir, records[order.main], warn) for order in orders}
    except OSError as error:
        raise ProgramError(f"the indexer's files cannot be written or read: {error.strerror}.") from error
    return {main: beside for main, beside in found.items() if beside is not None}


def _config(job: Job) -> str:
    zst, shards = str(job.zst).lower(), str(job.shards).lower()
    return f"[index-config]\nwrite-zst = {zst}\nwrite-shards = {shards}\n"


def _laid_out(order: Order, channel: Path) -> Records:
    folder = channel / order.subdir
    folder.mkdir()
    (folder / "repodata.json").write_bytes(order.data)
    _, records = read_repodata(order.data)
    for name in records:
        (folder / name).touch()
    return records


def _taken(order: Order, folder: Path, records: Records, warn: Callable[[str], None]) -> Beside | None:
    """What the program wrote for one subdir; None: it is not what we wrote."""
    zst = _read(folder / _ZST)
    problem = "it was not written" if zst is None else zst_problem(zst, order.subdir, records)
    if zst is None or problem is not None:
        warn(_left_out(order, _ZST, problem))
        return None
    heads: dict[MirrorPath, bytes] = {}
    parts: dict[MirrorPath, bytes] = {}
    if order.shards:
        shards = _read(folder / _SHARD_INDEX)
        problem = "it was not written"
        if shards is not None:
            problem = shards_problem(shards, order.subdir, records, lambda sha256: _read(_shard(folder, sha256)))
        if shards is None or problem is not None:
            warn(_left_out(order, _SHARD_INDEX, problem))
            return None
        for sha256 in read_shard_index(shards)[1].values():
            parts[admit_path(f"{order.place}/shards/{sha256}.msgpack.zst")] = _shard(folder, sha256).read_bytes()
        heads[admit_path(f"{order.place}/{_SHARD_INDEX}")] = shards
    heads[admit_path(f"{order.place}/{_ZST}")] = zst
    return Beside(heads=heads, parts=parts)


def _left_out(order: Order, name: str, problem: str | None) -> str:
    return f"{order.place} has plain repodata.json only; the {name} that the indexer made is not published: {problem}"


def _shard(folder: Path, sha256: Sha256) -> Path:
    return folder / "shards" / f"{sha256}.msgpack.zst"


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
