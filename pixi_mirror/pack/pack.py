"""Pack environments of a workspace, one file for each on each platform, in pixi-pack's format."""

import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from pixi_mirror.context import Context
from pixi_mirror.errors import PixiMirrorError, SeveralErrors
from pixi_mirror.lockfile.source import LockSource
from pixi_mirror.mirror.checkout import CheckoutSource
from pixi_mirror.mirror.tree import open_mirror
from pixi_mirror.mirror.upstream import open_upstream
from pixi_mirror.model.packages import Package
from pixi_mirror.model.request import Refusal
from pixi_mirror.model.sources import SourceDirectory
from pixi_mirror.pack.choose import PackPlan, PackRules, choose_packages
from pixi_mirror.pack.contents import Part, Style, list_parts
from pixi_mirror.pack.examine import refuse_what_unpack_refuses
from pixi_mirror.pack.inject import names_of, read_injected, refuse_doubles, refuse_misfits
from pixi_mirror.pack.obtain import OldCache, ReadyFile, take_from_mirror, take_from_store
from pixi_mirror.pack.outputs import (
    STDOUT,
    Form,
    PackTarget,
    WrittenPack,
    output_names,
    refuse_occupied,
    refuse_wrong,
    write_file,
    write_folder,
    write_stream,
)
from pixi_mirror.pack.unpackers import find_unpacker, make_self_extracting
from pixi_mirror.pack.workspace import carried_documents, refuse_other_things
from pixi_mirror.pack.write import Fill, write_parts
from pixi_mirror.pixi.discovery import lock_of


