"""Hash every file again, read every index back, and say what differs; with `--repair`, fetch what is bad."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from pixi_mirror.conda.closure import UnmetDependency, unmet_dependencies
from pixi_mirror.context import Context
from pixi_mirror.errors import MachineError, PixiMirrorError, SeveralErrors
from pixi_mirror.git.index import check_repositories
from pixi_mirror.mirror.apply import apply_plan
from pixi_mirror.mirror.compare import promised
from pixi_mirror.mirror.dates import record_date
from pixi_mirror.mirror.imported import is_imported, lasting_stamp
from pixi_mirror.mirror.indexes import INDEXES, recorded_index_files
from pixi_mirror.mirror.pins import recorded_pins
from pixi_mirror.mirror.plan import Plan, has_unsettled_listings, plan_changes
from pixi_mirror.mirror.subscriptions import known_sources
from pixi_mirror.mirror.tree import Tree, open_mirror
from pixi_mirror.mirror.tree_view import INVENTORY, LONGEST_INDEX, FoundFile
from pixi_mirror.mirror.upstream_packages import UpstreamPackages
from pixi_mirror.model.advisories import AdvisoryDatabase
from pixi_mirror.model.indexes import Contents, IndexFile
from pixi_mirror.model.packages import Package, PackageFile, Snapshot
from pixi_mirror.model.policy import PolicyVerdict
from pixi_mirror.model.values import MirrorPath, Sha256, admit_path

if TYPE_CHECKING:  # a run that needs them not must not pay for them
    from pixi_mirror.conda.solve import Solution

_Recorded: TypeAlias = tuple[Contents, Mapping[MirrorPath, IndexFile]]
"""What indexes should list of the recorded tree, and the index files that do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedFile:
    """A file with other bytes than it should have."""

    path: MirrorPath
    expected: Sha256
    found: Sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class BadIndex:
    """An index file that does not say what the inventory says, or a pack that is none of its commit."""

    path: MirrorPath
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingPackage:
    """A package that an environment wants and the mirror does not have whole."""

    workspace: str
    environment: str
    platform: str
    path: MirrorPath


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyResult:
    """What a verification found."""

    mirror: Path
    inventory_sha256: Sha256 | None
    """Of `pixi-mirror.json`, by which all was judged; None: it has just been removed."""
    snapshots: tuple[Snapshot, ...]
    """For whom the mirror is."""
    quick: bool
    """Whether packages were believed that look as they did when they were last known to be right."""
    looked: Mapping[MirrorPath, FoundFile]
    """Every file of the mirror that is there, as it was found, before a repair."""
    indexes_read: int
    missing: tuple[MirrorPath, ...]
    unreadable: Mapping[MirrorPath, str]
    """Those of them that are there and cannot be read, with the reason."""
    changed: tuple[ChangedFile, ...]
    unknown: tuple[str, ...]
    """Files that the inventory does not know; no findings."""
    indexes: tuple[BadIndex, ...]
    closure: tuple[MissingPackage, ...]
    unmet_dependencies: tuple[UnmetDependency, ...]
    """What locked packages require of each other and do not get. The mirror is what its locks say all the same."""
    elsewhere: Mapping[MirrorPath, AdvisoryDatabase | None]
    """What no repair fetches: databases of advisories, and, as None, files that nobody wants any more."""
    repaired: tuple[MirrorPath, ...]
    solutions: tuple[Solution, ...] | None
    """Every environment solved again; None: this was not requested."""
    policy: PolicyVerdict | None
    """What is found against the policy that the mirror records; None: there is none."""
    error: PixiMirrorError | None
    """Why a repair did not succeed; None: it did, or none was requested."""

    @property
    def files(self) -> int:
        """Number of files that were read."""
        return len(self.looked)

    @property
    def size(self) -> int:
        """Bytes of these."""
        return sum(looked.size for looked in self.looked.values())

    @property
    def left(self) -> tuple[MirrorPath, ...]:
        """Files that are not as they should be, after a repair."""
        bad = {
            *self.missing,
            *self.unreadable,
            *(changed.path for changed in self.changed),
            *(index.path for index in self.indexes),
            *(hole.path for hole in self.closure),
        }
        return tuple(sorted(bad - {*self.repaired}))

    @property
    def unsolvable(self) -> tuple[Solution, ...]:
        """Environments that a client would not get as they are locked."""
        return tuple(solution for solution in self.solutions or () if solution.problem is not None)


