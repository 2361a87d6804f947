"""A registry as destination: its manifests, their order, what is refused; the client is a stand-in."""

import json

import pytest

from pixi_mirror.demo.packages import build_package
from pixi_mirror.errors import FarSideError, UnmirrorableError
from pixi_mirror.http.registry import digest_of
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.progress import NoProgress
from pixi_mirror.publish.publish import Publisher
from pixi_mirror.publish.registry import RegistryDestination

NOW = 1_700_000_000
RECORD = ("team/pixi-mirror-published", "latest")


class Memory:
    """Repositories in memory, by the methods of the client."""

    def __init__(self):
        self.blobs, self.manifests, self.order = {}, {}, []
        self.meanwhile = None

    def read_manifest(self, repository, tag):
        return self.manifests.get((repository, tag))

    def find_digest(self, repository, tag):
        found = self.manifests.get((repository, tag))
        return None if found is None else digest_of(found)

    def read_blob(self, repository, digest, *, most):
        return self.blobs.get((repository, digest))

    def has_blob(self, repository, digest):
        return (repository, digest) in self.blobs

    def push_blob(self, repository, digest, body, *, content_size):
        if not isinstance(body, bytes):
            with body() as file:
                body = file.read()
        data = body
        assert (digest_of(data), len(data)) == (digest, content_size)
        self.blobs[repository, digest] = data

    def push_manifest(self, repository, tag, data):
        for layer in [*json.loads(data)["layers"], json.loads(data)["config"]]:
            assert (repository, layer["digest"]) in self.blobs, "a manifest names what is there"
        self.manifests[repository, tag] = data
        self.order.append((repository, tag))
        if self.meanwhile is not None and (repository, tag) == RECORD and not self.pending():
            self.meanwhile()

    def delete_manifest(self, repository, tag):
        self.manifests.pop((repository, tag), None)

    def pending(self):
        (layer,) = json.loads(self.manifests[RECORD])["layers"]
        return json.loads(self.blobs[RECORD[0], layer["digest"]])["pending"]


@pytest.fixture
def mirrored(world):
    lock(world, "one", "_two")
    return world


def lock(world, *names):
    entries = [world.publish(build_package(name=name)) for name in names]
    world.lock("workspace", environments={"default": {"linux-64": entries}})
    assert world.run("--lock", "workspace/pixi.lock").status == 0


def opened(world, client, **options):
    destination = RegistryDestination(
        client=client, name="oci://registry.example/team", namespace="team", without_python=False
    )
    tree = Tree(world.mirror)
    settings = {"jobs": 1, "progress": NoProgress(), "now": NOW, "grace_days": 0.0} | options
    return Publisher.opened(destination, tree, **settings), tree


def publish(world, client, *, check=False):
    publisher, tree = opened(world, client)
    return publisher.publish(tree, check=check, dry_run=False)


def test_packages_come_first_then_one_manifest_of_a_subdir_then_the_record(mirrored):
    client = Memory()
    publish(mirrored, client)
    folder = f"team/{mirrored.authority_path}/conda-forge/noarch"
    assert set(client.order[1:3]) == {(f"{folder}/one", "1.0-0"), (f"{folder}/zzz_two", "1.0-0")}
    assert (client.order[0], client.order[-1]) == (RECORD, RECORD)
    assert (f"{folder}/repodata.json", "latest") in client.order[3:-1]
    assert publish(mirrored, client).plan.uploads == ()


def test_check_misses_a_blob_and_removal_follows_the_mirror(mirrored):
    client = Memory()
    publish(mirrored, client)
    gone = next(key for key in client.blobs if key[0].endswith("/one"))
    del client.blobs[gone]
    assert [path.rpartition("/")[2] for path in publish(mirrored, client, check=True).mended] == ["one-1.0-0"]
    assert gone in client.blobs
    lock(mirrored, "one")
    assert mirrored.run("prune", "--apply", "--grace", "0", "--force").status == 0
    publish(mirrored, client)
    publisher, tree = opened(mirrored, client)
    removed = publisher.remove_unwanted(tree, dry_run=False).removed
    assert [path.rpartition("/")[2] for path in removed] == ["_two-1.0-0"]
    assert not [key for key in client.manifests if key[0].endswith("zzz_two")]


def test_what_others_have_put_there_stays_and_a_later_publisher_is_noticed(mirrored):
    client = Memory()
    key = f"team/{mirrored.authority_path}/conda-forge/noarch/one", "1.0-0"
    client.manifests[key] = b'{"layers":[]}'
    with pytest.raises(FarSideError, match="no publisher of this mirror has recorded"):
        publish(mirrored, client)
    del client.manifests[key]
    index = f"team/{mirrored.authority_path}/conda-forge/noarch/repodata.json", "latest"
    client.meanwhile = lambda: client.manifests.update({index: b'{"layers":[]}'})
    with pytest.raises(FarSideError, match="somebody else publishes there"):
        publish(mirrored, client)


def test_names_that_no_registry_takes_are_refused_before_anything_is_written(mirrored):
    lock(mirrored, "one", "a___b")
    client = Memory()
    with pytest.raises(UnmirrorableError, match="'a___b' cannot be part of a repository's name"):
        publish(mirrored, client)
    assert client.order == []


def test_a_record_in_a_blob_alone_is_read_and_a_wrong_one_is_refused(mirrored):
    client = Memory()
    publish(mirrored, client)
    document = json.loads(client.manifests[RECORD])
    inline = document["layers"][0].pop("data")
    client.manifests[RECORD] = json.dumps(document).encode()
    assert publish(mirrored, client).plan.uploads == ()
    document["layers"][0]["data"] = inline[:-8]
    client.manifests[RECORD] = json.dumps(document).encode()
    with pytest.raises(FarSideError, match="does not have the bytes that its manifest names"):
        publish(mirrored, client)
