"""Make the next generation of a mirror from what has changed; nothing is written."""

import os
import time
from bisect import bisect_left, insort
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from pixi_mirror.errors import HistoryError, MachineError
from pixi_mirror.mirror import generation_file
from pixi_mirror.mirror.generation_file import Generation
from pixi_mirror.mirror.generation_rows import count_files, digest_of, files_of, without_requests
from pixi_mirror.mirror.generations import Generations, generation_name
from pixi_mirror.model.packages import Stamp
from pixi_mirror.model.values import Sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class MintedGenerations:
    """What a change makes of a mirror's history."""

    stamp: Stamp
    """Of the inventory after the change."""
    files: Mapping[str, bytes]
    """Files to be written before the inventory, by name; empty: what clients are offered is the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationContent:
    """The rows of a generation and their digest, which takes a while."""

    plain: frozenset[str]
    """Those that are content."""
    requests: frozenset[str]
    ordered: tuple[str, ...]
    """`plain`, sorted."""
    digest: Sha256
    """Of these."""

    @classmethod
    def of(cls, rows: frozenset[str]) -> Self:
        """The content that has these rows."""
        plain = without_requests(rows)
        ordered = tuple(sorted(plain))
        return cls(plain=plain, requests=rows - plain, ordered=ordered, digest=digest_of(ordered))

    def changed(self, *, removed: frozenset[str], added: frozenset[str]) -> "GenerationContent":
        """The content with some rows fewer and some more; the work follows these."""
        ordered = [*self.ordered]
        for row in removed - added:
            at = bisect_left(ordered, row)
            if ordered[at : at + 1] == [row]:
                del ordered[at]
        for row in without_requests(added) - self.plain:
            insort(ordered, row)
        return GenerationContent(
            plain=frozenset(ordered), requests=self.requests, ordered=tuple(ordered), digest=digest_of(ordered)
        )


def mint(
    known: Generations, stamp: Stamp | None, old: GenerationContent | None, new: GenerationContent, *, verb: str
) -> MintedGenerations:
    """The next generation, if `new` offers clients something else than the generation of `stamp`.

    What stood in a mirror that knew no generations becomes one, too.

    Args:
        known: the history so far.
        stamp: of the mirror's inventory before the change; None: it has none.
        old: what that inventory says, which is more than the generation if an update was killed; None: nothing.
        new: what it is to say.
        verb: what people are to call the change.

    Raises:
        HistoryError: the generation came by an import.
        MachineError: the history cannot be read.
    """
    files: dict[str, bytes] = {}
    if stamp is None:
        line = _new_line(known)
        if old is None:
            return MintedGenerations(stamp=_add(files, new, None, line, verb=verb), files=files)
        stamp = _add(files, old, None, line, verb="")
    elif new.digest != stamp.content:
        old = _recorded(known, old, stamp)
    if new.digest != stamp.content:
        if stamp.imported:
            raise HistoryError(f"generation {stamp.number} came by an import, and no other is made of it here.")
        base = None if old is None else stamp.number
        line = _Line(mirror=_own_name(known, stamp), number=stamp.last + 1, base=base, parent=stamp.fingerprint)
        stamp = _add(files, new, old, line, verb=verb)
    return MintedGenerations(stamp=stamp, files=files)


def mint_fork(rows: frozenset[str], stamp: Stamp) -> MintedGenerations:
    """The generation with which a copy becomes a mirror of its own: the same content, and another random name."""
    files: dict[str, bytes] = {}
    line = _Line(mirror=os.urandom(16).hex(), number=stamp.last + 1, base=None, parent=stamp.fingerprint)
    return MintedGenerations(stamp=_add(files, GenerationContent.of(rows), None, line, verb="fork"), files=files)


def _own_name(known: Generations, stamp: Stamp) -> str:
    """The random name under which the mirror makes generations; one that it went back to may have another."""
    with suppress(MachineError):
        return known.generation(stamp.last).mirror
    return stamp.mirror


def _new_line(known: Generations) -> "_Line":
    """Where the history of a mirror begins, or goes on after another program has written the mirror."""
    last = max(known.all_numbers(), default=0)
    latest = known.generation(last) if last else None
    return _Line(
        mirror=latest.mirror if latest else os.urandom(16).hex(),
        number=last + 1,
        base=None,
        parent=latest.fingerprint if latest else None,
    )


def _recorded(known: Generations, found: GenerationContent | None, stamp: Stamp) -> GenerationContent | None:
    """The content of a generation; None: its file is missing or damaged, so the next one has all rows again."""
    if found is not None and found.digest == stamp.content:
        return found if (known.folder / generation_name(stamp.number)).is_file() else None
    try:
        return GenerationContent.of(known.rows(stamp.number))
    except MachineError:
        return None


def dump_difference(generation: Generation, new: GenerationContent, before: GenerationContent | None) -> bytes:
    """The bytes of a generation's file.

    Args:
        generation: who it is.
        new: what it holds.
        before: what its base held; None: it has no base.
    """
    # What was requested of the locks is written in full: it may change without a generation.
    old = before.plain if before is not None else frozenset()
    return generation_file.dump(generation, added=(new.plain - old) | new.requests, removed=old - new.plain)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """Where a new generation stands in the history."""

    mirror: str
    number: int
    base: int | None
    parent: Sha256 | None


def _add(
    files: dict[str, bytes], new: GenerationContent, old: GenerationContent | None, line: _Line, *, verb: str
) -> Stamp:
    """Add the file of a generation to `files`, and give its stamp."""
    before = old.plain if old is not None else frozenset()
    count, size = count_files(new.ordered)
    came, went = (files_of(rows) for rows in (new.plain - before, before - new.plain))
    generation = Generation(
        mirror=line.mirror,
        number=line.number,
        base=line.base,
        parent=line.parent,
        content=new.digest,
        verb=verb,
        made_at=int(time.time()),
        files=count,
        size=size,
        files_added=len(came - went),
        files_removed=len(went - came),
    )
    files[generation_name(line.number)] = dump_difference(generation, new, old)
    return Stamp(
        mirror=line.mirror,
        number=line.number,
        last=line.number,
        fingerprint=generation.fingerprint,
        content=new.digest,
    )
