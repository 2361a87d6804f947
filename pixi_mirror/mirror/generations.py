"""Read the generations of a mirror, and make the next one from what has changed.

Each has a file of its own, with the difference to the one that it was made from. A generation is complete when the
inventory names it, or a later one; a file with a higher number is what a killed run left.
"""

import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from pixi_mirror.disk.files import explain_errors, read_bytes
from pixi_mirror.errors import HistoryError, MachineError
from pixi_mirror.mirror import generation_file, inventory_file
from pixi_mirror.mirror.generation_file import Generation, parse_head, parse_rows
from pixi_mirror.mirror.generation_names import read_names
from pixi_mirror.mirror.generation_rows import (
    content_digest,
    count_files,
    document_of,
    files_of,
    rows_of,
    without_requests,
)
from pixi_mirror.mirror.inventory_schema import NewerFormatError
from pixi_mirror.mirror.inventory_text import PackageTexts
from pixi_mirror.model.packages import Inventory, Stamp
from pixi_mirror.model.values import Sha256

_FILE = re.compile(r"([1-9][0-9]{0,8})\.gz")
_LONGEST = 1 << 29

Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True, kw_only=True)
class MintedGenerations:
    """What a change makes of a mirror's history."""

    stamp: Stamp
    """Of the inventory after the change."""
    files: Mapping[str, bytes]
    """Files to be written before the inventory, by name; empty: what clients are offered is the same."""


class Generations:
    """The history of one mirror, as it is on disk."""

    def __init__(self, folder: Path, stamp: Stamp | None) -> None:
        """Nothing is read yet. `stamp` is that of the mirror's inventory."""
        self._folder = folder
        self._stamp = stamp

    def numbers(self) -> tuple[int, ...]:
        """The numbers of all complete generations whose files are here, in order.

        Raises:
            MachineError: the history cannot be read.
        """
        found = self._all()
        return found if self._stamp is None else tuple(number for number in found if number <= self._stamp.last)

    def unfinished(self) -> tuple[str, ...]:
        """The files that a killed run left."""
        return tuple(generation_name(number) for number in self._all() if self._stamp and number > self._stamp.last)

    def _all(self) -> tuple[int, ...]:
        with explain_errors("read", self._folder):
            try:
                found = [_FILE.fullmatch(path.name) for path in self._folder.iterdir()]
            except FileNotFoundError:
                return ()
        return tuple(sorted(int(each[1]) for each in found if each))

    def generation(self, number: int) -> Generation:
        """One generation, without what it holds.

        Raises:
            MachineError: its file cannot be read, or is not what it says.
        """
        return self._head(number, self._read(number))

    def rows(self, number: int) -> frozenset[str]:
        """What a generation holds; each is put together from the one that its file has in full.

        Raises:
            MachineError: a file that is needed for it cannot be read, or is not what it says.
        """
        return self._head_and_rows(number)[1]

    def _head_and_rows(self, number: int) -> tuple[Generation, frozenset[str]]:
        chain: list[tuple[Generation, bytes]] = []
        at: int | None = number
        while at is not None:
            data = self._read(at)
            head = self._head(at, data)
            if chain and chain[-1][0].parent != head.fingerprint:
                raise self._damaged(chain[-1][0].number, f"it was not made from {at} as it is here")
            chain.append((head, data))
            at = head.base
        rows: frozenset[str] = frozenset()
        for head, data in reversed(chain):
            added, removed = self._parsed(head.number, parse_rows, data)
            rows = (without_requests(rows) - removed) | added
        if content_digest(rows) != chain[0][0].content:
            raise self._damaged(number, "what it holds is not what its fingerprint says")
        return chain[0][0], rows

    def changes(self, number: int) -> tuple[frozenset[str], frozenset[str]]:
        """The rows that came and that went from the generation that this one was made from; of the first all came.

        Raises:
            MachineError: its file cannot be read, or is not what it says.
        """
        return self._parsed(number, parse_rows, self._read(number))

    def inventory(self, number: int) -> Inventory:
        """What a generation holds, as an inventory without the files that are made; its stamp names it.

        Raises:
            MachineError: a file that is needed for it cannot be read, or is not what it says.
        """
        head, rows = self._head_and_rows(number)
        found = self._parsed(number, lambda _data: inventory_file.parse(document_of(rows)), b"")
        return replace(
            found,
            stamp=Stamp(
                mirror=head.mirror,
                number=number,
                last=max(number, self._stamp.last if self._stamp else number),
                fingerprint=head.fingerprint,
                content=head.content,
                imported=self._stamp is not None and self._stamp.imported,
            ),
        )

    def names(self) -> Mapping[str, int]:
        """The names that people gave to generations.

        Raises:
            MachineError: their file cannot be read or does not parse.
        """
        return read_names(self._folder)

    def mint(
        self, before: Inventory, after: Inventory, texts: PackageTexts | None = None, *, verb: str
    ) -> MintedGenerations:
        """The next generation, if `after` offers clients something else than the generation of `before`.

        What stood in a mirror that knew no generations becomes one, too. `texts` are the known spellings of packages.

        Raises:
            MachineError: the history cannot be read.
        """
        texts = texts or PackageTexts()
        new = _Content.of(rows_of(after, texts))
        old = _Content.of(rows_of(before, texts)) if before.snapshots or before.tree else None
        stamp = before.stamp
        files: dict[str, bytes] = {}
        if stamp is None:
            line = self._new_line()
            if old is None:
                return MintedGenerations(stamp=_add(files, new, None, line, verb=verb), files=files)
            stamp = _add(files, old, None, line, verb="")
        elif new.digest != stamp.content:
            old = self._recorded(old, stamp)
        if new.digest != stamp.content:
            if stamp.imported:
                raise HistoryError(f"generation {stamp.number} came by an import, and no other is made of it here.")
            base = None if old is None else stamp.number
            line = _Line(mirror=self._own_name(stamp), number=stamp.last + 1, base=base, parent=stamp.fingerprint)
            stamp = _add(files, new, old, line, verb=verb)
        return MintedGenerations(stamp=stamp, files=files)

    def mint_fork(self, now: Inventory, stamp: Stamp) -> MintedGenerations:
        """The generation with which a copy becomes a mirror of its own: the same content, and another random name."""
        files: dict[str, bytes] = {}
        content = _Content.of(rows_of(now, PackageTexts()))
        line = _Line(mirror=os.urandom(16).hex(), number=stamp.last + 1, base=None, parent=stamp.fingerprint)
        return MintedGenerations(stamp=_add(files, content, None, line, verb="fork"), files=files)

    def _own_name(self, stamp: Stamp) -> str:
        """The random name under which the mirror makes generations; one that it went back to may have another."""
        with suppress(MachineError):
            return self.generation(stamp.last).mirror
        return stamp.mirror

    def _new_line(self) -> "_Line":
        """Where the history of a mirror begins, or goes on after another program has written the mirror."""
        last = max(self._all(), default=0)
        known = self.generation(last) if last else None
        return _Line(
            mirror=known.mirror if known else os.urandom(16).hex(),
            number=last + 1,
            base=None,
            parent=known.fingerprint if known else None,
        )

    def _recorded(self, found: "_Content | None", stamp: Stamp) -> "_Content | None":
        """The content of a generation; None: its file is missing or damaged, so the next one has all rows again.

        Args:
            found: what the inventory says, which is more than the generation if an update was killed.
            stamp: of the generation.
        """
        if found is not None and found.digest == stamp.content:
            return found if (self._folder / generation_name(stamp.number)).is_file() else None
        try:
            return _Content.of(self.rows(stamp.number))
        except MachineError:
            return None

    def _read(self, number: int) -> bytes:
        path = self._folder / generation_name(number)
        with explain_errors("read", path):
            try:
                return read_bytes(path, limit=_LONGEST)
            except FileNotFoundError:
                raise MachineError(
                    f"{path} is missing: what generation {number} held is not known here. Restore it from a backup."
                ) from None
            except ValueError as error:
                raise self._damaged(number, str(error)) from error

    def _head(self, number: int, data: bytes) -> Generation:
        head = self._parsed(number, parse_head, data)
        if head.number != number or (head.base is not None and head.base >= number):
            raise self._damaged(number, "it is that of another generation")
        return head

    def _parsed(self, number: int, parse: Callable[[bytes], Parsed], data: bytes) -> Parsed:
        try:
            return parse(data)
        except NewerFormatError as error:
            raise error.about(self._folder / generation_name(number)) from error
        except (ValueError, RecursionError) as error:
            raise self._damaged(number, str(error)) from error

    def _damaged(self, number: int, why: str) -> MachineError:
        return MachineError(
            f"{self._folder / generation_name(number)} cannot be used: {why}. Nothing was changed. Restore it from a "
            "backup; updates go on without it."
        )


