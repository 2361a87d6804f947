"""What the conda package, the tasks and the documents about them are held to."""

import tomllib
from typing import Any

import pytest
from harness.child import ROOT


@pytest.fixture(scope="session")
def manifest() -> dict[str, Any]:
    """`pixi.toml` at the top level."""
    return tomllib.loads((ROOT / "pixi.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def project() -> dict[str, Any]:
    """The table `project` of `pyproject.toml`."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
