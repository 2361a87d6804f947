"""Read upstream's index pages for a lock that has hashes and no URLs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_mirror.context import Context
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.mirror.upstream import open_upstream

if TYPE_CHECKING:  # most runs read no such lock
    from pixi_mirror.pypi.upstream_pages import PageAddress, PageContent


class UpstreamIndexPages:
    """Upstream's index pages, read with the user's settings: the `IndexPages` of `lockfile/interface.py`."""

    def __init__(self, context: Context, tree: Tree | None, workspace: Path) -> None:
        """Take the directory of the lock, whose configuration counts; nothing is read yet."""
        self._context = context
        self._tree = tree
        self._workspace = workspace

    @property
    def configured(self) -> tuple[str, ...]:
        """URLs of the indexes that pixi's configuration names, the first one first.

        Raises:
            MachineError: a settings file does not parse.
        """
        return self._context.settings(self._workspace).indexes

    def read(self, addresses: Iterable[PageAddress]) -> Mapping[PageAddress, PageContent]:
        """What each page lists; one that cannot be read lists nothing, and says why.

        Raises:
            MachineError: a settings file does not parse.
        """
        addresses = tuple(addresses)
        if not addresses:
            return {}
        indexes = (address.index for address in addresses)
        upstream = open_upstream(self._context, (), self._tree, workspace=self._workspace, indexes=indexes)
        return upstream.pages.read(addresses)


def index_pages(context: Context, tree: Tree | None) -> Callable[[Path], UpstreamIndexPages]:
    """What gives the index pages for a lock in a directory; without a mirror, `[mirrors]` may lead to any."""
    return partial(UpstreamIndexPages, context, tree)
