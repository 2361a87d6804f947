"""Uploads are verified, placed, listed and recorded, or refused with nothing left of them."""

import base64
import io
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness import oracle
from harness.hosting import Host
from harness.world import World

from pixi_mirror.demo.distributions import BuiltDistribution, build_sdist, build_wheel
from pixi_mirror.demo.packages import build_package
from pixi_mirror.hosting.names import hosted_names
from pixi_mirror.hosting.upload import UploadRefused
from pixi_mirror.mirror.compare import TreeDifference
from pixi_mirror.mirror.indexes import stale_indexes
from pixi_mirror.mirror.pins import recorded_pins
from pixi_mirror.mirror.plan import plan_changes
from pixi_mirror.mirror.tree import open_mirror


@pytest.fixture
def host(world: World) -> Host:
    made = Host(world)
    made.add()
    return made


def test_a_new_name_is_an_empty_channel_and_an_empty_index(host: Host) -> None:
    assert json.loads(host.served("team/noarch/repodata.json"))["packages.conda"] == {}
    assert json.loads(host.served("team/simple/index.v1_json"))["projects"] == []
    (name,) = hosted_names(open_mirror(host.mirror))
    assert (name.name, name.kinds, name.files) == ("team", ("conda", "pypi"), 0)


def test_a_conda_package_and_a_wheel_are_listed(host: Host) -> None:
    package, wheel = build_package(name="tool"), build_wheel(name="Demo-Pkg", version="1.0")
    assert host.send(package, subdir="noarch").is_new
    assert host.send(wheel).path == f"team/files/{wheel.file_name}"
    records = json.loads(host.served("team/noarch/repodata.json"))["packages.conda"]
    assert records[package.file_name]["sha256"] == package.record["sha256"]
    page = json.loads(host.served("team/simple/demo-pkg/index.v1_json"))
    (file,) = page["files"]
    assert file["url"] == f"../../files/{wheel.file_name}"
    assert file["hashes"] == {"sha256": wheel.sha256}
    assert file["upload-time"].startswith("20")
    assert host.served(f"team/files/{wheel.file_name}.metadata") == wheel.metadata
    assert oracle.problems(host.mirror) == []
    verified = host.directly.verify()
    assert (verified.left, verified.closure, verified.unknown) == ((), (), ())


def test_the_same_bytes_again_are_fine_and_others_are_refused(host: Host) -> None:
    wheel = build_wheel(name="demo", version="1.0")
    host.send(wheel)
    assert not host.send(wheel).is_new
    other = build_wheel(name="demo", version="1.0", payload_size=10)
    with pytest.raises(UploadRefused) as refused:
        host.send(other)
    assert refused.value.status == 409
    assert host.served(f"team/files/{wheel.file_name}") == wheel.data


def test_an_sdist_is_listed_without_metadata_beside_it(host: Host) -> None:
    sdist = build_sdist(name="demo", version="2.0")
    host.send(sdist)
    (file,) = json.loads(host.served("team/simple/demo/index.v1_json"))["files"]
    assert (file["filename"], file["core-metadata"]) == (sdist.file_name, False)


def test_nothing_of_a_refused_upload_stays(host: Host) -> None:
    wheel = build_wheel(name="demo", version="1.0")
    with pytest.raises(UploadRefused) as refused:
        host.send(wheel, digests={"sha256": "0" * 64})
    assert refused.value.status == 400
    assert not (host.mirror / "team/files").exists()
    assert list((host.mirror / ".pixi-mirror/incoming").iterdir()) == []


