"""PyPI files: what a lock pins is mirrored, listed on pages that clients can use, or refused by name."""

import hashlib
import json
import re
import shutil

import pytest
from harness.examples import first
from harness.python_index import PythonIndex
from harness.upstream import status
from harness.world import small_packages

from pixi_mirror.demo.distributions import build_sdist, build_wheel
from pixi_mirror.lockfile.writer import PypiLockEntry

LOCK = ("--lock", "workspace/pixi.lock")
TIME = "2024-06-07T18:52:13.582000Z"


@pytest.fixture
def index(world):
    return PythonIndex(world)


def lock(world, *entries, indexes=(), version=7, **options):
    conda = world.publish(small_packages()["base"])
    environments = {"default": {"linux-64": [conda, *entries]}}
    return world.lock("workspace", environments=environments, indexes=indexes, version=version, **options)


def wheel(index, name="thing", version="1.0", *, built=None, **told):
    built = built or build_wheel(name=name, version=version, requires_python=">=3.8", requires_dist=["other>=2"])
    return built, index.publish(built, name=name, version=version, **told)


def update(world, *args, status=0, **options):
    done = world.run(*LOCK, *args, **options)
    assert done.status == status, done.stderr
    return done


def page(world, folder):
    return json.loads((world.mirror / folder / "index.v1_json").read_text(encoding="utf-8"))


def files_of(world, index_path, project):
    return page(world, f"{world.authority_path}/{index_path}/{project}")["files"]


def stored(world, entry):
    """Where the mirror has the file behind the URL of an entry."""
    return world.mirror / world.authority_path / entry.url.split("/", 3)[3].replace("%2B", "+").replace("%21", "!")


def anchors(path):
    return re.findall(r'<a href="([^"]+)"', path.read_text(encoding="utf-8"))


# Files


def test_a_locked_wheel_is_brought_verified_to_the_path_of_its_url(world, index):
    built, entry = wheel(index)
    lock(world, entry, indexes=[index.url])
    done = update(world)
    assert stored(world, entry).read_bytes() == built.data
    assert "brought 2 files" in done.stdout
    row = next(row for row in world.run_json(*LOCK, "--dry-run")["wanted"] if row["kind"] == "pypi")
    assert (row["name"], row["version"], row["sha256"], row["build"], row["subdir"]) == (
        "thing", "1.0", built.sha256, None, None,
    )  # fmt: skip
    assert "record" not in row


def test_a_second_update_asks_nobody(world, index):
    _, entry = wheel(index)
    lock(world, entry, indexes=[index.url])
    update(world)
    before = len(world.requests)
    assert "nothing to do" in update(world).stdout
    (world.mirror / ".pixi-mirror/unchanged.json").unlink()  # so that everything is decided again
    assert "nothing to do" in update(world).stdout
    assert len(world.requests) == before


def test_wrong_bytes_are_refused_and_nothing_of_the_mirror_changes(world, index):
    built, entry = wheel(index)
    lock(world, entry, indexes=[index.url])
    world.upstream.put("/" + entry.url.split("/", 3)[3], built.data[:-1] + b"?")
    done = update(world, status=6)
    assert built.sha256 in done.stderr
    assert not stored(world, entry).exists()
    assert not (world.mirror / "simple").exists()


@pytest.mark.parametrize(
    ("name", "version", "file_name"),
    first(
        2,
        [
            ("torch", "2.3.0+cu121", "torch-2.3.0+cu121-cp311-cp311-linux_x86_64.whl"),
            ("epoch", "1!2.0", "epoch-1!2.0-py3-none-any.whl"),
            ("built", "1.0", "built-1.0-2local-py3-none-any.whl"),
            ("Zope.Interface", "5.0", "Zope.Interface-5.0-py3-none-any.whl"),
        ],
    ),
)
def test_escapes_epochs_builds_and_odd_names_keep_their_file_names(world, index, name, version, file_name):
    parts = file_name.removesuffix(".whl").split("-")
    stem, tag = parts[0], "-".join(parts[-3:])
    build = "2local" if "2local" in file_name else None
    built = build_wheel(name=stem, version=version, build=build, tag=tag)
    normal = re.sub(r"[-_.]+", "-", name).lower()
    data = built.__class__(file_name=file_name, data=built.data, sha256=built.sha256, metadata=built.metadata)
    entry = index.publish(data, name=normal, version=version)
    entry = PypiLockEntry(url=entry.url, name=name, version=version, sha256=entry.sha256)
    lock(world, entry, indexes=[index.url])
    update(world)
    assert stored(world, entry).name == file_name
    assert stored(world, entry).read_bytes() == built.data
    (row,) = files_of(world, "simple", normal)
    assert (row["filename"], row["url"]) == (file_name, entry.url)
    (href,) = anchors(world.mirror / "simple" / normal / "index.html")
    assert "%2B" in href if "+" in file_name else "%2B" not in href


