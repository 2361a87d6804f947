"""The whole story of docs/airgap.md in one test, and signatures by the real ssh-keygen."""

import shutil
import subprocess
import sys

import pytest
from harness import airgap_story, mounts
from harness.gap import Gap
from harness.looking import identities, served_files, sha256

SSH = shutil.which("ssh-keygen")


@pytest.fixture
def gap(world):
    return Gap(world)


@pytest.mark.slow
def test_three_revisions_cross_the_gap_though_a_volume_of_the_second_is_lost(gap):
    names = {1: (), 2: ("two", "three"), 3: ("two", "three", "four")}
    airgap_story.tell(gap, lambda revision: gap.update("app", "lib", *names[revision]), volume_size="60k")


@pytest.mark.skipif(not mounts.possible(), reason="this machine does not let us mount")
def test_archives_are_imported_from_a_medium_that_cannot_be_written(gap):
    gap.update("a", "b")
    volumes = gap.export("--full", "--volume-size", "60k")
    gap.usb.chmod(0o555)
    before = identities(gap.usb)
    with mounts.mounted(mounts.read_only(gap.usb)) as namespace:
        surroundings = {"env": gap.world.environment, "cwd": gap.world.directory}
        assert namespace.call("touch", gap.usb / "x", **surroundings).status != 0
        words = (sys.executable, "-m", "pixi_mirror")
        assert namespace.call(*words, "inspect", gap.usb, **surroundings).status == 0
        assert namespace.call(*words, "import", volumes[1], "-o", gap.far, **surroundings).status == 10
        done = namespace.call(*words, "import", gap.usb, "-o", gap.far, **surroundings)
        assert done.status == 0, done.stderr
    assert identities(gap.usb) == before
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