@dataclass(frozen=True, slots=True, kw_only=True)
class PackRequest:
    """What the user asks for."""

    manifest: Path
    """A file or a directory; the lock beside it is read."""
    environments: tuple[str, ...]
    platforms: tuple[str, ...]
    """Names or subdirs."""
    output: str | None
    """A name, perhaps with `{environment}` and `{platform}`; `-`: stdout; None: pixi-pack's."""
    form: Form = "tar"
    style: Style = Style()  # noqa: RUF009 - frozen
    rules: PackRules = field(default_factory=PackRules)
    inject: tuple[Path, ...] = ()
    replace: bool = False
    """Whether what is injected takes the place of locked packages."""
    mirror: Path | None = None
    """Where to take all packages from, with no network; None: the cache, and upstream."""
    old_cache: Path | None = None
    """A cache as pixi-pack keeps it, to be used and filled; None: none."""
    unpacker: str | None = None
    """Path or URL of what a self-extracting file unpacks itself with; None: our own."""
    unpacker_sha256: str | None = None
    """None: it is not known."""
    with_bill: bool = False
    """Whether a bill of materials is written beside each pack."""
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PackSummary:
    """One pack that was written, or would be."""

    output: str
    plan: PackPlan
    files: int
    """Packages in it."""
    written: WrittenPack | None
    """None: in a dry run."""
    bill: str | None = None
    """The file with its bill of materials; None: there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackResult:
    """What became of the request."""

    dry_run: bool
    packs: tuple[PackSummary, ...]
    given: tuple[ReadyFile, ...]
    """What was injected into each of them."""
    workspace: str
    """For people: the name of the lock's directory."""

    @property
    def checkout(self) -> tuple[CheckoutSource, ...]:
        """The directories of the workspace whose builds any of them lacks; a pack has no index to build from."""
        return tuple(
            CheckoutSource(
                entry=each.entry, path=each.path, workspace=self.workspace, lacks=each.build_requires or None
            )
            for each in self._directories
            if each.is_inside
        )

    @property
    def outside(self) -> tuple[SourceDirectory, ...]:
        """The directories of no workspace whose builds any of them lacks."""
        return tuple(each for each in self._directories if not each.is_inside)

    @property
    def _directories(self) -> tuple[SourceDirectory, ...]:
        return tuple(dict.fromkeys(each for pack in self.packs for each in pack.plan.directories))

    @property
    def skipped(self) -> tuple[Refusal, ...]:
        """What was left out of any of them."""
        return tuple(dict.fromkeys(refusal for pack in self.packs for refusal in pack.plan.skipped))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know of."""
        return tuple(dict.fromkeys(warning for pack in self.packs for warning in pack.plan.warnings))


def pack(request: PackRequest, context: Context, *, stdout: Callable[[], BinaryIO]) -> PackResult:
    """Write a pack of each environment for each platform that is asked for.

    Everything is obtained and verified before the first byte is written, and hashed once more as it is written.

    Raises:
        UsageError: the options exclude each other, or something to inject is no package.
        WorkspaceError: the lock cannot be read, or has no such environment or platform.
        UnmirrorableError: something cannot be packed, `unpack` would refuse it, or what is injected does not fit.
        FetchError: something could not be had.
        WrongBytesError: something is not what was promised.
        MachineError: the mirror lacks something, or a file or disk cannot be used.
        SeveralErrors: several of these.
    """
    given = read_injected(request.inject)
    path = lock_of(context.directory() / request.manifest)
    lock = LockSource(path)
    plans = _plans(request, path, lock, given, context)
    workspace = path.parent.name
    if request.dry_run:
        packs = [
            PackSummary(output=output, plan=plan, files=len(plan.packages) + len(given), written=None)
            for output, plan in plans
        ]
        return PackResult(dry_run=True, packs=tuple(packs), given=given, workspace=workspace)
    carried = {} if request.style.is_strict else carried_documents(request.manifest, context)
    packs = []
    with _obtained(request, lock, [plan for _, plan in plans], context) as hold:
        for _, plan in plans:
            refuse_what_unpack_refuses([*(hold.of(package) for package in plan.packages), *given], plan, request.style)
        press = _PackWriter(request=request, hold=hold, context=context, stdout=stdout)
        for output, plan in plans:
            files = [*(hold.of(package) for package in plan.packages), *given]
            parts = list_parts(files, subdir=plan.subdir, style=request.style, carried=carried)
            written = press.write(output, plan.subdir, parts)
            bill = _write_bill(output, workspace, plan, files, context) if request.with_bill else None
            packs.append(PackSummary(output=output, plan=plan, files=len(files), written=written, bill=bill))
    return PackResult(dry_run=False, packs=tuple(packs), given=given, workspace=workspace)


def _write_bill(output: str, workspace: str, plan: PackPlan, files: Sequence[ReadyFile], context: Context) -> str:
    from pixi_mirror.pack.bill_of_pack import bill_beside, bill_of_pack
    from pixi_mirror.sbom.bill import date_of_source, write_document
    from pixi_mirror.sbom.cyclonedx import write_cyclonedx

    beside = bill_beside(Path(output))
    document = write_cyclonedx(bill_of_pack(workspace, plan, files), created=date_of_source(context.environ))
    write_document(context.directory() / beside, document)
    return str(beside)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hold:
    """Verified files, for as long as they are held."""

    files: Mapping[tuple[str, str | None], ReadyFile]
    unpacker: ReadyFile | None
    distrust: Callable[[Path], None]

    def of(self, package: Package) -> ReadyFile:
        """The file of a package, with the record that this package has."""
        return replace(self.files[_key(package)], package=package)


def _key(package: Package) -> tuple[str, str | None]:
    return package.path, package.sha256


def _plans(
    request: PackRequest, path: Path, source: LockSource, given: tuple[ReadyFile, ...], context: Context
) -> list[tuple[str, PackPlan]]:
    """What goes into each pack, beside what is injected, and what the pack is called."""
    manifest = context.directory() / request.manifest
    refuse_other_things(manifest, request.manifest)
    lock = source.read()
    names = names_of(given)
    rules = replace(request.rules, given=names, replaced=names if request.replace else frozenset())
    plans = [
        choose_packages(lock, path, environment=environment, platform=platform, rules=rules)
        for environment in request.environments
        for platform in request.platforms
    ]
    targets = [PackTarget(plan.environment, plan.platform, plan.subdir) for plan in plans]
    outputs = output_names(request.output, request.form, targets)
    for output in outputs:
        if output != STDOUT:
            refuse_occupied(context.directory() / output, is_folder=request.form == "folder")
    left_out = (f"left out {refusal.entry}: {refusal.reason}." for plan in plans for refusal in plan.skipped)
    for warning in dict.fromkeys((*(warning for plan in plans for warning in plan.warnings), *left_out)):
        context.progress.warn(warning)
    for plan in plans:
        if given:
            refuse_doubles(plan.packages, given)
            refuse_misfits(plan.packages, given, subdir=plan.subdir, warn=context.progress.warn)
    return list(zip(outputs, plans, strict=True))


@contextmanager
def _obtained(request: PackRequest, lock: LockSource, plans: Iterable[PackPlan], context: Context) -> Iterator[_Hold]:
    """Hold a verified file of each package, wherever it is to come from."""
    packages = tuple({_key(package): package for plan in plans for package in plan.packages}.values())
    unpacker = find_unpacker(request.unpacker, request.unpacker_sha256, directory=context.directory())
    wanted = [*packages, *([unpacker] if isinstance(unpacker, Package) else [])]
    if isinstance(unpacker, Package) and unpacker.sha256 is None:
        context.progress.warn(
            f"nobody promises what {unpacker.url} has to be, so whatever comes is embedded; --pixi-unpack-sha256 does."
        )
    held = [unpacker] if isinstance(unpacker, ReadyFile) else []
    if request.mirror is not None:
        held += take_from_mirror(wanted, open_mirror(request.mirror), bring=_update_command(request, plans, context))
        yield _open_hold(held, unpacker, distrust=_nobody)
        return
    old = OldCache(request.old_cache, context.progress) if request.old_cache is not None else None
    if old is not None:
        old.tag()
        held += old.found(packages)
    have = {_key(each.package) for each in held}
    waiting = [package for package in wanted if _key(package) not in have]
    if not waiting:
        yield _open_hold(held, unpacker, distrust=_nobody)
        return
    supply = open_upstream(context, wanted, None, workspace=lock.location.parent, sources=[lock])
    with supply.store.used():
        unknown = sum(each.size is None for each in waiting)
        size = sum(each.size or 0 for each in waiting)
        context.progress.begin("bringing", files=len(waiting), size=size, unknown=unknown)
        ready, failed = take_from_store(waiting, supply.batch)
        if failed:
            raise _failure([each.error for each in failed], of=len(waiting))
        if old is not None:
            old.keep(each for each in ready if each.package is not unpacker)
        yield _open_hold([*held, *ready], unpacker, distrust=supply.store.remove)


def _update_command(request: PackRequest, plans: Iterable[PackPlan], context: Context) -> str:
    """What brings the packages of packs into the mirror that they are to come from."""
    lock = os.path.relpath(lock_of(context.directory() / request.manifest), context.directory())
    words = ["pixi-mirror", "update", "-o", str(request.mirror), "--lock", lock]
    plans = list(plans)
    for option, names in (("-e", [each.environment for each in plans]), ("-p", [each.platform for each in plans])):
        words += [word for name in dict.fromkeys(names) for word in (option, name)]
    return shlex.join(words)


def _open_hold(
    held: Iterable[ReadyFile], unpacker: Package | ReadyFile | None, *, distrust: Callable[[Path], None]
) -> _Hold:
    files = {_key(each.package): each for each in held}
    embedded = files[_key(unpacker)] if isinstance(unpacker, Package) else unpacker
    return _Hold(files=files, unpacker=embedded, distrust=distrust)


def _nobody(_path: Path) -> None:
    """A file that is not ours stays as it is, wrong or not."""


def _failure(errors: list[PixiMirrorError], *, of: int) -> PixiMirrorError:
    return SeveralErrors(f"could not download package: {len(errors)} of {of} files could not be had.", errors)


@dataclass(frozen=True, slots=True, kw_only=True)
class _PackWriter:
    """Writes packs as they were asked for."""

    request: PackRequest
    hold: _Hold
    context: Context
    stdout: Callable[[], BinaryIO]

    def write(self, output: str, subdir: str, parts: tuple[Part, ...]) -> WrittenPack:
        """Write the parts of a pack for a platform of `subdir`."""
        request, distrust = self.request, self.hold.distrust
        self.context.progress.begin("packing", files=len(parts), size=sum(part.size for part in parts))
        target = self.context.directory() / output
        if request.form == "folder":
            return write_folder(target, parts, distrust=distrust, advance=self._advance)

        def tar(write: Callable[[bytes], object]) -> None:
            write_parts(parts, write, distrust=distrust, advance=self._advance)

        fill: Fill = tar
        if request.form == "executable":
            fill = make_self_extracting(tar, subdir=subdir, unpacker=self.hold.unpacker)
        if output != STDOUT:
            runs = request.form == "executable" and not subdir.startswith("win-")
            return write_file(target, fill, is_executable=runs)
        refuse_wrong(parts, distrust=distrust)
        return write_stream(self.stdout(), fill)

    def _advance(self, size: int) -> None:
        self.context.progress.advance(files=1, size=size)
