"""Look for what an installation would refuse in packages, without making anything of them."""

from collections.abc import Sequence
from pathlib import Path

from pixi_mirror.environments.build import read_paths
from pixi_mirror.environments.conda_archive import CondaArchive, explain_damage
from pixi_mirror.environments.conda_paths import PackagePaths
from pixi_mirror.environments.conda_plan import plan_packages
from pixi_mirror.environments.links import LinkMap, map_links
from pixi_mirror.environments.parallel import Threads
from pixi_mirror.environments.place_conda import listed_members
from pixi_mirror.environments.place_wheels import plan_wheels
from pixi_mirror.environments.prefix import Prefix, python_of
from pixi_mirror.environments.wheel_archive import PackedWheel, checked_pieces, open_wheel
from pixi_mirror.errors import PixiMirrorError

_ANY_PYTHON = "3.12"
_PIECE_SIZE = 1 << 18


def examine_packages(
    conda: Sequence[CondaArchive], wheels: Sequence[PackedWheel], *, subdir: str, scratch: Path, jobs: int
) -> list[PixiMirrorError]:
    """Return what is wrong with the packages of an environment; each error names a package.

    Whether there is a Python for those that need one is not looked at, and neither whether programs have room for the
    path of the environment, which nobody knows yet.

    Args:
        conda: the conda packages.
        wheels: the wheels. Of those that are not verified every file is compared with RECORD.
        subdir: the platform of the environment.
        scratch: a folder for temporary files.
        jobs: how many packages are read at a time.

    Raises:
        OSError: a package cannot be read.
    """
    prefix = Prefix(scratch, str(scratch), subdir, python_of(_ANY_PYTHON, None, subdir=subdir))
    threads = Threads(jobs)
    read = list(threads.each(lambda each: _examine_conda(each, prefix, scratch), conda))
    errors = [each for each in read if isinstance(each, PixiMirrorError)]
    good = [(each, found) for each, found in zip(conda, read, strict=True) if not isinstance(found, PixiMirrorError)]
    links = LinkMap()
    try:
        planned = plan_packages([(archive, paths) for archive, (paths, _) in good], prefix)
        links = map_links(
            (each.archive.file_name, each.place_of(path), leads_to)
            for each, (_, (_, found)) in zip(planned, good, strict=True)
            for path, leads_to in found
        )
    except PixiMirrorError as error:
        errors.append(error)
    return [
        *errors,
        *(error for error in threads.each(lambda each: _examine_wheel(each, prefix, links), wheels) if error),
    ]


def _examine_conda(
    archive: CondaArchive, prefix: Prefix, scratch: Path
) -> tuple[PackagePaths, list[tuple[str, str]]] | PixiMirrorError:
    """What a package brings, and its links: path and where it leads; or what is wrong with it."""
    try:
        paths = read_paths(archive, prefix, scratch)
        with explain_damage(archive.file_name):
            links = [
                (row.path, member.header.target)
                for member, row in listed_members(archive, paths, scratch)
                if row is not None and member.header.kind == "symlink"
            ]
    except PixiMirrorError as error:
        return error
    return paths, links


def _examine_wheel(wheel: PackedWheel, prefix: Prefix, links: LinkMap) -> PixiMirrorError | None:
    try:
        (planned,) = plan_wheels([wheel], prefix, links, None)
        if not wheel.is_verified:
            with open_wheel(wheel) as archive:
                for member in planned.content.files:
                    with archive.open(member.info) as file:
                        for _ in checked_pieces(member, iter(lambda file=file: file.read(_PIECE_SIZE), b"")):  # type: ignore[misc]
                            pass
    except PixiMirrorError as error:
        return error
    return None
