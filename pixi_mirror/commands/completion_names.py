"""Find the names that complete a command line: environments and platforms of its lock, packages of its mirror."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pixi_mirror.errors import PixiMirrorError

NAMES = ("environments", "platforms", "packages")

_LOCKS = ("--lock", "-m", "--manifest-path")
_MIRRORS = ("-o", "--output")
_OF_LOCKS = ("update", "pack")
"""The verbs whose environments and platforms are those of a lock; of all others they are those of a mirror."""


def find_names(kind: str, words: Sequence[str], directory: Path) -> list[str]:
    """The names that may come next, sorted; none where nothing can be read.

    Args:
        kind: one of `NAMES`.
        words: the command line so far, without the program.
        directory: where it is typed.
    """
    verb = next((word for word in words if not word.startswith("-")), "update") if words else "update"
    is_update = not words or words[0].startswith("-")
    found: set[str] = set()
    try:
        if kind != "packages" and (is_update or verb in _OF_LOCKS):
            for lock in _locks(words, directory):
                found |= _names_of_lock(kind, lock)
        if not found:
            found |= _names_of_mirror(kind, _mirror(words, directory))
    except PixiMirrorError:  # nobody reads an error in the middle of a command line
        return []
    return sorted(found)


def _locks(words: Sequence[str], directory: Path) -> list[Path]:
    """The locks that the words name; else the nearest one from the directory upwards, as pixi looks for it."""
    named = [directory / Path(value).expanduser() for value in _values(words, _LOCKS)]
    if named:
        return [_lock_beside(path) for path in named]
    around = (folder / "pixi.lock" for folder in (directory.absolute(), *directory.absolute().parents))
    return [path for path in around if path.is_file()][:1]


def _lock_beside(path: Path) -> Path:
    """The lock that a path means: of a manifest the one beside it."""
    from pixi_mirror.lockfile.source import MANIFEST_NAMES

    return path.with_name("pixi.lock") if path.name in MANIFEST_NAMES else path


def _mirror(words: Sequence[str], directory: Path) -> Path:
    from pixi_mirror.commands.options import DEFAULT_MIRROR
    from pixi_mirror.mirror.tree_view import INVENTORY

    named = [*_values(words, _MIRRORS), *(word for word in words[1:] if not word.startswith("-"))]
    for word in named:
        path = directory / Path(word).expanduser()
        if (path / INVENTORY).is_file():
            return path
    return directory / DEFAULT_MIRROR


def _values(words: Sequence[str], options: Iterable[str]) -> Iterator[str]:
    """The values that options have in the words, as `--lock FILE` or `--lock=FILE`."""
    for number, word in enumerate(words):
        option, is_joined, value = word.partition("=")
        if option not in options:
            continue
        if is_joined:
            yield value
        elif number + 1 < len(words):
            yield words[number + 1]


def _names_of_lock(kind: str, path: Path) -> set[str]:
    from pixi_mirror.lockfile.source import LockSource

    lock = LockSource(path).read()
    return {*(lock.environments if kind == "environments" else lock.platforms)}


def _names_of_mirror(kind: str, mirror: Path) -> set[str]:
    from pixi_mirror.mirror.tree import open_mirror

    inventory = open_mirror(mirror).inventory
    if kind == "packages":
        return {package.name for package in (*inventory.wanted, *inventory.kept.values())}
    cells = [cell for snapshot in inventory.followed for cell in snapshot.cells]
    return {cell.environment if kind == "environments" else cell.platform for cell in cells}
