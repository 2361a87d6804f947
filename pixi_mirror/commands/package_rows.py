"""The rows of packages, targets and refusals in the JSON of all verbs: the same keys wherever one of them is named."""

from collections.abc import Iterable

from pixi_mirror.model.packages import Package, Target
from pixi_mirror.model.request import Refusal
from pixi_mirror.model.values import Json


def package_json(package: Package) -> dict[str, Json]:
    """The keys that each row of a package begins with; a verb adds those of its own after them.

    A URL is not among them: `update` and `pack` show that of the lock, `ls` the one without credentials; a file
    that was injected has none.

    Args:
        package: A file of conda or of PyPI; `path` is that in a mirror.
    """
    return {
        "kind": package.kind,
        "name": package.name,
        "version": package.version,
        "build": package.build,
        "subdir": package.subdir,
        "path": package.path,
    }


def target_json(target: Target) -> dict[str, Json]:
    """For which workspace, environment and platform a package is wanted; a compared lock has the workspace `""`."""
    return {"workspace": target.workspace, "environment": target.environment, "platform": target.platform}


def targets_json(targets: Iterable[Target]) -> list[Json]:
    """The rows of several targets, in their order."""
    return [target_json(target) for target in targets]


def refusals_json(refusals: Iterable[Refusal]) -> list[Json]:
    """What could not be mirrored or packed, each entry of a lock with the reason."""
    return [{"entry": refusal.entry, "reason": refusal.reason} for refusal in refusals]
