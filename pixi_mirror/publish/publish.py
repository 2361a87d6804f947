"""Make a destination hold what a mirror holds; no reader ever sees an index that lists what is not there.

One safe order: packages, then the indexes that list them, then the inventory, last the record of what was written.
Nothing is removed in a run that writes; `remove_unwanted` does that, after a time of grace.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from pixi_mirror.errors import FarSideError, PixiMirrorError, SeveralErrors, WrongBytesError
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.values import DAY_S, MirrorPath, sha256_of
from pixi_mirror.progress import Progress
from pixi_mirror.publish.compare import MAY_CHANGE, PublishPlan, phase_of, plan, read_mirror
from pixi_mirror.publish.destination import Destination, Upload
from pixi_mirror.publish.record import FILE, PublishedFile, Record, dump_record, parse_record
from pixi_mirror.threads import ThreadPool

_NO_TAG = '"00000000000000000000000000000000"'
"""A tag that no file has."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishResult:
    """What was done, or would be."""

    destination: str
    plan: PublishPlan
    found: frozenset[MirrorPath]
    """Files of the plan that a run had written already which was stopped before it could record them."""
    mended: tuple[MirrorPath, ...]
    """Files that the record has and that were not there, or were others; with `check` alone."""
    removed: tuple[MirrorPath, ...]
    waiting: Mapping[MirrorPath, int]
    """Unwanted files that stay for now, each with the second since 1970 from which it can be removed."""
    warnings: tuple[str, ...]


def find_record(destination: Destination) -> tuple[bytes, str] | None:
    """The record at a destination with its tag; None: nothing at all is there.

    Raises:
        FarSideError: somebody else has put something there, or it cannot be read.
    """
    found = destination.read(FILE)
    if found is None and not destination.is_empty():
        raise FarSideError(
            f"{destination.name} holds other things and no {FILE}; nothing was changed. Name an empty place, or a "
            "prefix below it."
        )
    return found


