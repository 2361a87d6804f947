"""A `conda.lock` of conda-workspaces is read, and a wheel in a conda channel is called what it is."""

import pytest

from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.mirrorable import missing_archive
from pixi_mirror.lockfile.reader import read_lock

SHA256 = "f" * 64
CONDA_LOCK = f"""\
version: 1
environments:
  default:
    channels:
    - url: https://conda.anaconda.org/conda-forge/
    packages:
      linux-64:
      - conda: https://conda.anaconda.org/conda-forge/noarch/a-1.0-pyh0_1.conda
packages:
- conda: https://conda.anaconda.org/conda-forge/noarch/a-1.0-pyh0_1.conda
  sha256: {SHA256}
  depends:
  - python >=3.9
  size: 12
"""


def test_a_conda_lock_has_the_shape_of_a_pixi_lock_of_version_6():
    lock = read_lock(CONDA_LOCK.encode(), name="conda.lock")
    assert lock == read_lock(CONDA_LOCK.replace("version: 1", "version: 6", 1).encode(), name="pixi.lock")
    (found,) = lock.environments["default"].packages["linux-64"]
    assert (found.record["name"], found.record["build_number"], found.record["noarch"]) == ("a", 1, "python")


def test_another_version_of_it_is_none_that_is_known():
    with pytest.raises(WorkspaceError, match="has the lock format version 99"):
        read_lock(CONDA_LOCK.replace("version: 1", "version: 99", 1).encode(), name="conda.lock")


@pytest.mark.parametrize("version", [6, 7])
@pytest.mark.parametrize("fields", ["", '  name: thing\n  version: "1.0"\n  build: py3_0\n'])
def test_a_wheel_in_a_conda_channel_is_named_as_one(version, fields):
    url = "https://chan.example/ch/noarch/thing-1.0-py3-none-any.whl"
    platforms = "platforms:\n- name: linux-64\n" if version > 6 else ""
    text = (
        f"version: {version}\n{platforms}environments:\n  default:\n    channels:\n    - url: https://chan.example/ch/\n"
        f"    packages:\n      linux-64:\n      - conda: {url}\npackages:\n- conda: {url}\n{fields}  sha256: {SHA256}\n"
    )
    (found,) = read_lock(text.encode(), name="x").environments["default"].packages["linux-64"]
    assert (found.record["name"], found.record["version"]) == ("thing", "1.0")
    assert "a wheel in a conda channel" in missing_archive(found)
