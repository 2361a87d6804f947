"""Install pinned packages into a temporary folder, run them in a clean shell, and compare what is seen."""

import os
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path


def install(folder: Path, *packages: str) -> Path:
    """Make a virtual environment with exactly these packages, and return the folder of its programs."""
    venv.create(folder / "venv", with_pip=True)
    programs = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    command = [str(programs / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages]
    subprocess.run(command, check=True, timeout=300)
    return programs


def run(*command: object, folder: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder, with no variable of this shell but PATH, and a home that is empty."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    clean = {key: os.environ[key] for key in ("PATH", "SYSTEMROOT") if key in os.environ}
    clean |= {"HOME": str(home), "USERPROFILE": str(home), "PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1"}
    return subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=clean | dict(env or {}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def compare(seen: object, expected: object) -> None:
    """Print what was seen, line by line, and end with status 1 if it is not what was expected."""
    for row in seen if isinstance(seen, list) else [seen]:
        print(row)
    if seen != expected:
        print("This has changed. Expected was:", *(expected if isinstance(expected, list) else [expected]), sep="\n")
        sys.exit(1)
    print("As before.")
