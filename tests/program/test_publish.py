"""`publish` makes a directory hold what the mirror holds: only what is new, in a safe order; nothing is destroyed."""

import json
import os
import shutil
from pathlib import Path

import pytest

from pixi_mirror.demo.packages import build_package

LOCK = ("--lock", "workspace/pixi.lock")
RECORD = "pixi-mirror-published.json"


def lock(world, *names):
    entries = [world.publish(build_package(name=name)) for name in names]
    return world.lock("workspace", environments={"default": {"linux-64": entries}})


@pytest.fixture
def mirrored(world):
    lock(world, "one", "two")
    assert world.run(*LOCK).status == 0
    return world


def offered(root):
    """The files that readers may ask for, with their bytes."""
    found = {}
    for path in Path(root).rglob("*"):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not name.startswith(".") and name != RECORD:
            found[name] = path.read_bytes()
    return found


def archive(root, name):
    return next(Path(root).rglob(f"{name}-1.0-0.conda"))


def test_a_directory_holds_what_the_mirror_holds(mirrored):
    done = mirrored.run_json("publish", "site")
    assert offered(mirrored.directory / "site") == offered(mirrored.mirror)
    assert sorted(done["written"]) == sorted(offered(mirrored.mirror))
    assert (done["files"], done["waiting"], done["warnings"]) == (len(done["written"]), [], [])


def test_a_published_directory_is_a_mirror_with_nothing_unknown_in_it(mirrored):
    assert mirrored.run("publish", "site").status == 0
    done = mirrored.run_json("verify", "site")
    assert done["unknown"] == []
    assert mirrored.run_json("prune", "site")["unknown"] == []


def test_packages_come_before_indexes_and_the_inventory_is_last(mirrored):
    written = mirrored.run_json("publish", "site", "--dry-run")["written"]
    assert not (mirrored.directory / "site").exists()
    packages = [written.index(path) for path in written if path.endswith(".conda")]
    indexes = [written.index(path) for path in written if path.endswith("/repodata.json")]
    assert packages
    assert indexes
    assert max(packages) < min(indexes)
    assert written[-1] == "pixi-mirror.json"


def test_a_second_run_writes_nothing(mirrored):
    assert mirrored.run("publish", "site").status == 0
    before = {path: os.stat(path).st_mtime_ns for path in (mirrored.directory / "site").rglob("*") if path.is_file()}
    done = mirrored.run("publish", "site")
    assert "nothing to do: site holds what mirror holds" in done.stdout
    before.pop(mirrored.directory / "site/.pixi-mirror/publishing/lock")
    assert {path: os.stat(path).st_mtime_ns for path in before} == before


def test_a_change_of_the_mirror_is_followed_and_removals_wait(mirrored):
    assert mirrored.run("publish", "site").status == 0
    lock(mirrored, "one", "three")
    assert mirrored.run("update").status == 0
    assert mirrored.run("prune", "--apply", "--grace", "0", "--force").status == 0
    done = mirrored.run_json("publish", "site")
    assert any(path.endswith("three-1.0-0.conda") for path in done["written"])
    assert not any(path.endswith("one-1.0-0.conda") for path in done["written"])
    assert [path.rpartition("/")[2] for path in done["waiting"]] == ["two-1.0-0.conda"]
    assert archive(mirrored.directory / "site", "two").exists()
    waits = mirrored.run_json("publish", "site", "--prune")
    assert (waits["removed"], len(waits["waiting"])) == ([], 1)
    dry = mirrored.run("publish", "site", "--prune", "--grace", "0", "--dry-run")
    assert "would remove 1 file" in dry.stdout
    assert archive(mirrored.directory / "site", "two").exists()
    gone = mirrored.run_json("publish", "site", "--prune", "--grace", "0")
    assert [path.rpartition("/")[2] for path in gone["removed"]] == ["two-1.0-0.conda"]
    assert offered(mirrored.directory / "site") == offered(mirrored.mirror)
    assert "nothing to do" in mirrored.run("publish", "site").stdout


def test_a_file_that_is_wanted_again_is_not_removed(mirrored):
    assert mirrored.run("publish", "site").status == 0
    lock(mirrored, "one")
    assert mirrored.run("update").status == 0
    assert mirrored.run("prune", "--apply", "--grace", "0", "--force").status == 0
    assert len(mirrored.run_json("publish", "site")["waiting"]) == 1
    lock(mirrored, "one", "two")
    assert mirrored.run("update").status == 0
    assert mirrored.run_json("publish", "site")["waiting"] == []
    assert mirrored.run_json("publish", "site", "--prune", "--grace", "0")["removed"] == []
    assert offered(mirrored.directory / "site") == offered(mirrored.mirror)


