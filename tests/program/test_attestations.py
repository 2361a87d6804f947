"""Attestations (CEP 50) are mirrored with their packages, verified by hash, and found where clients look for them."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from harness.child import run_python
from harness.world import small_packages

from pixi_mirror.demo.packages import build_package

BUNDLES = b'[{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"}]'
SHA256 = hashlib.sha256(BUNDLES).hexdigest()


def attested(world, bundles=BUNDLES, *, promised=SHA256):
    """A lock of an attested package and a plain one; the upstream has the attestations beside the package."""
    tool = build_package(name="tool", subdir="linux-64", depends=["base >=2024"])
    entry = world.publish(tool)
    place = world.root / "conda-forge/linux-64"
    (place / f"{tool.file_name}.sigs.{promised}").write_bytes(bundles)
    entry = replace(entry, record={**entry.record, "attestations_sha256": promised})
    base = world.publish(small_packages()["base"])
    return world.lock("workspace", environments={"default": {"linux-64": [entry, base]}}, version=7)


def channel(world) -> Path:
    return next(world.mirror.rglob("linux-64/repodata.json")).parent.parent


def test_both_files_are_beside_the_package_and_the_record_names_them(world):
    found = world.run_json("update", "--lock", attested(world), "--index", "json")
    row = next(each for each in found["wanted"] if each["kind"] == "attestations")
    assert row["sha256"] == SHA256
    assert row["path"].endswith(f"tool-1.0-0.conda.sigs.{SHA256}")
    assert [target["environment"] for target in row["targets"]] == ["default"]
    place = channel(world) / "linux-64"
    assert (place / f"tool-1.0-0.conda.sigs.{SHA256}").read_bytes() == BUNDLES
    assert (place / "tool-1.0-0.conda.sigs").read_bytes() == BUNDLES
    record = json.loads((place / "repodata.json").read_bytes())["packages.conda"]["tool-1.0-0.conda"]
    assert record["attestations_sha256"] == SHA256
    assert world.run("verify").status == 0
    assert world.run("status", "--check").status == 0
    before = len(world.requests)
    world.run_json("update")
    assert len(world.requests) == before


def test_other_bytes_than_the_record_promises_are_refused(world):
    found = world.run_json("update", "--lock", attested(world, b"[{}]"), status=6)
    assert SHA256 in found["error"]["message"]
    assert not [*world.mirror.rglob("*.sigs*")]


def test_damaged_attestations_are_found_and_repaired(world):
    world.run_json("update", "--lock", attested(world))
    place = channel(world) / "linux-64"
    for name in (f"tool-1.0-0.conda.sigs.{SHA256}", "tool-1.0-0.conda.sigs"):
        (place / name).unlink()
        (place / name).write_bytes(b"[]")
    found = world.run_json("verify", status=1)
    assert [each["path"].rpartition(".sigs")[2] for each in found["changed"]] == [f".{SHA256}"]
    assert [each["path"].rpartition("/")[2] for each in found["indexes"]] == ["tool-1.0-0.conda.sigs"]
    world.run_json("verify", "--repair")
    assert (place / "tool-1.0-0.conda.sigs").read_bytes() == BUNDLES
    assert world.run("verify").status == 0


def test_they_come_at_once_where_packages_are_deferred(world):
    world.run_json("update", "--lock", attested(world), "--defer")
    place = channel(world) / "linux-64"
    assert not (place / "tool-1.0-0.conda").exists()
    assert (place / "tool-1.0-0.conda.sigs").read_bytes() == BUNDLES


def test_a_package_that_nobody_wants_any_more_takes_them_with_it(world):
    world.run_json("update", "--lock", attested(world))
    world.lock(
        "workspace", environments={"default": {"linux-64": [world.publish(small_packages()["base"])]}}, version=7
    )
    world.run_json("update")
    assert (channel(world) / "linux-64/tool-1.0-0.conda.sigs").exists()
    world.run_json("prune", "--apply", "--grace", "0", "--force")
    assert not [*world.mirror.rglob("tool*")]
    assert world.run("verify").status == 0


@pytest.mark.rattler
def test_an_indexer_keeps_the_hash_in_every_kind_of_index(world):
    world.run_json("update", "--lock", attested(world), "--index", "rattler", "--shards", "always")
    place = channel(world) / "linux-64"
    assert {path.name for path in place.glob("repodata*")} == {
        "repodata.json",
        "repodata.json.zst",
        "repodata_shards.msgpack.zst",
    }
    assert world.run("verify").status == 0


REQUIRE = """
import asyncio, os, sys, rattler
from rattler.sigstore import ChannelCheck, TrustedRoot, VerificationPolicy, verify_attestation
async def main():
    found = await rattler.Gateway().query([rattler.Channel(sys.argv[1])], ["linux-64"], ["tool"], recursive=False)
    (record,) = [record for records in found for record in records]
    print(record.attestations_sha256.hex())
    policy = VerificationPolicy.require(channel_check=ChannelCheck.IGNORE)
    try:
        await verify_attestation(record, policy, trusted_root=TrustedRoot.embedded())
    except Exception as error:
        print(error)
asyncio.run(main())
sys.stdout.flush()
os._exit(0)
"""


@pytest.mark.rattler
def test_a_client_that_requires_attestations_gets_those_that_the_record_names(world):
    """They are no true signatures, so the client refuses them for what they say: it has found them."""
    world.run_json("update", "--lock", attested(world))
    for expected in ("is not a valid Sigstore bundle", "failed to read local attestation sidecar"):
        done = run_python("-c", REQUIRE, channel(world).as_uri(), env=world.environment, cwd=world.directory)
        said, refused = done.stdout.split("\n", 1)
        assert said == SHA256, done.stderr
        assert expected in refused
        for path in world.mirror.rglob("*.sigs*"):
            path.unlink()
