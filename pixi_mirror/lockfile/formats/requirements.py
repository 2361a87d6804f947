"""Make a lock of a requirements file with hashes: index pages say which files have them, and where these are."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from packaging.version import InvalidVersion, Version

from pixi_mirror.disk.files import hash_file
from pixi_mirror.errors import FetchError, UnmirrorableError, WorkspaceError
from pixi_mirror.lockfile.entries import Lock, LockedEnvironment, PypiEntry
from pixi_mirror.lockfile.formats.choices import locked_platforms
from pixi_mirror.lockfile.formats.python_platforms import (
    PythonFiles,
    marker_evaluator,
    packages_by_platform,
    python_environments,
)
from pixi_mirror.lockfile.formats.requirements_file import LockedRequirement, RequirementsFile
from pixi_mirror.lockfile.interface import IndexPages
from pixi_mirror.model.values import Sha256, Url
from pixi_mirror.paths import is_local, local_path, local_url
from pixi_mirror.pypi.names import form_of, is_wheel_name, sdist_version, wheel_name
from pixi_mirror.pypi.upstream_pages import PageAddress

_ALL = ":all:"
_SHOWN = 5
"""Requirements that a message names."""


def lock_requirements(file: RequirementsFile, path: Path, pages: IndexPages, *, index: str | None = None) -> Lock:
    """Make the lock of a requirements file: one environment, `default`, with every file that has one of its hashes.

    Args:
        file: what it says.
        path: of the file; relative paths start at its directory.
        pages: reads index pages.
        index: URL of the index in place of that which the file names; None: that of the file.

    Raises:
        WorkspaceError: no index is known, a requirement is not pinned, or a marker cannot be read.
        FetchError: a requirement is left without a file, and a page could not be read.
        UnmirrorableError: no index has a file with one of the hashes of a requirement.
        MachineError: the user's configuration does not parse, or a local file cannot be read.
    """
    finder = _FileFinder(file, path, pages, index)
    found = [(each.marker, finder.files(each)) for each in file.requirements]
    finder.refuse_missing()
    holds = marker_evaluator(python_environments(None))

    def wanted(platform: str) -> Iterator[PythonFiles]:
        for marker, files in found:
            if marker is None or holds(marker, platform, (("extra", ""),)):
                yield files

    try:
        packages = packages_by_platform(wanted, accepts=lambda _: True)
    except ValueError as error:  # a marker; those of requirements were parsed, those of paths were not
        raise WorkspaceError(f"{path} is damaged: {error}.") from None
    environment = LockedEnvironment(
        channels=(),
        indexes=finder.indexes,
        find_links=finder.pages_of_links,
        packages=packages,
        build_packages=MappingProxyType({}),
    )
    return Lock(
        version=1,
        platforms=locked_platforms(packages),
        environments=MappingProxyType({"default": environment}),
        newest_timestamp=0,
    )


class _FileFinder:
    """Finds the files of requirements on index pages, on pages of links and in directories."""

    def __init__(self, file: RequirementsFile, path: Path, pages: IndexPages, index: str | None) -> None:
        """Read the pages of all projects.

        Raises:
            WorkspaceError: no index is known, or a requirement is not pinned.
            MachineError: the user's configuration does not parse.
        """
        self._file = file
        self._path = path
        base = path.parent.as_uri() + "/"
        remote = [link for link in file.find_links if not is_local(link)]
        self.pages_of_links = tuple(remote)
        self._directories = [local_path(local_url(link, base)) for link in file.find_links if is_local(link)]
        self._missing: list[str] = []
        projects = self._projects()
        self.indexes = self._known_indexes(pages, index) if projects else ()
        addresses = {
            project: [
                *(PageAddress(index.rstrip("/"), project) for index in self.indexes),
                *(PageAddress(link, None) for link in remote),
            ]
            for project in projects
        }
        self._addresses = addresses
        self._contents = pages.read({address: None for each in addresses.values() for address in each})

    def _projects(self) -> list[str]:
        for each in self._file.requirements:
            if each.location is None and each.version is None:
                raise WorkspaceError(
                    f"{self._path}: {each.name} is not pinned to one version with ==, so the file is no lock. Make one "
                    "of it: `uv pip compile --generate-hashes`."
                )
        return sorted({each.name for each in self._file.requirements if each.location is None})

    def _known_indexes(self, pages: IndexPages, index: str | None) -> tuple[str, ...]:
        """The index that the user names, else that of the file or of the configuration; then the further ones."""
        if self._file.has_no_index:
            return ()
        configured = pages.configured
        first = (index,) if index is not None else (self._file.indexes[-1:] or configured[:1])
        found = (*first, *(self._file.extra_indexes or configured[1:]))
        if not found and not self._file.find_links:
            raise WorkspaceError(
                f"{self._path} has hashes and no URLs, and nothing says which index has its files. Name it with "
                "--index-url URL, add it to the file as a line `--index-url URL`, or tell pixi which index is yours: "
                "`pixi config set --global pypi-config.index-url URL`."
            )
        return tuple(dict.fromkeys(found))

    def files(self, requirement: LockedRequirement) -> PythonFiles:
        """The files of one requirement; none of them: `refuse_missing` says so.

        Raises:
            MachineError: a local file cannot be read.
        """
        if requirement.location is not None:
            entry = _entry(requirement, requirement.location, sha256=min(requirement.hashes, default=None))
            entry = replace(entry, sha256=None) if len(requirement.hashes) > 1 else entry
            is_wheel = form_of(requirement.location).endswith("wheel")
            return PythonFiles(wheels=(entry,) if is_wheel else (), others=() if is_wheel else (entry,))
        found = {entry.location: entry for entry in (*self._listed(requirement), *self._local(requirement))}
        if not found:
            self._missing.append(f"{requirement.name}=={requirement.version}")
        wheels = tuple(entry for entry in found.values() if form_of(entry.location).endswith("wheel"))
        sdists = tuple(entry for entry in found.values() if entry not in wheels)
        if sdists and {requirement.name, _ALL} & {*self._file.no_binary}:
            wheels = ()
        return PythonFiles(wheels=wheels, others=sdists)

    def _listed(self, requirement: LockedRequirement) -> Iterator[PypiEntry]:
        """The files on pages; one that several pages list is taken from the first of them."""
        seen: set[str] = set()
        for address in self._addresses[requirement.name]:
            for file_name, links in self._contents[address].links.items():
                if file_name in seen or not _is_of(file_name, requirement):
                    continue
                for link in links:
                    if not requirement.hashes or link.sha256 in requirement.hashes:
                        seen.add(file_name)
                        sha256 = link.sha256 if requirement.hashes else None  # what a page promises is no lock's
                        yield _entry(requirement, link.url, sha256=sha256, index=address.index)
                        break

    def _local(self, requirement: LockedRequirement) -> Iterator[PypiEntry]:
        for directory in self._directories:
            for path in sorted(directory.iterdir()) if directory.is_dir() else ():
                if path.is_file() and _is_of(path.name, requirement):
                    sha256 = hash_file(path)[0]
                    if not requirement.hashes or sha256 in requirement.hashes:
                        yield _entry(requirement, str(path), sha256=sha256)

    def refuse_missing(self) -> None:
        """Refuse the file if a requirement has been left without a file.

        Raises:
            FetchError: a page could not be read.
            UnmirrorableError: all pages could.
        """
        if not self._missing:
            return
        shown = ", ".join(self._missing[:_SHOWN]) + (" and more" if len(self._missing) > _SHOWN else "")
        places = ", ".join(str(Url(index)) for index in (*self.indexes, *self.pages_of_links)) or "its directories"
        problems = {
            content.problem: content.is_passing
            for name in (each.partition("==")[0] for each in self._missing)
            for address in self._addresses[name]
            if (content := self._contents[address]).problem is not None
        }
        if problems:
            first = next(iter(problems))
            raise FetchError(
                f"{self._path}: no file was found for {shown}: {first}", lasting=not any(problems.values())
            )
        raise UnmirrorableError(
            f"{self._path}: no file of {shown} with one of its hashes (sha256) is on {places}. Name the index that the "
            "file was made with: --index-url URL.",
            items=self._missing,
        )


def _is_of(file_name: str, requirement: LockedRequirement) -> bool:
    """Whether a file is a wheel or an sdist of the version that a requirement pins."""
    if is_wheel_name(file_name):
        found = wheel_name(file_name)
        name, version = found.name, found.version
    else:
        name, version = requirement.name, sdist_version(file_name, requirement.name) or ""
    return name == requirement.name and _same_version(version, requirement.version or "")


def _same_version(one: str, other: str) -> bool:
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other


def _entry(
    requirement: LockedRequirement, location: str, *, sha256: Sha256 | None, index: str | None = None
) -> PypiEntry:
    return PypiEntry(
        name=requirement.name,
        version=requirement.version,
        location=location,
        sha256=sha256,
        md5=None,
        index=index,
        requires_dist=(),
        requires_python=None,
        editable=requirement.is_editable,
    )