def verify(mirror: Path, *, repair: bool, context: Context, solve: bool = False, quick: bool = False) -> VerifyResult:
    """What differs between the inventory and the disk; a repair fetches it again and makes the indexes anew.

    With `solve`, every environment is solved again from what is then there. With `quick`, packages are hashed only
    where their size, time or inode have changed; every index is read back all the same.

    Raises:
        ProgramError: it is to be solved, and py-rattler is not there or fails.
        MachineError: there is no mirror, it holds nothing yet, or it cannot be read or written.
        BusyError: another process is writing it, and it is to be repaired.
    """
    tree = open_mirror(mirror)
    with tree.writing(timeout_s=context.lock_timeout_s, verb="verify") if repair else nullcontext():
        if not tree.inventory.tree:
            raise MachineError(
                f"{tree.root} holds nothing that could be verified: its first update or import has not ended, or its "
                "inventory pixi-mirror.json is gone. Run that again, or name another mirror."
            )
        found, held, unreadable = _look_quickly(tree) if quick else tree.hash_all(context.progress)
        pins = recorded_pins(tree.inventory, tree.state.locks, sources=known_sources(tree, context.environ))
        plan = plan_changes(tree, pins, layout=tree.inventory.layout, held=held)
        broken = {} if quick else _broken_packs(tree, plan)
        if broken:
            plan = plan_changes(tree, pins, layout=tree.inventory.layout, held={**held, **dict.fromkeys(broken)})
        verified = replace(_judge(tree, plan, found, broken, quick=quick), unreadable=dict(sorted(unreadable.items())))
        # Files that nobody lacks are no finding, but `publish` asks for all that is recorded: a repair forgets them.
        if repair and (verified.left or plan.gone or _may_ask(tree)):
            verified = _repair(tree, plan, verified, context)
        elif repair:
            tree.record_identities()
        if not (quick or verified.left):
            record_date(mirror, "verify")
        verified = replace(verified, policy=_judge_policy(tree, plan, context))
        if not solve:
            return verified
        from pixi_mirror.conda.solve import SolveRequest, solve_environments

        questions = [
            SolveRequest(workspace=snapshot.workspace, cell=cell)
            for snapshot in plan.pins.snapshots
            for cell in snapshot.cells
        ]
        return replace(verified, solutions=solve_environments(tree.root, questions, plan.packages))


def _judge_policy(tree: Tree, plan: Plan, context: Context) -> PolicyVerdict | None:
    if tree.inventory.policy is None:
        return None
    from pixi_mirror.mirror.policies import judge_mirror

    return judge_mirror(tree, plan, context)


def _look_quickly(
    tree: Tree,
) -> tuple[Mapping[MirrorPath, FoundFile], Mapping[MirrorPath, Sha256 | None], Mapping[MirrorPath, str]]:
    """Every file of the tree that exists: packages as recorded if nobody has touched them, all others hashed."""
    held = tree.held()
    found = {}
    for path, content in tree.inventory.tree.items():
        if isinstance(content, PackageFile) and held.get(path) == content.sha256:
            found[path] = FoundFile(content.sha256, content.size)
        elif path in held and (hashed := tree.hash_file(path)) is not None:
            found[path] = FoundFile(hashed[0], hashed[1].st_size)
    return found, held, {}


def _broken_packs(tree: Tree, plan: Plan) -> Mapping[MirrorPath, str]:
    """The packs with which git finds fault although every file of their repository is as it is recorded."""
    wrong = [path for path, content in tree.inventory.tree.items() if plan.held.get(path) != promised(content)]
    away = [path for path in plan.packages if path not in tree.inventory.tree]

    def is_whole(place: str) -> bool:
        return not any(path.startswith(f"{place}/") for path in (*wrong, *away))

    return check_repositories((*plan.packages.values(), *plan.kept.values()), tree.path, is_whole=is_whole)


