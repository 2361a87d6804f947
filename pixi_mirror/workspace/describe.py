"""Make of what a user names and of files that list packages one description of a workspace."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pixi_mirror.errors import UsageError
from pixi_mirror.lockfile.fields import Malformed
from pixi_mirror.lockfile.formats.python_platforms import marker_evaluator, python_environments
from pixi_mirror.pypi.requirements import RequirementParts
from pixi_mirror.workspace.choices import DEFAULT_CHANNELS, channel_url, channel_word, refuse_unknown_platforms
from pixi_mirror.workspace.manifest import TOOL_PLATFORMS, WorkspaceDescription
from pixi_mirror.workspace.package_list import PackageList, read_package_list
from pixi_mirror.workspace.specs import PackageSpec, read_package, read_pypi_package, refuse_twice

_PYTHON = "python"
_CONDA_FORGE = "conda-forge"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPackages:
    """What the user names, as typed."""

    packages: tuple[str, ...] = ()
    pypi: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    """Files that list packages."""


def describe_workspace(
    named: NamedPackages,
    *,
    name: str,
    directory: Path,
    default_channels: Sequence[str],
    own_platform: str,
) -> tuple[WorkspaceDescription, tuple[str, ...]]:
    """The description of a workspace, and notes about what was left out or added.

    Args:
        named: what the user names.
        name: of the workspace.
        directory: where the user stands.
        default_channels: those of pixi's configuration.
        own_platform: of this machine, for which the workspace is if none is named.

    Raises:
        UsageError: something is named that cannot be in it, or nothing is.
        WorkspaceError: there is no such platform, or a file cannot be read.
        UnmirrorableError: channels of such a kind cannot be mirrored.
    """
    platforms = tuple(dict.fromkeys(named.platforms)) or (own_platform,)
    refuse_unknown_platforms(platforms)
    lists = [read_package_list(file) for file in named.files]
    packages = [*map(read_package, named.packages), *(each for listed in lists for each in listed.packages)]
    pypi = [*map(read_pypi_package, named.pypi), *(each for listed in lists for each in listed.pypi)]
    if not packages and not pypi:
        raise UsageError(
            "no package is named: say which the mirror is to hold, as in `pixi-mirror init DIR python=3.12 numpy`; see "
            "`pixi-mirror init --help`."
        )
    packages = _once(packages)
    notes = [note for listed in lists for note in listed.notes]
    if pypi and _PYTHON not in [spec.name for spec in packages]:
        packages = [PackageSpec(name=_PYTHON), *packages]
        notes.append("python is added, because packages of PyPI need it")
    refuse_twice(spec.name for spec in packages)
    refuse_twice(f"{each.name} ; {each.marker}" if each.marker else each.name for each in dict.fromkeys(pypi))
    channels = _channels(named.channels, lists, default_channels, packages, directory)
    everywhere, somewhere, nowhere = _by_platform(dict.fromkeys(pypi), platforms, packages)
    notes += [f"{each.name} is left out: its marker ({each.marker}) holds on none of the platforms" for each in nowhere]
    description = WorkspaceDescription(
        name=name,
        channels=channels,
        platforms=platforms,
        packages=tuple(packages),
        pypi=everywhere,
        pypi_on=somewhere,
        tool_platforms=_tool_platforms(channels, platforms),
    )
    return description, tuple(notes)


def without_tool(description: WorkspaceDescription) -> WorkspaceDescription:
    """The same workspace, for channels that do not have the tool of the tasks."""
    return replace(description, tool_platforms=())


def _once(packages: Iterable[PackageSpec]) -> list[PackageSpec]:
    """Each package once, where several files say the same of it, or nothing more than its name."""
    found: dict[str, PackageSpec] = {}
    rest: list[PackageSpec] = []
    for spec in packages:
        known = found.setdefault(spec.name, spec)
        if known == PackageSpec(name=spec.name):
            found[spec.name] = spec
        elif spec not in (known, PackageSpec(name=spec.name)):
            rest.append(spec)
    return [*found.values(), *rest]


def _channels(
    typed: Sequence[str],
    lists: Iterable[PackageList],
    defaults: Sequence[str],
    packages: Iterable[PackageSpec],
    directory: Path,
) -> tuple[str, ...]:
    """The channels in the order of their priority: those typed, of files, or the default ones; then those of specs."""
    words = typed or [word for listed in lists for word in listed.channels] or defaults or DEFAULT_CHANNELS
    words = [*words, *(spec.channel for spec in packages if spec.channel is not None)]
    found: dict[str, str] = {}
    for word in words:
        admitted = channel_word(word, directory=directory)
        found.setdefault(channel_url(admitted), admitted)
    return tuple(found.values())


def _tool_platforms(channels: Iterable[str], platforms: Iterable[str]) -> tuple[str, ...]:
    """Where the tasks may have their tool: it is a package of conda-forge, by whatever URL."""
    if not any(channel_url(each).rpartition("/")[2] == _CONDA_FORGE for each in channels):
        return ()
    return tuple(platform for platform in platforms if platform in TOOL_PLATFORMS)


def _pythons(packages: Iterable[PackageSpec]) -> tuple[str, ...]:
    """The versions of Python for which markers may hold: those that are named, as far as PEP 440 has such words."""
    named = next((spec.version for spec in packages if spec.name == _PYTHON), None)
    try:
        return python_environments(f"=={named}" if named and named[0].isdigit() else named)
    except Malformed:
        return python_environments(None)


def _by_platform(
    requirements: Iterable[RequirementParts], platforms: Sequence[str], packages: Iterable[PackageSpec]
) -> tuple[tuple[RequirementParts, ...], Mapping[str, tuple[RequirementParts, ...]], list[RequirementParts]]:
    """Requirements of all platforms, those of some alone, and those whose marker holds nowhere."""
    holds = marker_evaluator(_pythons(packages))
    everywhere: list[RequirementParts] = []
    somewhere: dict[str, list[RequirementParts]] = {}
    nowhere: list[RequirementParts] = []
    for each in requirements:
        try:
            on = [platform for platform in platforms if not each.marker or holds(each.marker, platform, ())]
        except Malformed as error:
            raise UsageError(f"{each.name}: {error}.") from None
        except KeyError:
            raise UsageError(
                f"{each.name} has the marker {each.marker}, of which nobody knows whether it holds on every platform "
                "named: leave the marker out."
            ) from None
        if len(on) == len(platforms):
            everywhere.append(each)
        elif not on:
            nowhere.append(each)
        else:
            for platform in on:
                somewhere.setdefault(platform, []).append(each)
    return tuple(everywhere), {platform: tuple(each) for platform, each in somewhere.items()}, nowhere
