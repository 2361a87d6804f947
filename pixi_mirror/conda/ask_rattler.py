"""Ask py-rattler a question in a process of its own."""

import json
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pixi_mirror.errors import ProgramError
from pixi_mirror.model.values import Json
from pixi_mirror.process import Output, run_program, scratch_directory


def ask_rattler(
    question: Literal["solve", "resolve"],
    details: Callable[[Path], Json],
    *,
    environ: Mapping[str, str],
    timeout_s: float,
    if_absent: str,
) -> Output:
    """Run `rattler_child.py`, and give its output, whatever its exit status; after success that is JSON.

    Args:
        question: what is to be done.
        details: what it is to be done with, as `rattler_child.py` takes it. It gets a folder that it can write to and
            that vanishes with the process.
        environ: all environment variables of the process.
        timeout_s: the longest time that it may run, in seconds.
        if_absent: what to say if py-rattler is not installed.

    Raises:
        ProgramError: py-rattler is not there, cannot be started, or did not end in time.
        MachineError: no temporary file can be written.
    """
    if find_spec("rattler") is None:
        raise ProgramError(if_absent)
    with scratch_directory() as folder:
        file = folder / "question.json"
        file.write_text(json.dumps([question, details(folder)]), encoding="utf-8")
        command = [sys.executable, str(Path(__file__).with_name("rattler_child.py")), str(file)]
        return run_program(command, cwd=folder, environ=environ, timeout_s=timeout_s)
