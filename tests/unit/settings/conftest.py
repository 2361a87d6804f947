"""A user with a home, a workspace and a system folder of their own, and no keyring."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pixi_mirror.model.network import Settings
from pixi_mirror.settings.read import NetworkOptions, read_settings


@dataclass(frozen=True, kw_only=True)
class User:
    root: Path
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def workspace(self) -> Path:
        return self.root / "ws"

    @property
    def system(self) -> Path:
        return self.root / "etc"

    def write(self, name: str, text: str) -> Path:
        """Write a file below the root."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def settings(self, *, platform: str = "linux", workspace: bool = True, **options: object) -> Settings:
        return read_settings(
            environ=self.environ,
            workspace=self.workspace if workspace else None,
            home=self.home,
            options=NetworkOptions(**options),  # type: ignore[arg-type]
            platform=platform,
            system=self.system,
        )

    def sources(self, **arguments: object) -> list[str]:
        """The files read, relative to the root, the highest first."""
        found = self.settings(**arguments).sources  # type: ignore[arg-type]
        return [Path(source).relative_to(self.root).as_posix() for source in found]

    def mirrors(self, **arguments: object) -> Mapping[str, tuple[str, ...]]:
        return self.settings(**arguments).network.mirrors  # type: ignore[arg-type]


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> User:
    # None makes `import keyring` fail, so that no test asks the keyring of whoever runs it.
    monkeypatch.setitem(sys.modules, "keyring", None)
    return User(root=tmp_path)
