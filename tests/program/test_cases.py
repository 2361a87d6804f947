"""The reported cases, each as its README tells: what is served, what is run, and what is right.

The folders stand beside the repository, as the real locks do. What each shows is tested with inputs of the harness,
too: URLs in `test_odd_urls.py`, pages in `test_pypi_pages.py`, users and proxies in `test_credentials_in_locks.py`,
files of clients in `test_config_files.py`, solving in `test_solving.py`, packs in `test_pack.py` and `tests/unit/pack`.
"""

import os
import re
import shutil
import sys
import tomllib
from pathlib import Path

import pytest
from harness.child import run_program
from harness.corpus import CORPUS
from harness.examples import first
from harness.python_tools import StaticServer
from harness.unpacking import tree
from harness.world import World

from pixi_mirror.demo.packages import build_package
from pixi_mirror.environments.platform import own_subdir

CASES = CORPUS / "cases"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="no reported cases (PIXI_MIRROR_CORPUS)")
needs_linux = pytest.mark.skipif(own_subdir() != "linux-64", reason="the packages are for linux-64")
LINUX = ("-p", "linux-64")


def of(name):
    """Run a test in the copy of one folder."""
    return lambda test: needs_cases(pytest.mark.parametrize("case", [name], indirect=True)(test))


class Case:
    """A copy of one folder, whose files are served as long as the test runs."""

    def __init__(self, world: World, name: str, server: str) -> None:
        self.world = world
        self.path = world.directory / name
        for file in self.path.rglob("*"):
            if file.name in ("config.toml", "pixi.lock"):
                text = file.read_text(encoding="utf-8")
                file.write_text(re.sub(r"127\.0\.0\.1:8123", server.removeprefix("http://"), text), encoding="utf-8")

    def run(self, *words, status=0, cwd=None, env=None):
        done = self.world.run(*words, cwd=cwd or self.path, env=env)
        assert done.status == status, done.stdout + done.stderr
        return done

    def update(self, *words, **options):
        return self.run("update", "--lock", "pixi.lock", "--config-file", "config.toml", *words, **options)

    def leads(self, mirror="mirror"):
        return tomllib.loads(self.run("config", mirror, "--url", "http://mirror.example").stdout)["mirrors"]


@pytest.fixture
def case(request, world):
    """The case that `of` names."""
    name = request.param
    shutil.copytree(CASES / name, world.directory / name)
    for path in (world.directory / name).rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    with StaticServer(world.directory / name / "files") as server:
        yield Case(world, name, server.url)


def packed_and_unpacked(case, folder, *, status=0):
    """Pack a workspace both ways and unpack both; the two environments."""
    where = case.path / folder
    case.run("pack", "-c", "../config.toml", *LINUX, "-o", "e.tar", cwd=where, status=status)
    script = ("pack", "-c", "../config.toml", *LINUX, "-o", "e.sh", "--create-executable")
    case.run(*script, cwd=where, status=status)
    if status:
        return None
    case.run("unpack", "e.tar", cwd=where)
    (where / "x").mkdir()
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = run_program("bash", "../e.sh", env=case.world.environment | {"PATH": search}, cwd=where / "x")
    assert done.status == 0, done.stderr
    return where / "env", where / "x" / "env"


def contents(environment):
    """What `tree` tells, without the place of the environment."""
    place = str(environment.parent).encode()
    found = tree(environment)
    return {
        name: tuple(each.replace(place, b"") if isinstance(each, bytes) else each for each in about)
        for name, about in found.items()
    }


@needs_cases
def test_every_case_has_a_test():
    source = Path(__file__).read_text(encoding="utf-8")
    assert set(re.findall(r'^@of\("([^"]+)"\)$', source, re.MULTILINE)) == {
        path.name for path in CASES.iterdir() if path.is_dir()
    }


@of("devpi-plus-f")
def test_what_lies_below_plus_f_is_mirrored_and_packed(case):
    case.update()
    assert len(list((case.path / "mirror" / "devpi.example" / "acme" / "dev" / "+f").rglob("*.whl"))) == 1
    case.run("pack", "-c", "config.toml", *LINUX, "-o", "e.tar")


@of("findlinks-index-v7")
def test_a_page_of_links_is_one_page_for_locks_of_both_versions(case):
    other = ("update", "--lock", "other/pixi.lock", "--config-file", "config.toml")
    case.update("-o", "m1")
    case.update("--lock", "other/pixi.lock", "-o", "m2")
    case.run(*other, "-o", "m3")
    case.update("-o", "m3")
    pages = [case.path / mirror / "links.example" / "whl" / "torch-2.8.0+cpu.html" for mirror in ("m1", "m2", "m3")]
    assert [page.read_text().count("<a href") for page in pages] == [1, 2, 2]
    assert "https://links.example" in case.leads("m3")


@of("findlinks-other-host")
def test_config_leads_to_a_page_of_links_without_files_beside_it(case):
    case.update()
    assert case.leads()["https://links.example/lists"] == ["http://mirror.example/links.example/lists"]


@of("index-dropped-silently")
def test_an_index_with_an_encoded_slash_is_asked_kept_and_led_to(case):
    case.update()
    index = "https://gitlab.example/api/v4/projects/acme%2Fdemo/packages/pypi/simple"
    assert index in case.leads()
    (row,) = case.world.run_json("status", cwd=case.path)["indexes"]
    assert (row["url"], row["files"]) == (index, 1)
    assert "data-yanked" in (case.path / "mirror" / row["path"] / "demo" / "index.html").read_text()


