"""What the tests with pip and uv have in common."""

import pytest
from harness.python_tools import PythonTools


@pytest.fixture
def tools(tmp_path):
    """pip and uv, which run in a folder of their own."""
    folder = tmp_path / "client"
    folder.mkdir()
    return PythonTools(directory=folder)
