"""Resolve what building an sdist needs, which no lock names: with uv where there is one, else with pip."""

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from pixi_mirror.errors import ProgramError
from pixi_mirror.model.values import mask_secrets
from pixi_mirror.process import Output, run_program, scratch_directory
from pixi_mirror.pypi.names import file_name_of, wheel_name
from pixi_mirror.pypi.requirements import admit_for_resolver
from pixi_mirror.pypi.resolver_output import ResolvedFile, read_pylock, read_report

_TIMEOUT_S = 600
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
_OTHER_INDEXES = (
    "UV_INDEX",
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_NO_INDEX",
)
"""Variables that would lead uv to other indexes than those of the lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolutionRequest:
    """Requirements, and the Python and platform for which they are to be resolved."""

    requirements: tuple[str, ...]
    """Requirement lines (PEP 508)."""
    indexes: tuple[str, ...]
    """URLs, in the order of their priority; at least one."""
    python: str
    """Major and minor version, such as `3.12`."""
    subdir: str


def resolve_wheels(request: ResolutionRequest, environ: Mapping[str, str]) -> tuple[ResolvedFile, ...]:
    """Resolve requirements to the wheels of the newest versions that fit, dependencies included.

    Args:
        request: what is to be resolved.
        environ: the user's environment variables.

    Raises:
        ProgramError: there is neither uv nor pip, they find no such wheels, or a requirement cannot be handed to them.
        MachineError: no temporary file can be written.
    """
    lines = tuple(_admitted(line) for line in request.requirements)
    program = _find_uv(environ)
    with scratch_directory() as folder:
        if program is not None:
            files = _resolve_with_uv(program, request, lines, folder, environ)
        else:
            files = _resolve_with_pip(request, lines, folder, environ)
    return _fitting(request, files)


def _admitted(line: str) -> str:
    try:
        return admit_for_resolver(line)
    except ValueError as error:
        raise ProgramError(
            f"building asks for {line!r}: {error}, so neither uv nor pip is asked for it. Leave "
            "--with-build-requirements out, and name what is needed by --build-requires."
        ) from None


def _find_uv(environ: Mapping[str, str]) -> str | None:
    """The path of uv; None where there is none, or where what it writes could not be read."""
    if find_spec("packaging.pylock") is None:
        return None
    beside = shutil.which("uv", path=os.path.dirname(sys.executable))
    return beside or shutil.which("uv", path=environ.get("PATH", os.defpath))


def _resolve_with_uv(
    program: str, request: ResolutionRequest, lines: Sequence[str], folder: Path, environ: Mapping[str, str]
) -> Sequence[ResolvedFile]:
    file = folder / "requirements.in"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    first, *others = request.indexes
    command = [program, "pip", "compile", str(file), "--format", "pylock.toml", "--no-config", "--quiet", "--no-build"]
    command += ["--python", sys.executable, "--no-python-downloads", "--python-version", request.python]
    # uv would answer from its cache for some minutes after it has read an index page.
    command += ["--refresh", "--default-index", first]
    command += [word for index in others for word in ("--index", index)]
    if request.subdir in _UV_PLATFORMS:
        command += ["--python-platform", _UV_PLATFORMS[request.subdir]]
    variables = {key: value for key, value in environ.items() if key not in _OTHER_INDEXES}
    output = run_program(command, cwd=folder, environ=variables, timeout_s=_TIMEOUT_S)
    return _read(read_pylock, output, request, "uv")


def _resolve_with_pip(
    request: ResolutionRequest, lines: Sequence[str], folder: Path, environ: Mapping[str, str]
) -> Sequence[ResolvedFile]:
    first, *others = request.indexes
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--ignore-installed", "--isolated"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", "--report", "-", "--target", str(folder / "none")]
    command += ["--implementation", "cp", "--python-version", request.python, "--index-url", first]
    command += [word for index in others for word in ("--extra-index-url", index)]
    command += [word for tag in _PIP_PLATFORMS.get(request.subdir, ()) for word in ("--platform", tag)]
    # `--isolated` leaves the machine's configuration files in force, and their `extra-index-url` would be used too.
    variables = {**environ, "PIP_CONFIG_FILE": os.devnull}
    output = run_program([*command, *lines], cwd=folder, environ=variables, timeout_s=_TIMEOUT_S)
    if "No module named pip" in output.stderr:
        raise ProgramError(
            "resolving what building needs takes uv (and the library packaging 26 or newer) or pip, and neither is "
            "installed beside pixi-mirror or, for uv, on PATH. Install one, or name what is needed in an environment "
            "of the lock."
        )
    return _read(read_report, output, request, "pip")


def _read(
    reader: Callable[[str], Sequence[ResolvedFile]], output: Output, request: ResolutionRequest, program: str
) -> Sequence[ResolvedFile]:
    lines = ", ".join(request.requirements)
    if output.status != 0:
        raise ProgramError(
            f"{program} cannot resolve {lines} for Python {request.python} on {request.subdir}; it ended with status "
            f"{output.status} and said: {mask_secrets(output.last_words)}"
        )
    try:
        return reader(output.stdout)
    except ValueError as error:
        raise ProgramError(f"what {program} resolved {lines} to cannot be used: {error}.") from None


def _fitting(request: ResolutionRequest, files: Iterable[ResolvedFile]) -> tuple[ResolvedFile, ...]:
    """Of each project the wheels that fit, or the pure one alone where there is one."""
    from pixi_mirror.pypi.wheel_tags import fits

    fitting: dict[str, list[ResolvedFile]] = {}
    pure: dict[str, ResolvedFile] = {}
    for file in files:
        try:
            tags = wheel_name(file_name_of(file.url)).tags
        except ValueError as error:
            raise ProgramError(f"{file.name} {file.version} was resolved to {file.url}: {error}.") from None
        wheels = fitting.setdefault(file.name, [])
        if fits(tags, python=request.python, subdir=request.subdir):
            wheels.append(file)
            if all(tag.platform == "any" for tag in tags):
                pure.setdefault(file.name, file)
    for name, wheels in sorted(fitting.items()):
        if not wheels:
            raise ProgramError(
                f"building needs {name}, and no wheel of it fits Python {request.python} on {request.subdir}."
            )
    return tuple(file for name in sorted(fitting) for file in ([pure[name]] if name in pure else fitting[name]))
