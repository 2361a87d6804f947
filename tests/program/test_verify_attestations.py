"""`verify --attestations` says who has built what, by real signatures and a trusted root, without a network."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from harness.sigstore import IDENTITY, ISSUER, PREDICATE, REPOSITORY, Sigstore
from harness.world import small_packages

from pixi_mirror.demo.packages import build_package

sigstore = pytest.mark.sigstore


@pytest.fixture
def signed(world):
    """Mirrors an attested package beside a plain one; gives how the attestations are verified."""
    authority = Sigstore()
    (world.directory / "root.json").write_text(authority.trusted_root)
    tool = build_package(name="tool", subdir="linux-64", depends=["base >=2024"])
    entry = world.publish(tool)
    place = world.root / "conda-forge/linux-64"
    sha256 = hashlib.sha256((place / tool.file_name).read_bytes()).hexdigest()
    channel = f"{world.upstream.url}/conda-forge"

    def sign(data=None, *, by=authority, name=tool.file_name, digest=sha256, **more):
        if data is None:
            data = by.attestations(name, digest, **{"channel": channel, **more})
        promised = hashlib.sha256(data).hexdigest()
        (place / f"{tool.file_name}.sigs.{promised}").write_bytes(data)
        locked = replace(entry, record={**entry.record, "attestations_sha256": promised})
        base = world.publish(small_packages()["base"])
        lock = world.lock("workspace", environments={"default": {"linux-64": [locked, base]}}, version=7)
        assert world.run("update", "--lock", lock).status == 0
        return world

    return sign


VERIFY = ("verify", "--attestations", "--trusted-root", "root.json")


@sigstore
def test_it_says_who_has_signed_for_what_from_where(signed):
    world = signed()
    before = len(world.requests)
    found = world.run_json(*VERIFY)["attestations"]
    (row,) = found["attested"]
    assert row["path"].endswith("conda-forge/linux-64/tool-1.0-0.conda")
    assert (row["identity"], row["issuer"], row["repository"]) == (IDENTITY, ISSUER, REPOSITORY)
    assert (row["predicate"], row["channel"]) == (PREDICATE, f"{world.upstream.url}/conda-forge")
    assert found["root_sha256"] == hashlib.sha256((world.directory / "root.json").read_bytes()).hexdigest()
    assert found["failed"] == []
    assert [path.rpartition("/")[2] for path in found["unattested"]] == ["base-2024.1-0.conda"]
    assert len(world.requests) == before
    lines = world.run(*VERIFY).stdout
    assert f"1 package file by {IDENTITY} ({ISSUER}), from {REPOSITORY}" in lines
    assert "1 package file signed for, 0 with attestations that do not hold, 1 without any" in lines


@sigstore
@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"digest": "0" * 64}, "it is about other bytes: sha256 0000"),
        ({"name": "other-1.0-0.conda"}, "it is about another file, 'other-1.0-0.conda'"),
        ({"channel": "https://conda.example/elsewhere"}, "it was published to 'https://conda.example/elsewhere'"),
        ({"lasts": timedelta(minutes=-1)}, "its signature does not hold"),
        ({"by": Sigstore()}, "its signature does not hold"),
        ({"data": b"[{}]"}, "its signature does not hold"),
        ({"data": b"[]"}, "the attestations are no list of bundles"),
        ({"data": b"\xff not JSON"}, "the attestations are no JSON"),
    ],
    ids=["other bytes", "another name", "another channel", "expired", "a stranger", "no bundle", "none", "no JSON"],
)
def test_what_does_not_hold_is_status_1_with_its_reason(signed, how, reason):
    world = signed(**how)
    found = world.run_json(*VERIFY, status=1)["attestations"]
    assert found["attested"] == []
    (failure,) = found["failed"]
    assert failure["path"].endswith("/tool-1.0-0.conda")
    assert failure["reason"].startswith(reason)
    assert reason in world.run(*VERIFY).stdout


@sigstore
def test_a_changed_payload_does_not_pass_under_the_old_signature(signed):
    authority = Sigstore()
    world = signed(by=authority)
    (world.directory / "root.json").write_text(authority.trusted_root)
    assert world.run(*VERIFY).status == 0
    place = next(world.mirror.rglob("tool-1.0-0.conda.sigs.*"))
    bundle = json.loads(place.read_bytes())[0]
    bundle["dsseEnvelope"]["payload"] = bundle["dsseEnvelope"]["payload"][:-8] + "AAAAAAA="
    signed(json.dumps([bundle]).encode())
    assert "its signature does not hold" in world.run(*VERIFY).stdout


@sigstore
@pytest.mark.broken_mirror("damaged on purpose")
def test_attestations_that_are_gone_and_packages_that_changed_are_failures(signed):
    world = signed()
    next(world.mirror.rglob("tool-1.0-0.conda.sigs.*")).unlink()
    (failure,) = world.run_json(*VERIFY, status=1)["attestations"]["failed"]
    assert "its attestations are not here" in failure["reason"]
    world.run_json("verify", "--repair")
    package = next(world.mirror.rglob("tool-1.0-0.conda"))
    package.unlink()
    package.write_bytes(b"other bytes")
    (failure,) = world.run_json(*VERIFY, status=1)["attestations"]["failed"]
    assert failure["reason"].startswith("it is about other bytes")


@sigstore
@pytest.mark.parametrize(("text", "status"), [("{}", 3), ("not JSON", 3), (None, 8)])
def test_a_root_that_is_none_is_one_sentence(signed, text, status):
    world = signed()
    root = world.directory / "root.json"
    root.unlink()
    if text is not None:
        root.write_text(text)
    done = world.run(*VERIFY)
    assert done.status == status
    assert "--trusted-root" in done.stderr
    assert done.stderr.count("\n") <= 3


def test_a_root_has_to_be_named_and_counts_for_attestations_alone(world):
    world.workspace()
    assert world.run("update", "--lock", "workspace/pixi.lock", "-e", "prod").status == 0
    without = world.run("verify", "--attestations")
    assert (without.status, "--trusted-root FILE" in without.stderr) == (2, True)
    # The root may stand in an environment variable for good.
    assert world.run_json("verify", "--trusted-root", "root.json")["attestations"] is None


def test_without_the_library_a_sentence_says_what_to_install(world, monkeypatch, tmp_path):
    import sys

    from pixi_mirror.errors import ProgramError
    from pixi_mirror.provenance.signers import TrustedSigners

    monkeypatch.setitem(sys.modules, "sigstore.models", None)
    (tmp_path / "root.json").write_text("{}")
    with pytest.raises(ProgramError, match="its extra `attestations`"):
        TrustedSigners(tmp_path / "root.json")
