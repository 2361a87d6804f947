"""A mark of which nothing ran fails the run that says it must, by its name; with several processes, too."""

import os
import subprocess
import sys

import pytest
from harness.child import ROOT

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


@pytest.fixture
def run(tmp_path):
    """Run a few tests in a folder that is called like a mark."""
    folder = tmp_path / "browser"
    folder.mkdir()
    (folder / "test_few.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    here\n    absent\n    browser\n")
    paths = os.pathsep.join([str(ROOT / "tests"), str(ROOT)])

    def pytest_run(*options):
        command = [sys.executable, "-m", "pytest", "-p", "harness.marks", "-p", "no:cacheprovider", *options, folder]
        return subprocess.run(
            command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, check=False
        )

    return pytest_run


def test_what_ran_is_counted(run):
    done = run("--must-run", "here")
    assert (done.returncode, "here: 1 passed" in done.stdout) == (0, True), done.stdout


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_mark_of_which_nothing_passed_fails_the_run_and_is_named(run, processes):
    done = run("--must-run", "here absent browser", "-n", processes)
    assert done.returncode == 1, done.stdout
    assert "here: 1 passed" in done.stdout
    assert "absent: NONE passed" in done.stdout
    assert "browser: NONE passed" in done.stdout, "a folder is no mark"


def test_no_test_at_all_is_a_failure(run):
    assert run("--must-run", "absent", "-m", "browser").returncode == 1
    assert run("-m", "browser").returncode == 5
