"""Decide whether a right covers a path of a mirror; pure.

A right is a path of the mirror: a channel, an index, or anything below. What it names may be read, and the Python files
that are listed there: an index whose files cannot be had would be of no use.
"""

from collections.abc import Callable, Collection

from pixi_mirror.model.values import MirrorPath, admit_path

ListedAt = Callable[[MirrorPath], Collection[str]]
"""Where a Python file is listed: paths in the mirror. Empty: nowhere, or it is none."""


def admit_right(raw: str) -> MirrorPath:
    """The right that `raw` spells; slashes around it mean nothing.

    Raises:
        ValueError: it is no path that a mirror can have.
    """
    return admit_path(raw.strip("/"))


def covers(rights: Collection[MirrorPath], path: str, listed_at: ListedAt) -> bool:
    """Whether one of several rights lets its owner read what is at a path."""
    if any(_is_within(path, right) for right in rights):
        return True
    if not path:
        return False
    try:
        places = listed_at(admit_path(path))
    except ValueError:
        return False
    return any(_is_within(place, right) for place in places for right in rights)


def _is_within(path: str, right: MirrorPath) -> bool:
    return path == right or path.startswith(f"{right}/")
