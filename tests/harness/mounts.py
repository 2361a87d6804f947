"""Filesystems of a kind that a test asks for: small, full, read-only, blind to case; in a mount namespace of their own.

Nothing of them is seen outside it, and it ends with the process that holds it, however the tests end. A superuser, or
a user who may have namespaces (`unshare -rm`), can have them; `possible` says whether this machine lets us.
"""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.child import Completed, run_program

_READY = "ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """Mounts that only what is run here can see."""

    holder: int
    """The process that keeps it."""

    def run(self, *args: object, env: Mapping[str, str], cwd: Path) -> Completed:
        """Run pixi-mirror here to its end."""
        return self.call(sys.executable, "-m", "pixi_mirror", *args, env=env, cwd=cwd)

    def call(self, *command: object, env: Mapping[str, str], cwd: Path) -> Completed:
        """Run a program here to its end."""
        return run_program(*self.enter(cwd), *command, env=env, cwd=cwd)

    def enter(self, cwd: Path) -> list[str]:
        """What to put before a command to have it run here."""
        user = [] if _is_superuser() else ["-U", "--preserve-credentials"]
        return [_program("nsenter"), "-t", str(self.holder), "-m", *user, f"--wd={cwd}", "--"]

    def seen(self, path: Path) -> Path:
        """Where we can see what stands here at an absolute path."""
        return Path("/proc", str(self.holder), "root", path.relative_to("/"))


@contextmanager
def mounted(*commands: str) -> Iterator[Namespace]:
    """A namespace in which these shell commands, that mount something, have been run.

    Raises:
        OSError: they failed, as they do where this machine does not let us.
    """
    if not sys.platform.startswith("linux"):
        raise OSError("mount namespaces are Linux's")
    script = " && ".join([*commands, f"echo {_READY}", "exec cat"])
    command = [_program("unshare"), "-m" if _is_superuser() else "-rm", "sh", "-c", script]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, encoding="utf-8", **pipes) as holder:
        if holder.stdout.readline().strip() != _READY:
            raise OSError(f"cannot mount: {holder.communicate()[1].strip()}")
        try:
            yield Namespace(holder=holder.pid)
        finally:
            holder.communicate()  # the end of its input is its own end


def tmpfs(folder: Path, *, size: int, read_only: bool = False) -> str:
    """The command that mounts an empty filesystem of `size` bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    return f"mount -t tmpfs -o size={size},mode=755{',ro' if read_only else ''} none '{folder}'"


def read_only(folder: Path) -> str:
    """The command that makes a standing folder read-only."""
    return f"mount --bind '{folder}' '{folder}' && mount -o remount,ro,bind '{folder}'"


def blind_to_case(folder: Path) -> tuple[str, ...]:
    """Commands of which one may mount a filesystem that holds two names to be one if they differ in case alone."""
    folder.mkdir(parents=True, exist_ok=True)
    image = folder.with_name(f"{folder.name}.image")
    make = f"truncate -s 40M '{image}'"
    return (
        f"mount -t tmpfs -o size=40m,casefold none '{folder}' && chattr +F '{folder}'",
        f"{make} && mkfs.vfat '{image}' >&2 && mount -o loop '{image}' '{folder}'",
        f"{make} && mkfs.ext4 -q -O casefold '{image}' && mount -o loop '{image}' '{folder}' && "
        f"rmdir '{folder}/lost+found' && chattr +F '{folder}'",
    )


@functools.cache
def possible() -> bool:
    """Whether this machine lets us mount."""
    try:
        with mounted("mount -t tmpfs -o size=64k none /mnt"):
            return True
    except OSError:
        return False


def _program(name: str) -> str:
    return shutil.which(name) or shutil.which(name, path=f"{os.defpath}:/usr/sbin:/sbin") or name


def _is_superuser() -> bool:
    return os.geteuid() == 0
