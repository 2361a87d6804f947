"""Run the real git in surroundings in which it asks nobody back, and runs nothing that a repository brings."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from pixi_mirror.errors import FetchError, MachineError, ProgramError
from pixi_mirror.model.values import mask_secrets
from pixi_mirror.process import Output, run_program, stream

_TIMEOUT_S = 3600.0
_PASSED_ON = ("PATH", "HOME", "USERPROFILE", "SYSTEMROOT", "SSH_AUTH_SOCK", "TMPDIR", "TEMP", "LANG")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_OF_GIT = ("GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSL_CAINFO", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "XDG_CONFIG_HOME")

_SETTINGS = {
    "core.hooksPath": os.devnull,
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.ext.allow": "never",
    "fetch.recurseSubmodules": "false",
    "transfer.bundleURI": "false",
    "safe.directory": "*",
}
"""What holds for every call; the user's own configuration (helpers for credentials, proxies) holds besides."""


class Git:
    """The git of this machine."""

    def __init__(self, environ: Mapping[str, str] = MappingProxyType({})) -> None:
        """Find it.

        Args:
            environ: the user's environment: programs that know passwords, proxies and the like. Without it, git is
                found all the same, and fit for repositories of this machine.

        Raises:
            ProgramError: there is none on PATH.
        """
        program = shutil.which("git", path=environ.get("PATH"))
        if program is None:
            raise ProgramError(
                "git is not installed, and a source that is pinned to a commit can only be mirrored with it. "
                "Install git as your system has it, or with `pixi global install git`; or leave such sources out with "
                "--skip-unmirrorable."
            )
        self._program = program
        names = (*_PASSED_ON, *_PROXIES, *_OF_GIT)
        self._environ = {name: environ[name] for name in names if name in environ}

    def run(self, *words: str, directory: Path, header: tuple[str, str] | None = None) -> Output:
        """Run one command of git in a repository.

        Args:
            words: the command and its arguments.
            directory: where it runs.
            header: the URL of a host, and the value of `Authorization` for it. No other user can see it.

        Raises:
            ProgramError: git cannot be started, or does not end within an hour.
        """
        command = [self._program, *words]
        return run_program(command, cwd=directory, environ=self._surroundings(header), timeout_s=_TIMEOUT_S)

    def ask(self, *words: str, directory: Path) -> str:
        """What git prints for a question about a repository of this machine.

        Raises:
            MachineError: it answers with an error.
            ProgramError: it cannot be started.
        """
        done = self.run(*words, directory=directory)
        if done.status != 0:
            raise MachineError(f"`git {words[0]}` failed in {directory}: {mask_secrets(done.last_words)}")
        return done.stdout

    def read_file(self, commit: str, path: str, *, directory: Path, limit: int) -> bytes | None:
        """The bytes of a file of a commit; None: it is not there, is no file, or is larger than `limit` bytes.

        Args:
            commit: that the repository has.
            path: of the file in the commit, with slashes.
            directory: the repository.
            limit: the most bytes that are read.

        Raises:
            ProgramError: git cannot be started.
        """
        name = f"{commit}:{path}"
        size = self.run("cat-file", "-s", name, directory=directory)
        if size.status != 0 or int(size.stdout) > limit:
            return None
        data = bytearray()
        command = [self._program, "cat-file", "blob", name]
        done = stream(command, cwd=directory, environ=self._surroundings(None), stdin=b"", write=data.extend)
        return bytes(data) if done.status == 0 else None

    def pack(self, commit: str, *, directory: Path, write: Callable[[bytes], None]) -> None:
        """Write one pack with a commit and all its history; one thread makes the same bytes of the same objects.

        Raises:
            MachineError: objects are missing or damaged.
            ProgramError: git cannot be started.
        """
        done = stream(
            [self._program, "pack-objects", "--revs", "--stdout", "--threads=1", "--delta-base-offset", "-q"],
            cwd=directory,
            environ=self._surroundings(None),
            stdin=f"{commit}\n".encode(),
            write=write,
        )
        if done.status != 0:
            raise MachineError(f"git cannot pack {commit} of {directory}: {mask_secrets(done.last_words)}")

    def _surroundings(self, header: tuple[str, str] | None) -> Mapping[str, str]:
        settings = dict(_SETTINGS)
        if header is not None:
            settings[f"http.{header[0]}.extraHeader"] = f"Authorization: {header[1]}"
        numbered = {f"GIT_CONFIG_KEY_{number}": key for number, key in enumerate(settings)}
        numbered |= {f"GIT_CONFIG_VALUE_{number}": value for number, value in enumerate(settings.values())}
        fixed = {"GIT_TERMINAL_PROMPT": "0", "GCM_INTERACTIVE": "never", "GIT_CONFIG_COUNT": str(len(settings))}
        # A question for a password or a host key would wait for ever.
        ssh = {"GIT_SSH_COMMAND": "ssh -oBatchMode=yes"} if "GIT_SSH" not in self._environ else {}
        return {**ssh, **self._environ, **fixed, **numbered, "LC_ALL": "C"}


def index_pack(pack: Path, folder: Path, *, is_sha256: bool = False) -> bytes:
    """The bytes of the index of a pack, made in an empty folder; the index of the same pack is always the same.

    Raises:
        ProgramError: git is not there.
        MachineError: the pack is damaged.
    """
    git = Git()
    index = folder / "made.idx"
    options = ("--no-rev-index", f"--object-format={'sha256' if is_sha256 else 'sha1'}", "-o", str(index))
    git.ask("index-pack", *options, str(pack.absolute()), directory=folder)
    return index.read_bytes()


def check_repository(repository: Path) -> str | None:
    """What `git fsck` finds wrong with a bare repository; None: nothing.

    Raises:
        ProgramError: git is not there.
    """
    done = Git().run("fsck", "--no-dangling", "--no-progress", directory=repository)
    return None if done.status == 0 else f"git fsck says: {mask_secrets(done.last_words)}"


def explain_fetch(done: Output, url: str, *, commit: str) -> FetchError:
    """Why a commit could not be fetched, without the secrets of any URL."""
    return FetchError(
        f"git could not fetch the commit {commit} of {url}: {mask_secrets(done.last_words)}\n"
        "If the server wants a user, log in with `git credential` or `pixi auth login`."
    )
