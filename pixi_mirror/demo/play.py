"""Find an empty directory for the demo, start its upstream, and play the steps."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from pixi_mirror.demo.scene import Stage, served
from pixi_mirror.demo.story import StoppedStep, play_steps
from pixi_mirror.demo.upstream import Upstream
from pixi_mirror.errors import MachineError


def play(
    directory: Path | None, *, run: Callable[[Stage, Sequence[str]], int], say: Callable[[str], None]
) -> StoppedStep | None:
    """Play the demo in a directory that is empty or not there; None: in a new temporary one (see `play_steps`).

    Raises:
        MachineError: the directory is not empty or cannot be written, or loopback has no port.
    """
    place = _make_temporary() if directory is None else _require_empty(directory)
    with Upstream(served()) as upstream:
        return play_steps(place, upstream=upstream, run=run, say=say)


def _make_temporary() -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix="pixi-mirror-demo-")).resolve()
    except OSError as error:
        raise MachineError(
            f"no temporary directory can be made ({error}). Name another one: `pixi-mirror demo DIR`."
        ) from error


def _require_empty(directory: Path) -> Path:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        content = next(directory.iterdir(), None)
        place = directory.resolve()
    except OSError as error:
        raise MachineError(
            f"{directory} cannot be used for the demo: {error.strerror}. Name a directory that is empty or not there."
        ) from error
    if content is not None:
        raise MachineError(
            f"{directory} is not empty (it holds {content.name}), so the demo leaves it alone. Name a directory that "
            "is empty or not there, or none for a temporary one."
        )
    return place
