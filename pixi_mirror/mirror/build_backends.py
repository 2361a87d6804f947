"""Pin, once, the build backends that the conda source directories of a subscription name and no lock pins."""

from collections.abc import Callable, Iterable
from types import MappingProxyType

from pixi_mirror.conda.resolve import CondaResolutionRequest, ResolvedPackage
from pixi_mirror.errors import WorkspaceError
from pixi_mirror.model.packages import Layout, Package, Snapshot
from pixi_mirror.model.values import Url, admit_path
from pixi_mirror.paths import channel


def backend_requests(snapshot: Snapshot) -> tuple[CondaResolutionRequest, ...]:
    """What is to be resolved: the backend of each conda directory for each subdir, if a request asks for it.

    A backend that names no channels comes from those of the environments.
    """
    if not any(request.with_build_requirements for request in snapshot.requests):
        return ()
    found: dict[CondaResolutionRequest, None] = {}
    for subdir in sorted({cell.subdir for cell in snapshot.cells}):
        cells = [cell for cell in snapshot.cells if cell.subdir == subdir]
        named = tuple(dict.fromkeys(channel.url for cell in cells for channel in cell.channels))
        for directory in snapshot.directories:
            channels = directory.channels or named
            if directory.kind == "conda" and directory.build_requires and channels:
                request = CondaResolutionRequest(specs=directory.build_requires, channels=channels, subdir=subdir)
                found[request] = None
    return tuple(found)


def resolved_backends(
    requests: Iterable[CondaResolutionRequest],
    layout: Layout,
    resolve: Callable[[CondaResolutionRequest], tuple[ResolvedPackage, ...]],
) -> tuple[Package, ...]:
    """The packages that the requests resolve to, one a path.

    Raises:
        ProgramError: they cannot be resolved.
        WorkspaceError: a channel cannot have a place in a mirror.
    """
    packages = (_package(found, layout) for request in requests for found in resolve(request))
    return tuple({package.path: package for package in packages}.values())


def _package(found: ResolvedPackage, layout: Layout) -> Package:
    record, home = found.record, channel(found.channel, layout)
    file_name = found.url.rpartition("/")[2]
    top = f"{home.path}/" if home.path is not None else ""
    try:
        path = admit_path(f"{top}{record['subdir']}/{file_name}")
    except ValueError as error:
        raise WorkspaceError(f"the build backend {Url(found.url)} cannot stand in a mirror: {error}") from None
    return Package.of_record(MappingProxyType(dict(sorted(record.items()))), path=path, url=Url(found.url))
