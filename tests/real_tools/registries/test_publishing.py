"""`publish` into a real OCI registry: what rattler's clients ask for is there, each index with what it lists."""

import json
import os
import shutil
import subprocess
import sys
import threading

import pytest
from harness.python_index import PythonIndex
from harness.registry import MANIFEST, PASSWORD, USER, Registry

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.packages import build_package

pytestmark = pytest.mark.registry

RECORD = "pixi-mirror-published"
V1, V2 = "application/vnd.conda.package.v1", "application/vnd.conda.package.v2"
JSON = "application/vnd.conda.repodata.v1+json"
SHARDS = "application/vnd.conda.repodata.shards.v1+msgpack+zst"


def lock(world, *names, extra=()):
    entries = [world.publish(build_package(name=name, payload_size=5_000)) for name in names]
    world.lock("workspace", environments={"default": {"linux-64": [*entries, *extra]}}, version=7)


@pytest.fixture
def mirrored(world):
    lock(world, "one", "_two")
    assert world.run("--lock", "workspace/pixi.lock").status == 0
    return world


@pytest.fixture
def server(tmp_path):
    (tmp_path / "server").mkdir()
    with Registry(tmp_path / "server") as running:
        yield running


def publish(world, server, *words, status=0, env=None):
    call = ("publish", f"oci://{server.host}/team", "mirror", "--ca-file", server.ca, *words)
    return world.run_json(*call, status=status, env=env)


def channel(world):
    return f"team/{world.authority_path}/conda-forge"


def requests(server):
    return [line for line in server.log.read_text().splitlines() if '"GET ' in line or '"HEAD ' in line or '"P' in line]


def require_true(world, server):
    """The index of the subdir has what the mirror's has, and each package that it lists is there."""
    index = server.layers(f"{channel(world)}/noarch/repodata.json")
    folder = world.mirror / world.authority_path / "conda-forge/noarch"
    assert index[JSON] == (folder / "repodata.json").read_bytes()
    listed = json.loads(index[JSON])["packages.conda"]
    for name, record in listed.items():
        repository = record["name"] if not record["name"].startswith("_") else f"zzz{record['name']}"
        layers = server.layers(f"{channel(world)}/noarch/{repository}", f"{record['version']}-{record['build']}")
        assert layers == {V2: (folder / name).read_bytes()}
    return listed


def test_a_registry_holds_the_channels_of_the_mirror(mirrored, server):
    done = publish(mirrored, server)
    assert len(require_true(mirrored, server)) == 2
    assert [path for path in done["written"] if path.endswith("repodata.json")][-1] == done["written"][-1]
    asked = len(requests(server))
    assert publish(mirrored, server)["written"] == []
    assert len(requests(server)) == asked + 1, "an unchanged run asks for one object"


def test_only_what_is_new_is_written_and_removals_wait(mirrored, server):
    publish(mirrored, server)
    lock(mirrored, "one", "three")
    assert mirrored.run("update").status == 0
    assert mirrored.run("prune", "--apply", "--grace", "0", "--force").status == 0
    dry = publish(mirrored, server, "--dry-run")
    assert len(require_true_before(mirrored, server)) == 2
    done = publish(mirrored, server)
    assert dry["written"] == done["written"]
    assert [path.rpartition("/")[2] for path in done["written"]] == ["three-1.0-0", "repodata.json"]
    assert [path.rpartition("/")[2] for path in done["waiting"]] == ["_two-1.0-0"]
    require_true(mirrored, server)
    gone = publish(mirrored, server, "--prune", "--grace", "0")
    assert [path.rpartition("/")[2] for path in gone["removed"]] == ["_two-1.0-0"]
    assert server.layers(f"{channel(mirrored)}/noarch/zzz_two", "1.0-0") is None
    require_true(mirrored, server)


def require_true_before(world, server):
    return json.loads(server.layers(f"{channel(world)}/noarch/repodata.json")[JSON])["packages.conda"]


