"""Make a destination hold what a mirror holds; no reader ever sees an index that lists what is not there.

One safe order: packages, then the indexes that list them, then the inventory, last the record of what was written.
Nothing is removed in a run that writes; `remove_unwanted` does that, after a time of grace.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from pixi_mirror.errors import FarSideError
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.values import DAY_S, MirrorPath
from pixi_mirror.progress import Progress
from pixi_mirror.publish.compare import BILL, PublishPlan, phase_of, plan, read_mirror
from pixi_mirror.publish.destination import Destination, Upload
from pixi_mirror.publish.held_record import HeldRecord
from pixi_mirror.publish.record import PublishedFile
from pixi_mirror.publish.removing import remove_files, require_published, when_removable
from pixi_mirror.publish.writing import Writer
from pixi_mirror.threads import in_threads


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


@dataclass(slots=True, kw_only=True)
class Publisher:
    """Publishes one mirror to one destination."""

    held: HeldRecord
    jobs: int
    progress: Progress
    now: int
    """Seconds since 1970."""
    grace_days: float
    """How long an unwanted file stays, for readers that still have an older index."""

    @classmethod
    def opened(
        cls, destination: Destination, tree: Tree, *, jobs: int, progress: Progress, now: int, grace_days: float
    ) -> "Publisher":
        """Read what the destination holds.

        Raises:
            FarSideError: somebody else has put something there, or its record cannot be read.
            FetchError: it cannot be reached.
        """
        held = HeldRecord.opened(destination, tree)
        return cls(held=held, jobs=jobs, progress=progress, now=now, grace_days=grace_days)

    @property
    def destination(self) -> Destination:
        """Where to."""
        return self.held.destination

    def publish(self, tree: Tree, *, check: bool, dry_run: bool, with_bill: bool = False) -> PublishResult:
        """Write what the destination lacks.

        Args:
            tree: the mirror.
            check: look at every file that the record has, and write again what is not there or is another.
            dry_run: say what would be done, and change nothing.
            with_bill: write a bill of materials, too; one that is there is kept up in any case.

        Raises:
            IncompleteError: the mirror has deferred files.
            UnmirrorableError: something of it cannot be there.
            MachineError: the mirror is not as it was recorded.
            FarSideError: the destination refuses, or somebody else publishes there.
            WrongBytesError: what was read back is not what was written.
            FetchError: the destination cannot be reached.
        """
        wanted = self._wanted(tree, with_bill=with_bill)
        self._refuse_removal_under_way(wanted)
        mended = self._check(wanted) if check else ()
        todo = plan(wanted, self.held.record)
        record = self.held.record
        unwanted = {path: record.unwanted.get(path, self.now) for path in todo.unwanted}
        writer = Writer(held=self.held, jobs=self.jobs, progress=self.progress)
        if not dry_run and (todo.uploads or unwanted != record.unwanted or record.pending):
            self._announce(todo, tree)
            for _, group in groupby(todo.uploads, key=phase_of):
                writer.write_all(list(group))
                self.destination.settle()
            self.held.keep(replace(self.held.record, pending={}, unwanted=unwanted))
            writer.require_ours(todo.uploads)
        problem = None if dry_run or not todo.uploads else self.destination.public_problem()
        return PublishResult(
            destination=self.destination.name,
            plan=todo,
            found=frozenset(writer.found),
            mended=mended,
            removed=(),
            waiting={path: since + int(self.grace_days * DAY_S) for path, since in unwanted.items()},
            warnings=() if problem is None else (problem,),
        )

    def _wanted(self, tree: Tree, *, with_bill: bool) -> Sequence[Upload]:
        """What the destination is to hold."""
        return self.destination.arrange(read_mirror(tree, with_bill=with_bill or BILL in self.held.record.files))

    def remove_unwanted(self, tree: Tree, *, dry_run: bool) -> PublishResult:
        """Remove what the mirror holds no longer and no reader can still be about to ask for.

        Raises:
            FarSideError: the destination refuses, or does not hold what the mirror holds, or somebody else publishes.
            FetchError: it cannot be reached.
        """
        left_over = self.held.record.removing
        if left_over and not dry_run:
            remove_files((), self.held, jobs=self.jobs, progress=self.progress)
        todo = plan(self._wanted(tree, with_bill=False), self.held.record)
        require_published(todo, self.held)
        removable = when_removable(todo, self.held, now=self.now, grace_days=self.grace_days)
        due = tuple(path for path, second in removable.items() if second <= self.now)
        if due and not dry_run:
            remove_files(due, self.held, jobs=self.jobs, progress=self.progress)
        return PublishResult(
            destination=self.destination.name,
            plan=todo,
            found=frozenset(),
            mended=(),
            removed=tuple(sorted({*left_over, *due})),
            waiting={path: second for path, second in removable.items() if second > self.now},
            warnings=(),
        )

    def _refuse_removal_under_way(self, wanted: Iterable[Upload]) -> None:
        back = sorted({each.path for each in wanted} & {*self.held.record.removing})
        if back:
            raise FarSideError(
                f"{self.destination.name}: {back[0]} is being removed there, and the mirror holds it again. When no "
                "other run is under way, end the removal with --prune, then publish."
            )

    def _check(self, wanted: Iterable[Upload]) -> tuple[MirrorPath, ...]:
        """Put the record right by what is really there; the paths of which it was wrong."""
        before = self.held.record.files
        here = [each for each in wanted if each.path in before]
        self.progress.begin("checking", files=len(here), size=0)
        found = dict(zip((each.path for each in here), in_threads(self._look, here, self.jobs), strict=True))
        rest = {path: each for path, each in before.items() if path not in found}
        there = {path: each for path, each in found.items() if each is not None}
        self.held.record = replace(self.held.record, files={**rest, **there})
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
        stamp, record = tree.inventory.stamp, self.held.record
        pending = dict(record.pending)
        for each in todo.uploads:
            pending[each.path] = tuple(sorted({*pending.get(each.path, ()), each.sha256}))
        self.held.keep(replace(record, mirror=record.mirror if stamp is None else stamp.mirror, pending=pending))
        if not self.destination.ignores_conditions:
            self.held.require_conditions()