def test_one_project_from_two_indexes_stands_on_each_with_its_own_file(world, index):
    other = PythonIndex(world, path="extra/simple", files="extra/files")
    _, plain = wheel(index, "torch", "2.3.0")
    cuda = build_wheel(name="torch", version="2.3.0+cu121")
    entry = other.publish(cuda, name="torch", version="2.3.0+cu121", index=other.url)
    conda = world.publish(small_packages()["base"])
    environments = {"default": {"linux-64": [conda, plain]}, "cuda": {"linux-64": [conda, entry]}}
    world.lock("workspace", environments=environments, indexes=[index.url, other.url], version=7)
    update(world, "--all-environments")
    assert [row["url"] for row in files_of(world, "simple", "torch")] == [plain.url]
    assert [row["url"] for row in files_of(world, "extra/simple", "torch")] == [entry.url]
    assert len(page(world, "simple/torch")["files"]) == 2


def test_one_file_name_from_two_places_with_other_bytes_is_two_files(world, index):
    other = PythonIndex(world, path="extra/simple", files="extra/files")
    first = build_wheel(name="thing", version="1.0")
    second = build_wheel(name="thing", version="1.0", files={"thing.py": b"other = True\n"})
    assert first.file_name == second.file_name
    one = index.publish(first, name="thing", version="1.0")
    two = other.publish(second, name="thing", version="1.0", index=other.url)
    conda = world.publish(small_packages()["base"])
    environments = {"default": {"linux-64": [conda, one]}, "more": {"linux-64": [conda, two]}}
    world.lock("workspace", environments=environments, indexes=[index.url, other.url], version=7)
    update(world, "--all-environments")
    hashes = [row["hashes"]["sha256"] for row in page(world, "simple/thing")["files"]]
    assert sorted(hashes) == sorted([first.sha256, second.sha256])
    assert [row["hashes"]["sha256"] for row in files_of(world, "simple", "thing")] == [first.sha256]


def test_a_direct_url_is_mirrored_and_on_no_index_page_but_in_simple(world, index):
    built, entry = wheel(index, listed=False, locked_hash=False)
    lock(world, PypiLockEntry(url="direct+" + entry.url, name="thing", version="1.0"), indexes=[index.url])
    update(world, "--allow-unhashed")
    assert stored(world, entry).read_bytes() == built.data
    assert not (world.mirror / world.authority_path / "simple").exists()
    (row,) = page(world, "simple/thing")["files"]
    assert row["hashes"] == {"sha256": built.sha256}
    assert index.asked == []


def test_without_a_hash_a_file_is_refused_or_pinned_at_its_first_fetch(world, index):
    built, entry = wheel(index, listed=False, locked_hash=False)
    direct = PypiLockEntry(url="direct+" + entry.url, name="thing", version="1.0")
    lock(world, direct, indexes=[index.url])
    done = update(world, status=4)
    assert "no hash" in done.stderr
    assert "thing" in done.stderr
    update(world, "--allow-unhashed")
    world.upstream.put("/" + entry.url.split("/", 3)[3], built.data + b"\0")
    stored(world, entry).unlink()
    shutil.rmtree(world.home / "cache")
    done = update(world, "--allow-unhashed", status=6)
    assert built.sha256 in done.stderr
    assert not stored(world, entry).exists()
    world.upstream.put("/" + entry.url.split("/", 3)[3], built.data)
    update(world, "--allow-unhashed")


def test_a_hash_in_the_fragment_of_a_direct_url_counts(world, index):
    built, entry = wheel(index, listed=False, locked_hash=False)
    location = f"direct+{entry.url}#sha256={built.sha256}"
    lock(world, PypiLockEntry(url=location, name="thing", version="1.0"), indexes=[index.url])
    update(world)
    assert stored(world, entry).read_bytes() == built.data


@pytest.mark.parametrize("version", [6, 7])
def test_a_local_wheel_is_copied_under_its_sha256(world, version):
    built = build_wheel(name="thing", version="1.0")
    entry = PypiLockEntry(url=f"./dist/{built.file_name}", name="thing", version="1.0",
                      sha256=built.sha256 if version == 6 else None)  # fmt: skip
    lock(world, entry, version=version)
    (world.directory / "workspace/dist").mkdir()
    (world.directory / "workspace/dist" / built.file_name).write_bytes(built.data)
    update(world)
    assert (world.mirror / "local" / built.sha256 / built.file_name).read_bytes() == built.data
    assert page(world, "simple/thing")["files"][0]["hashes"] == {"sha256": built.sha256}


