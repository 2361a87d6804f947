"""The table of lock versions decides how a lock is read."""

import pytest

from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile import reader, versions
from pixi_mirror.lockfile.reader import read_lock
from pixi_mirror.lockfile.versions import VERSIONS


def lock(number: int) -> bytes:
    """A lock spelled as version 7 has it, under any number."""
    text = """version: NUMBER
platforms:
- name: p1
  subdir: linux-64
environments:
  default:
    channels:
    - url: https://h.example/c/
    packages:
      p1:
      - conda: https://h.example/c/linux-64/a-1.0-0.conda
packages:
- conda: https://h.example/c/linux-64/a-1.0-0.conda
  run_exports:
    weak: [a >=1]
"""
    return text.replace("NUMBER", str(number)).encode()


def test_the_numbers_are_those_that_pixi_has_written():
    assert [*VERSIONS] == [1, 2, 3, 4, 5, 6, 7]
    assert all(number == version.number for number, version in VERSIONS.items())


@pytest.mark.parametrize("number", [0, 8, 99])
def test_a_version_that_is_not_in_the_table_is_refused_with_what_is(number):
    with pytest.raises(WorkspaceError, match=f"version {number}") as caught:
        read_lock(lock(number), name="pixi.lock")
    assert number == 0 or "reads 1 to 7" in str(caught.value)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6])
def test_what_only_version_7_has_is_refused_or_ignored_by_older_ones(number):
    with pytest.raises(WorkspaceError):
        read_lock(lock(number), name="pixi.lock")


def test_a_row_is_all_that_a_version_needs_which_spells_nothing_in_a_new_way(monkeypatch):
    from dataclasses import replace

    table = {**VERSIONS, 8: replace(VERSIONS[7], number=8)}
    monkeypatch.setattr(versions, "VERSIONS", table)
    monkeypatch.setattr(reader, "VERSIONS", table)
    found = read_lock(lock(8), name="pixi.lock")
    same = read_lock(lock(7), name="pixi.lock")
    assert found.version == 8
    assert found.environments == same.environments
