"""Find the files of clients: the user's home, and the workspace around a directory."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from pixi_mirror.clients.toml import parse_toml, table
from pixi_mirror.errors import WorkspaceError

_MANIFESTS = ("pixi.toml", "mojoproject.toml")


def home(environ: Mapping[str, str]) -> Path:
    """The user's home directory."""
    return Path(environ.get("USERPROFILE" if os.name == "nt" else "HOME") or "~").expanduser()


def users_config_folder(environ: Mapping[str, str]) -> Path:
    """The user's folder for configuration files; on macOS what XDG's variable or `~/.config` says, as uv and pip do."""
    if os.name == "nt":
        return Path(environ.get("APPDATA") or home(environ) / "AppData" / "Roaming")
    return Path(environ.get("XDG_CONFIG_HOME") or home(environ) / ".config")


def system_folders(environ: Mapping[str, str]) -> list[Path]:
    """The folders of configuration for all users of a machine with Unix, the one that counts most last."""
    named = [Path(each) for each in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":") if each]
    return [*reversed(named), Path("/etc")]


def find_workspace(directory: Path, is_workspace: Callable[[Path], bool]) -> Path:
    """The nearest directory that is a workspace, from `directory` upwards.

    Raises:
        WorkspaceError: there is none.
    """
    for folder in (directory, *directory.parents):
        if is_workspace(folder):
            return folder
    raise WorkspaceError(
        f"there is no workspace in {directory} or above it, whose file could be changed. Go to the workspace, name the "
        "file with --file, or take the user's file with --global."
    )


def pixi_workspace(directory: Path) -> Path:
    """The directory of the pixi workspace around another.

    Raises:
        WorkspaceError: there is none.
    """
    return find_workspace(directory, _has_manifest)


def _has_manifest(folder: Path) -> bool:
    if any((folder / name).is_file() for name in _MANIFESTS):
        return True
    try:
        found = parse_toml((folder / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return "pixi" in table(found, "tool")