def test_all_index_files_of_a_subdir_are_in_one_manifest_and_shards_have_their_tags(mirrored, server):
    assert mirrored.run("update", "--index", "own", "--shards", "always").status == 0
    publish(mirrored, server)
    folder = mirrored.mirror / mirrored.authority_path / "conda-forge/noarch"
    layers = server.layers(f"{channel(mirrored)}/noarch/repodata.json")
    assert layers == {
        JSON: (folder / "repodata.json").read_bytes(),
        f"{JSON}+zst": (folder / "repodata.json.zst").read_bytes(),
        SHARDS: (folder / "repodata_shards.msgpack.zst").read_bytes(),
    }
    shards = list((folder / "shards").iterdir())
    assert shards
    for shard in shards:
        sha256 = shard.name.partition(".")[0]
        (data,) = server.layers(f"{channel(mirrored)}/noarch/repodata.json/shards", sha256).values()
        assert data == shard.read_bytes()


def test_both_forms_of_a_package_are_in_one_manifest(world, server):
    both = [build_package(name="twin"), build_package(name="twin", extension="tar.bz2")]
    world.lock("workspace", environments={"default": {"linux-64": [world.publish(each) for each in both[:1]]}})
    world.lock("other", environments={"default": {"linux-64": [world.publish(each) for each in both[1:]]}})
    assert world.run("--lock", "workspace", "--lock", "other").status == 0
    publish(world, server)
    assert server.layers(f"{channel(world)}/noarch/twin", "1.0-0") == {V2: both[0].data, V1: both[1].data}


def test_check_finds_a_blob_and_a_tag_that_were_removed(mirrored, server, tmp_path):
    publish(mirrored, server)
    repository = f"{channel(mirrored)}/noarch/one"
    digest = server.request("HEAD", f"/v2/{repository}/manifests/1.0-0", headers={"Accept": MANIFEST})[2]
    name = digest["Docker-Content-Digest"]
    assert server.request("DELETE", f"/v2/{repository}/manifests/{name}")[0] == 202
    assert publish(mirrored, server)["written"] == []
    done = publish(mirrored, server, "--check")
    assert [path.rpartition("/")[2] for path in done["mended"]] == ["one-1.0-0"]
    require_true(mirrored, server)


def test_what_others_have_put_under_a_name_is_left_alone(mirrored, server):
    repository = f"{channel(mirrored)}/noarch/one"
    server.push(repository, "1.0-0", {V2: b"theirs"})
    done = publish(mirrored, server, status=9)
    assert "no publisher of this mirror has recorded" in done["error"]["message"]
    assert server.layers(repository, "1.0-0") == {V2: b"theirs"}
    assert server.layers(f"{channel(mirrored)}/noarch/repodata.json") is None


def test_another_mirror_is_refused(mirrored, server):
    publish(mirrored, server)
    entry = mirrored.publish(build_package(name="else"))
    mirrored.lock("other", environments={"default": {"linux-64": [entry]}})
    assert mirrored.run("--lock", "other/pixi.lock", "-o", "second").status == 0
    done = mirrored.run("publish", f"oci://{server.host}/team", "second", "--ca-file", server.ca)
    assert (done.status, "holds another mirror" in done.stderr) == (9, True)


def test_python_files_are_refused_in_a_sentence_or_left_out(world, server):
    index = PythonIndex(world)
    wheel = index.publish(build_wheel(name="thing", version="1.0"), name="thing", version="1.0")
    entries = [world.publish(build_package(name="one")), wheel]
    world.lock("workspace", environments={"default": {"linux-64": entries}}, indexes=[index.url], version=7)
    assert world.run("--lock", "workspace/pixi.lock").status == 0
    done = publish(world, server, status=4)
    assert "no client reads 1 files of the mirror from an OCI registry" in done["error"]["message"]
    assert requests(server) == [line for line in requests(server) if "GET" in line], "nothing was written"
    done = publish(world, server, "--no-pypi")
    assert next(path.rpartition("/")[2] for path in done["written"]) == "one-1.0-0"
    require_true(world, server)


