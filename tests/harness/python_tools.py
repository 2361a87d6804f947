"""The real pip and uv, and a plain file server of the kind that users have: each with a log of what it was asked."""

import functools
import hashlib
import os
import sys
import sysconfig
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

from harness.child import ROOT, Completed, run_program, user_environment
from harness.world import World


def uv_program() -> Path:
    """Where uv is, beside this interpreter; it may be missing."""
    return Path(sys.executable).with_name("uv.exe" if os.name == "nt" else "uv")


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def parse_request(self) -> bool:
        parsed = super().parse_request()
        if parsed:
            self.server.asked.append(self.path)
        return parsed


class StaticServer:
    """The standard library's own file server over a directory: what `python -m http.server` would answer."""

    def __init__(self, directory: Path) -> None:
        handler = functools.partial(_Handler, directory=str(directory))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._server.asked = self.asked = []
        """Paths, as they were sent."""
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """`http://address:port`, no trailing slash."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def asked_for(self, end: str) -> list[str]:
        """The paths asked for that end so."""
        return [path for path in self.asked if path.endswith(end)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonTools:
    """pip and uv as a user has them who has configured nothing; their caches are below `directory`."""

    directory: Path

    def pip(self, verb: str, *args: object, env: Mapping[str, str] | None = None) -> Completed:
        """Run pip without a cache."""
        always = ("--isolated", "--no-cache-dir", "--disable-pip-version-check", "--retries", "0", "--no-input")
        return self._run(sys.executable, "-m", "pip", verb, *always, *args, env=env)

    def uv(self, verb: str, *args: object, env: Mapping[str, str] | None = None) -> Completed:
        """Run `uv pip`, with this interpreter and a cache that no other test has."""
        always = ("--no-config", "--cache-dir", self.directory / "uv-cache", "--no-python-downloads")
        python = ("--python", sys.executable)
        return self._run(
            uv_program(), "pip", verb, *args, *always, *python, env={"UV_LINK_MODE": "copy", **(env or {})}
        )

    def uv_itself(self, verb: str, *args: object) -> Completed:
        """Run a verb of uv that is not below `uv pip`, in `directory`."""
        always = ("--no-config", "--cache-dir", self.directory / "uv-cache", "--no-python-downloads")
        return self._run(uv_program(), verb, *args, *always, "--python", sys.executable, env=None)

    def _run(self, *command: object, env: Mapping[str, str] | None) -> Completed:
        surroundings = user_environment(self.directory / "home")
        surroundings.pop("PYTHONPATH")  # the packages of the checkout are not those of a target
        given = surroundings | {"UV_HTTP_RETRIES": "0"} | dict(env or {})
        return run_program(*command, cwd=self.directory, env=given)


def pinned(*built: object) -> str:
    """The lines of a requirements file that pin these distributions by their hashes; all are of version 1.0."""
    lines = []
    for each in built:
        name, version = each.file_name.removesuffix(".tar.gz").split("-")[:2]
        lines.append(f"{name}=={version} --hash=sha256:{hashlib.sha256(each.data).hexdigest()}\n")
    return "".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """A user's Python with pixi-mirror in a folder of its own, where uv stands beside it or pip alone is to be had."""

    folder: Path

    @classmethod
    def made(cls, folder: Path, *, with_uv: bool) -> Self:
        """Make one; its uv notes each start in `started` and goes on as the real one."""
        folder.mkdir()
        (folder / "python").symlink_to(os.path.realpath(sys.executable))
        if with_uv:
            script = f'#!/bin/sh\necho "$@" >> "{folder / "started"}"\nexec "{uv_program()}" "$@"\n'
            (folder / "uv").write_text(script, encoding="utf-8")
            (folder / "uv").chmod(0o755)
        return cls(folder=folder)

    @property
    def started(self) -> int:
        """How often its uv was started."""
        log = self.folder / "started"
        return len(log.read_text(encoding="utf-8").splitlines()) if log.exists() else 0

    def run(self, world: World, *args: object, env: Mapping[str, str] | None = None) -> Completed:
        """Run pixi-mirror as the user of the world; no other program is on PATH."""
        libraries = os.pathsep.join([str(ROOT), sysconfig.get_path("purelib")])
        return run_program(
            self.folder / "python",
            "-m",
            "pixi_mirror",
            *args,
            cwd=world.directory,
            env=world.environment | {"PYTHONPATH": libraries, "PATH": str(self.folder)} | dict(env or {}),
        )
