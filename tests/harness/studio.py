"""A workspace of which both the stub and a lock know, and a user who has the stub on PATH."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from harness.child import Completed
from harness.stub_pixi import StubPixi, info_of, rows_of
from harness.world import World, small_packages

from pixi_mirror.lockfile.writer import LockEntry, LockPlatform


@dataclass(kw_only=True)
class Studio:
    """A world with a pixi in it."""

    world: World
    stub: StubPixi
    entries: dict[str, LockEntry] = field(default_factory=dict)

    def environments(self) -> dict[str, dict[str, list[LockEntry]]]:
        """What the standard workspace locks: name -> platform -> entries."""
        if not self.entries:
            self.entries = {name: self.world.publish(package) for name, package in small_packages().items()}
        entry = self.entries
        return {
            "default": {
                "linux-64": [entry["tool-linux"], entry["base"], entry["pure"], entry["old"]],
                "osx-arm64": [entry["tool-osx"], entry["base"]],
            },
            "prod": {"linux-64": [entry["tool-linux"], entry["base"], entry["pure"]]},
        }

    def workspace(
        self,
        name: str = "workspace",
        *,
        environments: Mapping[str, Mapping[str, Iterable[LockEntry]]] | None = None,
        info: Mapping | None = None,
        platforms: Iterable[LockPlatform] = (),
        called: Mapping[str, str] | None = None,
        **answers,
    ) -> Path:
        """Write a workspace that the stub knows, too; its directory.

        Args:
            name: Of the directory.
            environments: None: the standard ones.
            info: What pixi says; None: what the lock says.
            platforms: Those that are no plain subdir.
            called: Platform in the lock -> in the manifest, where the two differ.
            answers: As `StubPixi.knows` takes them.
        """
        environments = self.environments() if environments is None else environments
        channels = [f"{self.world.upstream.url}/conda-forge"]
        self.world.lock(name, environments=environments, platforms=platforms, version=7, channels=channels)
        directory = self.world.directory / name
        manifest = directory / "pixi.toml"
        told = {env: [(called or {}).get(each, each) for each in cells] for env, cells in environments.items()}
        lists = {
            f"{env} {(called or {}).get(each, each)}": rows_of(entries)
            for env, cells in environments.items()
            for each, entries in cells.items()
        }
        self.stub.knows(manifest, info=info or info_of(manifest, told), lists=lists, **answers)
        return directory

    def run(self, *args: object, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Completed:
        """Run `pixi-mirror` with the stub on PATH, writing to the world's mirror."""
        environ = self.stub.environ({**self.world.environment, **(env or {})})
        return self.world.run(*args, "-o", self.world.mirror, cwd=cwd, env=environ)

    def done(self, *args: object, status: int = 0, **options) -> Completed:
        """Run it and see that it ends so."""
        done = self.run(*args, **options)
        assert done.status == status, f"ended with {done.status} instead of {status}:\n{done.stdout}\n{done.stderr}"
        return done

    @property
    def packages(self) -> set[str]:
        """File names of the packages in the mirror."""
        found = self.world.mirror.rglob("*") if self.world.mirror.exists() else ()
        return {path.name for path in found if path.name.endswith((".conda", ".tar.bz2"))}


@pytest.fixture
def studio(world: World, tmp_path: Path) -> Studio:
    """A world with a stub for pixi on its user's PATH."""
    return Studio(world=world, stub=StubPixi(tmp_path / "pixi-bin"))
