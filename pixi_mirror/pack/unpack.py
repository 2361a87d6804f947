"""Make the environment that a pack holds, or make the one that is there what the pack holds."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.archives.streams import ByteStream
from pixi_mirror.disk.files import explain_errors
from pixi_mirror.environments.activation import activation_command, activation_script, default_shell
from pixi_mirror.environments.added_files import take_over
from pixi_mirror.environments.build import BuiltEnvironment, build_environment
from pixi_mirror.environments.prefix import Prefix
from pixi_mirror.environments.staging import ScriptFile, Staging, staging
from pixi_mirror.environments.zstd_program import require_zstd
from pixi_mirror.errors import DiskFullError, MachineError, UsageError
from pixi_mirror.pack.compare import PackDifference, compare_environment, python_in
from pixi_mirror.pack.locate import locate_files, refuse_other_things
from pixi_mirror.pack.read import OpenedPack, read_pack
from pixi_mirror.progress import Progress, counted

INSTALLING = "installing"
"""The task that progress is told of when packages are installed."""
_FILES = "pack"
_SCRATCH = "scratch"
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackDestination:
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
class UnpackedPack:
    """What was made of a pack."""

    prefix: Path
    activation: Path
    pack: OpenedPack
    done: PackDifference
    """What the environment lacked, and had besides."""
    warnings: tuple[str, ...]

    def lines(self, *, names_files: bool) -> list[str]:
        """What a person should read of it, with the file name of each package that was installed if that is wanted."""
        done, count = self.done, counted(len(self.pack.archives) + len(self.pack.wheels), "package")
        names = [*(each.file_name for each in done.archives), *(each.file_name for each in done.wheels)]
        return [
            *(f"  {name}" for name in names if names_files),
            f"{self.prefix} {'already has' if done.is_empty else 'has'} the {count} of the pack",
            f"activate it with: {activation_command(self.activation)}",
        ]


def unpack(source: Path | ByteStream, destination: UnpackDestination, *, jobs: int, progress: Progress) -> UnpackedPack:
    """Verify a pack and install it; an environment that is there becomes what the pack holds, or stays as it is.

    A source that is no path is standard input.

    Raises:
        UsageError: the environment's name is none, or the shell cannot say where it is.
        WrongBytesError: files of the pack are not what it promises, or a package holds what leads outside.
        ProgramError: nothing here can read zstd, or a program cannot be signed.
        MachineError: the pack cannot be read or is for another platform, or the environment cannot be written.
        BusyError: another process is unpacking to the same place.
    """
    prefix = _prefix(destination)
    if isinstance(source, Path):
        refuse_other_things(source)
    with staging(Path(os.path.realpath(prefix))) as stage:
        pack = _read(source, stage, jobs, progress)
        _refuse_platform(pack, destination.platform)
        warnings = list(_warnings(pack))
        lacking = compare_environment(pack, stage.place)
        is_new = not lacking.is_empty or not stage.place.exists()
        if is_new:
            warnings += _build(pack, lacking, stage, prefix, jobs=jobs, progress=progress)
        for warning in warnings:
            progress.warn(warning)
        name, script = _script(pack, destination, prefix, stage.new if is_new else stage.place)
        activation = prefix.parent / name
        stage.finish(ScriptFile(path=activation, content=script, temporary=f".{prefix.name}.{name}"), is_new=is_new)
    return UnpackedPack(prefix=prefix, activation=activation, pack=pack, done=lacking, warnings=tuple(warnings))


def _prefix(destination: UnpackDestination) -> Path:
    """Where the environment will be used: an absolute path, whose links stay as they were given."""
    name = destination.name
    if not name or name in (".", "..") or set(name) & {"/", "\\", "\0"}:
        raise UsageError(f"{name!r} is no name of a directory. Give one with -e, and where it belongs with -o.")
    return Path(os.path.abspath(destination.directory), name)


def _read(source: Path | ByteStream, stage: Staging, jobs: int, progress: Progress) -> OpenedPack:
    size = source.stat().st_size if isinstance(source, Path) and source.is_file() else 0
    progress.begin("reading the pack from", files=1, size=size)

    def advance(count: int) -> None:
        progress.advance(size=count)

    files = locate_files(source, stage.folder / _FILES, advance=advance)
    return read_pack(files, jobs=jobs, advance=advance)


def _refuse_platform(pack: OpenedPack, platform: str) -> None:
    if pack.metadata.platform != platform:
        raise MachineError(
            f"The pack was created for a different platform: it is for {pack.metadata.platform}, and {platform} was "
            f"expected. To unpack it all the same, give --platform {pack.metadata.platform}."
        )


def _warnings(pack: OpenedPack) -> Iterable[str]:
    if pack.unverified:
        yield (
            f"the pack has no hash of {', '.join(pack.unverified)}; wheels among them are compared with their own list "
            "of files, RECORD, and that is all that is known of them."
        )
    if pack.surplus:
        yield f"no repodata.json of the pack lists {', '.join(pack.surplus)}; they are not installed."


def _build(
    pack: OpenedPack, lacking: PackDifference, stage: Staging, prefix: Path, *, jobs: int, progress: Progress
) -> list[str]:
    """Make the new environment beside the place; what is worth a warning."""
    if any(each.is_new for each in pack.archives):
        require_zstd()
    progress.begin(INSTALLING, files=len(pack.archives) + len(pack.wheels), size=0)
    scratch = stage.folder / _SCRATCH
    try:
        with explain_errors("write", prefix):
            scratch.mkdir()
            stage.new.mkdir()
            built = build_environment(
                pack.archives,
                pack.wheels,
                Prefix(stage.new, str(prefix), pack.metadata.platform, python_in(pack)),
                scratch=scratch,
                jobs=jobs,
                advance=lambda: progress.advance(files=1),
            )
            lost = take_over(stage.place, stage.new, set(lacking.owned)) if stage.place.exists() else []
    except DiskFullError as error:
        raise DiskFullError(
            f"the packages cannot be installed into {prefix}: no space is left on its disk "
            f"({_strerror(error)}), which needs room for what is in the packages, beside an environment that is there "
            "already. Free some and run the same command again; nothing was changed."
        ) from error
    return [*_notes(built, prefix), *_lost(lost)]


def _strerror(error: DiskFullError) -> str:
    return str(getattr(error.__cause__, "strerror", None) or error)


def _notes(built: BuiltEnvironment, prefix: Path) -> Iterable[str]:
    if built.link_scripts:
        yield (
            f"packages bring scripts to be run when they are installed, which pixi does not run either: "
            f"{_some(built.link_scripts)}. If a package does not work without, look at its script in {prefix} and run "
            "it."
        )
    if built.unsigned:
        yield (
            f"macOS starts no program whose signature is wrong, and this machine cannot sign: {_some(built.unsigned)}. "
            f"On the Mac, run `codesign --sign - --force` on each of them in {prefix}."
        )


def _lost(paths: list[str]) -> Iterable[str]:
    if paths:
        yield f"packages of the pack bring files that you had added to the environment; theirs stay: {_some(paths)}."


def _some(names: Iterable[str]) -> str:
    found = list(names)
    more = len(found) - _MOST_NAMED
    return ", ".join(found[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _script(pack: OpenedPack, destination: UnpackDestination, prefix: Path, contents: Path) -> tuple[str, bytes]:
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
