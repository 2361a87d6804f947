"""docs/running.md says what is so: its units are units, its words are options, and clients trust its certificates."""

import re
import shutil
import subprocess

import pytest
from harness import program
from harness.child import ROOT, run_program, user_environment
from harness.python_index import PythonIndex
from harness.python_tools import PythonTools, uv_program
from harness.serving import running
from harness.world import small_packages

from pixi_mirror.demo.distributions import build_wheel

pytestmark = pytest.mark.python_tools

RUNNING = (ROOT / "docs" / "running.md").read_text(encoding="utf-8")
UNITS = dict(re.findall(r"`/etc/systemd/system/([^`]+)`:\n\n```ini\n(.*?)```", RUNNING, flags=re.DOTALL))
PROGRAM = "/opt/pixi-mirror/bin/pixi-mirror"


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("needs systemd-analyze")
    assert len(UNITS) >= 5
    for name, text in UNITS.items():
        (tmp_path / name).write_text(text.replace(PROGRAM, "/bin/true"), encoding="utf-8")
    words = (analyze, "verify", "--man=no", *sorted(tmp_path.iterdir()))
    done = run_program(*words, env=user_environment(tmp_path / "home"), cwd=tmp_path)
    assert [line for line in done.stderr.splitlines() if "pixi-mirror" in line] == []


@pytest.mark.parametrize("name", sorted(name for name, text in UNITS.items() if PROGRAM in text))
def test_every_service_is_one_users_and_each_timer_can_be_enabled(name):
    assert "\nUser=mirror\n" in UNITS[name]
    timer = name.replace(".service", ".timer")
    assert "\n[Install]\n" in UNITS.get(timer, UNITS[name])


def test_every_option_in_the_units_and_the_crontab_is_one_of_that_verb(tmp_path):
    lines = re.findall(rf"{PROGRAM} (\w+)((?: [^\n&|>]+)*)", RUNNING)
    assert {verb for verb, _ in lines} >= {"update", "prune", "verify", "serve"}
    env = user_environment(tmp_path / "home")
    helps = {verb: program.run([verb, "--help"], env=env, cwd=tmp_path).stdout for verb, _ in lines}
    for verb, words in lines:
        for option in re.findall(r"(?<=\s)--?[a-z][a-z-]*", words.partition("#")[0]):
            assert re.search(rf"(?<![\w-]){option}(?![\w-])", helps[verb]), (verb, option)


@pytest.fixture
def certificates(tmp_path):
    """The folder in which the four lines of the page were run, for this machine's own name."""
    folder = tmp_path / "certificates"
    folder.mkdir()
    (block,) = re.findall(r"```sh\n(openssl req -x509.*?)```", RUNNING, flags=re.DOTALL)
    assert block.count("\n") == 4
    lines = block.replace("DNS:mirror.lan", "DNS:localhost")
    done = subprocess.run(
        ["bash", "-e"], input=lines, text=True, cwd=folder, capture_output=True, timeout=60, check=False
    )
    if "unknown option" in done.stderr.lower() or "command not found" in done.stderr:
        pytest.skip("needs OpenSSL 3")
    assert done.returncode == 0, done.stderr
    return folder


def test_curl_pip_and_uv_trust_the_certificates_once_they_know_the_authority(world, tmp_path, certificates):
    if not uv_program().exists() or shutil.which("curl") is None:
        pytest.skip("needs curl and uv")
    index = PythonIndex(world)
    entry = index.publish(build_wheel(name="thing", version="1.0"), name="thing", version="1.0")
    conda = world.publish(small_packages()["base"])
    world.lock("workspace", environments={"default": {"linux-64": [conda, entry]}}, indexes=[index.url], version=7)
    assert world.run("--lock", "workspace/pixi.lock").status == 0
    tools = PythonTools(directory=tmp_path)
    authority = str(certificates / "ca.pem")
    tls = ("--tls-cert", certificates / "mirror.pem", "--tls-key", certificates / "mirror.key")
    with running(world.mirror, "--port", "0", *tls, "--access-log", "none", env=world.environment) as server:
        url = re.sub(r"//[\d.]+", "//localhost", server.url)
        for known in (True, False):
            curl = ("curl", "-fsS", *(["--cacert", authority] if known else []), f"{url}/-/health")
            assert (run_program(*curl, env=user_environment(tmp_path / "home"), cwd=tmp_path).status == 0) is known
            options = ("--index-url", f"{url}/simple/", "thing", "--no-deps", "--target", tmp_path / f"pip-{known}")
            pip = tools.pip("install", *(["--cert", authority] if known else []), *options)
            assert (pip.status == 0) is known, pip.stderr
            options = ("--default-index", f"{url}/simple/", "thing", "--target", tmp_path / f"uv-{known}")
            uv = tools.uv("install", *options, env={"SSL_CERT_FILE": authority} if known else {})
            assert (uv.status == 0) is known, uv.stderr
    assert (tmp_path / "uv-True").is_dir()
