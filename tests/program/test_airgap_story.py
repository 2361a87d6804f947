"""The whole story of docs/airgap.md in one test, and signatures by the real ssh-keygen."""

import json
import shutil
import subprocess
import sys
import urllib.request

import pytest
from harness.gap import LOCK, Gap
from harness.looking import archives, served_files, sha256
from harness.serving import served

SSH = shutil.which("ssh-keygen")


@pytest.fixture
def gap(world):
    return Gap(world)


def payload(archive):
    """The files that an archive brings."""
    return {blob[0] for blob in manifest(archive)["blobs"]}


def manifest(archive):
    import tarfile

    with tarfile.open(archive) as tar:
        return json.loads(tar.extractfile(tar.getnames()[3]).read())


def fetched(url, folder):
    """What a client gets of a channel's subdir: the file names that the index lists, with their sha256."""
    index = json.loads(urllib.request.urlopen(f"{url}/{folder}/repodata.json").read())
    found = {}
    for name, record in {**index["packages"], **index["packages.conda"]}.items():
        data = urllib.request.urlopen(f"{url}/{folder}/{name}").read()
        found[name] = record["sha256"]
        assert sha256_of(data) == record["sha256"], name
    return found


def sha256_of(data):
    import hashlib

    return hashlib.sha256(data).hexdigest()


@pytest.mark.slow
def test_three_revisions_cross_the_gap_though_a_volume_of_the_second_is_lost(gap):
    world, clients = gap.world, lambda: served_files(gap.far)
    gap.update("app", "lib")
    gap.bring(*gap.export("--to", "site-b"))
    gap.run("ack", gap.receipt())
    shutil.copytree(gap.near, world.directory / "cautious")

    gap.update("app", "lib", "two", "three")
    lost, second = gap.export("--to", "site-b", "--assume-received", "--volume-size", "60k")
    lost.unlink()
    gap.update("app", "lib", "two", "three", "four")
    third = gap.export("--to", "site-b", "--assume-received")

    first = clients()
    gap.bring(second, status=10)
    message = gap.bring(*third, status=10)["error"]["message"]
    assert "came with g2" in message
    assert clients() == first

    receipt = gap.receipt()
    has = set(json.loads(receipt.read_text())["files"])
    (rest,) = gap.export("--have", receipt)
    everything = {sha256(gap.near / path) for path in archives(gap.near)}
    assert payload(rest) == everything - has
    assert len(payload(rest)) == 1
    assert gap.bring(rest)["current"] == 3
    assert gap.fingerprints(gap.far)[3] == gap.fingerprints(gap.near)[3]
    gap.require_same()

    # By what was acknowledged instead of what was sent, losing the second costs nothing.
    cautious = world.directory / "cautious"
    for _ in range(2):
        world.run_json("--lock", LOCK, "-o", cautious)
    done = world.run_json("export", cautious, "--to", "site-b", "-o", world.directory / "usb2")
    assert (done["base"], done["files"]) == (1, 3)

    with served(gap.far, env=world.environment) as url:
        folder = f"{world.authority_path}/conda-forge/noarch"
        assert {name.split("-")[0] for name in fetched(url, folder)} == {"app", "lib", "two", "three", "four"}

    gap.run("pin", "3", "release", "-o", gap.far)
    gap.run("rollback", "1", "-o", gap.far)
    assert gap.listed() == {"app", "lib"}
    assert gap.bring(second, status=4)["current"] is None
    gap.run("prune", gap.far, "--apply", "--grace", "0", "--force")
    assert gap.run("rollback", "release", "-o", gap.far)["current"] == 3
    gap.require_same()


def key(folder, name):
    """An SSH key of that name."""
    path = folder / name
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path]
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
    return path


