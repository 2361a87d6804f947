"""Unpack a pack into an environment: what the program says, takes and leaves behind."""

from __future__ import annotations

import argparse
import errno
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from pixi_mirror.environments.activation import SHELLS, activation_script, default_shell
from pixi_mirror.pack.unpacker.archives import extract, require_zstd
from pixi_mirror.pack.unpacker.linking import HISTORY, link
from pixi_mirror.pack.unpacker.packs import Pack, Package, opened, origins, verify
from pixi_mirror.pack.unpacker.places import Site, python_of, refuse_links_out
from pixi_mirror.pack.unpacker.refusal import MACHINE, PROGRAM, Refusal, plain_name
from pixi_mirror.pack.unpacker.wheels import install_wheel

_OLDEST = (3, 9)
_THREADS = 4


def main(words: list[str]) -> int:
    """Do what the words of a command line ask for; the exit status."""
    if sys.version_info < _OLDEST:
        _say(f"error: Python {'.'.join(map(str, sys.version_info[:3]))} is too old: 3.9 or newer is needed.")
        return PROGRAM
    asked = _parser().parse_args(words)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a console that knows few letters
    try:
        _unpack(asked)
    except Refusal as refusal:
        _say(f"error: {refusal}.")
        return refusal.status
    except OSError as error:
        _say(f"error: {_refused(error, asked.output_directory)} Nothing was unpacked.")
        return MACHINE
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


def _refused(error: OSError, output: str) -> str:
    """What the machine refused, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"{error.strerror}, where {output} is. Free some, or choose another folder with -o."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{error.filename}: {error.strerror}. Choose a folder that you may write with -o."
    return f"{error}."


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _unpack(asked: argparse.Namespace) -> None:
    output = Path(os.path.realpath(asked.output_directory))
    try:
        prefix = output / plain_name(asked.env_name, "-e")
    except Refusal as refusal:
        raise Refusal(f"{asked.env_name!r} is no name for the environment's folder", status=2) from refusal
    _recover(output, prefix)
    _refuse_what_is_no_environment(prefix)
    loudness = asked.verbose - asked.quiet
    with _made(output), _staging(output, prefix.name) as staging:
        (staging / "pack").mkdir()
        pack = opened(asked.pack, staging / "pack")
        name, text, notes = _build(pack, staging, prefix, asked.shell, loudness)
        _swap(staging, prefix)
        _write_whole(output / name, text, staging)
    for note in notes if loudness >= 0 else ():
        _say(f"note: {note}")
    if loudness >= 0:
        _say(f"💫 Finished unpacking to {asked.output_directory}.")


def _build(pack: Pack, staging: Path, prefix: Path, shell: str | None, loudness: int) -> tuple[str, bytes, list[str]]:
    """Build the environment in the staging folder; name and text of its activation script, and notes."""
    if any(each.file_name.endswith(".conda") for each in pack.packages):
        require_zstd()
    here = staging / "env"
    here.mkdir()
    site = Site(here, str(prefix), pack.platform, python_of(pack.packages, pack.platform), {}, [], [])
    if loudness >= 0:
        _say(f"⏳ Extracting and installing {len(pack.packages)} packages to {prefix}...")
    urls = origins(pack)
    for package, folder in _extracted(pack, staging, site):
        if loudness > 0:
            _say(package.file_name)
        link(package, folder, site, urls.get(str(package.record.get("sha256"))))
        shutil.rmtree(folder)
    refuse_links_out(site)
    (here / "conda-meta").mkdir(exist_ok=True)
    (here / "conda-meta/history").write_text(HISTORY, encoding="utf-8")
    if pack.wheels and loudness >= 0:
        _say(f"⏳ Extracting and installing {len(pack.wheels)} pypi packages to {prefix}...")
    for wheel in pack.wheels:
        verify(pack, wheel)  # and its own RECORD, in any case
        install_wheel(wheel, pack.files[wheel], site)
    try:
        name, text = activation_script(
            prefix, shell=shell or default_shell(pack.platform), platform=pack.platform, contents=here
        )
    except ValueError as error:
        raise Refusal(f"no activation script can be written: {error}") from error
    return name, text, site.notes


def _extracted(pack: Pack, staging: Path, site: Site) -> Iterator[tuple[Package, Path]]:
    """The packages, verified, each with the folder that it was extracted into; what is needed by others first."""

    def one(number: int, package: Package) -> Path:
        if not verify(pack, package.path, package.record):
            site.notes.append(f"nothing in the pack says what {package.path} has to be: it was taken as it is")
        folder = staging / "packages" / str(number)
        extract(package, folder, staging)
        if staging in package.source.path.parents:
            package.source.path.unlink()  # a copy of what came by standard input: there may be little room
        return folder

    (staging / "packages").mkdir()
    ordered = _ordered(pack.packages)
    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
        futures = [pool.submit(one, number, package) for number, package in enumerate(ordered)]
        try:
            for package, future in zip(ordered, futures):  # noqa: B905 - `strict` is of Python 3.10
                yield package, future.result()
        finally:
            for future in futures:
                future.cancel()


def _ordered(packages: list[Package]) -> list[Package]:
    """Each package after those that it depends on, else by name: of a file that several bring, the last one's stays."""
    waiting = {each.record["name"]: each for each in sorted(packages, key=lambda each: each.path, reverse=True)}
    needs = {
        name: {str(spec).split(maxsplit=1)[0] for spec in each.record.get("depends") or () if str(spec).strip()}
        for name, each in waiting.items()
    }
    found: list[Package] = []
    while waiting:
        free = [name for name in sorted(waiting) if not (needs[name] & waiting.keys() - {name})]
        found += [waiting.pop(name) for name in free or [min(waiting)]]
    return found


