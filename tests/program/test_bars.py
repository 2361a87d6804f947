"""Bars are as long as their shares, fit the terminal, and are drawn on a terminal alone."""

import os
import pty
import subprocess
import sys
from itertools import chain

import pytest
from harness.child import ROOT

from pixi_mirror.commands.bars import bar_lines


def lines(*sizes, columns=80, encoding="utf-8"):
    return list(bar_lines("space", sizes, columns=columns, encoding=encoding))


def test_the_largest_is_first_and_the_others_are_as_long_as_their_shares():
    title, *rows = lines(("small", 250), ("large", 1000), ("half", 500))
    assert title == "space:"
    assert [row.split()[0] for row in rows] == ["large", "half", "small"]
    assert [row.count("█") for row in rows] == [40, 20, 10]
    assert rows[0].split()[1:3] == ["1.0", "kB"]


def test_what_is_there_is_seen_however_small_and_what_is_empty_is_not():
    *_, tiny = lines(("large", 10**9), ("tiny", 1))
    assert tiny.endswith("▏")
    assert lines(("none", 0)) == []
    assert lines() == []


def test_a_terminal_without_blocks_gets_plain_letters():
    rows = lines(("a", 2), ("b", 1), encoding="latin-1")
    assert [row.count("#") for row in rows[1:]] == [40, 20]
    assert all(row.isascii() for row in lines(("a", 2), encoding=None))


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_no_line_is_longer_than_the_terminal(columns):
    found = lines(("https://conda.example/" + "x" * 90 + "/end", 5), ("a", 1), ("\u5927" * 60, 3), columns=columns)
    assert all(len(row) + row.count("\u5927") <= max(columns, 30) for row in found)
    assert "end" in "".join(found)


def test_of_many_the_largest_are_shown_and_the_rest_is_counted():
    rows = lines(*((f"n{number}", 100 + number) for number in range(30)))
    assert len(rows) == 14
    assert rows[1].split()[0] == "n29"
    assert rows[-1] == "  and 18 more"


@pytest.fixture
def mirrored(world):
    world.workspace()
    assert world.run("update", "--lock", "workspace/pixi.lock", "-e", "prod").status == 0
    return world


def test_status_draws_them_on_a_terminal_and_not_into_a_pipe(mirrored):
    command = [sys.executable, "-m", "pixi_mirror", "status", str(mirrored.mirror)]
    environment = {**mirrored.environment, "PYTHONIOENCODING": "utf-8", "COLUMNS": "100", "PYTHONPATH": str(ROOT)}
    piped = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert "space by" not in piped
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, env=environment, stdout=theirs) as process:
        os.close(theirs)
        shown = b"".join(chain.from_iterable(iter(lambda: _read(ours), []))).decode().replace("\r\n", "\n")
        assert process.wait() == 0
    os.close(ours)
    assert shown.startswith(piped)
    bars = shown.removeprefix(piped)
    assert "space by environment:\n  prod of workspace" in bars
    assert "space by channel and index:\n" in bars
    assert "█" in bars


def _read(descriptor):
    try:
        data = os.read(descriptor, 4096)
    except OSError:  # the other end is closed
        return []
    return [data] if data else []
