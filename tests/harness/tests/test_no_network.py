"""Tests have no network but loopback: this process by a guard, CI's by a namespace."""

import re
import socket
import subprocess
import sys

import pytest
from harness.child import ROOT

LAUNCHER = ROOT / "tests/harness/no_network.py"
LOOK = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    socket.create_connection(server.getsockname()).close()
try:
    socket.create_connection(("192.0.2.1", 9), timeout=5)
except OSError as error:
    print("loopback and", error.strerror)
"""


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1"])
def test_a_test_that_connects_to_another_machine_fails(host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as one, pytest.raises(pytest.fail.Exception, match="no network"):
        one.connect((host, 9))


def test_loopback_is_open():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces of Linux")
def test_a_program_that_is_started_without_a_network_has_loopback_and_no_route():
    done = subprocess.run(
        [sys.executable, LAUNCHER, sys.executable, "-c", LOOK], capture_output=True, text=True, check=False, timeout=60
    )
    if "makes no network namespaces" in done.stderr:
        pytest.skip("this machine makes no network namespaces")
    assert done.stdout == "loopback and Network is unreachable\n", done.stderr


def test_ci_runs_the_tests_without_a_network():
    lines = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    runs = [line for line in lines if re.search(r"\bpytest\b", line) and not line.startswith(("#", "say "))]
    assert len(runs) >= 2
    assert all("$offline pytest" in line for line in runs), runs
    assert [line for line in lines if line.startswith('offline="python tests/harness/no_network.py"')]
