"""A mark of which nothing ran fails the run that says it must, by its name; with several processes, too."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from harness.child import ROOT
from harness.marks import _Count

TESTS = """
import pytest

@pytest.mark.here
def test_passes():
    pass

@pytest.mark.absent
def test_is_skipped():
    pytest.skip("its tool is missing")

@pytest.mark.absent
@pytest.mark.xfail
def test_fails():
    assert False
"""


def test_a_mark_of_which_nothing_passed_fails_a_run_of_several_processes_and_is_named(tmp_path):
    folder = tmp_path / "browser"  # a folder that is called like a mark is none
    folder.mkdir()
    (folder / "test_few.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    here\n    absent\n    browser\n")
    plugins = [word for name in ("harness.marks", "no:cacheprovider", "no:hypothesispytest") for word in ("-p", name)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "-n", "1", "--must-run", "here absent browser", folder],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT / "tests")}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout
    assert "here: 1 passed" in done.stdout
    assert "absent: NONE passed" in done.stdout
    assert "browser: NONE passed" in done.stdout


@pytest.mark.parametrize(
    ("required", "ended", "becomes"), [("here", 0, 0), ("here absent", 0, 1), ("absent", 5, 1), ("", 5, 5), ("", 0, 0)]
)
def test_a_run_fails_for_want_of_a_mark_alone(required, ended, becomes):
    count = _Count(required.split())
    count.pytest_runtest_logreport(SimpleNamespace(when="call", passed=True, marks=["here", "here"]))
    count.pytest_runtest_logreport(SimpleNamespace(when="setup", passed=True, marks=["absent"]))
    count.pytest_runtest_logreport(SimpleNamespace(when="call", passed=False, marks=["absent"]))
    session = SimpleNamespace(exitstatus=ended)
    count.pytest_sessionfinish(session, ended)
    assert session.exitstatus == becomes