def test_names_that_no_registry_takes_are_refused_before_the_first_upload(world, server):
    entries = [world.publish(build_package(name=name)) for name in ("fine", "a___b", "ends-in_.x")]
    world.lock("workspace", environments={"default": {"linux-64": entries}})
    assert world.run("--lock", "workspace/pixi.lock").status == 0
    done = publish(world, server, status=4)
    assert "2 names of the mirror can be in no registry" in done["error"]["message"]
    assert "'a___b' cannot be part of a repository's name" in done["error"]["message"]
    assert requests(server) == [line for line in requests(server) if "GET" in line]


@pytest.mark.parametrize("auth", ["basic", "token"])
def test_a_publisher_logs_in_and_one_without_rights_is_told_what_it_needs(mirrored, tmp_path, auth):
    import base64

    (tmp_path / "server").mkdir()
    with Registry(tmp_path / "server", auth=auth) as server:
        done = publish(mirrored, server, status=9)
        assert f"`docker login {server.host}`" in done["error"]["message"]
        auths = {server.host: {"auth": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}}
        path = mirrored.home / ".docker/config.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"auths": auths}))
        publish(mirrored, server)
        require_true(mirrored, server)


def test_twelve_publishers_at_once_lose_nothing_unnoticed(mirrored, server):
    publish(mirrored, server)
    lock(mirrored, "one", "_two", "three", "four")
    assert mirrored.run("update").status == 0
    statuses = []

    def run(number):
        shutil.copytree(mirrored.mirror, mirrored.directory / f"copy{number}", symlinks=True)
        call = ("publish", f"oci://{server.host}/team", f"copy{number}", "--ca-file", server.ca)
        statuses.append(mirrored.run(*call).status)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(12)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert set(statuses) <= {0, 9}
    if 0 not in statuses:
        publish(mirrored, server, "--check")
    require_true(mirrored, server)
    publish(mirrored, server, "--check")
    assert publish(mirrored, server)["written"] == []


def test_a_registry_that_is_not_there_is_status_5(mirrored, server):
    server._process.terminate()
    server._process.wait()
    done = publish(mirrored, server, status=5)
    assert "could not be reached" in done["error"]["message"]


def test_another_place_of_the_registry_is_named_with_endpoint(mirrored, server):
    call = ("publish", "oci://registry.example/team", "mirror", "--ca-file", server.ca)
    done = mirrored.run_json(*call, "--endpoint", f"https://{server.host}:443")
    assert done["destination"] == "oci://registry.example/team"
    require_true(mirrored, server)


@pytest.mark.rattler
def test_py_rattler_solves_and_installs_from_what_was_published(mirrored, server):
    pytest.importorskip("rattler")
    assert mirrored.run("update", "--index", "own", "--shards", "always").status == 0
    publish(mirrored, server)
    script = """
import asyncio, sys
from rattler import Channel, Client, Gateway, install, solve
from rattler.networking import OciMiddleware
async def main(url, prefix):
    client = Client([OciMiddleware()])
    gateway = Gateway(client=client)
    records = await solve([Channel(url)], ["one", "_two"], platforms=["linux-64", "noarch"], gateway=gateway)
    print(*sorted(str(record.url) for record in records))
    await install(records, target_prefix=prefix, client=client)
asyncio.run(main(sys.argv[1], sys.argv[2]))
"""
    url = f"oci://{server.host}/{channel(mirrored)}"
    environment = mirrored.environment | {"SSL_CERT_FILE": str(server.ca), "PATH": os.environ["PATH"]}
    call = [sys.executable, "-c", script, url, str(mirrored.directory / "prefix")]
    done = subprocess.run(call, env=environment, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{url}/noarch/_two-1.0-0.conda" in done.stdout
    assert len(list((mirrored.directory / "prefix/conda-meta").glob("*.json"))) == 2