def generation_name(number: int) -> str:
    """The name of a generation's file."""
    return f"{number}.gz"


def dump_difference(generation: Generation, rows: frozenset[str], before: frozenset[str]) -> bytes:
    """The bytes of a generation's file.

    Args:
        generation: who it is.
        rows: what it holds.
        before: what its base held; none if it has no base.
    """
    # What was requested of the locks is written in full: it may change without a generation.
    plain, plain_before = without_requests(rows), without_requests(before)
    added = (plain - plain_before) | (rows - plain)
    return generation_file.dump(generation, added=added, removed=plain_before - plain)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Content:
    """The rows of a generation and their digest, which takes a while."""

    rows: frozenset[str]
    digest: Sha256

    @classmethod
    def of(cls, rows: frozenset[str]) -> "_Content":
        return cls(rows=rows, digest=content_digest(rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """Where a new generation stands in the history."""

    mirror: str
    number: int
    base: int | None
    parent: Sha256 | None


def _add(files: dict[str, bytes], new: _Content, old: _Content | None, line: _Line, *, verb: str) -> Stamp:
    """Add the file of a generation to `files`, and give its stamp."""
    before = old.rows if old is not None else frozenset()
    count, size = count_files(new.rows)
    came, went = (files_of(rows) for rows in (new.rows - before, before - new.rows))
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
    files[generation_name(line.number)] = dump_difference(generation, new.rows, before)
    return Stamp(
        mirror=line.mirror,
        number=line.number,
        last=line.number,
        fingerprint=generation.fingerprint,
        content=new.digest,
    )
