"""What a resolver is never handed; the real uv and pip are run by `real_tools/python/test_building.py`."""

import pytest

from pixi_mirror.errors import ProgramError
from pixi_mirror.pypi.build_requirements import ResolutionRequest, resolve_wheels


@pytest.mark.parametrize("line", ["--index-url=https://h.example", "-e .", "a @ https://h.example/a.whl", "a # b", ""])
def test_a_line_that_could_run_something_is_refused_before_any_program_runs(line):
    request = ResolutionRequest(
        requirements=("a", line), indexes=("https://h.example",), python="3.12", subdir="win-64"
    )
    with pytest.raises(ProgramError, match="neither uv nor pip is asked for it") as caught:
        resolve_wheels(request, {})  # with no environment, a program would not even be found
    assert repr(line) in str(caught.value)