def test_check_finds_and_mends_what_was_lost_or_changed_there(mirrored):
    assert mirrored.run("publish", "site").status == 0
    site = mirrored.directory / "site"
    archive(site, "one").unlink()
    index = next(site.rglob("noarch/repodata.json"))
    index.unlink()
    index.write_bytes(b"{}")
    assert "nothing to do" in mirrored.run("publish", "site").stdout
    done = mirrored.run_json("publish", "site", "--check")
    assert sorted(path.rpartition("/")[2] for path in done["mended"]) == ["one-1.0-0.conda", "repodata.json"]
    assert offered(site) == offered(mirrored.mirror)


@pytest.mark.broken_mirror("the directory is somebody else's")
def test_what_others_put_there_is_refused_and_left_alone(mirrored):
    site = mirrored.directory / "site"
    site.mkdir()
    (site / "index.html").write_bytes(b"ours\n")
    done = mirrored.run("publish", "site")
    assert done.status == 9
    assert "holds other things" in done.stderr
    assert [path.name for path in site.iterdir()] == ["index.html"]


def test_the_place_of_another_mirror_is_refused(mirrored):
    assert mirrored.run("publish", "site").status == 0
    before = offered(mirrored.directory / "site")
    entry = mirrored.publish(build_package(name="else"))
    mirrored.lock("other", environments={"default": {"linux-64": [entry]}})
    assert mirrored.run("--lock", "other/pixi.lock", "-o", "second").status == 0
    done = mirrored.run("publish", "site", "second")
    assert done.status == 9
    assert "holds another mirror" in done.stderr
    assert offered(mirrored.directory / "site") == before


@pytest.mark.broken_mirror("foreign bytes are planted where a package goes")
def test_foreign_bytes_where_a_package_goes_are_refused(mirrored):
    assert mirrored.run("publish", "site").status == 0
    lock(mirrored, "one", "two", "three")
    assert mirrored.run("update").status == 0
    site = mirrored.directory / "site"
    planted = site / archive(mirrored.mirror, "three").relative_to(mirrored.mirror)
    planted.write_bytes(b"not ours")
    done = mirrored.run("publish", "site")
    assert done.status == 9
    assert "no publisher of this mirror has recorded" in done.stderr
    assert planted.read_bytes() == b"not ours"
    assert "three" not in next(site.rglob("noarch/repodata.json")).read_text(encoding="utf-8")


@pytest.mark.broken_mirror("a package was removed from the mirror")
def test_a_mirror_that_is_not_whole_is_not_published(mirrored):
    archive(mirrored.mirror, "one").unlink()
    done = mirrored.run("publish", "site")
    assert done.status == 8
    assert "one-1.0-0.conda" in done.stderr
    assert "verify --repair" in done.stderr
    assert not any((mirrored.directory / "site").rglob("*.conda"))


def test_deferred_files_are_not_published(world):
    lock(world, "one")
    assert world.run(*LOCK, "--defer").status == 0
    done = world.run("publish", "site")
    assert done.status == 10
    assert "deferred" in done.stderr


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (["publish"], 2, "DESTINATION missing"),
        (["publish", "ftp://example/x"], 2, "give s3://, gs://, az://, oci:// or a directory"),
        (["publish", "s3://"], 2, "names no bucket"),
        (["publish", "s3://me:hunter2@bucket"], 2, "has a user: expected s3://BUCKET"),
        (["publish", "s3:team/x"], 2, "perhaps 's3://team/x' was meant"),
        (["publish", "s3:user:word@team"], 2, "perhaps 's3://***@team' was meant"),
        (["publish", "s3:user:word@team/x", "--dry-run"], 2, "two slashes are missing after s3"),
        (["publish", "file:/srv/x"], 2, "perhaps 'file:///srv/x' was meant"),
        (["publish", "oci://"], 2, "expected oci://HOST/NAMESPACE"),
        (["publish", "oci://h.example"], 2, "expected oci://HOST/NAMESPACE"),
        (["publish", "oci://me:hunter2@h.example/x"], 2, "'oci://***@h.example/x' names no namespace"),
        (["publish", "oci://h.example:5000/x"], 2, "has a port, which no client of oci:// URLs asks"),
        (["publish", "oci://h.example/Team"], 2, "'Team' cannot be part of a repository's name"),
        (["publish", "oci:team/x"], 2, "perhaps 'oci://team/x' was meant"),
        (["publish", "site", "--no-pypi"], 2, "--no-pypi is for registries"),
        (["publish", "site", "--endpoint", "http://h.example"], 2, "--endpoint is for stores"),
        (["publish", "file:///srv/x", "--only-publisher"], 2, "--only-publisher is for stores"),
        (["publish", "oci://h.example/x", "--only-publisher"], 2, "a registry knows no conditions"),
        (["publish", "nowhere", "--prune"], 9, "nowhere holds nothing that was published"),
        (["publish", "site", "nowhere"], 8, "no mirror at nowhere"),
        (["publish", "mirror/site"], 8, "lie one in the other"),
        (["publish", "."], 8, "lie one in the other"),
        (["publish", "site", "--prune", "--check"], 2, "one of them at a time"),
    ],
)
def test_what_cannot_be_is_said(mirrored, words, status, text):
    before = sorted(mirrored.directory.iterdir())
    done = mirrored.run(*words)
    assert done.status == status
    assert text in done.stderr
    assert sorted(mirrored.directory.iterdir()) == before


