"""Unpack a pack in each of the two ways, and say what came of it."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.child import user_environment
from harness.packs import tar_of

from pixi_mirror.pack.unpacker.assemble import assembled

ZSTD = shutil.which("zstd")
WAYS = ("unpack", "unpacker")
"""The program, and the one file that self-extracting packs carry."""


def tree(folder: Path, *, times: bool = False) -> dict[str, tuple]:
    """Path -> kind, mode and content of all below a folder; of a link where it leads."""
    found: dict[str, tuple] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = ("link", os.readlink(path))
        elif path.is_dir():
            found[name] = ("folder", stat.S_IMODE(status.st_mode))
        else:
            found[name] = ("file", stat.S_IMODE(status.st_mode), _bytes(path), *([status.st_mtime] * times))
    return found


def _bytes(path: Path) -> bytes:
    """What a file holds, even if its mode lets nobody read it."""
    mode = stat.S_IMODE(path.lstat().st_mode)
    if mode & stat.S_IRUSR:
        return path.read_bytes()
    path.chmod(mode | stat.S_IRUSR)
    try:
        return path.read_bytes()
    finally:
        path.chmod(mode)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A folder to unpack in, as a child that sees nothing of the user."""

    folder: Path

    @property
    def env(self) -> Path:
        return self.folder / "out" / "env"

    def write(self, files: Mapping[str, bytes] | bytes, name: str = "environment.tar") -> Path:
        path = self.folder / name
        path.write_bytes(files if isinstance(files, bytes) else tar_of(files))
        return path

    def run(self, way: str, *words: str, status: int = 0, stdin: bytes = b"", python: str = sys.executable) -> str:
        """Run one of the ways; what it said. The pack is `environment.tar`, unless a word names another."""
        command = [sys.executable, "-m", "pixi_mirror", "unpack"]
        if way == "unpacker":
            (self.folder / "unpacker.py").write_bytes(assembled())
            command = [python, "-I", "-B", "-W", "error", "unpacker.py"]
        environment = user_environment(self.folder / "home") | {"PATH": os.path.dirname(ZSTD or "/nowhere/zstd")}
        done = subprocess.run(
            [*command, "-o", "out", *words],
            cwd=self.folder,
            env=environment,
            input=stdin,
            capture_output=True,
            check=False,
            timeout=100,
        )
        said = (done.stdout + done.stderr).decode()
        assert done.returncode == status, f"{way} ended with {done.returncode}:\n{said}"
        return said

    def made(self, way: str, files: Mapping[str, bytes], *words: str) -> dict[str, tuple]:
        """What a way makes of a pack in a new place, which is always the same."""
        shutil.rmtree(self.folder / "out", ignore_errors=True)
        self.write(files)
        self.run(way, *words)
        return tree(self.folder / "out")
