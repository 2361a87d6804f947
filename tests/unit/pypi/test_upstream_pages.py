"""Links to locked files on upstream's pages: in which order pages are read, what matches, what is only said."""

import json
from types import MappingProxyType

import pytest
from harness.upstream import Upstream, redirect, status

from pixi_mirror.http.fetcher import Fetcher
from pixi_mirror.model.network import Network
from pixi_mirror.model.packages import Package
from pixi_mirror.model.values import Sha256, Url, admit_path
from pixi_mirror.paths import url_path
from pixi_mirror.progress import Progress
from pixi_mirror.pypi.simple import V1_JSON
from pixi_mirror.pypi.upstream_pages import UpstreamPages

SHA, OTHER = Sha256("ab" * 32), Sha256("cd" * 32)
FILE = "https://files.example/p/thing-1.0.zip"


class Silent(Progress):
    """Takes no note of anything."""

    def note(self, message):
        """Nobody reads it."""

    def warn(self, message):
        """Nobody reads it."""

    def begin(self, task, *, files, size):
        """Nothing is shown."""

    def advance(self, *, files=0, size=0):
        """Nothing is shown."""


@pytest.fixture
def upstream():
    with Upstream() as server:
        yield server


def package(url=FILE, sha256=SHA, *, indexes=(), links=(), name="thing"):
    return Package(
        path=admit_path(url_path(url)), url=Url(url), sha256=sha256, md5=None, size=None, kind="pypi", name=name,
        version="1.0", build=None, subdir=None,
        record=MappingProxyType({"indexes": list(indexes), "find-links": list(links)}),
    )  # fmt: skip


def page(upstream, path, *rows):
    files = [{"filename": url.rpartition("/")[2], "url": url, "hashes": hashes, **more} for url, hashes, more in rows]
    upstream.put(path, json.dumps({"files": files}).encode(), headers={"Content-Type": V1_JSON})


def fetch_links(*packages, mirrors=MappingProxyType({})):
    network = Network(mirrors=mirrors, retries=0)
    fetcher = Fetcher(network, Silent(), connections=2)
    return UpstreamPages(fetcher, Silent(), jobs=2).fetch_links(packages)


def test_each_page_is_read_once_and_only_until_the_file_is_found(upstream):
    page(upstream, "/one/thing/", (FILE, {"sha256": SHA}, {"yanked": "bad"}))
    again = package("https://files.example/p/thing-2.0.zip", OTHER, indexes=[f"{upstream.url}/one"])
    found = fetch_links(package(indexes=[f"{upstream.url}/one", f"{upstream.url}/two"]), again)
    (link,) = found.links.values()
    assert (link.index, link.link.yanked) == (f"{upstream.url}/one", "bad")
    assert [request.path for request in upstream.requests] == ["/one/thing/"]
    assert (found.undecided, found.problems, found.contradictions) == (set(), {}, [])


def test_a_file_is_found_at_another_address_by_its_hash_and_without_a_hash_by_its_address(upstream):
    page(upstream, "/one/thing/", ("https://cdn.example/thing-1.0.zip", {"sha256": SHA}, {}))
    page(upstream, "/two/thing/", ("https://files.example/%70/thing-1.0.zip", {}, {}))
    page(upstream, "/three/thing/", ("https://cdn.example/thing-1.0.zip", {}, {}))
    for index, is_found in (("one", True), ("two", True), ("three", False)):
        assert bool(fetch_links(package(indexes=[f"{upstream.url}/{index}"])).links) is is_found
        unhashed = fetch_links(package(sha256=None, indexes=[f"{upstream.url}/{index}"]))
        assert bool(unhashed.links) is (index == "two")


def test_a_link_with_another_hash_is_told_and_not_used(upstream):
    page(upstream, "/one/thing/", (FILE, {"sha256": OTHER}, {"yanked": "untrue"}))
    page(upstream, "/two/thing/", (FILE, {"sha256": SHA}, {"yanked": "true"}))
    urls = [f"{upstream.url}/one", f"{upstream.url}/two"]
    found = fetch_links(package(indexes=urls[:1]))
    assert (found.links, found.undecided) == ({}, set())
    assert [f"{urls[0]}/thing/ promises sha256 {OTHER}" in line for line in found.contradictions] == [True]
    found = fetch_links(package(indexes=urls))
    assert [link.link.yanked for link in found.links.values()] == ["true"]
    assert len(found.contradictions) == 1


def test_a_passing_problem_leaves_it_open_and_a_lasting_one_does_not(upstream):
    upstream.script("/one/thing/", status(503))
    upstream.put("/two/thing/", b"{", headers={"Content-Type": V1_JSON})
    one, two, three = (f"{upstream.url}/{name}" for name in ("one", "two", "three"))
    found = fetch_links(package(indexes=[one, two, three]))
    assert found.undecided == {package().path}
    assert sorted(found.problems) == sorted([one, two, three])
    assert fetch_links(package(indexes=[two, three])).undecided == set()


def test_relative_links_are_below_the_pages_own_url_and_after_a_redirect_below_the_last(upstream):
    rows = [("../../p/thing-1.0.zip", {}, {})]
    page(upstream, "/simple/thing/", *rows)
    index = "https://files.example/simple"
    mirrors = {"https://files.example": (upstream.url,)}
    assert fetch_links(package(indexes=[index]), mirrors=mirrors).links
    page(upstream, "/moved/simple/thing/", *rows)
    upstream.script("/simple/thing/", redirect(f"{upstream.url}/moved/simple/thing/"))
    assert fetch_links(package("https://files.example/moved/p/thing-1.0.zip", indexes=[index]), mirrors=mirrors).links