@pytest.mark.parametrize(
    ("place", "endpoint"),
    [
        ("oci://h.example/x", "http://me:hunter2@127.0.0.1:1"),
        ("oci://h.example/x", "me:hunter2@127.0.0.1:1"),
        ("oci://h.example/x", "https://127.0.0.1:1/?sig=hunter2"),
        ("oci://h.example/x", ""),
        ("s3://b/x", "http://me:hunter2@127.0.0.1:1"),
        ("az://c/x", "https://127.0.0.1:1/?sig=hunter2"),
    ],
)
def test_an_endpoint_is_a_url_without_a_secret_and_is_not_repeated(mirrored, place, endpoint):
    done = mirrored.run("publish", place, "--endpoint", endpoint, "--dry-run", "--json")
    assert (done.status, "--endpoint takes an http:// or https:// URL" in done.stderr) == (2, True), done.stderr
    assert "hunter2" not in done.stdout + done.stderr


@pytest.mark.skipif(os.name != "posix", reason="a symbolic link to itself")
def test_a_link_that_leads_to_itself_is_no_place_to_write_to(mirrored):
    (mirrored.directory / "loop").symlink_to("loop")
    for words in (["publish", "loop"], ["publish", "loop", "--dry-run"], ["export", "--full", "-o", "loop"]):
        done = mirrored.run(*words)
        assert (done.status, "Too many levels of symbolic links" in done.stderr) == (8, True), done.stderr
        assert "Traceback" not in done.stderr


def test_a_record_that_does_not_parse_is_refused(mirrored):
    assert mirrored.run("publish", "site").status == 0
    record = mirrored.directory / "site" / RECORD
    text = record.read_text(encoding="utf-8")
    for broken, words in (("{", "does not parse"), (text.replace('"format":1', '"format":2'), "newer pixi-mirror")):
        record.unlink()
        record.write_text(broken, encoding="utf-8")
        done = mirrored.run("publish", "site")
        assert done.status == 9
        assert words in done.stderr


def test_a_run_that_was_killed_goes_on(mirrored):
    """The record names what is pending, so what a killed run has written is known and not written again."""
    assert mirrored.run("publish", "site").status == 0
    site = mirrored.directory / "site"
    whole = json.loads((site / RECORD).read_text(encoding="utf-8"))
    shutil.rmtree(site)
    site.mkdir()
    package = next(path for path in whole["files"] if path.endswith(".conda"))
    index = next(path for path in whole["files"] if path.endswith("noarch/repodata.json"))
    for path, data in ((package, None), (index, b"{}")):
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_bytes((mirrored.mirror / path).read_bytes() if data is None else data)
    before = os.stat(site / package).st_mtime_ns
    pending = {path: [row[0]] for path, row in whole["files"].items()}
    pending[index] = [pending[index][0], "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"]  # of {}
    killed = whole | {"files": {}, "pending": pending}
    (site / RECORD).write_text(json.dumps(killed), encoding="utf-8")
    done = mirrored.run("publish", "site")
    assert done.status == 0
    assert f"wrote {len(whole['files']) - 1} files" in done.stdout
    assert "(1 file already there)" in done.stdout
    assert os.stat(site / package).st_mtime_ns == before
    assert offered(site) == offered(mirrored.mirror)
    assert json.loads((site / RECORD).read_text(encoding="utf-8"))["pending"] == {}
