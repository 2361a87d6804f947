"""Upstream's index pages as servers really have them: odd bytes, relative links, wrong hashes, pages of links."""

import json
import re

import pytest
from harness.examples import first
from harness.python_index import PythonIndex
from harness.upstream import redirect
from harness.world import small_packages

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.lockfile.writer import PypiLockEntry

LOCK = ("--lock", "workspace/pixi.lock")
INDEX = "https://pypi.example/simple"
FILES = "https://pypi.example/files"
HTML = {"Content-Type": "text/html"}
WHEEL = build_wheel(name="thing", version="1.0")


def lock(world, *entries, indexes=(INDEX,), find_links=(), version=7, workspace="workspace"):
    conda = world.publish(small_packages()["base"])
    path = world.lock(
        workspace, environments={"default": {"linux-64": [conda, *entries]}}, indexes=indexes, version=version
    )
    if find_links:
        lines = "".join(f"    - url: {url}\n" for url in find_links)
        text = path.read_text(encoding="utf-8")
        path.write_text(
            text.replace("    packages:\n", f"    find-links:\n{lines}    packages:\n", 1), encoding="utf-8"
        )
    return path


def mirrored(world, *prefixes):
    """The options of an update to which the upstream stands for other hosts."""
    table = "".join(f'"{prefix}" = ["{world.upstream.url}"]\n' for prefix in prefixes or ("https://pypi.example",))
    (world.directory / "mirrors.toml").write_text(f"[mirrors]\n{table}", encoding="utf-8")
    return ("--config-file", "mirrors.toml")


def entry(url=f"{FILES}/{WHEEL.file_name}", built=WHEEL, name="thing", **more):
    return PypiLockEntry(url=url, name=name, version="1.0", sha256=built.sha256, **more)


def update(world, *args, status=0):
    done = world.run(*args)
    assert done.status == status, f"{done.status}\n{done.stdout}\n{done.stderr}"
    return done


def files_of(world, folder):
    return json.loads((world.mirror / folder / "index.v1_json").read_text(encoding="utf-8"))["files"]


