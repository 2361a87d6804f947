"""`verify` finds everything that is not as recorded, and `--repair` mends it with new files."""

import errno
import json
import os
import re
import shutil
from functools import partial

import pytest
from harness.damage import writable
from harness.directly import Directly
from harness.looking import contents, identities, sha256
from harness.upstream import answer
from harness.world import small_packages

from pixi_mirror.commands.verify import verify_lines
from pixi_mirror.disk import files

TOOL = "linux-64/tool-1.0-h12_1.conda"
INDEX = "linux-64/repodata.json"
SHA256 = small_packages()["tool-linux"].record["sha256"]
DAMAGE = ["corrupt", "shortened", "missing", "an edited index", "an index that is no JSON", "a missing index"]


def run(world, *args, status=0, **options):
    done = world.run(*args, **options)
    assert done.status == status, f"{done.status}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture
def channel(world):
    """The channel's directory in a mirror of `prod`."""
    world.workspace()
    run(world, "--lock", "workspace/pixi.lock", "-e", "prod")
    return world.mirror / world.authority_path / "conda-forge"


def corrupt(path, *, everywhere=True):
    """Other bytes, the same size and time; in the file itself, which the cache may share, or in a copy of it."""
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    if not everywhere:
        path.unlink()
    (path if not path.exists() else writable(path)).write_bytes(bytes(data))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def damage(channel, how):
    """Do it; the path in the mirror that is wrong then."""
    wrong = TOOL if how in {"corrupt", "shortened", "missing"} else INDEX
    path = channel / wrong
    match how:
        case "corrupt":
            corrupt(path)
        case "shortened":
            os.truncate(writable(path), 100)
        case "missing" | "a missing index":
            path.unlink()
        case "an edited index":
            document = json.loads(path.read_text())
            document["packages.conda"]["tool-1.0-h12_1.conda"]["depends"] = []
            path.write_text(json.dumps(document))
        case "an index that is no JSON":
            path.write_text("{")
    return f"{channel.relative_to(channel.parents[1])}/{wrong}"


def findings(answer):
    return {
        *answer["missing"],
        *(each["path"] for each in answer["changed"]),
        *(each["path"] for each in answer["indexes"]),
    }


def test_a_whole_mirror_is_status_0(world, channel):
    before = identities(world.mirror)
    answer = world.run_json("verify")
    assert findings(answer) == set()
    assert answer["checked"]["indexes"] == 3  # two of the channel, and the mapping
    assert answer["checked"]["files"] == 6
    assert answer["checked"]["bytes"] == sum(len(data) for data in contents(channel).values()) + len("{}")
    assert identities(world.mirror) == before


@pytest.mark.broken_mirror("it is damaged on purpose, and verify alone does not mend it")
@pytest.mark.parametrize("how", DAMAGE)
def test_damage_is_found_and_left(world, channel, how):
    wrong = damage(channel, how)
    before = identities(world.mirror)
    answer = world.run_json("verify", status=1)
    assert findings(answer) == {wrong}
    assert answer["repaired"] == []
    assert identities(world.mirror) == before
    assert wrong in run(world, "verify", status=1).stdout


@pytest.mark.broken_mirror("it is damaged on purpose, and verify alone does not mend it")
def test_it_says_what_was_expected_what_was_found_and_who_lacks_it(world, channel):
    corrupt(channel / TOOL)
    answer = world.run_json("verify", status=1)
    (changed,) = answer["changed"]
    assert (changed["expected"], changed["found"]) == (SHA256, sha256(channel / TOOL))
    (hole,) = answer["closure"]
    assert (hole["environment"], hole["platform"], hole["path"]) == ("prod", "linux-64", changed["path"])


@pytest.mark.parametrize("how", DAMAGE)
def test_repair_mends_it_and_a_second_look_finds_nothing(world, channel, how):
    good = contents(channel)
    wrong = damage(channel, how)
    old = identities(channel).get(wrong.split("/", 2)[2])
    answer = world.run_json("verify", "--repair")
    assert answer["repaired"] == [wrong]
    assert contents(channel) == good
    assert identities(channel)[wrong.split("/", 2)[2]][0] != (old or (None,))[0]
    assert findings(world.run_json("verify")) == set()
    assert run(world).stdout.startswith("nothing to do")


def blobs(world):
    return {path.name: path for path in (world.home / "cache" / "sha256").rglob("*") if path.is_file()}


def test_repair_takes_a_bad_blob_out_of_the_cache_too(world, channel):
    if blobs(world)[SHA256].stat().st_ino != (channel / TOOL).stat().st_ino:
        pytest.skip("the cache does not share files with the mirror on this filesystem")
    corrupt(channel / TOOL)
    assert sha256(blobs(world)[SHA256]) != SHA256
    world.upstream.forget_requests()
    run(world, "verify", "--repair")
    assert len(world.requests) == 1
    assert {name for name, path in blobs(world).items() if sha256(path) != name} == set()


def test_repair_takes_a_good_blob_from_the_cache(world, channel):
    corrupt(channel / TOOL, everywhere=False)
    world.upstream.forget_requests()
    run(world, "verify", "--repair")
    assert world.requests == []
    assert sha256(channel / TOOL) == SHA256