def test_a_local_wheel_that_was_built_anew_is_brought_again(world):
    first = build_wheel(name="thing", version="1.0")
    second = build_wheel(name="thing", version="1.0", files={"thing.py": b"new = True\n"})
    lock(world, PypiLockEntry(url=f"./dist/{first.file_name}", name="thing", version="1.0"))
    place = world.directory / "workspace/dist" / first.file_name
    place.parent.mkdir()
    place.write_bytes(first.data)
    update(world)
    place.write_bytes(second.data)
    assert world.run("status", "--check").status == 1
    assert world.run().status == 0
    assert (world.mirror / "local" / second.sha256 / second.file_name).exists()


def test_a_local_wheel_that_is_not_there_is_refused_by_name(world):
    lock(world, PypiLockEntry(url="./dist/thing-1.0-py3-none-any.whl", name="thing", version="1.0"))
    done = update(world, status=4)
    assert "dist/thing-1.0-py3-none-any.whl" in done.stderr


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("git+https://git.example/thing.git?rev=main", "pinned to no commit"),
        ("direct+https://files.example/download", "no archive"),
    ],
)
def test_what_is_no_archive_is_refused_by_name_or_left_out(world, location, reason):
    lock(world, PypiLockEntry(url=location, name="my-thing", version="1.0"), version=7)
    done = update(world, status=4)
    assert "my-thing" in done.stderr
    assert reason in done.stderr
    assert not world.mirror.exists()
    (row,) = world.run_json(*LOCK, "--skip-unmirrorable")["refused"]
    assert row["entry"].startswith("my-thing @ ")
    assert "left out: my-thing" in world.run("status").stdout


def test_the_hash_of_a_directory_in_a_lock_of_version_6_is_no_hash_of_an_archive(world):
    lock(world, PypiLockEntry(url="./pkg", name="my-thing", version="1.0", sha256="ab" * 32, editable=True), version=6)
    told = world.run_json(*LOCK)
    assert [each["kind"] for each in told["wanted"]] == ["conda"]
    assert [each["path"] for each in told["checkout"]] == ["./pkg"]


def test_no_pypi_leaves_them_out(world, index):
    _, entry = wheel(index)
    lock(world, entry, PypiLockEntry(url="./pkg", name="my-thing"), indexes=[index.url])
    update(world, "--no-pypi")
    assert not (world.mirror / "simple").exists()
    assert not stored(world, entry).exists()


@pytest.mark.parametrize("location", ["https://pypi.example/a/%2e%2e/thing-1.0-py3-none-any.whl",
                                      "https://pypi.example/a/thing-1.0%252Bx-py3-none-any.whl",
                                      "https://pypi.example/other-1.0-py3-none-any.whl"])  # fmt: skip
def test_a_hostile_location_is_refused(world, location):
    lock(world, PypiLockEntry(url=location, name="thing", version="1.0", sha256="ab" * 32))
    done = update(world, status=3)
    assert "thing" in done.stderr
    assert not world.mirror.exists()


# Pages


@pytest.mark.parametrize("as_html", [False, True])
def test_the_page_says_what_upstream_says_of_the_file(world, as_html):
    index = PythonIndex(world, as_html=as_html)
    built, entry = wheel(index, **{"requires-python": ">=3.9,<4", "yanked": "broken <b>", "upload-time": TIME})
    lock(world, entry, indexes=[index.url])
    update(world)
    (row,) = files_of(world, "simple", "thing")
    metadata = hashlib.sha256(built.metadata).hexdigest()
    assert row == {
        "filename": built.file_name,
        "url": entry.url,
        "hashes": {"sha256": built.sha256},
        "requires-python": ">=3.9,<4",
        "yanked": "broken <b>",
        "upload-time": TIME,
        "size": len(built.data),
        "core-metadata": {"sha256": metadata},
        "dist-info-metadata": {"sha256": metadata},
    }
    html = (world.mirror / world.authority_path / "simple/thing/index.html").read_text(encoding="utf-8")
    assert f'href="{entry.url}#sha256={built.sha256}"' in html
    assert 'data-yanked="broken &lt;b&gt;"' in html
    assert f'data-upload-time="{TIME}"' in html


