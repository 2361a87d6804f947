"""Know where the links of a prefix lead, without following any of them on the disk."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from pixi_mirror.errors import WrongBytesError

_MOST_LINKS = 40
"""How many links a path may lead through; the systems that we know stop there, too."""


class LinkLoopError(ValueError):
    """Links lead to each other in a circle, so a path leads nowhere."""


def refuse_link_out(path: str, leads_to: str) -> None:
    """Refuse a link at `path`, relative to a folder, whose text leads out of that folder.

    Raises:
        ValueError: it is absolute, empty, or climbs above the folder.
    """
    end = posixpath.normpath(posixpath.join(posixpath.dirname(path), leads_to))
    # A backslash and a drive lead elsewhere on Windows; no package has them in a link for another system.
    is_strange = not leads_to or "\0" in leads_to or leads_to.startswith(("/", "\\")) or leads_to[1:2] == ":"
    if is_strange or end == ".." or end.startswith("../"):
        raise ValueError(f"the link {path} leads outside, to {leads_to[:200]!r}")


class LinkMap:
    """The links of a prefix: relative path -> where it leads."""

    def __init__(self) -> None:
        self._links: dict[str, str] = {}

    def add(self, path: str, leads_to: str) -> None:
        """Record a link."""
        self._links[path] = leads_to

    def remove(self, path: str) -> None:
        """Forget what is no link any more."""
        self._links.pop(path, None)

    def resolve(self, path: str) -> str:
        """Return the path that a path leads to, with no link in it; the empty text is the prefix itself.

        Raises:
            LinkLoopError: it leads through a circle.
            ValueError: it leads out of the prefix.
        """
        waiting = path.split("/")[::-1]
        found: list[str] = []
        count = 0
        while waiting:
            part = waiting.pop()
            if part in ("", "."):
                continue
            if part == "..":
                if not found:
                    raise ValueError(f"{path} leads out of the environment")
                found.pop()
                continue
            found.append(part)
            leads_to = self._links.get("/".join(found)) if self._links else None
            if leads_to is None:
                continue
            count += 1
            if count > _MOST_LINKS:
                raise LinkLoopError(f"{path} leads through links without end")
            if leads_to.startswith("/"):
                raise ValueError(f"{path} leads out of the environment, to {leads_to[:200]!r}")
            found.pop()
            waiting += leads_to.split("/")[::-1]
        return "/".join(found)


def map_links(links: Iterable[tuple[str, str, str]]) -> LinkMap:
    """Return the map of the links of several packages: owner, path and where it leads, of each.

    Raises:
        WrongBytesError: one leads out of the environment, directly or through others; its owner is named.
    """
    found, owners = LinkMap(), dict[str, str]()
    for owner, path, leads_to in links:
        found.add(path, leads_to)
        owners[path] = owner
    for path, owner in sorted(owners.items()):
        try:
            found.resolve(path)
        except LinkLoopError:
            continue  # it leads nowhere, and so not outside
        except ValueError as error:
            raise WrongBytesError(
                f"{owner} cannot be installed: its link {error}. Take another build of this package."
            ) from error
    return found
