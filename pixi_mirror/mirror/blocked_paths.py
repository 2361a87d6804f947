"""Find paths that would have to be a file and a directory at once, and make way for new files in a tree."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import PurePosixPath

from pixi_mirror.errors import UnmirrorableError
from pixi_mirror.mirror.plan import Plan
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.values import MirrorPath
from pixi_mirror.progress import counted
from pixi_mirror.pypi.index import possible_pages


def blocked_paths_error(plan: Plan) -> UnmirrorableError | None:
    """The error that names the paths that would have to be a file and a directory; None: there are none.

    It is known before anything is written, for packages and for pages of Python indexes.
    """
    packages = (*plan.packages.values(), *plan.kept.values())
    wanted = {package.path: str(package.url) for package in packages}
    wanted |= {path: f"the page {url}" for path, url in possible_pages(packages)}
    blocked = wanted.keys() & _directories(wanted)
    if not blocked:
        return None
    lines = [
        f"{folder} would have to be {wanted[folder]} and the directory of {wanted[path]}"
        for folder in sorted(blocked)
        for path in sorted(wanted)
        if path.startswith(f"{folder}/")
    ]
    return UnmirrorableError(
        "\n".join(
            [
                f"{counted(len(lines), 'path')} would have to be a file and a directory at once; nothing was changed. "
                "Mirror what they come from into different directories. If one is no longer wanted, `pixi-mirror prune "
                "--apply --grace 0` removes it:",
                *(f"  {line}" for line in lines),
            ]
        ),
        items=lines,
    )


def make_way(tree: Tree, paths: Iterable[MirrorPath]) -> None:
    """Remove recorded index files that stand where a directory has to be, or below what has to be a file.

    Args:
        tree: the mirror.
        paths: files that are about to be written.

    Raises:
        MachineError: a file cannot be removed.
    """
    new = [path for path in paths if path not in tree.inventory.tree]
    if not new:
        return
    generated = tree.inventory.generated
    below = _by_folder(generated)
    for path in new:
        in_the_way = [folder for folder in _folders(path) if folder in generated]
        for each in (*in_the_way, *below.get(path, ())):
            tree.remove(each)


def without_displaced(obsolete: tuple[MirrorPath, ...], held: Collection[MirrorPath]) -> tuple[MirrorPath, ...]:
    """Those obsolete files that did not make way for one of the files `held`."""
    if not obsolete:
        return ()
    folders = _by_folder(held)
    return tuple(path for path in obsolete if path not in folders and not any(each in held for each in _folders(path)))


def _directories(paths: Iterable[MirrorPath]) -> frozenset[str]:
    """Every directory that one of the paths is in."""
    found: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return frozenset(found)


def _by_folder(paths: Iterable[MirrorPath]) -> Mapping[MirrorPath, list[MirrorPath]]:
    folders: dict[MirrorPath, list[MirrorPath]] = {}
    for path in paths:
        for folder in _folders(path):
            folders.setdefault(folder, []).append(path)
    return folders


def _folders(path: MirrorPath) -> list[MirrorPath]:
    """Every directory that a path is in, but the mirror's own."""
    return [MirrorPath(str(folder)) for folder in PurePosixPath(path).parents][:-1]
