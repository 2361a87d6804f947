"""A run that is told to stop stops at once, says so in its status, and the next goes on where it was."""

import signal

import pytest
from harness.world import small_packages
from harness.writers import ended, stalled, started


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_stalled_download_and_the_next_run_resumes_it(world, sent, status):
    process, path = stalled(world)
    partial = world.home / "cache" / "partial" / small_packages()["tool-linux"].record["sha256"]
    while not (partial.exists() and partial.stat().st_size):
        assert process.poll() is None
    process.send_signal(sent)
    found, stderr = ended(process)
    assert found == status, stderr
    assert "Traceback" not in stderr
    world.upstream.forget_requests()
    found, stderr = ended(started(world))
    assert found == 0, stderr
    (request,) = world.upstream.requests_to(path)
    assert (request.range or "").startswith("bytes=")
