"""Find the program that makes sidecars: a pixi task, rattler-index, py-rattler; else pixi-mirror does it itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from pixi_mirror.errors import ProgramError

if TYPE_CHECKING:
    from pixi_mirror.process import Output

Choice: TypeAlias = Literal["auto", "task", "rattler-index", "exec", "rattler", "own", "json"]

TASK = "mirror-index"
_NAME = "rattler-index.exe" if sys.platform == "win32" else "rattler-index"
_TIMEOUT_S = 3600.0
"""One hour; 4,217 records and their shards take 25 s on a slow disk."""
_HELP_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramEnvironment:
    """Where programs are looked for."""

    environ: Mapping[str, str] = field(repr=False)
    python: Path
    """The interpreter; programs of its environment stand beside it."""
    prefix: Path
    """Of its environment."""
    workspaces: tuple[Path, ...] = ()
    """Directories of the workspaces that are mirrored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexJob:
    """What a program should do."""

    channel: Path
    config: Path
    """The same options as a file, for programs that read one."""
    zst: bool
    shards: bool
    relations: Mapping[str, str] = field(default_factory=dict)
    """The `channel_relations` of the channel (CEP 42)."""


Runner: TypeAlias = "Callable[[IndexJob], Output]"
"""Runs a job; raises a `ProgramError` if the program cannot be started or does not end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexProgram:
    """What makes sidecars."""

    mark: str
    """Its kind, path and version, as far as they are known without running it."""
    run: Runner | None
    """None: no program; pixi-mirror writes them itself."""


OWN = IndexProgram(mark="own 1", run=None)
"""Ourselves. The number goes up whenever we make what we could not make before."""


class IndexPrograms:
    """The programs that can make sidecars on this machine."""

    def __init__(self, surroundings: ProgramEnvironment, choice: Choice) -> None:
        self._at = surroundings
        self._choice = choice
        self._chosen: IndexProgram | None = None

    def chosen(self) -> IndexProgram:
        """The program to use, or `OWN`; it is looked for once.

        Raises:
            ProgramError: the program that the user named does not exist.
        """
        if self._chosen is None:
            self._chosen = self._found()
        return self._chosen

    def _found(self) -> IndexProgram:
        ways: Mapping[str, Callable[[], IndexProgram | None]] = {
            "task": self._task,
            "rattler-index": self._program,
            "rattler": self._library,
            "exec": self._exec,
        }
        look = ways["task"] if self._choice == "auto" else ways.get(self._choice)
        found = look() if look is not None else None
        if found is not None:
            return found
        if self._choice in _ABSENT:
            raise ProgramError(f"--index {self._choice} cannot be done: {_ABSENT[self._choice]}")
        return OWN

    def _task(self) -> IndexProgram | None:
        from pixi_mirror.pixi.run import installed_pixi

        pixi = installed_pixi(self._at.environ)
        manifest = next(self._manifests_with_task(), None) if pixi is not None else None
        if pixi is None or manifest is None:
            return None
        return IndexProgram(
            mark=f"task {_stamp(pixi.program)} {_stamp(manifest)}",
            run=lambda job: self._ran(
                [str(pixi.program), "run", "--frozen", "--manifest-path", str(manifest), TASK,
                 str(job.channel), str(job.config)], job, pixi.environ,
            ),
        )  # fmt: skip

    def _manifests_with_task(self) -> Iterator[Path]:
        """Manifests with our task whose environment is installed: our own, then that of the only mirrored workspace."""
        from pixi_mirror.settings.configuration import find_manifest_with_task

        own = [folder.parent for folder in self._at.prefix.parents if folder.name == ".pixi"]
        for workspace in (*own, *(self._at.workspaces if len(self._at.workspaces) == 1 else ())):
            # `pixi run --frozen` would install the environment, which takes minutes and a network.
            if (workspace / ".pixi/envs/default/conda-meta").is_dir():
                manifest = find_manifest_with_task(workspace, TASK)
                if manifest is not None:
                    yield manifest

    def _program(self) -> IndexProgram | None:
        path = self._at.environ.get("PATH", "")
        for folder in (str(self._at.python.parent), *filter(None, path.split(os.pathsep))):
            candidate = Path(folder, _NAME)
            if candidate.is_file() and os.access(candidate, os.X_OK):
                return self._named(candidate)
        return None

    def _named(self, program: Path) -> IndexProgram:
        command = [str(program.absolute())]
        return IndexProgram(mark=f"rattler-index {_stamp(program)}", run=lambda job: self._indexed(command, job))

    def _exec(self) -> IndexProgram | None:
        from pixi_mirror.pixi.run import installed_pixi

        pixi = installed_pixi(self._at.environ)
        if pixi is None:
            return None
        command = [str(pixi.program), "exec", "rattler-index"]
        return IndexProgram(
            mark=f"exec {_stamp(pixi.program)}", run=lambda job: self._indexed(command, job, pixi.environ)
        )

    def _library(self) -> IndexProgram | None:
        from importlib.util import find_spec

        found = find_spec("rattler")
        if found is None or found.origin is None:
            return None
        return IndexProgram(
            mark=f"rattler {_stamp(Path(found.origin))}",
            run=lambda job: self._ran(
                [str(self._at.python), "-c", _LIBRARY, str(job.channel), *_words(job.zst, job.shards),
                 *([str(job.config)] if job.relations else [])], job
            ),
        )  # fmt: skip

    def _indexed(self, command: list[str], job: IndexJob, environ: Mapping[str, str] | None = None) -> Output:
        """Run rattler-index with options that its `--help` names; they differ between 0.28 and 0.34."""
        from pixi_mirror.process import run_program

        help_output = run_program(
            [*command, "--help"], cwd=job.channel, environ=environ or self._at.environ, timeout_s=_HELP_TIMEOUT_S
        )
        options_text = help_output.stdout + help_output.stderr
        if "--write-shards" in options_text:
            zst, shards = _words(job.zst, job.shards)
            options = ["--write-zst", zst, "--write-shards", shards]
        else:
            options = ["--config", str(job.config)] if "--config" in options_text else []
        return self._ran([*command, *options, "fs", str(job.channel)], job, environ)

    def _ran(self, command: list[str], job: IndexJob, environ: Mapping[str, str] | None = None) -> Output:
        from pixi_mirror.process import many_open_files, run_program

        with many_open_files():
            return run_program(command, cwd=job.channel, environ=environ or self._at.environ, timeout_s=_TIMEOUT_S)


def _words(*wanted: bool) -> list[str]:
    return ["true" if each else "false" for each in wanted]


def _stamp(file: Path) -> str:
    try:
        status = file.stat()
    except OSError:
        return str(file)
    return f"{file} {status.st_size} {status.st_mtime_ns}"


# A process that ends right after an asynchronous call of py-rattler dies of SIGSEGV now and then, after success
# (measured: 19 of 150; pyo3-async-runtimes issue 40), so it leaves without tidying up.
_LIBRARY = """\
import asyncio, os, sys
from rattler.index import index_fs
zst, shards = (word == "true" for word in sys.argv[2:4])
more = {}
try:
    if sys.argv[4:]:
        from rattler.config import Config
        more["config"] = Config.load_from_files(sys.argv[4:])
    asyncio.run(index_fs(sys.argv[1], write_zst=zst, write_shards=shards, **more))
    status = 0
except BaseException as error:
    sys.stderr.write(f"{type(error).__name__}: {error}\\n")
    status = 1
sys.stderr.flush()
os._exit(status)
"""

_ABSENT: Mapping[str, str] = {
    "task": (
        f"no pixi task `{TASK}` was found in an installed workspace. Define it as in docs/indexes.md, and install its "
        "environment with `pixi install`."
    ),
    "rattler-index": (
        "there is no rattler-index beside this Python or on PATH. Install it, for example with "
        "`pixi global install rattler-index`, or choose another --index."
    ),
    "exec": "there is no pixi to run `pixi exec rattler-index` with. Install it, or choose another --index.",
    "rattler": (
        "py-rattler is not installed for this Python. Install it (`pip install py-rattler`), or choose another --index."
    ),
}
