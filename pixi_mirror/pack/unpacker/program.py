"""Unpack a pack into an environment: the program of a self-extracting pack, and what it says."""

import argparse
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from pixi_mirror.environments.platform import own_subdir
from pixi_mirror.environments.shells import SHELLS
from pixi_mirror.errors import MachineError, PixiMirrorError, ProgramError
from pixi_mirror.pack.unpack import INSTALLING, UnpackDestination, unpack
from pixi_mirror.progress import counted

_OLDEST = (3, 9)
_SCRIPT = "PIXI_MIRROR_SCRIPT"
"""The variable in which the scripts in `archives/launchers` say what they were started as."""


def main(words: list[str], environ: Mapping[str, str]) -> int:
    """Do what the words of a command line say; the exit status."""
    if sys.version_info < _OLDEST:
        _say(f"Python {'.'.join(map(str, sys.version_info[:3]))} is too old: 3.9 or newer is needed.")
        return ProgramError.status
    parser = _parser(environ.get(_SCRIPT))
    options, name = parser.parse_args(words), parser.prog
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a console that knows few letters
    for number in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, number):
            signal.signal(getattr(signal, number), _stop)
    try:
        _unpack(options)
    except PixiMirrorError as error:
        _say(f"{name}: {error}")
        return error.status
    except OSError as error:
        _say(f"{name}: {error}. Nothing was unpacked.")
        return MachineError.status
    except KeyboardInterrupt:
        _say(f"{name}: interrupted. Nothing was unpacked.")
        return 130
    return 0


def _parser(script: str | None) -> argparse.ArgumentParser:
    """The options; of a script that unpacks itself, which names the pack, with its own name."""
    whose = "a pack of pixi-pack or pixi-mirror" if script is None else "this file"
    parser = argparse.ArgumentParser(
        prog=os.path.basename(script or sys.argv[0]),
        description=f"Make the environment that {whose} holds, with no network, and a script that activates it.",
    )
    add = parser.add_argument
    what = "a tar, a folder, or - for standard input" if script is None else argparse.SUPPRESS
    add("pack", metavar="PACK", nargs="?", default="environment.tar", help=what)
    add("-o", "--output-directory", metavar="DIR", default=".", help="where to unpack; the default is here")
    add("-e", "--env-name", metavar="NAME", default="env", help="the environment's folder in it [default: env]")
    add("-s", "--shell", choices=SHELLS, metavar="SHELL", help=f"whose activation script to write: {', '.join(SHELLS)}")
    add("-v", "--verbose", action="count", default=0, help="say more")
    add("-q", "--quiet", action="count", default=0, help="say less")
    return parser


def _unpack(options: argparse.Namespace) -> None:
    loudness = options.verbose - options.quiet
    directory = Path(options.output_directory)
    unpacked = unpack(
        sys.stdin.buffer if options.pack == "-" else Path(options.pack),
        UnpackDestination(directory=directory, name=options.env_name, shell=options.shell, platform=own_subdir()),
        jobs=os.cpu_count() or 1,
        progress=_Spoken(loudness),
    )
    for line in unpacked.lines(names_files=loudness > 0) if loudness >= 0 else ():
        sys.stdout.write(f"{line}\n")


class _Spoken:
    """Progress as lines for a person."""

    def __init__(self, loudness: int) -> None:
        self._loudness = loudness

    def note(self, message: str) -> None:
        """Say it to who wants to know more."""
        if self._loudness > 0:
            _say(f"note: {message}")

    def warn(self, message: str) -> None:
        """Say it, unless nothing is to be said."""
        if self._loudness >= 0:
            _say(f"warning: {message}")

    def begin(self, task: str, *, files: int, size: int, unknown: int = 0) -> None:  # noqa: ARG002 - packages are counted
        """Say how many packages are going to be installed; reading a pack takes no time that is worth a line."""
        if self._loudness >= 0 and task == INSTALLING and files:
            _say(f"{task} {counted(files, 'package')}")

    def advance(self, *, files: int = 0, size: int = 0) -> None:
        """Say nothing: there are enough lines."""


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _stop(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)
