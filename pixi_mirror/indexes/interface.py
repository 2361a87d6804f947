"""The port of an index: files made from the packages that it lists."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from pixi_mirror.model import Channel, MirrorPath, Package, Sha256


@dataclass(frozen=True, slots=True)
class Made:
    """One file of an index, to be made."""

    recipe: Sha256
    """The sha256 of the canonical inputs: the file is stale exactly when this differs."""
    content: Callable[[], bytes]
    """Makes the bytes."""


class Index(Protocol):
    """One kind of index over a mirror."""

    def files(
        self,
        packages: Iterable[Package],
        *,
        channels: Iterable[tuple[Channel, str]],
        standing: Iterable[MirrorPath],
    ) -> Mapping[MirrorPath, Made]:
        """Every file that the index consists of, in the order in which they are to be written.

        `packages` are those to be listed (of other kinds too, which are passed over), `channels` those that must be
        there even when empty, each with a subdir that is asked of it, `standing` the index files of any kind that
        the mirror has, which are kept up to date.
        """

    def problem(self, path: MirrorPath, data: bytes, packages: Mapping[MirrorPath, Package]) -> str | None:
        """What is wrong with a file of this index, read back; None: it says what `packages` say, or is not of it."""