def test_without_upstreams_page_the_file_tells_what_it_needs(world, index):
    _, entry = wheel(index, listed=False)
    lock(world, entry, indexes=[index.url])
    done = update(world)
    assert f"{index.url}/thing/" in done.stderr
    assert "exclude-newer" in done.stderr
    (row,) = files_of(world, "simple", "thing")
    assert row["requires-python"] == ">=3.8"
    assert "upload-time" not in row
    before = len(world.requests)
    assert "nothing to do" in update(world).stdout  # that the page is not there is known
    assert len(world.requests) == before


def test_a_page_that_could_not_be_had_is_asked_for_again_by_repair(world, index):
    _, entry = wheel(index, **{"upload-time": TIME})
    lock(world, entry, indexes=[index.url])
    world.upstream.script("/simple/thing/", status(503), status(503), status(503))
    done = update(world, "--retries", "0")
    assert "verify --repair" in done.stderr
    assert "upload-time" not in files_of(world, "simple", "thing")[0]
    assert world.run("verify", "--repair", "--retries", "0").status in (0, 1)
    world.upstream.script("/simple/thing/")
    assert world.run("verify", "--repair").status == 0
    assert files_of(world, "simple", "thing")[0]["upload-time"] == TIME


def test_the_metadata_of_a_wheel_stands_beside_it(world, index):
    built, entry = wheel(index)
    lock(world, entry, indexes=[index.url])
    update(world)
    beside = stored(world, entry).with_name(built.file_name + ".metadata")
    assert beside.read_bytes() == built.metadata
    assert world.run("verify").status == 0
    beside.write_bytes(b"Name: other\n")
    assert "not the METADATA" in world.run("verify").stdout
    assert world.run("verify", "--repair").status == 0
    assert beside.read_bytes() == built.metadata


def test_a_file_is_listed_on_the_index_that_has_it_though_another_comes_first(world, index):
    second = PythonIndex(world, path="second/simple", files="second/files")
    index.publish(build_wheel(name="thing", version="9.0"), name="thing", version="9.0")  # the first has the project
    _, entry = wheel(second)
    lock(world, entry, indexes=[index.url, second.url])
    update(world)
    assert [row["url"] for row in files_of(world, "second/simple", "thing")] == [entry.url]
    assert not (world.mirror / world.authority_path / "simple/thing").exists()


def test_nobody_elses_page_is_asked_once_a_file_is_found(world, index):
    second = PythonIndex(world, path="second/simple")
    _, entry = wheel(index)
    lock(world, entry, indexes=[index.url, second.url])
    update(world)
    assert (index.asked, second.asked) == (["thing"], [])


def test_pages_list_only_what_the_mirror_has(world, index):
    _, entry = wheel(index)
    index.publish(build_wheel(name="thing", version="2.0"), name="thing", version="2.0")
    lock(world, entry, indexes=[index.url])
    update(world)
    assert [row["filename"] for row in files_of(world, "simple", "thing")] == ["thing-1.0-py3-none-any.whl"]
    assert page(world, f"{world.authority_path}/simple")["projects"] == [{"name": "thing"}]
    assert [project["name"] for project in page(world, "simple")["projects"]] == ["thing"]


def test_links_of_simple_are_relative_and_lead_to_the_file(world, index):
    built, entry = wheel(index)
    lock(world, entry, indexes=[index.url])
    update(world)
    (href,) = anchors(world.mirror / "simple/thing/index.html")
    target, _, fragment = href.partition("#")
    assert fragment == f"sha256={built.sha256}"
    assert (world.mirror / "simple/thing" / target).resolve() == stored(world, entry).resolve()


def test_a_page_of_links_is_kept_as_one(world, index):
    built, entry = wheel(index, listed=False)
    link = f'<a href="{entry.url}#sha256={built.sha256}">{built.file_name}</a>'
    html = {"Content-Type": "text/html"}
    world.upstream.put("/links.html", link.encode(), headers=html)
    place = lock(world, entry, indexes=[index.url])
    text = place.read_text(encoding="utf-8")
    links = f"    find-links:\n    - url: {world.upstream.url}/links.html\n    packages:"
    place.write_text(text.replace("    packages:", links, 1), encoding="utf-8")
    update(world)
    assert anchors(world.mirror / world.authority_path / "links.html") == [f"{entry.url}#sha256={built.sha256}"]
    assert not (world.mirror / world.authority_path / "simple").exists()


# Over time


