"""Make sure that marked tests have run: a mark of which no test passed is a failure of the whole run.

    pytest -m "strace or s3" --must-run "strace s3"

Tests of real tools are skipped where the tool is missing. Whoever has the tools, such as CI, says so with `--must-run`,
so that no test is skipped there unnoticed.
"""

from collections import Counter
from collections.abc import Iterator

import pytest

_MARKS = "marks"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the option."""
    parser.addoption("--must-run", default="", metavar="MARKS", help="fail unless a test of each of these marks passed")


def pytest_configure(config: pytest.Config) -> None:
    """Begin to count, in the process that hears of every test."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Count(config.getoption("--must-run").split()), "harness-marks")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Have each report say the marks of its test; `keywords` also has the names of folders."""
    report = yield
    setattr(report, _MARKS, [mark.name for mark in item.iter_markers()])
    return report


class _Count:
    """Counts the tests that passed, by mark."""

    def __init__(self, required: list[str]) -> None:
        self._required = required
        self._passed: Counter[str] = Counter()

    @property
    def _missing(self) -> list[str]:
        return [mark for mark in self._required if not self._passed[mark]]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self._passed.update(set(getattr(report, _MARKS, ())))

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if self._missing and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._required:
            return
        terminalreporter.section("tests that had to run")
        for mark in self._required:
            number = self._passed[mark]
            terminalreporter.line(f"{mark}: {number} passed" if number else f"{mark}: NONE passed, which is a failure")