def anchors(path):
    return re.findall(r'<a href="([^"#]+)', path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", ["/simple/thing/", "/simple/elsewhere/"])
def test_relative_links_of_a_page_that_came_through_mirrors_are_below_its_own_url(world, path):
    world.upstream.put(f"/files/{WHEEL.file_name}", WHEEL.data)
    page = f'<a href="../../files/{WHEEL.file_name}" data-yanked="broken">{WHEEL.file_name}</a>'
    world.upstream.put(path, page.encode(), headers=HTML)
    if path != "/simple/thing/":
        world.upstream.script("/simple/thing/", redirect("../elsewhere/"))
    lock(world, entry())
    update(world, *LOCK, *mirrored(world))
    (row,) = files_of(world, "pypi.example/simple/thing")
    assert (row["yanked"], row["url"]) == ("broken", f"{FILES}/{WHEEL.file_name}")


def test_a_page_that_is_not_all_utf_8_is_read_all_the_same(world):
    index = PythonIndex(world)
    locked = index.publish(WHEEL, name="thing", version="1.0")
    page = (
        f'<title>caf\u00e9</title><a href="{locked.url}" data-yanked="caf\u00e9" data-requires-python="&gt;=3.9">x</a>'
    )
    world.upstream.put("/simple/thing/", page.encode("latin-1"), headers=HTML)
    lock(world, locked, indexes=[index.url])
    assert "no index page" not in update(world, *LOCK).stderr
    (row,) = files_of(world, f"{world.authority_path}/simple/thing")
    assert (row["yanked"], row["requires-python"]) == ("caf ", ">=3.9")


@pytest.mark.parametrize("as_html", [False, True])
def test_where_a_page_promises_another_hash_the_lock_decides_and_a_warning_names_the_page(world, as_html):
    index = PythonIndex(world, as_html=as_html)
    locked = index.publish(WHEEL, name="thing", version="1.0", yanked="bad", **{"upload-time": "2024-06-07T18:52:13Z"})
    index.rows["thing"][0]["hashes"]["sha256"] = "ab" * 32
    index._write("thing")
    lock(world, locked, indexes=[index.url])
    done = update(world, *LOCK)
    assert f"{index.url}/thing/ promises sha256 {'ab' * 32} for {locked.url}" in done.stderr
    assert WHEEL.sha256 in done.stderr
    (row,) = files_of(world, f"{world.authority_path}/simple/thing")
    assert (row["hashes"], row["yanked"]) == ({"sha256": WHEEL.sha256}, False)
    assert "upload-time" not in row
    assert world.run("verify").status == 0


def test_an_index_after_one_with_another_hash_says_what_is_true_of_the_file(world):
    wrong, right = PythonIndex(world), PythonIndex(world, path="second/simple")
    locked = right.publish(WHEEL, name="thing", version="1.0", yanked="true")
    wrong.rows["thing"] = [{**right.rows["thing"][0], "hashes": {"sha256": "ab" * 32}, "yanked": "untrue"}]
    wrong._write("thing")
    lock(world, locked, indexes=[wrong.url, right.url])
    assert f"{wrong.url}/thing/ promises" in update(world, *LOCK).stderr
    (row,) = files_of(world, f"{world.authority_path}/second/simple/thing")
    assert row["yanked"] == "true"


def test_one_file_name_with_two_hashes_in_simple_is_warned_of_on_every_run(world):
    other = build_wheel(name="thing", version="1.0", files={"thing.py": b"other = True\n"})
    first, second = PythonIndex(world), PythonIndex(world, path="extra/simple", files="extra/files")
    one = first.publish(WHEEL, name="thing", version="1.0")
    two = second.publish(other, name="thing", version="1.0", index=second.url)
    lock(world, one, indexes=[first.url])
    lock(world, two, indexes=[second.url], workspace="other")
    line = f"simple/thing/ lists {WHEEL.file_name} with 2 different hashes"
    for _ in range(2):
        done = update(world, *LOCK, "--lock", "other/pixi.lock")
        assert line in done.stderr
        assert one.url in done.stderr
        assert two.url in done.stderr
    assert [line in warning for warning in world.run_json()["warnings"]] == [True]


ODD = "https://host.example/t/simple"  # by conda's rule a token, with nothing after it
SPACED = "https://host.example/My Project/simple"


@pytest.mark.parametrize("version", first(1, [6, 7]))
def test_an_index_that_can_have_no_place_is_asked_and_named_on_every_run(world, version):
    world.upstream.put(f"/files/{WHEEL.file_name}", WHEEL.data)
    page = f'<a href="../../../files/{WHEEL.file_name}" data-yanked="broken">{WHEEL.file_name}</a>'
    world.upstream.put("/t/simple/thing/", page.encode(), headers=HTML)
    world.upstream.put("/thing/", page.encode(), headers=HTML)
    url = f"https://host.example/files/{WHEEL.file_name}"
    lock(world, entry(url, index=ODD if version == 7 else None), indexes=[ODD], version=version)
    options = mirrored(world, "https://host.example")
    for _ in range(2):
        assert "can have no place in a mirror" in update(world, *LOCK, *options).stderr
    (row,) = files_of(world, "simple/thing")
    assert row["hashes"] == {"sha256": WHEEL.sha256}
    (held,) = world.run_json("status")["indexes"]
    assert (held["path"], held["files"]) == (None, 1)
    assert "can have no place here: 1 file" in world.run("status").stdout
    assert world.run("config").status == 0
    assert world.run("verify").status == 0


def test_an_index_whose_url_has_a_space_is_asked_by_its_encoded_url(world):
    lock(world, entry("https://host.example/thing-1.0-py3-none-any.whl"), indexes=[SPACED])
    world.upstream.put("/thing-1.0-py3-none-any.whl", WHEEL.data)
    update(world, *LOCK, *mirrored(world, "https://host.example"))
    assert "/My%20Project/simple/thing/" in [request.path for request in world.requests]


# Pages of links


PAGE = "https://links.example/whl/torch-2.8.0+cpu.html"
OLD = build_wheel(name="old-thing", version="1.0")
BOTH = ("https://links.example", "https://pypi.example")


def links(world, path="/whl/torch-2.8.0+cpu.html", base="https://links.example/whl/cpu"):
    """A page of links, and the files that it links to."""
    lines = [f'<a href="{base}/{each.file_name}" data-yanked="why">{each.file_name}</a>' for each in (WHEEL, OLD)]
    world.upstream.put(path, "\n".join(lines).encode(), headers=HTML)
    for each in (WHEEL, OLD):
        world.upstream.put(f"/whl/cpu/{each.file_name}", each.data)


def of_version_7(world, page=PAGE, **more):
    return lock(world, entry(f"https://links.example/whl/cpu/{WHEEL.file_name}", index=page), find_links=[page], **more)


def of_version_6(world, page=PAGE):
    old = entry(f"https://links.example/whl/cpu/{OLD.file_name}", OLD, "old-thing")
    return lock(world, old, find_links=[page], version=6, workspace="other")


@pytest.mark.parametrize(
    "runs", first(1, [[LOCK], [(*LOCK, "--lock", "other/pixi.lock")], [("--lock", "other/pixi.lock"), LOCK]])
)
def test_a_page_of_links_that_a_lock_of_version_7_calls_an_index_stays_one_page(world, runs):
    links(world)
    of_version_7(world)
    of_version_6(world)
    for run in runs:
        update(world, *run, *mirrored(world, *BOTH))
    page = world.mirror / "links.example/whl/torch-2.8.0+cpu.html"
    wheels = [WHEEL] if runs == [LOCK] else [OLD, WHEEL]
    assert anchors(page) == [f"https://links.example/whl/cpu/{each.file_name}" for each in wheels]
    assert page.read_text(encoding="utf-8").count('data-yanked="why"') == len(wheels)
    assert "/whl/torch-2.8.0+cpu.html/thing/" not in [request.path for request in world.requests]
    assert '"https://links.example" = ["http://m.example/links.example"]' in world.run(
        "config", "--url", "http://m.example"
    ).stdout.replace("\n", "")
    assert world.run("verify").status == 0
    assert world.run("status", "--check").status == 0


@pytest.mark.parametrize("page", ["https://links.example/lists/", "https://links.example/lists"])
def test_a_page_of_links_that_is_a_folder_is_asked_as_the_lock_spells_it(world, page):
    links(world, page.removeprefix("https://links.example"))
    of_version_7(world, page)
    update(world, *LOCK, *mirrored(world, *BOTH))
    assert page.removeprefix("https://links.example") in [request.path for request in world.requests]
    path = world.mirror / "links.example/lists/index.html"
    assert anchors(path) == [f"https://links.example/whl/cpu/{WHEEL.file_name}"]
    assert 'data-yanked="why"' in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("page", "key"),
    first(
        2,
        [
            ("https://links.example/lists/page.html", "/lists"),
            ("https://links.example/lists/deep/", "/lists/deep"),
            ("https://links.example/lists/deep", "/lists"),
            ("https://links.example/page.html", ""),
        ],
    ),
)
def test_config_leads_to_a_page_of_links_on_another_host_than_its_files(world, page, key):
    files = "https://files.example/whl"
    text = f'<a href="{files}/{WHEEL.file_name}">{WHEEL.file_name}</a>'
    world.upstream.put(page.removeprefix("https://links.example"), text.encode(), headers=HTML)
    world.upstream.put(f"/whl/{WHEEL.file_name}", WHEEL.data)
    lock(world, entry(f"{files}/{WHEEL.file_name}"), find_links=[page], version=6)
    update(world, *LOCK, *mirrored(world, *BOTH, "https://files.example"))
    lines = world.run("config", "--url", "http://m.example").stdout
    assert f'"https://links.example{key}" = [' in lines
    assert f'"http://m.example/links.example{key}"' in lines


