"""Where pixi's configuration files, its cache and our cache are, and how the text of one file is read."""

from collections.abc import Mapping
from pathlib import Path

from pixi_mirror.errors import MachineError

_NAME = Path("pixi", "config.toml")
_FALSE = frozenset({"", "0", "f", "false", "n", "no", "off"})


def named_file(*, environ: Mapping[str, str], option: Path | None) -> Path | None:
    """The one file that replaces all shared files: `--config-file`, else `PIXI_CONFIG_FILE`; None: none is named.

    `PIXI_NO_CONFIG` outweighs the variable, and the option outweighs both.
    """
    if option is not None:
        return option
    named = environ.get("PIXI_CONFIG_FILE")
    return Path(named) if named and not _is_set(environ, "PIXI_NO_CONFIG") else None


def config_files(
    *, environ: Mapping[str, str], workspace: Path | None, home: Path, named: Path | None, platform: str, system: Path
) -> tuple[Path, ...]:
    """The configuration files of pixi, the one of lowest precedence first, whether they exist or not.

    Args:
        environ: the environment.
        workspace: the directory of the manifest; None: there is no workspace.
        home: the user's home directory.
        named: the file that replaces the shared files; None: none does.
        platform: as in `sys.platform`.
        system: the folder of the system-wide `pixi/config.toml`.
    """
    if named is not None:
        shared: tuple[Path, ...] = (named,)
    elif _is_set(environ, "PIXI_NO_CONFIG"):
        shared = ()
    else:
        shared = _shared_files(environ, home, platform, system)
    local = () if workspace is None else (workspace / ".pixi" / "config.toml",)
    # A workspace in the home directory has its own file among the shared ones: it counts once, as the workspace's.
    return (*(path for path in dict.fromkeys(shared) if path not in local), *local)


def _is_set(environ: Mapping[str, str], name: str) -> bool:
    return environ.get(name, "").lower() not in _FALSE


def _shared_files(environ: Mapping[str, str], home: Path, platform: str, system: Path) -> tuple[Path, ...]:
    pixi_home = environ.get("PIXI_HOME")
    return (
        system / _NAME,
        *(folder / _NAME for folder in _user_folders(environ, home, platform)),
        (Path(pixi_home) if pixi_home else home / ".pixi") / "config.toml",
    )


def _user_folders(environ: Mapping[str, str], home: Path, platform: str) -> tuple[Path, ...]:
    xdg = environ.get("XDG_CONFIG_HOME")
    if platform == "darwin":
        return (*((Path(xdg),) if xdg else ()), home / "Library" / "Application Support")
    if platform == "win32":
        roaming = environ.get("APPDATA")
        return (Path(roaming) if roaming else home / "AppData" / "Roaming",)
    # XDG base directory specification: "All paths set in these environment variables must be absolute."
    return (Path(xdg) if xdg and Path(xdg).is_absolute() else home / ".config",)


def system_folder(platform: str) -> Path:
    """The folder of system-wide configuration: `/etc`, on Windows what pixi takes for `%ProgramData%`."""
    return Path("C:/ProgramData") if platform == "win32" else Path("/etc")


def cache_directory(*, environ: Mapping[str, str], option: Path | None) -> Path:
    """Where downloads are kept: the option, else `PIXI_MIRROR_CACHE_DIR`, else the user's cache directory."""
    if option is not None:
        return option
    named = environ.get("PIXI_MIRROR_CACHE_DIR")
    if named:
        return Path(named)
    import platformdirs

    return platformdirs.user_cache_path("pixi-mirror", appauthor=False)


def named_pixi_cache(*, environ: Mapping[str, str]) -> Path | None:
    """The root of pixi's cache that the environment names; it outweighs pixi's configuration. None: it names none."""
    named = environ.get("PIXI_CACHE_DIR") or environ.get("RATTLER_CACHE_DIR")
    return Path(named) if named else None


def default_pixi_cache() -> Path:
    """The root of pixi's cache if nothing is configured."""
    import platformdirs

    folder = platformdirs.user_cache_path()
    own = folder / ".pixi"
    return own if own.is_dir() else folder / "rattler" / "cache"


_LARGEST = 1 << 24
"""The most bytes of a configuration file: a workspace may hold a link to a device that never ends."""


def read_text(path: Path) -> str | None:
    """The text of a small file that a user wrote, without byte order mark; None: there is no such file.

    No message quotes the text.

    Raises:
        MachineError: the file is there and cannot be read, or is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no name of a file"
        raise MachineError(f"{path} cannot be read ({reason}): make it a readable file or move it away") from error
    if len(raw) > _LARGEST:
        raise MachineError(f"{path} is larger than {_LARGEST} bytes, so it is no such file: move it away")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        position = error.start
    # Raised out here, because the decoding error carries the file's content and would stay in the chain.
    raise MachineError(f"{path} is not UTF-8 text (byte {position}): save it as UTF-8 or move it away")
