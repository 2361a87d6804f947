"""Make the environment that a pack holds, or make the one that is there what the pack holds."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.archives.streams import ByteStream
from pixi_mirror.disk.files import explain_errors, write_synced
from pixi_mirror.environments.activation import activation_script, default_shell
from pixi_mirror.environments.distributions import remove
from pixi_mirror.environments.prefix import install, require_installer
from pixi_mirror.environments.staging import Staging, staging
from pixi_mirror.environments.wheels import Site, install_wheels
from pixi_mirror.errors import MachineError, UsageError
from pixi_mirror.pack.compare import Difference, difference, python_in
from pixi_mirror.pack.lay_out import lay_out
from pixi_mirror.pack.read import Pack, read
from pixi_mirror.progress import Progress

_FILES = "pack"
_WORK = "work"


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where a pack goes, and for whom."""

    directory: Path
    """Holds the environment and the script that activates it."""
    name: str
    """Of the environment's directory."""
    shell: str | None
    """Whose words the script is written in; None: bash, or cmd for Windows."""
    platform: str
    """The subdir that the pack has to be for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """What was made of a pack."""

    prefix: Path
    activation: Path
    pack: Pack
    done: Difference
    """What the environment lacked, and had besides."""
    warnings: tuple[str, ...]


def unpack(source: Path | ByteStream, destination: Destination, *, jobs: int, progress: Progress) -> Unpacked:
    """Verify a pack and install it; an environment that is there becomes what the pack holds, or stays as it is.

    A source that is no path is standard input.

    Raises:
        UsageError: the environment's name is none, or the shell cannot say where it is.
        WrongBytesError: files of the pack are not what it promises.
        ProgramError: py-rattler or another library is missing, or failed.
        MachineError: the pack cannot be read or is for another platform, or the environment cannot be written.
        BusyError: another process is unpacking to the same place.
    """
    prefix = _prefix(destination)
    require_installer()
    with staging(Path(os.path.realpath(prefix))) as stage:
        pack = _read(source, stage, jobs, progress)
        _refuse_platform(pack, destination.platform)
        warnings = tuple(_warnings(pack))
        for warning in warnings:
            progress.warn(warning)
        lacking = difference(pack, stage.place)
        if not lacking.is_empty or not stage.place.exists():
            _build(pack, lacking, stage, prefix, jobs=jobs, progress=progress)
        built = stage.new if stage.new.exists() else stage.place
        name, script = _script(pack, destination, prefix, built)
        if built == stage.new:
            stage.finish()
        activation = prefix.parent / name
        with explain_errors("write", activation):
            # A killed run has left it under this very name, if at all; nobody else is at work on this environment.
            temporary = activation.with_name(f".{prefix.name}.{name}")
            temporary.unlink(missing_ok=True)
            write_synced(activation, script, temporary=temporary)
    return Unpacked(prefix=prefix, activation=activation, pack=pack, done=lacking, warnings=warnings)


def _prefix(destination: Destination) -> Path:
    """Where the environment will be used: an absolute path, whose links stay as they were given."""
    name = destination.name
    if not name or name in (".", "..") or set(name) & {"/", "\\", "\0"}:
        raise UsageError(f"{name!r} is no name of a directory. Give one with -e, and where it belongs with -o.")
    return Path(os.path.abspath(destination.directory), name)


def _read(source: Path | ByteStream, stage: Staging, jobs: int, progress: Progress) -> Pack:
    size = source.stat().st_size if isinstance(source, Path) and source.is_file() else 0
    progress.begin("reading the pack", files=1, size=size)
    laid = lay_out(source, stage.folder / _FILES, jobs=jobs, advance=lambda count: progress.advance(size=count))
    return read(laid)


def _refuse_platform(pack: Pack, platform: str) -> None:
    if pack.metadata.platform != platform:
        raise MachineError(
            f"The pack was created for a different platform: it is for {pack.metadata.platform}, and {platform} was "
            f"expected. To unpack it all the same, give --platform {pack.metadata.platform}."
        )


def _warnings(pack: Pack) -> Iterable[str]:
    if pack.unverified:
        yield (
            f"the pack has no hash of {', '.join(pack.unverified)}; wheels among them are compared with their own list "
            "of files, RECORD, and that is all that is known of them."
        )
    if pack.surplus:
        yield f"no repodata.json of the pack lists {', '.join(pack.surplus)}; they are not installed."


def _build(pack: Pack, lacking: Difference, stage: Staging, prefix: Path, *, jobs: int, progress: Progress) -> None:
    """Make the new environment beside the place."""
    stage.begin()
    progress.begin("installing", files=len(lacking.archives) + len(lacking.wheels), size=0)
    if lacking.stale_in is not None:
        for each in lacking.stale:
            remove(each, prefix=stage.new, python=lacking.stale_in)
    work = stage.folder / _WORK
    with explain_errors("make", work):
        work.mkdir()
    subdir = pack.metadata.platform
    install(pack.archives, channel=pack.channel, at=stage.new, prefix=prefix, subdir=subdir, work=work, jobs=jobs)
    progress.advance(files=len(lacking.archives))
    python = python_in(pack)
    if lacking.wheels and python is not None:
        install_wheels(lacking.wheels, Site(at=stage.new, prefix=prefix, subdir=subdir, python=python), jobs=jobs)
        progress.advance(files=len(lacking.wheels))


def _script(pack: Pack, destination: Destination, prefix: Path, contents: Path) -> tuple[str, bytes]:
    """The name and the bytes of the script that activates the environment."""
    platform = pack.metadata.platform
    shell = destination.shell or default_shell(platform)
    try:
        return activation_script(prefix, shell=shell, platform=platform, contents=contents)
    except ValueError as error:
        raise UsageError(
            f"no script for {shell} can activate the environment: {error}. Choose another shell with -s, or another "
            "directory with -o."
        ) from None
