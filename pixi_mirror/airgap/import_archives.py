"""Import archives: verify all of them, and switch to the highest generation that is complete and allowed.

Content decides: a generation is complete if all of its files are here or in the archives, whatever the numbers are. The
files of one that is not are kept, and the archive that brings the rest completes it.
"""

from collections.abc import Collection, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pixi_mirror.airgap.allowed import refuse_mixed, refuse_older, refuse_strangers, refuse_unexpected
from pixi_mirror.airgap.candidates import Candidate, candidate_records, given_candidates, waiting_candidates
from pixi_mirror.airgap.incomplete import MissingFiles, incomplete_error, missing_files
from pixi_mirror.airgap.manifest import ExportBlob
from pixi_mirror.airgap.offer_generation import GenerationOffer, HeldFiles
from pixi_mirror.airgap.read_archive import ArchiveHead, opened, read_head, require_bytes, require_whole
from pixi_mirror.airgap.signatures import require_signature
from pixi_mirror.context import Context
from pixi_mirror.errors import IncompleteError, MachineError, WrongBytesError
from pixi_mirror.mirror.staged import STAGED
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.values import MirrorPath, Sha256
from pixi_mirror.progress import format_size

_MARGIN = 16 << 20
"""Bytes left free for indexes and records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """What the user requests of an import."""

    archives: tuple[Path, ...]
    mirror: Path
    expected: str | None
    """The first digits of the fingerprint that the highest generation must have; None: any."""
    allow_rollback: bool
    dry_run: bool
    signers: Path | None = None
    """Who has to have signed, in the form `allowed_signers` of ssh-keygen; None: nobody has to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """What an import found and did."""

    mirror: Path
    dry_run: bool
    heads: tuple[ArchiveHead, ...]
    signed_by: tuple[str, ...]
    """Who has signed the archives, as far as that was to be checked."""
    was: int | None
    """The generation that was current before; None: there was none."""
    number: int | None
    """The one that is current now, or would be."""
    fingerprint: Sha256 | None
    is_changed: bool
    """Whether the mirror was changed, or would be."""
    verified: int
    """Bytes of the files in the archives; all were hashed."""
    placed: tuple[MirrorPath, ...]
    """Files that stand in their places now."""
    incomplete: tuple[MissingFiles, ...]
    """The generations that wait for files."""
    error: IncompleteError | None
    """The highest generation of the archives is not complete."""


def import_archives(request: ImportRequest, context: Context) -> ImportResult:
    """Verify archives, take in what is needed of them, and switch to the highest generation that is complete.

    Raises:
        WrongBytesError: an archive is damaged, or not what --expect says; what was verified of the others is kept.
        HistoryError: an archive is of another mirror or another history, or older than what the mirror has.
        UnmirrorableError: two paths are the same on this disk.
        MachineError: the mirror, an archive or the disk cannot be used.
        BusyError: another process is writing the mirror.
    """
    heads = tuple(map(read_head, dict.fromkeys(request.archives)))
    refuse_mixed(heads)
    expected = None if request.expected is None else refuse_unexpected(heads, request.expected)
    signed_by = _signers(request, heads, context)
    tree = Tree(request.mirror)
    writing = tree.writing(timeout_s=context.lock_timeout_s, verb="import")
    with nullcontext() if request.dry_run else writing:
        importing = _Import(request, heads, tree, context)
        importing.take_in()
        return replace(importing.switch(expected), signed_by=signed_by)


def _signers(request: ImportRequest, heads: tuple[ArchiveHead, ...], context: Context) -> tuple[str, ...]:
    if request.signers is None:
        return ()
    return tuple(
        require_signature(
            head.manifest_data, head.signature, request.signers, what=str(head.path), environ=context.environ
        )
        for head in heads
    )


