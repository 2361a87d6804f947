"""What every test can ask for, and what is asked of every test: a true mirror left behind, and no network."""

import gc
import ipaddress
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import oracle, unsynced
from harness.examples import load_sample
from harness.indexing import indexed  # noqa: F401 - pytest finds these here
from harness.marks import pytest_addoption, pytest_configure, pytest_runtest_makereport  # noqa: F401
from harness.saying import pytest_terminal_summary, said  # noqa: F401
from harness.sources import manifest, project  # noqa: F401
from harness.studio import studio  # noqa: F401
from harness.upstream import Upstream
from harness.world import World

_MARKS_OF_A_MIRROR = {"pixi-mirror.json", oracle.PRIVATE}


def _refuse_the_network(event: str, arguments: tuple) -> None:
    """Fail whatever connects to another machine; what is started besides us, CI starts without a route."""
    if event != "socket.connect" or arguments[0].family not in (socket.AF_INET, socket.AF_INET6):
        return
    host = arguments[1][0]
    try:
        is_here = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_here = host == "localhost"
    if not is_here:
        pytest.fail(f"a test connects to {host}: tests have no network but loopback")


sys.addaudithook(_refuse_the_network)

# A shell that starts the tests in the background lets them ignore Ctrl-C, and every program that a test starts, too.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
unsynced.install()
load_sample()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[object]:
    """Look for no garbage among the tests: each worker collects all of them, and keeps them to its end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A small true world: an upstream on loopback, and a user with an empty home."""
    root = tmp_path / "upstream"
    root.mkdir()
    with Upstream(root=root) as upstream:
        yield World(directory=tmp_path, root=root, upstream=upstream)


@pytest.fixture(autouse=True)
def mirrors_left_behind_are_true(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have the oracle judge every mirror that a test leaves, unless the test broke it on purpose and says why."""
    excuse = request.node.get_closest_marker("broken_mirror")
    if excuse is not None and not (excuse.args and excuse.args[0]):
        pytest.fail("the marker `broken_mirror` needs a reason: what did the test break, and why?")
    if excuse is not None or "tmp_path" not in request.fixturenames:
        yield
        return
    directory = request.getfixturevalue("tmp_path")
    yield
    wrong = [f"{mirror.name}/{each}" for mirror in _mirrors(directory) for each in oracle.problems(mirror)]
    if wrong:
        pytest.fail("the test left a mirror that is not true:\n" + "\n".join(wrong), pytrace=False)


def _mirrors(directory: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(directory):
        if _MARKS_OF_A_MIRROR & {*folders, *files}:
            folders.clear()
            yield Path(folder)
