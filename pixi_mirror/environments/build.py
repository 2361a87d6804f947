"""Make an environment of conda packages and wheels: the one engine of `unpack` and of self-extracting packs.

Everything is written below a folder that nobody else uses. The files of all conda packages come first, then their
links, when it is known that none of them leads outside; then wheels.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from pixi_mirror.environments.commands import command_files, launcher_path
from pixi_mirror.environments.conda_archive import CondaArchive, explain_damage, read_documents
from pixi_mirror.environments.conda_meta import HISTORY, write_record
from pixi_mirror.environments.conda_paths import PackagePaths, package_paths
from pixi_mirror.environments.conda_plan import RECORDS, PlannedPackage, plan_packages
from pixi_mirror.environments.folders import NewFolders
from pixi_mirror.environments.links import LinkMap, map_links
from pixi_mirror.environments.parallel import Threads
from pixi_mirror.environments.place_conda import PlacedPackage, place_package, write_new_file
from pixi_mirror.environments.place_wheels import place_wheel, plan_wheels
from pixi_mirror.environments.prefix import Prefix
from pixi_mirror.environments.processes import CAN_FORK, Processes
from pixi_mirror.environments.wheel_archive import PackedWheel

_LINK_SCRIPT = re.compile(r"(?:bin/\.[^/]+-(?:pre|post)-link\.sh|Scripts/\.[^/]+-(?:pre|post)-link\.bat)")

_MANY_FILES = 2_000
"""From so many on, forking takes less time than it saves."""
_MOST_PROCESSES = 3
"""Each takes some 13 MiB; an environment of 40,000 files is to be made in 80 MiB in all."""
_COMMAND = 0o775
"""The mode that rattler gives to entry points."""


class BuiltEnvironment(NamedTuple):
    """What is worth knowing of an environment that was made."""

    link_scripts: tuple[str, ...]
    """Scripts that packages want to have run when they are installed; they were not."""
    unsigned: tuple[str, ...]
    """Programs for macOS that have to be signed there before they run."""


def build_environment(
    conda: Sequence[CondaArchive],
    wheels: Sequence[PackedWheel],
    prefix: Prefix,
    *,
    scratch: Path,
    jobs: int,
    advance: Callable[[], None],
) -> BuiltEnvironment:
    """Make an environment.

    Args:
        conda: its conda packages.
        wheels: its wheels; of a file that several bring, the last one's stays.
        prefix: where it is made, in an empty folder, and where it will be used.
        scratch: a folder for temporary files.
        jobs: how many packages are read at a time.
        advance: is called when a package is done.

    Raises:
        WrongBytesError: a package is damaged, contradicts itself, or holds what leads outside.
        ProgramError: nothing here can read zstd, or a program cannot be signed.
        MachineError: packages do not fit together.
        OSError: a file cannot be written.
    """
    # One after the other: this is Python's own work, for which threads need twice the processor's time.
    planned = plan_packages([(each, read_paths(each, prefix, scratch)) for each in conda], prefix)
    # The largest come first, so that none of them is alone at the end.
    largest_first = sorted(planned, key=lambda each: -each.archive.stored.size)

    results = _place_packages(largest_first, prefix, scratch=scratch, jobs=jobs, advance=advance)
    placed = {each.archive.stem: done for each, done in zip(largest_first, results)}  # noqa: B905
    launcher = _read_launcher(prefix)
    for each in planned:
        _place_commands(each, placed[each.archive.stem], prefix, launcher)
    links = _make_links(planned, placed, prefix)
    _write_records(planned, placed, prefix)
    planned_wheels = plan_wheels(wheels, prefix, links, launcher)
    threads = Threads(jobs)

    def install(number: int) -> None:
        place_wheel(planned_wheels[number], prefix, threads.check)
        advance()

    for _ in threads.each(install, range(len(planned_wheels))):
        pass
    rows = [str(row["_path"]) for each in placed.values() for row in each.rows]
    return BuiltEnvironment(
        link_scripts=tuple(sorted(path for path in rows if _LINK_SCRIPT.fullmatch(path))),
        unsigned=tuple(sorted(path for each in placed.values() for path in each.unsigned)),
    )


def _place_packages(
    planned: Sequence[PlannedPackage], prefix: Prefix, *, scratch: Path, jobs: int, advance: Callable[[], None]
) -> Iterable[PlacedPackage]:
    """Write the files of all packages: in several processes where there are many files, else in threads."""
    if CAN_FORK and jobs > 1 and sum(len(each.paths.rows) for each in planned) >= _MANY_FILES:
        processes = Processes(min(jobs, _MOST_PROCESSES), scratch)
        return processes.each(
            lambda number: place_package(planned[number], prefix, scratch, processes.check), len(planned), advance
        )
    threads = Threads(jobs)

    def place(each: PlannedPackage) -> PlacedPackage:
        placed = place_package(each, prefix, scratch, threads.check)
        advance()
        return placed

    return threads.each(place, planned)


def read_paths(archive: CondaArchive, prefix: Prefix, scratch: Path) -> PackagePaths:
    """Return what a package brings.

    Raises:
        WrongBytesError: it is damaged, or does not say that.
    """
    documents = read_documents(archive, scratch)
    with explain_damage(archive.file_name):
        return package_paths(documents, prefix)


def _read_launcher(prefix: Prefix) -> bytes | None:
    path = launcher_path(prefix)
    if path is None:
        return None
    try:
        return (prefix.here / path).read_bytes()
    except FileNotFoundError:
        return None


def _place_commands(planned: PlannedPackage, placed: PlacedPackage, prefix: Prefix, launcher: bytes | None) -> None:
    """Make the entry points of a package, and describe them among its files."""
    folders = NewFolders(prefix.here)
    for point in planned.paths.commands:
        assert prefix.python is not None  # noqa: S101 - `package_paths` has looked
        for file in command_files(point, prefix, program=prefix.python.program, launcher=launcher):
            place = planned.place_of(file.path)
            same = [row for row in placed.rows if row["_path"] == place]
            for row in same:  # a script of the package itself
                placed.rows.remove(row)
            target = folders.clear(place)
            size, sha256 = write_new_file(target, [file.data], mode=_COMMAND, mtime=None, is_hashed=True)
            row = {"_path": place} if place == file.path else {"_path": place, "original_path": file.path}
            placed.rows.append({**row, "path_type": file.kind, "sha256": sha256, "size_in_bytes": size})


def _make_links(planned: Sequence[PlannedPackage], placed: dict[str, PlacedPackage], prefix: Prefix) -> LinkMap:
    """Make the links of all packages, now that it is known where each of them leads."""
    found = [(each.archive.file_name, link) for each in planned for link in placed[each.archive.stem].links]
    links = map_links((owner, link.path, link.leads_to) for owner, link in found)
    folders = NewFolders(prefix.here)
    for _, link in found:
        os.symlink(link.leads_to, folders.file(link.path))
    return links


def _write_records(planned: Sequence[PlannedPackage], placed: dict[str, PlacedPackage], prefix: Prefix) -> None:
    folder = Path(NewFolders(prefix.here).make(RECORDS))
    for each in planned:
        write_record(folder, each.archive, placed[each.archive.stem].rows)
    with open(folder / "history", "xb") as file:
        file.write(HISTORY)
