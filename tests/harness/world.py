"""A small true world below one directory: packages at an upstream, workspaces with locks, and a user who runs us."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from harness import program
from harness.child import Completed, user_environment
from harness.upstream import Request, Upstream

from pixi_mirror.demo.packages import BuiltPackage, build_package
from pixi_mirror.demo.scene import manifest_text
from pixi_mirror.lockfile.writer import (
    CondaLockEntry,
    LockDescription,
    LockEntry,
    LockEnvironment,
    LockPlatform,
    lock_text,
)

CHANNEL = "conda-forge"


@cache
def small_packages() -> Mapping[str, BuiltPackage]:
    """The packages of the standard workspace, by a short name; built once a process."""
    return {
        "base": build_package(name="base", version="2024.1", files={"share/base.txt": b"base\n"}),
        "pure": build_package(name="pure", build="pyhd8ed1ab_0", noarch="python", depends=["base"]),
        "tool-linux": build_package(
            name="tool", subdir="linux-64", build="h12_1", build_number=1, depends=["base >=2024", "pure"],
            payload_size=20_000,
        ),
        "tool-osx": build_package(
            name="tool", subdir="osx-arm64", build="h34_1", build_number=1, depends=["base >=2024"]
        ),
        "old": build_package(name="old-thing", version="1!0.5", subdir="linux-64", extension="tar.bz2"),
    }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """An upstream, a home and workspaces, all below `directory`."""

    directory: Path
    root: Path
    """What the upstream serves: `<root>/<channel>/<subdir>/<file>`."""
    upstream: Upstream

    @property
    def requests(self) -> list[Request]:
        """Everything that the upstream was asked so far."""
        return self.upstream.requests

    @property
    def home(self) -> Path:
        """The user's home; the shared cache is below it, too."""
        return self.directory / "home"

    @property
    def mirror(self) -> Path:
        """Where `update` writes by default, seen from `directory`."""
        return self.directory / "mirror"

    @property
    def authority_path(self) -> str:
        """The directory of a mirror that stands for the upstream's host and port."""
        return self.upstream.authority.replace(":", "_")

    def publish(self, package: BuiltPackage, *, channel: str = CHANNEL, base: str | None = None) -> CondaLockEntry:
        """Lay a package out at the upstream; the entry is what a lock says of it, its URL below `base`."""
        place = f"{channel}/{package.record['subdir']}/{package.file_name}"
        path = self.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(package.data)
        return CondaLockEntry(url=f"{(base or self.upstream.url).rstrip('/')}/{place}", record=package.record)

    def lock(
        self,
        directory: Path | str,
        *,
        environments: Mapping[str, Mapping[str, Iterable[LockEntry]]],
        version: Literal[6, 7] = 6,
        channels: Iterable[str] | None = None,
        indexes: Iterable[str] = (),
        platforms: Iterable[LockPlatform] = (),
    ) -> Path:
        """Write a workspace (`pixi.toml`, `pixi.lock`) below the world's directory; the path of the lock.

        Args:
            directory: Of the workspace.
            environments: Name -> platform -> what is installed there.
            version: Of the lock.
            channels: URLs, the same for all environments; None: those that the entries come from.
            indexes: PyPI index URLs.
            platforms: Those that are no plain subdir.
        """
        cells = {name: {each: tuple(cell) for each, cell in of.items()} for name, of in environments.items()}
        named = list(channels) if channels is not None else _channels(cells)
        description = LockDescription(
            version=version,
            platforms=tuple(platforms),
            environments={
                name: LockEnvironment(channels=tuple(named), packages=of, indexes=tuple(indexes))
                for name, of in cells.items()
            },
        )
        workspace = self.directory / directory
        workspace.mkdir(parents=True, exist_ok=True)
        manifest = manifest_text(description, name=workspace.name)
        (workspace / "pixi.toml").write_text(manifest, encoding="utf-8", newline="\n")
        (workspace / "pixi.lock").write_text(lock_text(description), encoding="utf-8", newline="\n")
        return workspace / "pixi.lock"

    def workspace(self, directory: Path | str = "workspace", *, version: Literal[6, 7] = 6) -> Path:
        """Publish the small packages and lock `default` (linux-64, osx-arm64) and `prod` (linux-64) to them."""
        entry = {name: self.publish(package) for name, package in small_packages().items()}
        tool, base = entry["tool-linux"], entry["base"]
        environments = {
            "default": {
                "linux-64": [tool, base, entry["pure"], entry["old"]],
                "osx-arm64": [entry["tool-osx"], base],
            },
            "prod": {"linux-64": [tool, base, entry["pure"]]},
        }
        return self.lock(directory, environments=environments, version=version)

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of the user."""
        return user_environment(self.home)

    def run(self, *args: object, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Completed:
        """Run `pixi-mirror` with `args`, with `env` on top of the user's environment, from `cwd` or the directory."""
        return program.run([*args], env=self.environment | dict(env or {}), cwd=cwd or self.directory)

    def run_json(self, *args: object, status: int = 0, **options: Mapping[str, str] | Path | None) -> dict:
        """Run it with `--json` and give the object, having seen that it ended with `status`."""
        done = self.run(*args, "--json", **options)
        assert done.status == status, f"ended with {done.status} instead of {status}:\n{done.stdout}\n{done.stderr}"
        return done.json


def _channels(cells: Mapping[str, Mapping[str, Iterable[LockEntry]]]) -> list[str]:
    entries = [entry for of in cells.values() for cell in of.values() for entry in cell]
    urls = [entry.url.rsplit("/", 2)[0] + "/" for entry in entries if isinstance(entry, CondaLockEntry)]
    return list(dict.fromkeys(urls))
