"""Run pixi-mirror in a child process whose surroundings are known: no proxies, no settings, a HOME of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 100
"""How long a run may take that no test ends: it hangs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A run that ended; a status below zero is the signal that killed it."""

    status: int
    stdout: str
    stderr: str

    @property
    def json(self):
        """The one object on stdout."""
        return json.loads(self.stdout)


def python_environment() -> dict[str, str]:
    """The least a Python child needs to start and to import this checkout."""
    # Windows opens no socket without SYSTEMROOT; a virtual environment finds itself by its executable.
    names = ("SYSTEMROOT", "LD_LIBRARY_PATH", "PYTHONPYCACHEPREFIX")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "PATH": os.defpath}


def user_environment(home: Path) -> dict[str, str]:
    """The environment of a user who has configured nothing and whose files are all below `home`."""
    home.mkdir(parents=True, exist_ok=True)
    return python_environment() | {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "APPDATA": str(home / "AppData"),
        "LOCALAPPDATA": str(home / "AppData"),
        "TMPDIR": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "PIXI_MIRROR_CACHE_DIR": str(home / "cache"),
        # Else every update would start whatever indexer this machine has; tests of sidecars say which they mean.
        "PIXI_MIRROR_INDEX": "json",
        # Else the library `keyring`, where it is installed, looks for a desktop, and starts a compiler for that.
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }


def run_program(*command: object, env: Mapping[str, str], cwd: Path) -> Completed:
    """Run a program with its arguments to its end; nothing stands at its stdin."""
    done = subprocess.run(
        [str(word) for word in command],
        env=dict(env),
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        timeout=TIMEOUT_S,
        check=False,
    )
    return Completed(status=done.returncode, stdout=done.stdout, stderr=done.stderr)


def run_python(*args: object, env: Mapping[str, str], cwd: Path) -> Completed:
    """Run this interpreter with `args` to its end."""
    return run_program(sys.executable, *args, env=env, cwd=cwd)