@of("mirrors-and-user")
def test_mirrors_apply_whatever_user_is_in_the_url(case):
    case.update("--retries", "0")


@of("mirrors-relative-links")
def test_relative_links_of_a_page_by_mirrors_are_below_its_own_url(case):
    case.update()
    page = (case.path / "mirror" / "pypi.example" / "simple" / "demo" / "index.html").read_text()
    assert "data-yanked" in page
    assert "data-upload-time" in page


@of("pip-config-overruled")
def test_what_overrules_pips_file_is_named(case, world):
    world.workspace()
    world.run("--lock", "workspace/pixi.lock", "-o", case.path / "mirror")
    words = ("config", "--for", "pip", "--url", "http://mirror.example", "--file", "pip.conf", "--write")
    told = case.run(*words).stderr
    named = ("[global] extra-index-url", "[global] no-index", "[install] index-url")
    assert [key for key in named if key not in told] == []


@of("proxy-without-scheme")
@pytest.mark.parametrize("proxy", ["{host}", "user:pw@{host}", "localhost:{port}"])
def test_a_proxy_needs_no_scheme(case, world, proxy):
    host = world.upstream.url.removeprefix("http://")
    proxy = proxy.format(host=host, port=host.rpartition(":")[2])
    words = ("update", "--lock", "pixi.lock", "--retries", "0")
    told = case.run(*words, env={"http_proxy": proxy}, status=5).stderr  # the proxy knows of no such file
    assert "status 404" in told
    assert [request.proxied for request in world.requests] == [True]


@of("redacted-user")
def test_the_mark_of_a_redacted_user_is_sent_to_nobody(case, world):
    shutil.copytree(case.path / "files", world.root, dirs_exist_ok=True)
    lock = case.path / "pixi.lock"
    lock.write_text(re.sub(r"127\.0\.0\.1:\d+", world.upstream.authority, lock.read_text()))
    case.run("update", "--lock", "pixi.lock")
    assert world.requests
    assert not [each for each in world.requests if "authorization" in each.headers]
    assert "****" not in (case.path / "mirror" / "pixi-mirror.json").read_text()


@pytest.mark.slow
@needs_linux
@of("sh-conda")
def test_a_package_says_itself_that_it_is_for_every_python_and_a_link_outside_is_not_packed(case):
    for environment in packed_and_unpacked(case, "noarch"):
        assert (environment / "bin" / "gr").is_file()
        assert list((environment / "lib" / "python3.12" / "site-packages").glob("gr*"))
    packed_and_unpacked(case, "link", status=4)


@pytest.mark.slow
@needs_linux
@of("sh-record")
@pytest.mark.parametrize("folder", first(1, ["not-listed", "no-hash", "other-hash", "backslashes", "md5"]))
def test_a_sloppy_record_in_a_wheel_that_the_lock_vouches_for_is_no_damage(case, folder):
    one, other = map(tree, packed_and_unpacked(case, folder))
    assert set(one) == set(other)


@of("solve-direct-url")
def test_a_package_by_its_url_is_given_to_the_solver(case):
    case.update()
    case.run("verify")
    pytest.importorskip("rattler")
    case.run("verify", "--solve")


@of("token-in-channel")
def test_a_token_in_a_channel_is_noted_and_stored_nowhere(case):
    case.update()
    told = case.run("config", "--url", "http://mirror.example").stderr
    assert "pixi auth login chan.example --conda-token TOKEN" in told
    assert not [path for path in (case.path / "mirror").rglob("*") if path.is_file() and b"SECRET" in path.read_bytes()]


@needs_linux
@of("unpack-update-loses-files")
@pytest.mark.parametrize(
    ("first", "then"),
    first(
        1,
        [
            ("1-two-wheels", "2-one-removed"),
            ("1-wheel-over-conda", "2-conda-newer"),
            ("1-two-wheels", "2-one-newer"),
            ("1-wheel-over-conda", "2-wheel-removed"),
        ],
    ),
)
def test_an_environment_becomes_what_a_new_one_is(case, first, then):
    for folder in (first, then):
        case.run("pack", folder, "-c", "config.toml", *LINUX, "-o", f"{folder}.tar")
    for folder in ("old", "new"):
        (case.path / folder).mkdir()
    case.run("unpack", f"../{first}.tar", cwd=case.path / "old")
    for folder in ("old", "new"):
        case.run("unpack", f"../{then}.tar", cwd=case.path / folder)
    changed, fresh = (contents(case.path / folder / "env") for folder in ("old", "new"))
    assert changed == fresh


@needs_linux
def test_where_the_record_does_not_say_noarch_python_the_package_itself_does(world):
    module = {"site-packages/pure.py": b"x = 1\n"}
    pure = world.publish(build_package(name="pure", noarch="python", depends=["python"], files=module))
    python = world.publish(build_package(name="python", version="3.12.0", subdir="linux-64"))
    world.lock("ws", environments={"default": {"linux-64": [python, pure.hotfixed(noarch=None)]}})
    assert world.run("pack", "ws", *LINUX, "-o", "e.tar").status == 0
    assert world.run("unpack", "e.tar").status == 0
    assert (world.directory / "env/lib/python3.12/site-packages/pure.py").read_bytes() == module[
        "site-packages/pure.py"
    ]
