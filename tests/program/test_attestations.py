"""Attestations (CEP 50) are mirrored with their packages, verified by hash, and found where clients look for them."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from harness.child import run_python
from harness.serving import served
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
import asyncio, json, os, sys, rattler
from pathlib import Path
from rattler.sigstore import Issuer, Publisher, TrustedRoot, VerificationPolicy, verify_attestation

async def main():
    asked = json.loads(sys.argv[1])
    client = rattler.networking.Client.from_config(rattler.Config.from_toml(asked["config"]))
    gateway = rattler.Gateway(client=client, cache_dir=Path(asked["cache"]))
    channel = rattler.Channel(asked["channel"])
    records = await rattler.solve([channel], ["tool"], gateway=gateway, platforms=["linux-64", "noarch"])
    policy = VerificationPolicy.require(Publisher(asked["identity"], Issuer(asked["issuer"])))
    root = TrustedRoot.from_json(asked["root"])
    (record,) = [each for each in records if each.name.normalized == "tool"]
    found = await verify_attestation(record, policy, client, root)
    print(found.attestation.identity, found.attestation.target_channel, found.attestation.checks)
    await rattler.install(records, asked["prefix"], client=client, platform=rattler.Subdir("linux-64"))

try:
    asyncio.run(main())
except Exception as error:
    print(f"refused: {error}")
sys.stdout.flush()
os._exit(0)
"""
UPSTREAM = "https://conda.example/conda-forge"


@pytest.fixture
def signed(world):
    """A mirror of a package whose attestation a Sigstore of the test's own has signed, and the client that asks it.

    The client has pixi's `[mirrors]`, as `config` prints it, so its channel is upstream's, as the attestation says.
    """
    sigstore_bundles = pytest.importorskip("harness.sigstore")
    sigstore = sigstore_bundles.Sigstore()
    tool = build_package(name="tool", subdir="linux-64", depends=["base >=2024"], files={"share/tool.txt": b"tool"})
    bundles = sigstore.attestations(tool.file_name, tool.record["sha256"], channel=UPSTREAM)
    digest = hashlib.sha256(bundles).hexdigest()
    entry = world.publish(tool, base=UPSTREAM.rpartition("/")[0])
    (world.root / f"conda-forge/linux-64/{tool.file_name}.sigs.{digest}").write_bytes(bundles)
    entry = replace(entry, record={**entry.record, "attestations_sha256": digest})
    base = world.publish(small_packages()["base"], base=UPSTREAM.rpartition("/")[0])
    lock = world.lock("workspace", environments={"default": {"linux-64": [entry, base]}}, version=7)
    config = world.directory / "config.toml"
    config.write_text(f'[mirrors]\n"https://conda.example" = ["{world.upstream.url}"]\n')
    world.run_json("update", "--lock", lock, "--config-file", config)

    def install(url, name, *, root=sigstore.trusted_root):
        asked = {
            "config": world.run("config", "--url", url, "--only").stdout,
            "cache": str(world.directory / f"cache-{name}"),
            "channel": UPSTREAM,
            "identity": sigstore_bundles.IDENTITY,
            "issuer": sigstore_bundles.ISSUER,
            "root": root,
            "prefix": str(world.directory / name),
        }
        env = world.environment | {"RATTLER_CACHE_DIR": asked["cache"]}
        done = run_python("-c", REQUIRE, json.dumps(asked), env=env, cwd=world.directory)
        assert done.status == 0, done.stderr
        return done.stdout

    return install


@pytest.mark.rattler
def test_a_client_that_requires_attestations_verifies_them_and_installs_from_the_mirror(world, signed):
    sigstore = pytest.importorskip("rattler.sigstore")  # since py-rattler 0.28
    with served(world.mirror, env=world.environment) as url:
        told = signed(url, "prefix")
        assert told.startswith(
            f"https://git.example/org/feedstock/.github/workflows/build.yml@refs/heads/main {UPSTREAM} "
        )
        checks = sigstore.VerifiedChecks(
            certificate_chain=True, signed_certificate_timestamp=True, transparency_log=True, inclusion_proof=True
        )
        assert str(checks) in told
        assert (world.directory / "prefix/share/tool.txt").read_bytes() == b"tool"
        other = pytest.importorskip("harness.sigstore").Sigstore()
        assert "refused" in signed(url, "strangers", root=other.trusted_root)
        for path in world.mirror.rglob("*.sigs.*"):
            path.unlink()
        assert "sidecar" in signed(url, "without")
    assert not (world.directory / "strangers").exists()
    assert not (world.directory / "without").exists()
