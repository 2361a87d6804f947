"""Who in a mirror needs a package, by the records of conda packages and the metadata of wheels; pure."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from pixi_mirror.mirror.requirements_graph import name_of_spec
from pixi_mirror.model.packages import Kind
from pixi_mirror.pypi.metadata import CoreMetadata
from pixi_mirror.pypi.requirements import required_name
from pixi_mirror.serve.page.contents import Catalog, PackageView, ShownFile

ReadMetadata: TypeAlias = Callable[[ShownFile], CoreMetadata | None]
"""Gives the core metadata beside a wheel; None: there are none, or they cannot be read."""


class Requirement(NamedTuple):
    """One package that needs another one."""

    kind: Kind
    name: str
    line: str
    """As its newest file that needs it has it."""


class Dependants:
    """The packages of a catalog, with who needs whom; of sdists nothing is known."""

    def __init__(self, catalog: Catalog, read_metadata: ReadMetadata) -> None:
        """Read what each package needs.

        Args:
            catalog: What the mirror has.
            read_metadata: Called once for each wheel.
        """
        self._conda: dict[str, dict[tuple[Kind, str], str]] = {}
        self._projects: dict[str, dict[tuple[Kind, str], str]] = {}
        for view in catalog.packages.values():
            for file in view.files:  # the newest first, so that its line counts
                self._add(file, read_metadata)

    def _add(self, file: ShownFile, read_metadata: ReadMetadata) -> None:
        key = (file.kind, file.name)
        for spec in file.depends:
            if (name := name_of_spec(spec)) is not None and name != file.name:
                self._conda.setdefault(name, {}).setdefault(key, spec)
        metadata = read_metadata(file) if file.metadata is not None else None
        for line in () if metadata is None else metadata.requires_dist:
            name = required_name(line)
            if name != file.name:
                self._projects.setdefault(name, {}).setdefault(key, line)

    def of(self, view: PackageView) -> tuple[Requirement, ...]:
        """Who needs a package, by name; conda packages are also needed by wheels that need their projects."""
        found = dict(self._found(view))
        return tuple(Requirement(kind, name, found[kind, name]) for kind, name in sorted(found, key=lambda key: key[1]))

    def _found(self, view: PackageView) -> Iterator[tuple[tuple[Kind, str], str]]:
        if view.kind != "conda":
            yield from self._projects.get(view.name, _NOBODY).items()
            return
        for project in sorted({project for file in view.files for project in file.projects}):
            yield from self._projects.get(project, _NOBODY).items()
        yield from self._conda.get(view.name, _NOBODY).items()


_NOBODY: Mapping[tuple[Kind, str], str] = {}
