"""A mirror as plain files, used by the real pip and uv while upstream is gone: what they install, and what they ask."""

import json
import re
import sys

import pytest
from harness.python_index import PythonIndex
from harness.python_tools import StaticServer, pinned, uv_program
from harness.world import small_packages

from pixi_mirror.demo.distributions import build_wheel

pytestmark = pytest.mark.python_tools

THING = build_wheel(name="thing", version="1.0", requires_dist=["other>=1"], requires_python=">=3.8")
OTHER = build_wheel(name="other", version="1.0")
CLIENTS = ["pip", "uv"]


@pytest.fixture(autouse=True)
def _programs():
    if not uv_program().exists():
        pytest.skip("needs uv beside this Python: the extra `python-tools`")


@pytest.fixture
def index(world):
    return PythonIndex(world)


@pytest.fixture
def served(world):
    """The server of the mirror; it is there once the mirror is."""
    with StaticServer(world.mirror) as server:
        yield server


def mirrored(world, index, *entries):
    """Lock every entry in an environment of its own, so that a project can come in two versions, and mirror them."""
    conda = world.publish(small_packages()["base"])
    environments = {f"e{number}": {"linux-64": [conda, entry]} for number, entry in enumerate(entries)}
    world.lock("workspace", environments=environments, indexes=[index.url], version=7)
    done = world.run("--lock", "workspace/pixi.lock", "--all-environments")
    assert done.status == 0, done.stderr


def published(index, *wheels, **told):
    """Each wheel on the index, with the name and version that its file name has."""
    return [
        index.publish(each, name=each.file_name.split("-")[0], version=each.file_name.split("-")[1], **told)
        for each in wheels
    ]


def offline(world, index, *wheels):
    """A mirror of the wheels whose upstream does not answer any more."""
    mirrored(world, index, *published(index, *wheels))
    world.upstream.close()


def install(tools, client, page, *args):
    """Install into `target` from an index; the file names there."""
    target = tools.directory / "target"
    if client == "pip":
        done = tools.pip("install", "--target", target, "--index-url", page, *args)
    else:
        done = tools.uv("install", "--target", target, "--default-index", page, *args)
    assert done.status == 0, done.stderr
    return {path.name for path in target.iterdir()}


def written(tools, text):
    place = tools.directory / "requirements.txt"
    place.write_text(text, encoding="utf-8")
    return place


@pytest.mark.parametrize("client", CLIENTS)
def test_hashed_requirements_install_from_simple_without_upstream(world, index, served, tools, client):
    offline(world, index, THING, OTHER)
    lines = written(tools, pinned(THING, OTHER))
    found = install(tools, client, f"{served.url}/simple/", "--require-hashes", "-r", lines)
    assert {"thing.py", "other.py", "thing-1.0.dist-info"} <= found


def test_pip_downloads_the_locked_bytes_from_simple_without_upstream(world, index, served, tools):
    offline(world, index, THING, OTHER)
    lines = written(tools, pinned(THING, OTHER))
    here = tools.directory / "downloads"
    done = tools.pip("download", "-d", here, "--index-url", f"{served.url}/simple/", "--require-hashes", "-r", lines)
    assert done.status == 0, done.stderr
    assert {path.name: path.read_bytes() for path in here.iterdir()} == {
        each.file_name: each.data for each in (THING, OTHER)
    }


@pytest.mark.parametrize("client", CLIENTS)
def test_other_bytes_than_those_required_are_refused(world, index, served, tools, client):
    offline(world, index, OTHER)
    lines = written(tools, f"other==1.0 --hash=sha256:{'ab' * 32}\n")
    page = f"{served.url}/simple/"
    if client == "pip":
        done = tools.pip("install", "--target", tools.directory / "t", "--index-url", page, "-r", lines)
    else:
        done = tools.uv("install", "--target", tools.directory / "t", "--default-index", page, "-r", lines)
    assert done.status != 0
    assert "hash" in done.stderr.lower()


@pytest.mark.parametrize("client", CLIENTS)
def test_resolving_asks_for_the_metadata_before_any_wheel(world, index, served, tools, client):
    offline(world, index, THING, OTHER)
    page = f"{served.url}/simple/"
    if client == "pip":
        done = tools.pip("install", "--dry-run", "--target", tools.directory / "t", "--index-url", page, "thing")
        chosen = done.stdout
    else:
        done = tools.uv("compile", written(tools, "thing\n"), "--default-index", page)
        chosen = done.stdout.replace("==", "-")
    assert done.status == 0, done.stderr
    assert "thing-1.0" in chosen
    assert "other-1.0" in chosen
    assert len(served.asked_for("thing-1.0-py3-none-any.whl.metadata")) == 1
    assert len(served.asked_for("other-1.0-py3-none-any.whl.metadata")) == 1
    files = [path for path in served.asked if ".whl" in path]
    # uv compiles without any wheel; pip, until 25.1 or so, fetches them at the end even of a dry run.
    assert [path.endswith(".metadata") for path in files[:2]] == [True, True]
    assert client == "pip" or len(files) == 2


def test_pip_finds_out_from_the_metadata_alone_that_nothing_fits(world, index, served, tools):
    offline(world, index, THING, OTHER)
    done = tools.pip("download", "-d", tools.directory, "--index-url", f"{served.url}/simple/", "thing", "other<1")
    assert done.status != 0
    assert served.asked_for("thing-1.0-py3-none-any.whl.metadata")
    assert served.asked_for(".whl") == []


