"""Resolve what building an sdist needs, which no lock names: with uv where there is one, else with pip."""

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pixi_mirror.errors import MachineError, ProgramError
from pixi_mirror.process import Output, run
from pixi_mirror.pypi.names import file_name_of, wheel_name
from pixi_mirror.pypi.resolved import Resolved, fits, read_pylock, read_report

_PATIENCE_S = 600
_UV_PLATFORMS = {
    "linux-64": "x86_64-unknown-linux-gnu",
    "linux-aarch64": "aarch64-unknown-linux-gnu",
    "osx-64": "x86_64-apple-darwin",
    "osx-arm64": "aarch64-apple-darwin",
    "win-64": "x86_64-pc-windows-msvc",
    "win-arm64": "aarch64-pc-windows-msvc",
}
_PIP_PLATFORMS = {
    "linux-64": ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux2010_x86_64"),
    "linux-aarch64": ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"),
    "osx-64": ("macosx_13_0_x86_64", "macosx_11_0_x86_64", "macosx_10_12_x86_64", "macosx_10_9_x86_64"),
    "osx-arm64": ("macosx_13_0_arm64", "macosx_12_0_arm64", "macosx_11_0_arm64"),
    "win-64": ("win_amd64",),
    "win-arm64": ("win_arm64",),
}
# PEP 508 without URLs, and without what a requirements file or a command line would take for something else: an sdist
# chooses these words, and `--index-url=...`, `-e .` or `x @ git+...` would have programs of its choice run here.
_REQUIREMENT = re.compile(
    r"(?!.*\s-)[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[A-Za-z0-9._,\s-]*\])?[\sA-Za-z0-9(),.<>=!~*+_-]*(?:;[^$#\\\n\r]*)?"
)
_CONFIGURED = ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX")
"""Variables by which uv would ask others than the lock's own indexes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be resolved."""

    requirements: tuple[str, ...]
    """As PEP 508 has them."""
    indexes: tuple[str, ...]
    """URLs, in the order of their priority; one at least."""
    python: str
    """Such as `3.12`."""
    subdir: str


def resolved(question: Question, environ: Mapping[str, str]) -> tuple[Resolved, ...]:
    """The wheels that the newest versions which fit come as, dependencies included; `environ` is the user's.

    Raises:
        ProgramError: there is neither uv nor pip, they find no such wheels, or a requirement is none to resolve.
        MachineError: no temporary file can be written.
    """
    for each in question.requirements:
        if not _REQUIREMENT.fullmatch(each):
            raise ProgramError(
                f"building asks for {each!r}, which is no name with versions and markers (PEP 508), so neither uv nor "
                "pip is asked for it. Leave --with-build-requirements out, and name what is needed by --build-requires."
            )
    program = _uv(environ)
    try:
        with TemporaryDirectory(prefix="pixi-mirror-") as name:
            if program is not None:
                return _told_by_uv(program, question, Path(name), environ)
            return _told_by_pip(question, Path(name), environ)
    except OSError as error:
        raise MachineError(f"a temporary directory cannot be used: {error.strerror}.") from error


def _uv(environ: Mapping[str, str]) -> str | None:
    beside = shutil.which("uv", path=os.path.dirname(sys.executable))
    return beside or shutil.which("uv", path=environ.get("PATH", os.defpath))


def _told_by_uv(program: str, question: Question, folder: Path, environ: Mapping[str, str]) -> tuple[Resolved, ...]:
    asked = folder / "requirements.in"
    asked.write_text("\n".join(question.requirements) + "\n", encoding="utf-8")
    first, *others = question.indexes
    command = [program, "pip", "compile", str(asked), "--format", "pylock.toml", "--no-config", "--quiet", "--no-build"]
    command += ["--python", sys.executable, "--no-python-downloads", "--python-version", question.python]
    # An index may have been asked minutes ago, and uv would not ask it again.
    command += ["--refresh", "--default-index", first]
    command += [word for index in others for word in ("--index", index)]
    if question.subdir in _UV_PLATFORMS:
        command += ["--python-platform", _UV_PLATFORMS[question.subdir]]
    kept = {key: value for key, value in environ.items() if key not in _CONFIGURED}
    done = run(command, cwd=folder, environ=kept, timeout_s=_PATIENCE_S)
    return _fitting(question, _read(read_pylock, done, question, "uv"))


def _told_by_pip(question: Question, folder: Path, environ: Mapping[str, str]) -> tuple[Resolved, ...]:
    first, *others = question.indexes
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--ignore-installed", "--isolated"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", "--report", "-", "--target", str(folder / "none")]
    command += ["--implementation", "cp", "--python-version", question.python, "--index-url", first]
    command += [word for index in others for word in ("--extra-index-url", index)]
    command += [word for tag in _PIP_PLATFORMS.get(question.subdir, ()) for word in ("--platform", tag)]
    # `--isolated` leaves the files of the machine in force, and an `extra-index-url` there would be asked, too.
    kept = {**environ, "PIP_CONFIG_FILE": os.devnull}
    done = run([*command, *question.requirements], cwd=folder, environ=kept, timeout_s=_PATIENCE_S)
    if "No module named pip" in done.stderr:
        raise ProgramError(
            "resolving what building needs takes uv or pip, and neither is installed beside pixi-mirror or, for uv, on "
            "PATH. Install one, or name what is needed in an environment of the lock."
        )
    return _fitting(question, _read(read_report, done, question, "pip"))


def _read(
    reader: Callable[[str], Sequence[Resolved]], done: Output, question: Question, program: str
) -> Sequence[Resolved]:
    asked = ", ".join(question.requirements)
    if done.status != 0:
        raise ProgramError(
            f"{program} cannot resolve {asked} for Python {question.python} on {question.subdir}; it ended with status "
            f"{done.status} and said: {done.last_words}"
        )
    try:
        return reader(done.stdout)
    except ValueError as error:
        raise ProgramError(f"what {program} resolved {asked} to cannot be used: {error}.") from None


def _fitting(question: Question, found: Iterable[Resolved]) -> tuple[Resolved, ...]:
    """Of each project the wheels that fit: the pure one where there is one."""
    chosen: dict[str, list[Resolved]] = {}
    for each in found:
        try:
            wheel = wheel_name(file_name_of(each.url))
        except ValueError as error:
            raise ProgramError(f"{each.name} {each.version} was resolved to {each.url}: {error}.") from None
        fitting = chosen.setdefault(each.name, [])
        if fits(wheel, python=question.python, subdir=question.subdir):
            fitting.append(each)
    for name, fitting in sorted(chosen.items()):
        if not fitting:
            raise ProgramError(
                f"building needs {name}, and no wheel of it fits Python {question.python} on {question.subdir}."
            )
    return tuple(each for name in sorted(chosen) for each in _fewest(chosen[name]))


def _fewest(wheels: list[Resolved]) -> list[Resolved]:
    pure = [each for each in wheels if wheel_name(file_name_of(each.url)).platforms == ("any",)]
    return pure[:1] or wheels
