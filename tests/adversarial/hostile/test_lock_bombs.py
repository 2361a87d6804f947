"""Locks that were made to do harm: refused with status 3 after little work and below 300 MB, by the whole program."""

import os
import sys

import pytest
from harness.examples import examples
from harness.several import run_several
from hypothesis import given, settings
from hypothesis import strategies as st

from pixi_mirror.commands.text import plain

CALLS = 20_000
"""Function calls of a run. `pixi-mirror --lock` makes 3,000 until it opens the lock."""
BYTES = 300_000_000
HEAD = (
    b"version: 6\nenvironments:\n  default:\n    channels: [{url: https://conda.anaconda.org/conda-forge/}]\n"
    b"    packages: "
)


def aliases():
    lines = [b"a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    return b"\n".join(
        lines + [b"a%d: &a%d [%s]" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 10)]
    )  # fmt: skip


BOMBS = {
    "aliases 9^10": aliases(),
    "merge keys 30 deep": b"".join(b"m%d: &m%d\n  <<: *m%d\n" % (n, n, n - 1) for n in range(1, 31)),
    "a million brackets": b"[" * 1_000_000,
    "a million brackets in a lock": HEAD + b"[" * 1_000_000,
    "a million dashes": b"- " * 1_000_000,
    "2000 levels": b"".join(b" " * n + b"a:\n" for n in range(2000)),
    "duplicate keys": HEAD + b"{linux-64: [], linux-64: []}\n",
    "a million duplicate keys": b"a: 1\n" * 1_000_000,
    "a python object": b"a: !!python/object/apply:os.system [touch pwned]\n",
    "a python name": b"a: !!python/name:os.system\n",
    "NULs": b"version: 6\n\0\n",
    "ten million NULs": b"\0" * 10_000_000,
    "a byte order mark": b"\xef\xbb\xbf" + HEAD,
    "UTF-16": HEAD.decode().encode("utf-16"),
    "invalid UTF-8": HEAD + b"\xff\xfe",
    "half a character": HEAD + b'{linux-64: [{conda: "\\ud800"}]}\npackages: []\n',
    "cut": HEAD + b"{linux-64: [{conda: 'https",
    "conflict markers": b"version: 6\n<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> b\n",
    "many documents": b"---\na: 1\n" * 100_000,
    "many values": HEAD + b"[" + b"," * 5_000_000,
    "an open quote": b'a: "' + b"x" * 20_000_000,
    "a version without end": b"version: " + b"9" * 1_000_000 + b"\n",
    "control characters": HEAD + b'{linux-64: [{conda: "\\e]0;title\\a\\e[2J"}]}\npackages: []\n',
}


def refused(world, paths):
    """Fail unless a run over each of these locks is refused as it must be."""
    lines = [["--lock", path, "-o", f"m{number}"] for number, path in enumerate(paths)]
    runs = run_several(lines, env=world.environment, cwd=world.directory, count_calls=True)
    for path, done in zip(paths, runs, strict=True):
        assert done.status == 3, (path, done.stdout[-500:], done.stderr[-2000:])
        assert "Traceback" not in done.stderr, path
        assert done.calls < CALLS, (path, done.calls)
        assert done.peak < BYTES, (path, done.peak)
        assert str(path.parent) in done.stderr or "/dev/zero" in done.stderr, done.stderr[:500]
        assert len(done.stderr) < 2000 + len(str(path)), path
        assert plain(done.stderr) == done.stderr, (path, done.stderr)
    assert world.requests == []
    assert not list(world.directory.rglob("pwned"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much memory it took")
def test_bombs_end_with_status_3_after_little_work_and_in_little_memory(world):
    paths = []
    for name, data in sorted(BOMBS.items(), key=lambda each: len(each[1])):
        paths.append(world.directory / name.replace(" ", "-") / "pixi.lock")
        paths[-1].parent.mkdir()
        paths[-1].write_bytes(data)
    refused(world, paths)


@pytest.mark.skipif(sys.platform != "linux", reason="files of Linux")
def test_what_is_no_file_of_a_lock_size_ends_with_status_3_too(world):
    """A checkout can hold such links, and somebody's disk the rest."""
    kinds = ("zero", "fifo", "directory", "loop", "gigabyte", "gone")
    paths = [world.directory / kind / "pixi.lock" for kind in kinds]
    for path in paths:
        path.parent.mkdir()
    zero, fifo, directory, loop, gigabyte, gone = paths
    zero.symlink_to("/dev/zero")
    os.mkfifo(fifo)
    directory.mkdir()
    loop.symlink_to(loop)
    with gigabyte.open("wb") as file:
        file.truncate(1 << 30)
    gone.symlink_to("nowhere")
    refused(world, [gone, loop, directory, fifo, gigabyte, zero])


@settings(max_examples=examples(50))
@given(st.text(max_size=40))
def test_what_is_told_neither_commands_a_terminal_nor_breaks_its_encoding(text):
    told = plain(text)
    told.encode()
    assert not {"\x1b", "\x9b", "\r", "\b", "\u202e", "\ud800"} & set(told)
    assert plain(told) == told
