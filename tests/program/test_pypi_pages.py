"""Upstream's index pages as servers really have them: odd bytes, relative links, wrong hashes, pages of links."""

import json
import re

import pytest
from harness.python_index import PythonIndex
from harness.upstream import redirect
from harness.world import small_packages

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.workspace import PypiLockEntry

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
