"""Where pixi's configuration files and our cache are; it touches no disk."""

from collections.abc import Mapping
from pathlib import Path

_NAME = Path("pixi", "config.toml")
_FALSE = frozenset({"", "0", "f", "false", "n", "no", "off"})


def named_file(*, environ: Mapping[str, str], option: Path | None) -> Path | None:
    """The one file that stands for all shared ones: `--config-file`, else `PIXI_CONFIG_FILE`; None: not named.

    `PIXI_NO_CONFIG` outweighs the variable, and the option outweighs both.
    """
    if option is not None:
        return option
    told = environ.get("PIXI_CONFIG_FILE")
    return Path(told) if told and not _is_set(environ, "PIXI_NO_CONFIG") else None


def config_files(
    *, environ: Mapping[str, str], workspace: Path | None, home: Path, named: Path | None, platform: str, system: Path
) -> tuple[Path, ...]:
    """The configuration files of pixi, the lowest first, whether they exist or not.

    `workspace` is the directory of the manifest, `named` replaces the shared files, `system` is the folder of the
    system-wide `pixi/config.toml`, `platform` as in `sys.platform`.
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
    told = environ.get("PIXI_MIRROR_CACHE_DIR")
    if told:
        return Path(told)
    import platformdirs

    return platformdirs.user_cache_path("pixi-mirror", appauthor=False)