@pytest.mark.skipif(SSH is None, reason="no ssh-keygen")
def test_what_a_trusted_key_has_signed_is_taken_and_nothing_else(gap):
    folder = gap.world.directory
    ours, theirs = key(folder, "ours"), key(folder, "theirs")
    trusted = folder / "signers"
    trusted.write_text(f"releases@near {ours.with_suffix('.pub').read_text()}")
    gap.update("a", "b")
    volumes = gap.export("--full", "--sign", ours, "--volume-size", "80k")
    assert len(volumes) == 2
    assert gap.run("inspect", volumes[0])["exports"][0]["signed"] is True
    assert gap.bring(volumes[0], more=["--trust", trusted], status=10)["signed_by"] == ["releases@near"]
    done = gap.world.run("import", volumes[1], "-o", gap.far, "--trust", trusted)
    assert (done.status, "signed by releases@near" in done.stdout) == (0, True), done.stderr
    gap.update("a", "c")
    for more, why in (([], "is not signed"), (["--sign", theirs], "is signed by nobody in")):
        before = served_files(gap.far)
        (archive,) = gap.export("--full", *more)
        assert why in gap.bring(archive, more=["--trust", trusted], status=6)["error"]["message"]
        assert served_files(gap.far) == before
        archive.unlink()
    (archive,) = gap.export("--full", "--sign", ours)
    gap.bring(archive, more=["--trust", trusted])
    assert gap.export("--full", "--sign", folder / "nowhere", status=8) == []
    assert gap.bring(archive, more=["--trust", folder / "nowhere"], status=8)["error"]["status"] == 8


@pytest.mark.skipif(SSH is None, reason="no ssh-keygen")
def test_what_waits_unsigned_does_not_become_current_where_signatures_count(gap):
    ours = key(gap.world.directory, "ours")
    trusted = gap.world.directory / "signers"
    trusted.write_text(f"near {ours.with_suffix('.pub').read_text()}")
    gap.update("a")
    gap.bring(*gap.export("--to", "b", "--assume-received", "--sign", ours), more=["--trust", trusted])
    gap.update("a", "b")
    second = gap.export("--to", "b", "--assume-received", "--sign", ours)
    gap.update("a", "b", "c")
    gap.bring(*gap.export("--to", "b"), status=10)
    assert gap.bring(*second, more=["--trust", trusted])["current"] == 2
    assert gap.listed() == {"a", "b"}


@pytest.mark.skipif(SSH is None, reason="no ssh-keygen")
def test_without_ssh_keygen_it_says_so(gap):
    gap.update("a")
    (archive,) = gap.export("--full", "--sign", key(gap.world.directory, "ours"))
    (gap.world.directory / "signers").write_text("x ssh-ed25519 AAAA\n")
    for words in (
        ["export", "--full", "-o", "usb2", "--sign", gap.world.directory / "ours"],
        ["import", archive, "-o", gap.far, "--trust", "signers"],
    ):
        done = gap.world.run(*words, env={"PATH": str(gap.world.directory)})
        assert (done.status, "need ssh-keygen" in done.stderr) == (7, True), done.stderr


@pytest.mark.slow
def test_the_program_travels_too_and_runs_where_nothing_is_installed(gap):
    gap.update("a")
    (archive,) = gap.export("--full", "--with-tool")
    tool = archive.parent / "pixi-mirror.pyz"
    (listed,) = gap.run("inspect", archive)["exports"][0]["tools"]
    assert (listed["name"], listed["sha256"]) == (tool.name, sha256(tool))
    env = {name: value for name, value in gap.world.environment.items() if not name.startswith("PYTHON")}
    words = [sys.executable, "-I", "-S", tool, "import", archive, "-o", gap.far, "--index", "json"]
    done = subprocess.run(words, env=env, cwd=gap.world.directory, capture_output=True, text=True, check=False)
    assert (done.returncode, "is g1" in done.stdout) == (0, True), done.stderr
    gap.require_same()
    first = tool.read_bytes()
    gap.export("--full", "--with-tool")
    assert tool.read_bytes() == first
    assert gap.bring(archive)["changed"] is False