def _judge(
    tree: Tree, plan: Plan, found: Mapping[MirrorPath, FoundFile], broken: Mapping[MirrorPath, str], *, quick: bool
) -> VerifyResult:
    stored = tree.inventory.stored
    recorded = recorded_index_files(tree, plan)
    changed = tuple(
        ChangedFile(path=path, expected=content.sha256, found=found[path].sha256)
        for path, content in sorted(stored.items())
        if path in found and found[path].sha256 != content.sha256
    )
    whole = {path for path in stored if path in found} - {each.path for each in changed}
    return VerifyResult(
        mirror=tree.root,
        inventory_sha256=_inventory_sha256(tree),
        snapshots=plan.pins.snapshots,
        quick=quick,
        looked=found,
        indexes_read=len(tree.inventory.generated.keys() & found.keys()),
        unreadable={},
        missing=tuple(sorted(_missing(tree, plan, found, recorded[1]))),
        changed=changed,
        unknown=tree.unknown(),
        indexes=(
            *_bad_indexes(tree, plan, found, recorded),
            *(BadIndex(path=path, problem=problem) for path, problem in broken.items()),
        ),
        closure=tuple(
            MissingPackage(
                workspace=snapshot.workspace, environment=cell.environment, platform=cell.platform, path=path
            )
            for snapshot in plan.pins.snapshots
            for cell in snapshot.cells
            for path in cell.packages
            if path not in whole and path not in plan.deferred
        ),
        unmet_dependencies=unmet_dependencies(plan.pins.snapshots, plan.packages),
        elsewhere={**dict.fromkeys(plan.difference.surplus), **({} if is_imported(tree) else plan.advisories)},
        repaired=(),
        solutions=None,
        policy=None,
        error=None,
    )


def _inventory_sha256(tree: Tree) -> Sha256 | None:
    hashed = tree.hash_file(admit_path(INVENTORY))
    return None if hashed is None else hashed[0]


def _missing(tree: Tree, plan: Plan, found: Collection[MirrorPath], made: Collection[MirrorPath]) -> set[MirrorPath]:
    """The recorded files that somebody lacks; a killed prune has removed files that nobody does."""
    packages = {*plan.packages, *tree.inventory.kept, *plan.advisories}.intersection(tree.inventory.stored)
    indexes = tree.inventory.generated.keys() & made if _half_unlisted(tree) else tree.inventory.generated
    return {*packages, *indexes}.difference(found)


def _half_unlisted(tree: Tree) -> Mapping[MirrorPath, Package]:
    """The packages that a prune was unlisting when it was killed: some indexes list them still, and some do not."""
    return {path: package for path, package in tree.inventory.kept.items() if path in tree.state.unlisted}


def _bad_indexes(
    tree: Tree, plan: Plan, found: Mapping[MirrorPath, FoundFile], recorded: _Recorded
) -> tuple[BadIndex, ...]:
    """The index files that are wrong; after a killed prune, those that are wrong either way."""
    bad = _wrong_indexes(tree, found, recorded)
    if bad and (packages := _half_unlisted(tree)):
        listed = replace(plan, kept={**plan.kept, **packages})
        wrong_before = {each.path for each in _wrong_indexes(tree, found, recorded_index_files(tree, listed))}
        bad = tuple(each for each in bad if each.path in wrong_before)
    return bad


def _wrong_indexes(tree: Tree, found: Mapping[MirrorPath, FoundFile], recorded: _Recorded) -> tuple[BadIndex, ...]:
    contents, made = recorded
    bad = [
        BadIndex(path=path, problem=problem)
        for path in sorted(tree.inventory.generated.keys() & found.keys())
        if (problem := _problem(tree, path, found[path], made.get(path), contents))
    ]
    bad += [BadIndex(path=path, problem="it is missing") for path in made if path not in found]
    return tuple(bad)


def _problem(tree: Tree, path: MirrorPath, looked: FoundFile, made: IndexFile | None, contents: Contents) -> str | None:
    if looked.size > LONGEST_INDEX:
        return f"it is {looked.size} bytes long, longer than any index"
    data = tree.read(path) or b""
    if made is not None and hashlib.sha256(data).hexdigest() == made.recipe:
        return None
    problems = (index.problem(path, data, contents, read=tree.read) for index in INDEXES)
    # A program writes the bytes of a sidecar, so only what it says is judged.
    otherwise = "its bytes are not those that the inventory gives" if made is not None else None
    return next((problem for problem in problems if problem), otherwise)


def _may_ask(tree: Tree) -> bool:
    """Whether upstream is to be asked about PyPI files; what an import brought stays as it came."""
    return has_unsettled_listings(tree) and not is_imported(tree)


def _repair(tree: Tree, plan: Plan, verified: VerifyResult, context: Context) -> VerifyResult:
    """Fetch again what subscriptions want, and write the indexes; bad surplus packages stay reported."""
    needs_upstream = plan.to_bring or _may_ask(tree)
    source = UpstreamPackages(context, needs_all=False) if needs_upstream else None
    done = apply_plan(tree, plan, context, source=source, stamp=lasting_stamp(tree))
    summary = f"{len(done.failed)} of {len(plan.to_bring)} bad files could not be fetched again:"
    return replace(
        verified,
        repaired=tuple(sorted({*done.stored, *done.written, *done.removed})),
        error=SeveralErrors(summary, [failure.error for failure in done.failed]) if done.failed else None,
    )