@pytest.mark.parametrize("client", CLIENTS)
def test_a_version_for_another_python_is_not_chosen(world, index, served, tools, client):
    entries = published(index, OTHER, build_wheel(name="other", version="3.0", requires_python=">=3.99"))
    # Upstream may say it alone, as it does after a mistake: then no metadata tell.
    entries += published(index, build_wheel(name="other", version="2.0"), **{"requires-python": ">=3.99"})
    mirrored(world, index, *entries)
    world.upstream.close()
    assert "other-1.0.dist-info" in install(tools, client, f"{served.url}/simple/", "other")


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("choice", [("other", "1.0"), ("other==2.0", "2.0")])
def test_a_yanked_version_is_chosen_only_where_it_is_pinned(index, served, tools, client, choice):
    asked, chosen = choice
    entries = published(index, OTHER)
    entries += published(index, build_wheel(name="other", version="2.0"), yanked="it is bad")
    mirrored(index.world, index, *entries)
    index.world.upstream.close()
    found = install(tools, client, f"{served.url}/simple/", asked)
    assert f"other-{chosen}.dist-info" in found


def test_pip_installs_from_the_directory_itself(world, index, tools):
    offline(world, index, THING, OTHER)
    lines = written(tools, pinned(THING, OTHER))
    page = (world.mirror / "simple").as_uri()
    assert {"thing.py", "other.py"} <= install(tools, "pip", page, "--require-hashes", "-r", lines)


def test_uv_installs_from_the_directory_itself(world, index, tools):
    offline(world, index, THING, OTHER)
    page = (world.mirror / "simple").as_uri()
    assert {"thing.py", "other.py"} <= install(tools, "uv", page, "thing")


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    "project", [("torch", "2.3.0+cu121"), ("zope.interface", "5.0"), ("epoch", "1!2.0"), ("two-words", "1.0")]
)
def test_odd_names_and_versions_install(index, served, tools, client, project):
    name, version = project
    built = build_wheel(name=name, version=version)
    stem = name.replace("-", "_").replace(".", "_")
    normal = name.replace(".", "-")
    mirrored(index.world, index, index.publish(built, name=normal, version=version))
    index.world.upstream.close()
    assert f"{stem}.py" in install(tools, client, f"{served.url}/simple/", f"{name}=={version}")
    if "+" in version:
        assert served.asked_for("%2Bcu121-py3-none-any.whl")


@pytest.mark.parametrize("client", CLIENTS)
def test_a_project_that_is_not_mirrored_is_not_found(world, index, served, tools, client):
    offline(world, index, OTHER)
    page, target = f"{served.url}/simple/", tools.directory / "t"
    if client == "pip":
        done = tools.pip("install", "--target", target, "--index-url", page, "missing")
    else:
        done = tools.uv("install", "--target", target, "--default-index", page, "missing")
    assert done.status != 0
    assert re.search(r"no matching distribution|not found", done.stderr, re.IGNORECASE)


# The pages at the index's own path: their links are upstream's, as pixi's `[mirrors]` needs them


def canonical(world, served, index):
    return f"{served.url}/{world.authority_path}/{index.path}/"


def beside_upstreams_files(world, index):
    """What `[mirrors]` would do for pixi: the file host of the links answers for `.metadata`, too."""
    for wheel in (THING, OTHER):
        place = f"/{index.files}/{wheel.sha256[:2]}/{wheel.file_name}.metadata"
        world.upstream.put(place, wheel.metadata)


def test_what_is_resolved_from_the_canonical_pages_names_upstream_only(world, index, served, tools):
    entries = published(index, THING, OTHER, **{"upload-time": "2024-06-07T18:52:13.582000Z"})
    mirrored(world, index, *entries)
    beside_upstreams_files(world, index)
    page = canonical(world, served, index)
    done = tools.uv("compile", written(tools, "thing\n"), "--default-index", page, "--format", "pylock.toml")
    assert done.status == 0, done.stderr
    assert re.findall(r'url = "([^"]+)"', done.stdout) == sorted(
        (e.url for e in entries), key=lambda url: "thing" in url
    )
    assert f'sha256 = "{THING.sha256}"' in done.stdout
    told = [line for line in done.stdout.splitlines() if served.url in line and not line.startswith("#")]
    assert all(line.startswith("index = ") for line in told)  # what the command line said, no place of a file


@pytest.mark.parametrize("cutoff", ["2024-06-08T00:00:00Z", "2024-06-07T00:00:00Z"])
@pytest.mark.parametrize("view", ["canonical", "simple"])
def test_exclude_newer_sees_the_times_of_upload(index, served, tools, cutoff, view):
    world, found = index.world, cutoff > "2024-06-07T18"
    mirrored(world, index, *published(index, OTHER, **{"upload-time": "2024-06-07T18:52:13.582000Z"}))
    beside_upstreams_files(world, index)
    page = canonical(world, served, index) if view == "canonical" else f"{served.url}/simple/"
    done = tools.uv("compile", written(tools, "other\n"), "--default-index", page, "--exclude-newer", cutoff)
    assert (done.status == 0) is found, done.stderr
    assert found == ("other==1.0" in done.stdout)


def test_the_json_page_is_read_by_uv_from_a_server_that_negotiates(world, index, tools):
    mirrored(world, index, *published(index, OTHER, **{"upload-time": "2024-06-07T18:52:13.582000Z"}))
    beside_upstreams_files(world, index)
    data = (world.mirror / world.authority_path / "simple/other/index.v1_json").read_bytes()
    assert json.loads(data)["meta"]["api-version"] == "1.1"
    world.upstream.put("/json/other/", data, headers={"Content-Type": "application/vnd.pypi.simple.v1+json"})
    lines = written(tools, "other\n")
    done = tools.uv(
        *("compile", lines, "--default-index", f"{world.upstream.url}/json/"),
        *("--exclude-newer", "2024-06-08T00:00:00Z", "--python-version", f"3.{sys.version_info.minor}"),
    )
    assert done.status == 0, done.stderr
    assert "other==1.0" in done.stdout
