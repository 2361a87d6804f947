"""Each real uploader brings its files to a mirror that asks for a token, over http and over TLS, and may try again."""

import importlib.util

import pytest
from harness.certificates import make_certificates
from harness.hosting import Host
from harness.serving import served
from harness.upload_tools import TOOLS, Target, program

pytestmark = pytest.mark.upload_tools

OF_RATTLER_BUILD = ("quetz", "artifactory", "prefix")


@pytest.fixture
def host(world):
    host = Host(world)
    host.add()
    return host


@pytest.fixture
def token(world, host):
    return world.run("users", "add", "ci", "--token", "--upload", "team", "--file", "users").stdout.strip()


@pytest.fixture(params=["http", "https"])
def target(request, world, host, token, tmp_path):
    ca, words = None, ("--users", world.directory / "users", "--hosted", "team")
    if request.param == "https":
        made = make_certificates(tmp_path)
        ca, words = made.ca, (*words, "--tls-cert", made.server, "--tls-key", made.key)
    folder = tmp_path / "tool"
    folder.mkdir()
    with served(host.mirror, *words, env=world.environment) as url:
        yield Target(url=url, token=token, ca=ca, folder=folder)


@pytest.mark.parametrize("name", TOOLS)
def test_an_upload_is_stored_and_may_be_sent_again(name, target, host):
    if importlib.util.find_spec("rattler_build") is None if name in OF_RATTLER_BUILD else not program(name):
        pytest.skip(f"{name} is not on this machine")
    for _ in range(2):
        done = TOOLS[name](target)
        assert done.status == 0, done.stdout + done.stderr
    stored = [path.name for path in (host.mirror / "team").rglob(f"from_{name}-*") if path.suffix != ".metadata"]
    assert len(stored) == (1 if name == "curl" or name in OF_RATTLER_BUILD else 2)
    assert host.directly.verify().left == ()
