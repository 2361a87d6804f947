"""The demo, step by step: what is typed, what is said of it, and how it is played."""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.demo.scene import LOCK, Stage, hotfix, served
from pixi_mirror.demo.upstream import Upstream
from pixi_mirror.errors import DONE, FOUND, MachineError, ProgramError


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command, and what it should do."""

    why: str
    """One line, printed before the command."""
    arguments: Sequence[str]
    """What follows `pixi-mirror`."""
    status: int = DONE
    """With which it should end."""
    brings: int = 0
    """How many files and index pages it should request from the upstream."""
    before: Callable[[Stage], None] = lambda _stage: None
    """What happens first, without the program."""
    after: Callable[[Stage], Iterable[str]] = lambda _stage: ()
    """Lines to print when it has ended as it should."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppedStep:
    """The step that did not do what it should."""

    command: str
    problem: str
    status: int
    """The one that the demo ends with."""


def _on_disk(stage: Stage) -> Iterable[str]:
    archive, lock = hotfix()
    yield ""
    yield "# A directory per channel, and per host of PyPI files. demo-docs is not there: only default has it."
    yield from stage.listing()
    yield f"# Metadata is as locked: in its archive demo-lib depends on `{archive}`, the channel has since"
    yield f"# corrected that to `{lock}`, and so says repodata.json."


STEPS = (
    Step(
        why="Mirror what the environment prod needs, on every platform that it is locked for.",
        arguments=("--lock", LOCK, "-e", "prod"),
        brings=7,
        after=_on_disk,
    ),
    Step(why="Is every byte as it should be? Hash all files again, read all indexes back.", arguments=("verify",)),
    Step(why="Once more. The mirror remembers which locks it follows; no server is asked.", arguments=()),
    Step(
        why="The lock changes: demo-app 1.1 takes the place of 1.0. What would be brought?",
        before=Stage.move_on,
        arguments=("--dry-run",),
    ),
    Step(why="Bring it: only what is new.", arguments=(), brings=2),
    Step(why="What is in the mirror, and for whom?", arguments=("status",)),
    Step(
        why="One bit of one file flips; size and date stay. verify finds it, and ends with status 1.",
        before=Stage.corrupt,
        arguments=("verify",),
        status=FOUND,
    ),
    Step(why="Fetch that file again.", arguments=("verify", "--repair"), brings=1),
)


def play_steps(
    directory: Path, *, upstream: Upstream, run: Callable[[Stage, Sequence[str]], int], say: Callable[[str], None]
) -> StoppedStep | None:
    """Play the whole demo in an empty directory; None: every step did what it should.

    `upstream` serves `scene.served()`. `run` runs one command line of ours, in `stage.directory` and with
    `stage.environment`, prints all its output and gives the exit status.

    Raises:
        MachineError: the directory cannot be written.
    """
    stage = Stage(directory, upstream.url)
    stage.set_up()
    for line in _opening(stage):
        say(line)
    for step in STEPS:
        step.before(stage)
        before = len(upstream.requests)
        say("")
        say(f"# {step.why}")
        say(f"$ {_command(step)}")
        status = run(stage, step.arguments)
        stopped = _check(step, status, len(upstream.requests) - before)
        if stopped is not None:
            return stopped
        for line in step.after(stage):
            say(line)
    for line in _last_word(directory):
        say(line)
    return None


def _check(step: Step, status: int, requested: int) -> StoppedStep | None:
    command = _command(step)
    if status != step.status:
        problem = f"it ended with status {status} where {step.status} was due"
        # One that succeeds where it should not has no error of its own to end with.
        return StoppedStep(command=command, problem=problem, status=status or ProgramError.status)
    if requested != step.brings:
        problem = f"it requested {requested} files from the server where {step.brings} were due"
        return StoppedStep(command=command, problem=problem, status=ProgramError.status)
    return None


def _command(step: Step) -> str:
    return " ".join(["pixi-mirror", *step.arguments])


def _opening(stage: Stage) -> Iterable[str]:
    yield "A small workspace: environments default and prod, locked for linux-64 and osx-arm64. Its lock names packages"
    yield "of conda-forge and a wheel; for the demo, a server on this machine stands in for their hosts (config.toml)."
    yield "Your cache and configuration are neither read nor written. All is in the directory:"
    yield ""
    yield f"$ cd {_typed(stage.directory)}"


def _last_word(directory: Path) -> Iterable[str]:
    channel = (directory / "mirror" / "conda-forge").as_uri()
    place = _typed(directory)
    yield ""
    yield f"# That is all. It lies in {place}, and the demo's server has ended. What works there without it:"
    yield f"#   cd {place}"
    yield "#   pixi-mirror status        (and verify, prune, serve)"
    yield f"#   conda create -p ./env --platform linux-64 -c {channel} --override-channels --offline demo-app"
    yield "# To be rid of it:"
    yield f"#   rm -r {place}"
    yield "# With a workspace of your own:"
    yield "#   pixi-mirror --lock PATH/TO/pixi.lock -e ENVIRONMENT"


def _typed(path: Path) -> str:
    """A path as it is typed at a prompt."""
    return f'"{path}"' if " " in str(path) else str(path)


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
