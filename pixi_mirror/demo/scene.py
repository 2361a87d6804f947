"""The demo's workspace and what its upstream serves, and how both change step by step; no network is used."""

import json
import os
import stat
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from pixi_mirror.demo.distributions import BuiltDistribution, build_wheel
from pixi_mirror.demo.packages import BuiltPackage, build_package
from pixi_mirror.errors import MachineError
from pixi_mirror.lockfile.writer import (
    CondaLockEntry,
    LockDescription,
    LockEntry,
    LockEnvironment,
    PypiLockEntry,
    lock_text,
    platforms_of,
)
from pixi_mirror.model.values import Json

CHANNEL = "https://conda.anaconda.org/conda-forge"
LOCK = "workspace/pixi.lock"
CORRUPTED = "mirror/conda-forge/linux-64/demo-lib-2.3-0.conda"

_NAME = "demo"
_INDEX, _FILES = "https://pypi.example/simple", "https://files.pypi.example"
_HOSTS = ("https://conda.anaconda.org", _FILES, "https://pypi.example")
_HOTFIX: Mapping[str, Json] = {"depends": ["demo-data >=2024,<2025"]}
"""The channel's correction of demo-lib since it was built; its archive has no upper bound."""
_PLATFORMS = ("linux-64", "osx-arm64")


