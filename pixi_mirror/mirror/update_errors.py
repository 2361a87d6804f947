"""Say why an update was no success, or would be none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixi_mirror.context import Context
from pixi_mirror.disk.directories import require_writable
from pixi_mirror.disk.files import explain_errors
from pixi_mirror.errors import MachineError, PixiMirrorError, SeveralErrors, WorkspaceError
from pixi_mirror.mirror.plan import Plan
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.mirror.tree_view import PRIVATE

if TYPE_CHECKING:  # a run with nothing to fetch must not pay for it
    from pixi_mirror.cache.batch import FailedPackage


def failure_of(failed: tuple[FailedPackage, ...], plan: Plan) -> PixiMirrorError:
    """The error that names the packages that could not be had."""
    return SeveralErrors(
        f"{len(failed)} of {len(plan.to_bring)} files could not be brought; the mirror is as it was, "
        "and what did arrive is kept in the cache for the next run:",
        [failure.error for failure in failed],
    )


def problem_of(plan: Plan, problems: tuple[PixiMirrorError, ...]) -> PixiMirrorError | None:
    """The error that says which subscriptions could not be refreshed, and why; None: all could."""
    if not problems:
        return None
    return WorkspaceError(
        "\n".join(
            [
                f"{len(problems)} of {len(plan.pins.snapshots)} subscriptions could not be refreshed; what was "
                "wanted last stays:",
                *(f"  {problem}" for problem in problems),
            ]
        ),
        items=[str(problem) for problem in problems],
    )


def look_whether_writable(tree: Tree, context: Context) -> None:
    """Refuse in a dry run what the run itself would refuse; of a mirror that is there, only warn, and show the plan.

    Raises:
        MachineError: the directory of a new mirror cannot be made.
    """
    try:
        with explain_errors("prepare the mirror", tree.root):
            require_writable(tree.root, own=PRIVATE)
    except MachineError as error:
        if not tree.exists:
            raise
        context.progress.warn(f"the update itself would end with status {error.status}: {error}")