@pytest.mark.broken_mirror("nothing can be fetched, so it stays damaged")
def test_a_repair_without_the_upstream_is_status_5_and_mends_what_it_can(world, channel):
    corrupt(channel / TOOL)
    (channel / "noarch" / "repodata.json").unlink()
    world.upstream.close()
    answer = world.run_json("verify", "--repair", "--retries", "0", status=5)
    assert answer["error"]["status"] == 5
    assert (channel / "noarch" / "repodata.json").is_file()
    assert findings(world.run_json("verify", status=1)) == {f"{world.authority_path}/conda-forge/{TOOL}"}


@pytest.mark.broken_mirror("the upstream lies, so it stays damaged")
def test_an_upstream_that_lies_is_status_1_and_not_6(world, channel):
    corrupt(channel / TOOL)
    lie = bytes(small_packages()["tool-linux"].record["size"])
    world.upstream.script(f"/conda-forge/{TOOL}", answer(lie))
    found = world.run_json("verify", "--repair", "--retries", "0", status=1)
    assert found["repaired"] == []
    assert any(SHA256[:8] in warning for warning in found["warnings"])
    assert all(path.read_bytes() != lie for path in blobs(world).values())
    assert (channel / TOOL).read_bytes() != lie


def test_an_unknown_file_is_no_finding(world, channel):
    (channel / "noarch" / "notes.txt").write_text("mine")
    answer = world.run_json("verify")
    assert [path.rpartition("/")[2] for path in answer["unknown"]] == ["notes.txt"]
    run(world, "verify", "--repair")
    assert (channel / "noarch" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("what", ["nothing", "an empty folder", "a folder of others", "a file"])
def test_it_needs_a_mirror(world, what):
    place = world.directory / "place"
    if what == "a file":
        place.write_text("mine")
    elif what != "nothing":
        place.mkdir()
        if what == "a folder of others":
            (place / "mine.txt").write_text("mine")
    before = identities(world.directory / "place")
    for options in ([], ["--repair"]):
        assert "place" in run(world, "verify", "place", *options, status=8).stderr
    assert identities(world.directory / "place") == before
    assert place.exists() == (what != "nothing")


def test_it_counts_the_same_files_at_its_beginning_and_at_its_end(world):
    world.workspace()
    run(world, "--lock", "workspace/pixi.lock")
    done = run(world, "verify")
    begun = re.search(r"verifying (\d+ files, [\d.]+ kB)\n", done.stderr)
    assert f"hashed {begun[1]}, and read back 4 indexes among them; all is as recorded" in done.stdout
    copied = world.directory / "copy"
    shutil.copytree(world.mirror, copied)
    assert f"verifying {begun[1]}\n" in run(world, "verify", copied).stderr


def test_surplus_is_verified_too(world, channel):
    world.lock("workspace", environments={"prod": {"linux-64": []}})
    run(world)
    run(world, "verify")
    good = (channel / TOOL).read_bytes()
    corrupt(channel / TOOL, everywhere=False)
    assert [each["path"] for each in world.run_json("verify", status=1)["changed"]] == [
        f"{world.authority_path}/conda-forge/{TOOL}"
    ]
    (channel / TOOL).write_bytes(good)


def test_files_that_are_not_of_the_mirror_are_a_finding_for_the_strict_alone(world):
    world.workspace()
    assert world.run("--lock", "workspace/pixi.lock").status == 0
    (world.mirror / "notes.txt").write_text("mine")
    assert world.run_json("verify")["unknown"] == ["notes.txt"]
    strict = world.run("verify", "--strict")
    assert (strict.status, "notes.txt" in strict.stdout) == (1, True)
    assert strict.stdout.endswith("all is as recorded, and --strict finds 1 file not of this mirror\n")
    assert world.run("verify").stdout.endswith("all is as recorded\n")
    (world.mirror / "notes.txt").unlink()
    assert world.run("verify", "--strict").status == 0


@pytest.mark.broken_mirror("a disk refuses to read two files of it")
@pytest.mark.parametrize("unreadable", [[TOOL], [INDEX], [TOOL, INDEX, "noarch/repodata.json"]])
def test_a_file_that_cannot_be_read_is_a_finding_and_all_others_are_looked_at(world, channel, monkeypatch, unreadable):
    bad = {str(channel / name) for name in unreadable}
    read, opened = files.hash_file, files.open_regular

    def refuse(function, path, **options):
        if str(path) in bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return function(path, **options)

    with monkeypatch.context() as patched:
        patched.setattr(files, "hash_file", partial(refuse, read))
        patched.setattr(files, "open_regular", partial(refuse, opened))
        found = Directly(world=world).verify()
        lines = verify_lines(found)
    names = {str(channel.relative_to(world.mirror) / name) for name in unreadable}
    assert (set(found.unreadable), set(found.left)) == (names, names)
    assert (found.files, found.changed) == (6 - len(names), ())
    assert sum("Input/output error" in line for line in lines) == len(names)
    assert "missing:" not in lines
    assert not Directly(world=world).verify().left


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_mended(world, channel):
    (channel / TOOL).chmod(0)
    answer = world.run_json("verify", "--repair")
    assert [each["path"].endswith(TOOL) for each in answer["unreadable"]] == [True]
    assert world.run_json("verify")["unreadable"] == []


def test_the_record_of_a_publisher_is_no_foreign_file(world, channel):
    run(world, "publish", "published")
    answer = world.run_json("verify", "published", "--strict")
    assert answer["unknown"] == []
