"""Programs that open many files at once get as many as the system lets the user have."""

import os
import subprocess
import sys

import pytest
from harness.child import python_environment

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such limit")

CHILD = """\
import resource, sys
from pathlib import Path
from pixi_mirror.process import many_open_files, run_program

hard = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 4096)
resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
ask = [sys.executable, "-c", "import resource; print(*resource.getrlimit(resource.RLIMIT_NOFILE))"]
def seen():
    return run_program(ask, cwd=Path.cwd(), environ={}, timeout_s=60).stdout.split()
with many_open_files():
    inside = seen()
print(inside == [str(hard)] * 2, seen() == ["128", str(hard)])
"""


def test_a_program_in_the_block_has_the_hard_limit_and_one_after_it_the_soft_one():
    done = subprocess.run(
        [sys.executable, "-c", CHILD], env=python_environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "True"]