def _refuse_what_is_no_environment(prefix: Path) -> None:
    if prefix.is_symlink() or (prefix.exists() and not prefix.is_dir()):
        raise Refusal(f"{prefix} is no folder, so no environment can be there. Choose another name with -e")
    if prefix.is_dir() and any(prefix.iterdir()) and not (prefix / "conda-meta").is_dir():
        told = "an environment has a folder conda-meta. Choose another name with -e or another folder with -o"
        raise Refusal(f"{prefix} is a folder with something else in it: {told}")


def _recover(output: Path, prefix: Path) -> None:
    """Clear what killed runs for the same environment have left, and put it back if it had made room."""
    ours = re.compile(rf"\.{re.escape(prefix.name[:40])}\.[a-z0-9_]{{8}}\.unpacking")
    left = [each for each in output.iterdir() if ours.fullmatch(each.name)] if output.is_dir() else []
    for folder in left:
        with suppress(OSError), _held(folder) as is_ours:
            if not is_ours or (folder / "lock").exists():  # somebody is at work, or it is of pixi-mirror itself
                continue
            if (folder / "replaced").is_dir() and not os.path.lexists(prefix):
                os.rename(folder / "replaced", prefix)
            shutil.rmtree(folder)


@contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """Keep others from taking a folder for what a killed run has left; whether that could be done."""
    try:
        import fcntl
    except ImportError:  # Windows, where nothing is cleared
        yield False
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


@contextmanager
def _made(output: Path) -> Iterator[None]:
    """The folder of `-o`, which is gone again with all that were made for it where nothing was unpacked."""
    new = [each for each in (output, *output.parents) if not each.exists()]
    output.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with suppress(OSError):  # somebody else has put something there
            for each in new:
                each.rmdir()
        raise


@contextmanager
def _staging(output: Path, name: str) -> Iterator[Path]:
    """A folder beside the environment, on its filesystem, which is gone afterwards, however it ends."""
    folder = Path(tempfile.mkdtemp(prefix=f".{name[:40]}.", suffix=".unpacking", dir=output))
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = [signal.signal(number, _stop) for number in numbers]
    try:
        with _held(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for number, handler in zip(numbers, before):  # noqa: B905 - `strict` is of Python 3.10
            signal.signal(number, handler)


def _stop(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def _swap(staging: Path, prefix: Path) -> None:
    """Put the environment into its place, or leave there what was."""
    old = staging / "replaced"
    try:
        os.rename(prefix, old)
    except FileNotFoundError:
        os.rename(staging / "env", prefix)
        return
    try:
        os.rename(staging / "env", prefix)
    except BaseException:
        os.rename(old, prefix)
        raise


def _write_whole(place: Path, data: bytes, staging: Path) -> None:
    """Write a file so that nobody ever sees a part of it."""
    (staging / "script").write_bytes(data)
    os.replace(staging / "script", place)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
