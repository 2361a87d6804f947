"""An indexer on PATH, fake or true, and a mirror that is updated with it."""

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from harness.world import World

FAKE = Path(__file__).with_name("fake_indexer.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """A world with an indexer."""

    world: World
    log: Path
    env: dict[str, str] = field(default_factory=dict)

    def update(self, *args: object, mood: str = "honest", version: str = "0.34", status: int = 0):
        """Update with the fake, and give what was said on stderr."""
        env = {**self.env, "INDEXER_MOOD": mood, "INDEXER_VERSION": version}
        done = self.world.run("update", "--index", "rattler-index", *args, env=env)
        assert done.status == status, done.stderr
        return done

    @property
    def runs(self) -> list[dict]:
        """Every time the fake was told to index."""
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def files(self, pattern: str) -> set[str]:
        """Names in the mirror's channel that match, below the subdir `linux-64`."""
        place = next(self.world.mirror.rglob("linux-64"))
        return {path.relative_to(place).as_posix() for path in place.glob(pattern)}


@pytest.fixture
def indexed(world: World, tmp_path: Path) -> Indexed:
    """A world whose PATH has the fake."""
    if sys.platform == "win32":
        pytest.skip("the fake is a script")
    programs = tmp_path / "programs"
    programs.mkdir()
    program = programs / "rattler-index"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{FAKE}" "$@"\n')
    program.chmod(0o755)
    log = tmp_path / "indexer.log"
    return Indexed(world=world, log=log, env={"PATH": f"{programs}{os.pathsep}{os.defpath}", "INDEXER_LOG": str(log)})
