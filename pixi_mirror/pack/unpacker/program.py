"""Unpack a pack into an environment: the program of a self-extracting pack, and what it says."""

import argparse
import os
import signal
import sys
from pathlib import Path

from pixi_mirror.environments.platform import own_subdir
from pixi_mirror.environments.shells import SHELLS
from pixi_mirror.errors import MachineError, PixiMirrorError, ProgramError
from pixi_mirror.pack.unpack import INSTALLING, UnpackDestination, unpack

_OLDEST = (3, 9)


def main(words: list[str]) -> int:
    """Do what the words of a command line say; the exit status."""
    if sys.version_info < _OLDEST:
        _say(f"error: Python {'.'.join(map(str, sys.version_info[:3]))} is too old: 3.9 or newer is needed.")
        return ProgramError.status
    options = _parser().parse_args(words)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a console that knows few letters
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _stop)
    try:
        _unpack(options)
    except PixiMirrorError as error:
        _say(f"error: {error}")
        return error.status
    except OSError as error:
        _say(f"error: {error}. Nothing was unpacked.")
        return MachineError.status
    except KeyboardInterrupt:
        _say("error: interrupted. Nothing was unpacked.")
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="unpacker", description="Unpack an environment that pixi-pack or pixi-mirror has packed."
    )
    add = parser.add_argument
    add("pack", metavar="PACK", nargs="?", default="environment.tar", help="a tar, a folder, or - for standard input")
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
        progress=_Spoken(directory / options.env_name, loudness),
    )
    done = unpacked.done
    for file_name in [each.file_name for each in done.archives] + [each.file_name for each in done.wheels]:
        if loudness > 0:
            _say(f"  {file_name}")
    if loudness >= 0:
        _say(f"💫 Finished unpacking to {options.output_directory}.")


class _Spoken:
    """Progress as lines for a person."""

    def __init__(self, prefix: Path, loudness: int) -> None:
        self._prefix, self._loudness = prefix, loudness

    def note(self, message: str) -> None:
        """Say it to who wants to know more."""
        if self._loudness > 0:
            _say(f"note: {message}")

    def warn(self, message: str) -> None:
        """Say it, unless nothing is to be said."""
        if self._loudness >= 0:
            _say(f"note: {message}")

    def begin(self, task: str, *, files: int, size: int, unknown: int = 0) -> None:  # noqa: ARG002 - packages are counted
        """Say how many packages are going to be installed; reading a pack takes no time that is worth a line."""
        if self._loudness >= 0 and task == INSTALLING and files:
            _say(f"⏳ Extracting and {task} {files} packages to {self._prefix}...")

    def advance(self, *, files: int = 0, size: int = 0) -> None:
        """Say nothing: there are enough lines."""


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _stop(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
