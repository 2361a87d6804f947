"""Make the lock of a new workspace without pixi: py-rattler solves it for every platform, and the lock is as pixi's."""

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

from pixi_mirror.conda.names import split_safe_file_name
from pixi_mirror.conda.solve import CondaResolutionRequest, ResolvedPackage, solve_specs
from pixi_mirror.conda.virtual_packages import default_virtual_packages, read_virtual_package
from pixi_mirror.context import Context
from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.writer import CondaLockEntry, LockDescription, LockEnvironment, LockPlatform, lock_text
from pixi_mirror.paths import is_local, local_path
from pixi_mirror.suggest import perhaps
from pixi_mirror.workspace.channels import ChannelReader
from pixi_mirror.workspace.choices import channel_url
from pixi_mirror.workspace.manifest import MIRROR_ENVIRONMENT, TOOL, WorkspaceDescription
from pixi_mirror.workspace.specs import PackageSpec

_DEFAULT = "default"


def has_solver() -> bool:
    """Whether py-rattler is installed for this Python."""
    return find_spec("rattler") is not None


def solve_workspace(description: WorkspaceDescription, reader: ChannelReader, context: Context) -> str:
    """Solve both environments of a workspace on all platforms; the text of its lock.

    Args:
        description: without packages of PyPI, which py-rattler cannot solve.
        reader: of its channels.
        context: of the verb.

    Raises:
        WorkspaceError: the channels lack a package, or no set of packages fits; it says which and why.
        FetchError, WrongBytesError: a channel cannot be read.
        ProgramError: py-rattler failed.
        MachineError: no temporary file can be written.
    """
    urls = tuple(map(channel_url, description.channels))
    for platform in description.platforms:
        refuse_unknown_packages(description.packages, reader.names(platform), description.channels, platform)
    environments: dict[str, dict[str, tuple[CondaLockEntry, ...]]] = {_DEFAULT: {}, MIRROR_ENVIRONMENT: {}}
    for platform in description.platforms:
        wanted = {_DEFAULT: description.packages}
        if platform in description.tool_platforms:
            wanted[MIRROR_ENVIRONMENT] = (TOOL,)
        copies = reader.copy_channels({spec.name for specs in wanted.values() for spec in specs}, platform)
        for environment, specs in wanted.items():
            context.progress.note(f"solving the environment {environment} for {platform}")
            found = _solve(specs, copies, platform, urls, description.channels)
            environments[environment][platform] = tuple(_entry(row, copies, urls, reader) for row in found)
    return lock_text(
        LockDescription(
            version=7,
            platforms=tuple(
                LockPlatform(name=platform, subdir=platform, virtual_packages=default_virtual_packages(platform))
                for platform in description.platforms
            ),
            environments={
                name: LockEnvironment(channels=urls, packages=packages) for name, packages in environments.items()
            },
        )
    )


def refuse_unknown_packages(
    specs: Iterable[PackageSpec], names: frozenset[str], channels: Sequence[str], platform: str
) -> None:
    """Refuse packages that no channel has.

    Raises:
        WorkspaceError: there is one; it names the nearest names that there are.
    """
    unknown = [spec.name for spec in specs if spec.name not in names]
    if unknown:
        where = " and ".join(channels)
        found = "; ".join(f"{name!r}{perhaps(name, names)}" for name in unknown)
        raise WorkspaceError(f"{where} has no package for {platform} that is called {found}. Nothing was written.")


def _solve(
    specs: Sequence[PackageSpec], copies: Sequence[str], platform: str, urls: Sequence[str], channels: Sequence[str]
) -> tuple[ResolvedPackage, ...]:
    copy_of = dict(zip(urls, copies, strict=True))
    request = CondaResolutionRequest(
        specs=tuple(spec.match_spec(spec.channel and copy_of[channel_url(spec.channel)]) for spec in specs),
        channels=tuple(copies),
        subdir=platform,
    )
    virtual = [read_virtual_package(text) for text in default_virtual_packages(platform)]
    try:
        return solve_specs(request, virtual)
    except ValueError as error:
        reason = str(error)
        for copy, name in zip(copies, channels, strict=True):
            reason = reason.replace(f"{copy}/", name).replace(copy, name)
        raise WorkspaceError(
            f"no set of packages fits for {platform}: {reason} Nothing was written; change the versions or the "
            "channels."
        ) from None


def _entry(row: ResolvedPackage, copies: Sequence[str], urls: Sequence[str], reader: ChannelReader) -> CondaLockEntry:
    """A package as the lock names it: at its place upstream, or, of a channel on this machine, by its path."""
    subdir, _, file_name = row.url.removeprefix(f"{row.channel}/").partition("/")
    try:
        number = list(copies).index(row.channel)
        split_safe_file_name(unquote(file_name))
    except ValueError:
        name = unquote(row.url.rpartition("/")[2])
        raise WorkspaceError(f"a channel lists the package {name!r}, and no package may be called so.") from None
    url = reader.base_url(number, subdir) + file_name
    record: dict[str, object] = {**row.record, "file_name": unquote(file_name)}
    if is_local(url) or url != f"{urls[number]}/{subdir}/{file_name}":
        record["channel"] = urls[number]  # a reader could not tell it from the location
    if is_local(url):
        return CondaLockEntry(url=local_path(url).as_posix(), record=record)
    return CondaLockEntry(url=url, record=record)


def workspace_reader(
    description: WorkspaceDescription, context: Context, *, workspace: Path, folder: Path
) -> ChannelReader:
    """What reads the channels of a workspace.

    Raises:
        MachineError: a settings file does not parse.
    """
    urls = tuple(map(channel_url, description.channels))
    return ChannelReader(context, workspace=workspace, folder=folder, channels=urls)