class Stage:
    """A directory for one demo: `workspace/`, `config.toml`, and what the program makes there."""

    def __init__(self, directory: Path, upstream: str) -> None:
        """Take an existing, empty directory, and the URL of the server that replaces all others."""
        self.directory = directory
        self._upstream = upstream

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that keep every step inside the directory, away from the user's home, settings and cache."""
        inside = str(self.directory)
        return {
            "HOME": inside,
            "USERPROFILE": inside,
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            "PIXI_MIRROR_CACHE_DIR": str(self.directory / "cache"),
            "PIXI_MIRROR_CONFIG_FILE": str(self.directory / "config.toml"),
            "PIXI_MIRROR_PROGRESS": "none",  # a bar for 40 kB would only flicker
            "PIXI_MIRROR_RETRIES": "0",
            "PIXI_MIRROR_INDEX": "json",  # which other index files there are depends on the machine
        }

    def set_up(self) -> None:
        """Write the workspace, locked to demo-app 1.0, and the configuration that leads to the upstream.

        Raises:
            MachineError: the directory cannot be written.
        """
        self._lock("1.0")
        self._write("workspace/pixi.toml", manifest_text(_described("1.0"), name=_NAME))
        mirrors = "".join(f'"{host}" = ["{self._upstream}"]\n' for host in _HOSTS)
        self._write("config.toml", f"[mirrors]\n{mirrors}")

    def move_on(self) -> None:
        """Lock the workspace anew: demo-app 1.1, all else as it was.

        Raises:
            MachineError: the directory cannot be written.
        """
        self._lock("1.1")

    def corrupt(self) -> None:
        """Flip one bit of a package in the mirror; its size and date stay.

        Raises:
            MachineError: the file is not there or cannot be written.
        """
        path = self.directory / CORRUPTED
        try:
            before = path.stat()
            path.chmod(before.st_mode | stat.S_IWUSR)  # packages of a mirror are read-only
            with path.open("r+b") as file:
                file.seek(before.st_size // 2)
                byte = file.read(1)[0]
                file.seek(before.st_size // 2)
                file.write(bytes([byte ^ 1]))
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        except OSError as error:
            raise MachineError(f"the demo cannot change {path}: {error.strerror}.") from error

    def listing(self) -> tuple[str, ...]:
        """The mirror's public files, a line a directory."""
        folders: dict[str, list[str]] = {}
        for path in sorted(self.directory.glob("mirror/**/*")):
            inside = path.relative_to(self.directory)
            if path.is_file() and ".pixi-mirror" not in inside.parts:
                folders.setdefault(f"{inside.parent.as_posix()}/", []).append(path.name)
        width = max(map(len, folders), default=0)
        return tuple(f"{folder.ljust(width)}  {'  '.join(names)}" for folder, names in folders.items())

    def _lock(self, version: str) -> None:
        self._write(LOCK, lock_text(_described(version)))

    def _write(self, name: str, text: str) -> None:
        path = self.directory / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        except OSError as error:
            raise MachineError(f"the demo cannot write {path}: {error.strerror}. Name another directory.") from error


def served() -> Mapping[str, bytes]:
    """What the upstream serves: path without leading slash -> bytes; everything that any of the locks names."""
    served = {f"conda-forge/{each.record['subdir']}/{each.file_name}": each.data for each in _packages().values()}
    wheel = _wheel()
    row = {
        "filename": wheel.file_name,
        "url": f"{_FILES}/{_place_of_wheel()}",
        "hashes": {"sha256": wheel.sha256},
        "upload-time": "2024-06-07T18:52:13Z",
    }
    page = {"meta": {"api-version": "1.1"}, "name": "demo-text", "versions": ["1.0"], "files": [row]}
    return {**served, _place_of_wheel(): wheel.data, "simple/demo-text/": json.dumps(page).encode()}


def hotfix() -> tuple[str, str]:
    """What demo-lib depends on, as its archive says and as the lock says."""
    return _packages()["demo-lib linux-64"].record["depends"][0], _HOTFIX["depends"][0]


@cache
def _packages() -> Mapping[str, BuiltPackage]:
    """Every package of the demo, by its name, version and platform; built once a process."""
    packages = {
        "demo-data": build_package(name="demo-data", version="2024.1", extension="tar.bz2", payload_size=9_000),
        "demo-docs": build_package(name="demo-docs", version="1.0", depends=["demo-data"], payload_size=4_000),
    }
    for platform in _PLATFORMS:
        packages[f"demo-lib {platform}"] = build_package(
            name="demo-lib", version="2.3", subdir=platform, depends=["demo-data >=2024"], payload_size=12_000
        )
        for version in ("1.0", "1.1"):
            packages[f"demo-app {version} {platform}"] = build_package(
                name="demo-app",
                version=version,
                subdir=platform,
                depends=["demo-lib >=2.3", "demo-data"],
                files={"bin/demo-app": f'#!/bin/sh\necho "demo-app {version} runs"\n'.encode()},
                payload_size=6_000,
            )
    return packages


@cache
def _wheel() -> BuiltDistribution:
    return build_wheel(name="demo-text", version="1.0", requires_python=">=3.8", payload_size=3_000)


def _place_of_wheel() -> str:
    wheel = _wheel()
    return f"packages/{wheel.sha256[:2]}/{wheel.file_name}"


def _described(version: str) -> LockDescription:
    """A workspace with `version` of demo-app: `prod` runs it, `default` has the documentation too."""
    prod = {platform: _environment(version, platform) for platform in _PLATFORMS}
    default = {platform: (*entries, _entry("demo-docs")) for platform, entries in prod.items()}
    return LockDescription(
        environments={
            name: LockEnvironment(channels=(f"{CHANNEL}/",), indexes=(_INDEX,), packages=packages)
            for name, packages in (("default", default), ("prod", prod))
        }
    )


def _environment(version: str, platform: str) -> tuple[LockEntry, ...]:
    wheel = _wheel()
    return (
        _entry(f"demo-app {version} {platform}"),
        _entry("demo-data"),
        _entry(f"demo-lib {platform}").hotfixed(**_HOTFIX),
        PypiLockEntry(
            url=f"{_FILES}/{_place_of_wheel()}",
            name="demo-text",
            version="1.0",
            sha256=wheel.sha256,
            requires_python=">=3.8",
        ),
    )


def _entry(key: str) -> CondaLockEntry:
    package = _packages()[key]
    return CondaLockEntry(url=f"{CHANNEL}/{package.record['subdir']}/{package.file_name}", record=package.record)


def manifest_text(description: LockDescription, *, name: str) -> str:
    """A `pixi.toml` that the lock satisfies: its dependencies are the packages that no other package needs."""
    platforms = platforms_of(description)
    subdirs = {platform.name: platform.subdir for platform in platforms}
    channels = list(dict.fromkeys(url for env in description.environments.values() for url in env.channels))
    lines = [
        "[workspace]",
        f"name = {json.dumps(name)}",
        f"channels = {json.dumps(channels)}",
        f"platforms = {json.dumps(list(dict.fromkeys(subdirs.values())))}",
    ]
    for environment, content in description.environments.items():
        table = "" if environment == "default" else f"feature.{environment}."
        for platform, entries in content.packages.items():
            lines += ["", f"[{table}target.{subdirs[platform]}.dependencies]"]
            lines += [f'{json.dumps(root)} = "*"' for root in _roots(entries)]
    others = [environment for environment in description.environments if environment != "default"]
    if others:
        lines += ["", "[environments]"]
        lines += [f'{each} = {{ features = ["{each}"], no-default-feature = true }}' for each in others]
    return "\n".join([*lines, ""])


def _roots(entries: Iterable[LockEntry]) -> list[str]:
    records = [entry.record for entry in entries if isinstance(entry, CondaLockEntry)]
    needed = {spec.split()[0] for record in records for spec in record["depends"]}
    return sorted({record["name"] for record in records} - needed)
