"""A machine that gives no more threads: the server goes on with those that it has, and says so if it has none."""

import resource
import subprocess
import sys
import threading

import pytest
from harness.serving import Server as Running
from serving import Client, written

_FEW_THREADS = """
import resource, sys, threading
from pixi_mirror.commands.program import main
import pixi_mirror.commands.serve, pixi_mirror.serve.run, pixi_mirror.http.origins  # what is imported is there
with open("/proc/self/statm", encoding="ascii") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
threading.stack_size(1 << 30)  # so that the address space ends long before the memory does
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv.pop(1)) * (1 << 30) + (1 << 29),) * 2)
main()
"""

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits its own address space")


def start(world, threads):
    words = [sys.executable, "-c", _FEW_THREADS, str(threads), "serve", "mirror", "--port", "0"]
    return subprocess.Popen(
        words, cwd=world.directory, env=world.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_without_threads_for_all_they_are_served_one_after_the_other(world):
    data = b"x" * 100_000
    written(world.mirror, {"c/noarch/x-1-0.conda": data}, {})
    with start(world, 4) as process:  # one writes the log, one accepts: two are left for connections
        server = Running(process=process, url=process.stdout.readline().strip())
        assert server.url, process.stderr.read()
        replies = []

        def ask():
            with Client(server.url) as client:
                replies.append(client.ask("/c/noarch/x-1-0.conda"))

        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        process.terminate()
        assert server.end() == 143
    assert [(reply.status, reply.body) for reply in replies] == [(200, data)] * 20
    assert "Traceback" not in server.stderr


@pytest.mark.parametrize("threads", [0, 1])
def test_without_any_thread_it_ends_with_a_sentence(world, threads):
    written(world.mirror, {}, {})
    with start(world, threads) as process:
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (8, "")
    assert "no thread" in stderr
    assert "Traceback" not in stderr
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY
