"""Numbers that a test finds out, such as points tried and survivors, told at the end of the run, by xdist too."""

from collections.abc import Callable

import pytest

_KIND = "said"


@pytest.fixture
def said(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Tell these words at the end of the run."""

    def say(*words: object) -> None:
        request.node.user_properties.append((_KIND, " ".join(map(str, words))))

    return say


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was said, in the order of the tests."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)]
    told = {
        (report.nodeid, line): None
        for report in sorted(reports, key=lambda report: report.nodeid)
        for kind, line in report.user_properties
        if kind == _KIND
    }
    if told:
        terminalreporter.section("numbers")
        for _, line in told:
            terminalreporter.line(line)