def test_what_no_lock_wants_leaves_the_pages_at_once_and_the_disk_later(world, index):
    old, old_entry = wheel(index, "gone", "1.0")
    _, entry = wheel(index)
    lock(world, entry, old_entry, indexes=[index.url])
    update(world)
    lock(world, entry, indexes=[index.url])
    update(world)
    assert files_of(world, "simple", "gone")  # an update removes nothing
    assert world.run("prune", "--apply").status == 0
    assert not (world.mirror / world.authority_path / "simple/gone").exists()
    assert not (world.mirror / "simple/gone").exists()
    assert [project["name"] for project in page(world, "simple")["projects"]] == ["thing"]
    metadata = stored(world, old_entry).with_name(old.file_name + ".metadata")
    assert stored(world, old_entry).exists()
    assert metadata.exists()  # who has read the page before still asks for it
    assert world.run("verify").status == 0
    assert world.run("prune", "--apply", "--grace", "0").status == 0
    assert not stored(world, old_entry).exists()
    assert not metadata.exists()
    assert world.run("verify").status == 0


def test_upstreams_words_survive_without_a_network(world, index):
    _, entry = wheel(index, **{"upload-time": TIME, "yanked": "bad"})
    lock(world, entry, indexes=[index.url])
    update(world)
    place = world.mirror / world.authority_path / "simple/thing/index.v1_json"
    before = place.read_bytes()
    place.unlink()
    world.upstream.script("*", status(503))
    update(world)
    assert place.read_bytes() == before


def test_two_locks_that_know_other_indexes_do_not_disagree(world, index):
    second = PythonIndex(world, path="second/simple")
    _, entry = wheel(index)
    lock(world, entry, indexes=[index.url])
    conda = world.publish(small_packages()["base"])
    world.lock("other", environments={"default": {"linux-64": [conda, entry]}}, indexes=[second.url], version=7)
    done = update(world, "--lock", "other/pixi.lock")
    assert "stands" not in done.stderr
    assert [row["url"] for row in files_of(world, "simple", "thing")] == [entry.url]


def test_secrets_in_the_url_of_an_index_stand_nowhere(world, index):
    _, entry = wheel(index)
    secret = index.url.replace("http://", "http://me:S3CRET@")
    lock(world, entry, indexes=[secret])
    done = update(world, "-v")
    assert "S3CRET" not in done.stdout + done.stderr
    for path in world.mirror.rglob("*"):
        assert "S3CRET" not in str(path)
        assert not path.is_file() or b"S3CRET" not in path.read_bytes()


def test_status_tells_the_indexes_and_their_files(world, index):
    built, entry = wheel(index)
    lock(world, entry, indexes=[index.url])
    update(world)
    found = world.run_json("status")
    place = f"{world.authority_path}/simple"
    assert found["indexes"] == [{"url": index.url, "path": place, "files": 1, "bytes": len(built.data)}]
    assert f"index {index.url} in {place}/: 1 file" in world.run("status").stdout


# Sdists


def test_an_sdist_is_mirrored_and_status_says_what_building_it_lacks(world, index):
    built = build_sdist(name="source", version="1.0", build_requires=["hatchling>=1", "Hatch.VCS"])
    entry = index.publish(built, name="source", version="1.0")
    lock(world, entry, indexes=[index.url])
    update(world)
    assert stored(world, entry).read_bytes() == built.data
    (row,) = files_of(world, "simple", "source")
    assert row["core-metadata"] is False
    (sdist,) = world.run_json("status")["sdists"]
    assert sdist["build_requires"] == ["hatchling>=1", "Hatch.VCS"]
    assert "will not build offline" in world.run("status").stdout


@pytest.mark.parametrize(
    ("requirement", "lacks"), first(1, [("thing", []), ("thing~=1.0", []), ("thing>=2", ["thing>=2"])])
)
def test_an_sdist_whose_needs_are_mirrored_is_not_complained_of(world, index, requirement, lacks):
    built = build_sdist(name="source", version="1.0", build_requires=[requirement])
    entry = index.publish(built, name="source", version="1.0")
    _, needed = wheel(index)
    lock(world, entry, needed, indexes=[index.url])
    update(world)
    assert [line for sdist in world.run_json("status")["sdists"] for line in sdist["build_requires"]] == lacks


def test_a_wheel_that_cannot_be_read_is_mirrored_without_declaring_metadata(world, index):
    built = build_wheel(name="thing", version="1.0")
    data = b"this is no zip"
    broken = built.__class__(
        file_name=built.file_name, data=data, sha256=hashlib.sha256(data).hexdigest(), metadata=built.metadata
    )
    entry = index.publish(broken, name="thing", version="1.0")
    lock(world, entry, indexes=[index.url])
    done = update(world)
    assert built.file_name in done.stderr
    (row,) = files_of(world, "simple", "thing")
    assert row["core-metadata"] is False