@dataclass(slots=True, kw_only=True)
class Publisher:
    """Publishes one mirror to one destination."""

    destination: Destination
    jobs: int
    progress: Progress
    now: int
    """Seconds since 1970."""
    grace_days: float
    """How long an unwanted file stays, for readers that still have an older index."""
    record: Record
    """What the destination is known to hold."""
    tag: str | None
    """Of the record there; None: there is none yet."""
    found: set[MirrorPath] = field(default_factory=set)
    """What was there already, with the right bytes, where a file was to be written."""

    @classmethod
    def opened(
        cls, destination: Destination, tree: Tree, *, jobs: int, progress: Progress, now: int, grace_days: float
    ) -> "Publisher":
        """Read what the destination holds.

        Raises:
            FarSideError: somebody else has put something there, or its record cannot be read.
            FetchError: it cannot be reached.
        """
        found = find_record(destination)
        stamp = tree.inventory.stamp
        mirror = None if stamp is None else stamp.mirror
        if found is None:
            record, tag = Record(mirror=mirror), None
        else:
            record, tag = parse_record(found[0], destination.name), found[1]
            if record.mirror is not None and mirror is not None and record.mirror != mirror:
                raise FarSideError(
                    f"{destination.name} holds another mirror (its id is {record.mirror}, this one's is {mirror}); "
                    "nothing was changed. Name another place."
                )
        return cls(
            destination=destination,
            jobs=jobs,
            progress=progress,
            now=now,
            grace_days=grace_days,
            record=record,
            tag=tag,
        )

    def publish(self, tree: Tree, *, check: bool, dry_run: bool) -> PublishResult:
        """Write what the destination lacks.

        Args:
            tree: the mirror.
            check: look at every file that the record has, and write again what is not there or is another.
            dry_run: say what would be done, and change nothing.

        Raises:
            IncompleteError: the mirror has deferred files.
            MachineError: the mirror is not as it was recorded.
            FarSideError: the destination refuses, or somebody else publishes there.
            WrongBytesError: what was read back is not what was written.
            FetchError: the destination cannot be reached.
        """
        wanted = read_mirror(tree)
        mended = self._check(wanted) if check else ()
        todo = plan(wanted, self.record)
        unwanted = {path: self.record.unwanted.get(path, self.now) for path in todo.unwanted}
        if not dry_run and (todo.uploads or unwanted != self.record.unwanted or self.record.pending):
            self._announce(todo, tree)
            for _, group in groupby(todo.uploads, key=phase_of):
                self._write_all(list(group))
                self.destination.settle()
            self._keep(replace(self.record, pending={}, unwanted=unwanted))
        problem = None if dry_run or not todo.uploads else self.destination.public_problem()
        return PublishResult(
            destination=self.destination.name,
            plan=todo,
            found=frozenset(self.found),
            mended=mended,
            removed=(),
            waiting={path: since + int(self.grace_days * DAY_S) for path, since in unwanted.items()},
            warnings=() if problem is None else (problem,),
        )

    def remove_unwanted(self, tree: Tree, *, dry_run: bool) -> PublishResult:
        """Remove what the mirror holds no longer and no reader can still be about to ask for.

        Raises:
            FarSideError: the destination refuses, or somebody else publishes there.
            FetchError: it cannot be reached.
        """
        if self.tag is None:
            raise FarSideError(
                f"{self.destination.name} holds nothing that was published; nothing was changed. Name the place that "
                "was published to."
            )
        todo = plan(read_mirror(tree), self.record)
        removable = {
            path: self.record.unwanted.get(path, self.now) + int(self.grace_days * DAY_S) for path in todo.unwanted
        }
        due = tuple(path for path, second in removable.items() if second <= self.now)
        if due and not dry_run:
            self.progress.begin("removing", files=len(due), size=0)
            self._in_threads(self._remove, due)
            gone = frozenset(due)
            left = {path: each for path, each in self.record.files.items() if path not in gone}
            unwanted = {path: second for path, second in self.record.unwanted.items() if path not in gone}
            self._keep(replace(self.record, files=left, unwanted=unwanted))
        return PublishResult(
            destination=self.destination.name,
            plan=todo,
            found=frozenset(),
            mended=(),
            removed=due,
            waiting={path: second for path, second in removable.items() if second > self.now},
            warnings=(),
        )

    def _remove(self, path: MirrorPath) -> None:
        self.destination.remove(path)
        self.progress.advance(files=1)

    def _check(self, wanted: Iterable[Upload]) -> tuple[MirrorPath, ...]:
        """Put the record right by what is really there; the paths of which it was wrong."""
        here = [each for each in wanted if each.path in self.record.files]
        self.progress.begin("checking", files=len(here), size=0)
        found = dict(zip((each.path for each in here), self._in_threads(self._look, here), strict=True))
        before = self.record.files
        rest = {path: each for path, each in before.items() if path not in found}
        there = {path: each for path, each in found.items() if each is not None}
        self.record = replace(self.record, files={**rest, **there})
        return tuple(sorted(path for path in found if path not in there or there[path].sha256 != before[path].sha256))

    def _look(self, upload: Upload) -> PublishedFile | None:
        held = self.destination.look(upload.path)
        sha256 = None if held is None else held.sha256 or self.destination.hash(upload.path)
        self.progress.advance(files=1)
        if held is None or sha256 is None:
            return None
        return PublishedFile(sha256=sha256, size=held.size, tag=held.tag)

    def _announce(self, todo: PublishPlan, tree: Tree) -> None:
        """Record what will be written before the first of it is, so that the next run knows what a killed run left."""
        stamp = tree.inventory.stamp
        pending = dict(self.record.pending)
        for each in todo.uploads:
            pending[each.path] = tuple(sorted({*pending.get(each.path, ()), each.sha256}))
        mirror = self.record.mirror if stamp is None else stamp.mirror
        self._keep(replace(self.record, mirror=mirror, pending=pending))
        if not self.destination.ignores_conditions:
            self._require_conditions()

    def _require_conditions(self) -> None:
        """Refuse a store that overwrites under a condition that does not hold: two publishers would harm each other."""
        if self.destination.swap(self._record_upload(self.record), _NO_TAG) is not None:
            raise FarSideError(
                f"{self.destination.name}: the store ignores the conditions of a request (If-Match), so two publishers "
                "could overwrite each other's work unnoticed; only the record was written. If nobody else ever "
                "publishes there, say so with --only-publisher."
            )

    def _write_all(self, group: list[Upload]) -> None:
        self.progress.begin("publishing", files=len(group), size=sum(each.size for each in group))
        errors: list[PixiMirrorError] = []

        def write(upload: Upload) -> PublishedFile | None:
            try:
                return self._write(upload)
            except PixiMirrorError as error:
                errors.append(error)
                return None

        written = dict(zip((each.path for each in group), self._in_threads(write, group), strict=True))
        files = {**self.record.files, **{path: each for path, each in written.items() if each is not None}}
        self.record = replace(self.record, files=files)
        if errors:
            with suppress(PixiMirrorError):
                self._keep(self.record)  # what was written need not be looked for again
            raise (
                errors[0]
                if len(errors) == 1
                else SeveralErrors(
                    f"{len(errors)} of {len(group)} files could not be published to {self.destination.name}:", errors
                )
            )

    def _write(self, upload: Upload) -> PublishedFile:
        known = self.record.files.get(upload.path)
        if known is None:
            tag = self.destination.create(upload)
        else:
            tag = self.destination.swap(upload, known.tag or self._tag_of(upload.path))
        if tag is None:
            tag = self._settle_refused(upload)
        if upload.cache_control == MAY_CHANGE:
            self._require_read_back(upload)
        self.progress.advance(files=1, size=upload.size)
        return PublishedFile(sha256=upload.sha256, size=upload.size, tag=tag)

    def _tag_of(self, path: MirrorPath) -> str:
        held = self.destination.look(path)
        return _NO_TAG if held is None else held.tag

    def _settle_refused(self, upload: Upload) -> str:
        """What to do where something else is than was thought: take it, replace it, or refuse; the file's tag."""
        held = self.destination.look(upload.path)
        if held is None:
            tag = self.destination.create(upload)
        else:
            sha256 = held.sha256 or self.destination.hash(upload.path)
            if sha256 == upload.sha256 and held.size == upload.size:
                self.found.add(upload.path)
                return held.tag
            if not self.record.knows(upload.path, sha256):
                raise FarSideError(
                    f"{self.destination.name}/{upload.path} is there with bytes that no publisher of this mirror has "
                    f"recorded (sha256 {sha256}); it was left alone. If nobody else publishes there now, --check takes "
                    "what is there for known and replaces it."
                )
            tag = self.destination.swap(upload, held.tag)
        if tag is None:
            raise self._others_publish(upload.path)
        return tag

    def _require_read_back(self, upload: Upload) -> None:
        found = self.destination.hash(upload.path)
        if found != upload.sha256:
            raise WrongBytesError(
                f"{self.destination.name}/{upload.path}: wrote sha256 {upload.sha256}, read back {found or 'nothing'}. "
                "Somebody else publishes there at the same time, or the store does not keep what it is given. Publish "
                "again with --check when nobody else does."
            )

    def _keep(self, record: Record) -> None:
        """Write the record, if it is still the one that was read or written last."""
        upload = self._record_upload(record)
        tag = self.destination.create(upload) if self.tag is None else self.destination.swap(upload, self.tag)
        if tag is None:
            raise self._others_publish(FILE)
        self.record, self.tag = record, tag
        self.destination.settle()

    def _others_publish(self, path: MirrorPath) -> FarSideError:
        return FarSideError(
            f"{self.destination.name}/{path} has changed since it was read: somebody else publishes there at the same "
            "time. Publish again with --check when nobody else does."
        )

    def _record_upload(self, record: Record) -> Upload:
        data = dump_record(record)
        return Upload(
            path=FILE, source=Path(FILE), data=data, sha256=sha256_of(data), size=len(data),
            content_type="application/json", cache_control=MAY_CHANGE,
        )  # fmt: skip

    def _in_threads(self, work: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
        with ThreadPool(self.jobs) as pool:
            return list(pool.map(work, items))
