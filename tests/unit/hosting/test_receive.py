"""Uploads are verified, placed, listed and recorded, or refused with nothing left of them."""

import json

import pytest
from harness import oracle
from harness.hosting import Host
from harness.world import World

from pixi_mirror.demo.distributions import build_sdist, build_wheel
from pixi_mirror.demo.packages import build_package
from pixi_mirror.hosting.names import hosted_names
from pixi_mirror.hosting.upload import UploadRefused
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
