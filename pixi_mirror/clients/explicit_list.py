"""The `@EXPLICIT` list of one environment: an install by conda, mamba or micromamba without a solver; pure."""

from urllib.parse import quote

from pixi_mirror.errors import WorkspaceError
from pixi_mirror.model.packages import Cell, Inventory, Package, Snapshot
from pixi_mirror.model.values import MirrorPath
from pixi_mirror.progress import counted
from pixi_mirror.suggest import suggested


def explicit_list(inventory: Inventory, *, url: str, environment: str, platform: str) -> tuple[str, tuple[str, ...]]:
    """The list of an environment's conda packages with the mirror's URLs and the lock's hashes, and notes on it.

    Args:
        inventory: Of the mirror.
        url: Of the served mirror, without trailing slash.
        environment: Its name.
        platform: A platform's name, or else a conda subdir.

    Raises:
        WorkspaceError: the mirror has no such environment for the platform, or several different ones.
    """
    snapshot, cell = _choose(inventory, environment, platform)
    packages = {package.path: package for package in snapshot.wanted}
    wanted = [packages[path] for path in cell.packages if path not in set(cell.build_packages)]
    conda = [package for package in wanted if package.kind == "conda"]
    missing = [package.path for package in conda if not _is_there(package.path, inventory)]
    if missing:
        raise WorkspaceError(
            f"the mirror lacks {counted(len(missing), 'package')} of {environment} on {platform}, such as "
            f"{missing[0]}; run `pixi-mirror update`."
        )
    lines = [
        f"# {environment} of {snapshot.workspace} for {cell.subdir}; for conda, mamba or micromamba:",
        "#   conda create --name NAME --file FILE",
        "@EXPLICIT",
        *(f"{url}/{quote(package.path, safe='/')}{_hash(package, inventory)}" for package in conda),
        "",
    ]
    return "\n".join(lines), _notes(sum(package.kind == "pypi" for package in wanted))


def _choose(inventory: Inventory, environment: str, platform: str) -> tuple[Snapshot, Cell]:
    cells = [
        (snapshot, cell)
        for snapshot in inventory.snapshots
        for cell in snapshot.cells
        if cell.environment == environment
    ]
    if not cells:
        names = {cell.environment for snapshot in inventory.snapshots for cell in snapshot.cells}
        raise WorkspaceError(f"the mirror has no environment {environment!r}{suggested(environment, names)}.")
    named = [each for each in cells if each[1].platform == platform] or [
        each for each in cells if each[1].subdir == platform
    ]
    if not named:
        platforms = sorted({cell.platform for _, cell in cells})
        raise WorkspaceError(
            f"{environment!r} is not mirrored for {platform!r}; choose with -p from: {', '.join(platforms)}."
        )
    if len({cell.packages for _, cell in named}) > 1:
        several = ", ".join(f"{snapshot.workspace} ({cell.platform})" for snapshot, cell in named)
        raise WorkspaceError(
            f"{environment!r} for {platform!r} is in several locks with different packages: {several}. Make a mirror "
            "of one of them, or name the platform with -p."
        )
    return named[0]


def _is_there(path: MirrorPath, inventory: Inventory) -> bool:
    return path in inventory.deferred or inventory.stored_at(path) is not None


def _hash(package: Package, inventory: Inventory) -> str:
    """The fragment with the hash of the lock, or with the one that the first fetch has pinned; empty: none is known."""
    stored = inventory.stored_at(package.path)
    found = package.sha256 or (stored.sha256 if stored is not None else package.md5)
    return f"#{found}" if found else ""


def _notes(others: int) -> tuple[str, ...]:
    if not others:
        return ()
    return (
        f"the environment has {others} Python {'package' if others == 1 else 'packages'} from PyPI besides, which such "
        "a list cannot have: install with pip from the mirror (`config --for pip`).",
    )
