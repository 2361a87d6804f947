"""Read the generations of a mirror, and make the next one from what has changed.

Each has a file of its own, with the difference to the one that it was made from. A generation is complete when the
inventory names it, or a later one; a file with a higher number is what a killed run left.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from pixi_mirror.disk.files import explain_errors, read_bytes
from pixi_mirror.errors import MachineError
from pixi_mirror.mirror import inventory_file
from pixi_mirror.mirror.generation_file import Generation, parse_head, parse_rows
from pixi_mirror.mirror.generation_names import read_names
from pixi_mirror.mirror.generation_rows import (
    content_digest,
    document_of,
    without_requests,
)
from pixi_mirror.mirror.inventory_schema import NewerFormatError
from pixi_mirror.model.packages import Inventory, Stamp

_FILE = re.compile(r"([1-9][0-9]{0,8})\.gz")
_LONGEST = 1 << 29

Parsed = TypeVar("Parsed")


class Generations:
    """The history of one mirror, as it is on disk."""

    def __init__(self, folder: Path, stamp: Stamp | None) -> None:
        """Nothing is read yet. `stamp` is that of the mirror's inventory."""
        self.folder = folder
        self._stamp = stamp

    def numbers(self) -> tuple[int, ...]:
        """The numbers of all complete generations whose files are here, in order.

        Raises:
            MachineError: the history cannot be read.
        """
        found = self.all_numbers()
        return found if self._stamp is None else tuple(number for number in found if number <= self._stamp.last)

    def unfinished(self) -> tuple[str, ...]:
        """The files that a killed run left."""
        return tuple(
            generation_name(number) for number in self.all_numbers() if self._stamp and number > self._stamp.last
        )

    def all_numbers(self) -> tuple[int, ...]:
        """The numbers of all files that are here, what a killed run left included.

        Raises:
            MachineError: the history cannot be read.
        """
        with explain_errors("read", self.folder):
            try:
                found = [_FILE.fullmatch(path.name) for path in self.folder.iterdir()]
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
        return read_names(self.folder)

    def _read(self, number: int) -> bytes:
        path = self.folder / generation_name(number)
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
            raise error.about(self.folder / generation_name(number)) from error
        except (ValueError, RecursionError) as error:
            raise self._damaged(number, str(error)) from error

    def _damaged(self, number: int, why: str) -> MachineError:
        return MachineError(
            f"{self.folder / generation_name(number)} cannot be used: {why}. Nothing was changed. Restore it from a "
            "backup; updates go on without it."
        )


def generation_name(number: int) -> str:
    """The name of a generation's file."""
    return f"{number}.gz"