@pytest.mark.parametrize("with_shards", [False, True])
def test_what_is_written_for_each_upload_is_what_writing_all_anew_would_give(
    world: World, monkeypatch: pytest.MonkeyPatch, *, with_shards: bool
) -> None:
    if with_shards:
        monkeypatch.setattr("pixi_mirror.mirror.sidecars.SHARDS_FROM", 1)
    host = Host(world)
    host.add()
    sent = [
        build_package(name="tool", subdir="linux-64"),
        build_package(name="tool", version="2.0", subdir="linux-64", extension="tar.bz2"),
        build_package(name="a-first", subdir="linux-64"),
        build_package(name="tool", build="1", subdir="linux-64", depends=["a-first >=1"]),
        build_package(name="other"),
        build_wheel(name="zebra", version="1.0"),
        build_wheel(name="Alpha.Beta", version="1.0", requires_python=">=3.8"),
        build_sdist(name="Alpha.Beta", version="1.0"),
    ]
    for built in sent:
        host.send(built)
        tree = open_mirror(host.mirror)
        plan = plan_changes(tree, recorded_pins(tree.inventory, tree.state.locks, sources={}), layout="channels")
        assert stale_indexes(tree, plan) == ()
        shards = (host.mirror / "team/linux-64/repodata_shards.msgpack.zst").exists()
        assert shards == with_shards
        assert plan.difference == TreeDifference(missing=(), changed=(), surplus=())
        assert not tree.leftovers()
        assert oracle.problems(host.mirror) == []
    assert len(tree.generations.numbers()) == 1 + len(sent)
    assert tree.generations.inventory(len(sent) + 1).stored == tree.inventory.stored
    assert tree.inventory.stamp == tree.generations.inventory(len(sent) + 1).stamp


def attestation(file_name: str, sha256: str) -> dict:
    subject = {"name": file_name, "digest": {"sha256": sha256}}
    statement = {"_type": "https://in-toto.io/Statement/v1", "subject": [subject]}
    encoded = base64.b64encode(json.dumps(statement).encode()).decode()
    return {"version": 1, "verification_material": {}, "envelope": {"statement": encoded, "signature": "eA=="}}


def test_attestations_are_kept_as_they_came_and_linked(host: Host) -> None:
    wheel = build_wheel(name="demo", version="1.0")
    sent = attestation(wheel.file_name, wheel.sha256)
    host.send(wheel, attestations=(sent,))
    (file,) = json.loads(host.served("team/simple/demo/index.v1_json"))["files"]
    assert file["provenance"] == f"../../files/{wheel.file_name}.provenance"
    kept = json.loads(host.served(f"team/files/{wheel.file_name}.provenance"))
    assert kept["attestation_bundles"][0]["attestations"] == [sent]
    (merged,) = json.loads(host.served("simple/demo/index.v1_json"))["files"]
    assert merged["provenance"] == f"../../team/files/{wheel.file_name}.provenance"
    assert host.directly.verify().left == ()


@pytest.mark.parametrize("changed", [{"file_name": "other.whl"}, {"sha256": "0" * 64}])
def test_an_attestation_about_another_file_is_refused(host: Host, changed: dict) -> None:
    wheel = build_wheel(name="demo", version="1.0")
    sent = attestation(**{"file_name": wheel.file_name, "sha256": wheel.sha256, **changed})
    with pytest.raises(UploadRefused) as refused:
        host.send(wheel, attestations=(sent,))
    assert refused.value.status == 400


def test_eight_uploads_at_once_all_succeed(host: Host) -> None:
    wheels = [build_wheel(name=f"demo-{number}", version="1.0") for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert all(outcome.is_new for outcome in pool.map(host.send, wheels))
    projects = json.loads(host.served("team/simple/index.v1_json"))["projects"]
    assert len(projects) == 8
    assert oracle.problems(host.mirror) == []


def test_of_two_uploads_of_one_name_one_wins_and_the_other_is_refused(host: Host) -> None:
    wheels = [build_wheel(name="demo", version="1.0", payload_size=size) for size in (1, 2)]

    def send(wheel: BuiltDistribution) -> int:
        try:
            host.send(wheel)
        except UploadRefused as refused:
            return refused.status
        return 200

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(send, wheels)) == [200, 409]


def test_a_wheel_that_becomes_too_large_is_refused_before_it_is_unpacked(host: Host) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("demo-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n")
        archive.writestr("demo-1.0.dist-info/RECORD", "demo-1.0.dist-info/RECORD,,\n")
        with archive.open("zeros", "w") as member:
            for _ in range(300):
                member.write(bytes(1 << 20))
    with pytest.raises(UploadRefused) as refused:
        host.send_bytes(bomb.getvalue(), filename="demo-1.0-py3-none-any.whl")
    assert (refused.value.status, "too large" in refused.value.detail) == (400, True)


@pytest.mark.parametrize("name", ["../x-1.0-py3-none-any.whl", "x.exe", "demo-1.0-py3-none-any.whl/", "", "a b.whl"])
def test_a_file_name_that_is_none_is_refused(host: Host, name: str) -> None:
    with pytest.raises(UploadRefused) as refused:
        host.send_bytes(b"x", filename=name)
    assert refused.value.status == 400