class _Import:
    """One import, inside the lock."""

    def __init__(self, request: ImportRequest, heads: tuple[ArchiveHead, ...], tree: Tree, context: Context) -> None:
        self._request = request
        self._heads = heads
        self._tree = tree
        self._context = context
        self._stamp = tree.inventory.stamp
        self._staged = tree.staged
        given = given_candidates(heads)
        waiting = waiting_candidates(self._staged, heads[0].manifest.mirror)
        refuse_strangers(tree, given, waiting)
        self._given = given
        self._candidates = self._allowed({**self._trusted(waiting), **given})
        stored, held = tree.inventory.stored, tree.held()
        places = {file.sha256: path for path, file in stored.items() if held.get(path) == file.sha256}
        wanted = {sha256 for each in self._candidates.values() for sha256 in each.files if sha256 not in places}
        replaced = {sha256 for sha256 in wanted.intersection(tree.all_replaced()) if tree.keeps_replaced(sha256)}
        self._held = HeldFiles(paths=held, places=places, replaced=replaced)
        self._wanted = wanted - replaced
        self._arrived: set[Sha256] = set()
        """Files that were verified in this run; in a dry run they are not kept."""

    def _trusted(self, waiting: Mapping[int, Candidate]) -> Mapping[int, Candidate]:
        """Those generations that wait here and may become current: where signatures count, those with a right one."""
        signers, found = self._request.signers, {}
        for number, each in waiting.items():
            with suppress(WrongBytesError):
                if signers is not None:
                    what, environ = f"g{number}", self._context.environ
                    require_signature(each.manifest_data, each.signature, signers, what=what, environ=environ)
                found[number] = each
        return found

    def _allowed(self, candidates: Mapping[int, Candidate]) -> Mapping[int, Candidate]:
        last = self._stamp.last if self._stamp is not None else 0
        if self._request.allow_rollback:
            highest = max(self._given)
            return {highest: self._given[highest]}
        return {number: each for number, each in sorted(candidates.items()) if number >= last}

    def take_in(self) -> None:
        """Verify the archives, and keep the files of them that a generation lacks.

        Raises:
            HistoryError: nobody needs what they bring.
            WrongBytesError: one is damaged.
            MachineError: the disk is too small, or refuses.
        """
        whole = self._staged.whole(self._wanted)
        needed = self._wanted - whole
        blobs = [blob for head in self._heads for blob in head.manifest.in_volume(head.volume)]
        coming = {blob for blob in blobs if blob.sha256 in needed}
        if not coming and not self._candidates.keys() & self._given.keys():
            raise refuse_older(self._tree, max(self._given), self._stamp.last if self._stamp is not None else 0)
        self._arrived |= whole
        self._context.progress.begin("verifying", files=len(blobs), size=sum(blob.size for blob in blobs))
        if self._request.dry_run or not coming:
            self._verify({blob.sha256 for blob in coming})
            return
        self._refuse_small_disk(sum(blob.size for blob in coming))
        self._keep_records()
        self._stage({blob.sha256 for blob in coming}, count=len(coming))

    def _verify(self, coming: Collection[Sha256]) -> None:
        for head in self._heads:
            require_whole(head.path, self._advance)
        self._arrived |= {*coming}

    def _advance(self, blob: ExportBlob) -> None:
        self._context.progress.advance(files=1, size=blob.size)

    def _stage(self, coming: set[Sha256], *, count: int) -> None:
        with self._staged.adding(count) as add:
            for head in sorted(self._heads, key=lambda head: (head.manifest.number, head.volume)):
                with opened(head.path) as (again, files):
                    if again != head:
                        raise ValueError("it has changed while it was read")
                    for blob, _, pieces in files:
                        take = partial(add, blob.sha256) if blob.sha256 in coming else partial(require_bytes, blob)
                        take(pieces)
                        coming.discard(blob.sha256)
                        self._arrived |= {blob.sha256} & self._wanted
                        self._advance(blob)

    def _refuse_small_disk(self, size: int) -> None:
        free = self._tree.free()
        if size + _MARGIN > free:
            raise MachineError(
                f"the disk of {self._tree.root} is too small: {format_size(size + _MARGIN)} are needed and "
                f"{format_size(free)} are free. Nothing was changed. Free some space, for example by `pixi-mirror "
                "prune --apply`, or choose another directory."
            )

    def _keep_records(self) -> None:
        """Record of each generation that was given what it is, before its files are kept."""
        self._staged.make_folder()
        for number in self._candidates.keys() & self._given.keys():
            candidate = self._candidates[number]
            if self._lacking(candidate):
                for kind, data in candidate_records(candidate).items():
                    self._tree.record_private(f"{STAGED}/{number}.{kind}", data)

    def _lacking(self, candidate: Candidate) -> set[Sha256]:
        return (candidate.files.keys() & self._wanted) - self._arrived

    def switch(self, expected: int | None) -> ImportResult:
        """Switch to the highest generation that is complete, and say what others lack.

        Args:
            expected: the only one to switch to; None: any.

        Raises:
            WrongBytesError: the indexes of a generation are not those that its archive promises.
            MachineError: the disk refuses.
        """
        complete = [
            number
            for number, each in self._candidates.items()
            if not self._lacking(each) and expected in (None, number)
        ]
        target = max(complete, default=None)
        placed: tuple[MirrorPath, ...] = ()
        is_changed = False
        if target is not None:
            offering = GenerationOffer(self._tree, self._held, self._context, dry_run=self._request.dry_run)
            placed, is_changed = offering.offer(self._candidates[target])
        now = self._tree.inventory.stamp
        number = target if target is not None else (now.number if now is not None else None)
        left = {each: one for each, one in self._candidates.items() if self._lacking(one) and each > (number or 0)}
        if not self._request.dry_run:
            self._tidy(left)
        lacks = tuple(missing_files(each, self._lacking(each)) for each in left.values())
        highest = max(self._given)
        return ImportResult(
            mirror=self._request.mirror,
            dry_run=self._request.dry_run,
            heads=self._heads,
            signed_by=(),
            was=self._stamp.number if self._stamp is not None else None,
            number=number,
            fingerprint=self._fingerprint(number),
            is_changed=is_changed,
            verified=sum(blob.size for head in self._heads for blob in head.manifest.in_volume(head.volume)),
            placed=placed,
            incomplete=lacks,
            error=incomplete_error(self._tree.root, lacks, number) if highest in left else None,
        )

    def _fingerprint(self, number: int | None) -> Sha256 | None:
        if number is not None and number in self._candidates:
            return self._candidates[number].manifest.fingerprint
        return self._stamp.fingerprint if self._stamp is not None else None

    def _tidy(self, left: Mapping[int, Candidate]) -> None:
        """Remove kept files that nobody waits for any more."""
        if self._staged.records() or self._staged.names():
            self._staged.keep({sha256 for each in left.values() for sha256 in each.files} & self._wanted, left)
