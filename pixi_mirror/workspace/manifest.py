"""Write the `pixi.toml` of a workspace that is made of names of packages; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pixi_mirror.pypi.requirements import RequirementParts
from pixi_mirror.workspace.specs import PackageSpec, toml_requirement, toml_spec
from pixi_mirror.workspace.tasks import MIRROR_TASKS, task_blocks
from pixi_mirror.workspace.toml_text import inline_toml, toml_key, toml_table, toml_text

MIRROR_ENVIRONMENT = "mirror"
"""The environment in which the tasks run. It is not mirrored."""

TOOL = PackageSpec(name="rattler-index", version=">=0.25")
"""What makes the larger indexes of a mirror."""

TOOL_PLATFORMS = ("linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64")
"""Where conda-forge has it."""

_LEAST_PIXI = ">=0.68"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceDescription:
    """A workspace that is to be made."""

    name: str
    channels: tuple[str, ...]
    """Names or URLs, in the order of their priority."""
    platforms: tuple[str, ...]
    packages: tuple[PackageSpec, ...]
    pypi: tuple[RequirementParts, ...] = ()
    """On every platform."""
    pypi_on: Mapping[str, tuple[RequirementParts, ...]] = field(default_factory=dict)
    """On some platforms alone, by platform."""
    tool_platforms: tuple[str, ...] = ()
    """Where the tasks have rattler-index; empty: nowhere, so that one on PATH is used, or none."""

    @property
    def has_pypi(self) -> bool:
        """Whether it has packages of PyPI."""
        return bool(self.pypi or any(self.pypi_on.values()))


def workspace_manifest(description: WorkspaceDescription) -> str:
    """The text of the `pixi.toml`; the same description gives the same text."""
    tables: list[Sequence[str]] = [
        [
            "# The environment `default` is mirrored into ./mirror. Change what it has below, then run:",
            "# pixi update, pixi run mirror-update.",
            "[workspace]",
            f"name = {toml_text(description.name)}",
            f"channels = {inline_toml(description.channels)}",
            f"platforms = {inline_toml(description.platforms)}",
            f"requires-pixi = {toml_text(_LEAST_PIXI)}",
        ],
        toml_table("dependencies", {spec.name: toml_spec(spec) for spec in description.packages}),
        toml_table("pypi-dependencies", _pypi(description.pypi)),
        *(
            toml_table(f"target.{platform}.pypi-dependencies", _pypi(requirements))
            for platform, requirements in description.pypi_on.items()
        ),
        *_tool_tables(description),
        task_blocks(MIRROR_TASKS, ("feature", MIRROR_ENVIRONMENT, "tasks")),
        [
            "[environments]",
            f'{MIRROR_ENVIRONMENT} = {{ features = ["{MIRROR_ENVIRONMENT}"], no-default-feature = true }}',
        ],
    ]
    return "\n\n".join("\n".join(table) for table in tables if table) + "\n"


def _pypi(requirements: Iterable[RequirementParts]) -> Mapping[str, object]:
    return {each.name: toml_requirement(each) for each in requirements}


def _tool_tables(description: WorkspaceDescription) -> list[list[str]]:
    """What the tasks run with. pixi-mirror is the one on PATH, because it is on no public channel."""
    feature = f"feature.{MIRROR_ENVIRONMENT}"
    if not description.tool_platforms:
        return []
    rest = set(description.platforms) - set(description.tool_platforms)
    limits = {"platforms": list(description.tool_platforms)} if rest else {}
    return [
        [
            "# What the tasks below need besides the pixi-mirror on PATH; it is not mirrored.",
            *([*toml_table(feature, limits), ""] if limits else []),
            f"[{feature}.dependencies]",
            f"{toml_key(TOOL.name)} = {inline_toml(toml_spec(TOOL))}",
        ]
    ]