def test_what_the_inventory_records_gives_way_to_a_file_where_its_directory_was(world):
    links(world)
    of_version_7(world)
    update(world, *LOCK, *mirrored(world, *BOTH))
    page = world.mirror / "links.example/whl/torch-2.8.0+cpu.html"
    as_earlier_builds_did(world, page)
    update(world, *LOCK, *mirrored(world, *BOTH))
    assert anchors(page) == [f"https://links.example/whl/cpu/{WHEEL.file_name}"]
    assert world.run("verify").status == 0


def as_earlier_builds_did(world, page):
    """Have a directory of pages where the page of links is, on disk and in the inventory."""
    content = page.read_bytes()
    page.unlink()
    page.mkdir()
    (page / "index.html").write_bytes(content)
    (page / "thing").mkdir()
    (page / "thing/index.html").write_bytes(content)
    path = world.mirror / "pixi-mirror.json"
    text = path.read_text(encoding="utf-8")
    inventory = json.loads(text)
    tree = inventory["tree"]
    known = tree.pop("links.example/whl/torch-2.8.0+cpu.html")
    for name in ("index.html", "thing/index.html"):
        tree[f"links.example/whl/torch-2.8.0+cpu.html/{name}"] = known
    path.write_text(json.dumps(inventory), encoding="utf-8")


def test_a_path_that_would_have_to_be_a_file_and_a_directory_is_refused_before_the_first_write(world):
    url = f"{PAGE}/{WHEEL.file_name}"
    lock(world, entry(url), find_links=[PAGE], version=6)
    links(world)
    done = update(world, *LOCK, *mirrored(world, *BOTH), status=4)
    assert (
        f"links.example/whl/torch-2.8.0+cpu.html would have to be the page {PAGE} and the directory of" in done.stderr
    )
    assert not (world.mirror / "pixi-mirror.json").exists()
    assert world.run_json(*LOCK, "--dry-run", *mirrored(world, *BOTH), status=4)["error"]
