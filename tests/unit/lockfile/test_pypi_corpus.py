"""The Python packages of every lock of the corpus: what is mirrored of them, and the pages that list it."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from harness.corpus import LOCKS, ROWS, lock_path, needs_corpus, sampled
from harness.examples import first

from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.source import LockSource
from pixi_mirror.model.indexes import Contents
from pixi_mirror.model.request import Request
from pixi_mirror.pypi.index import PypiIndex
from pixi_mirror.pypi.index_urls import index_of
from pixi_mirror.pypi.names import form_of
from pixi_mirror.pypi.simple_reader import read_page

pytestmark = needs_corpus

ALL = Request(environments=None, platforms=(), skip_unmirrorable=True, allow_md5=True, allow_unhashed=True)
LARGEST = "Deltares__hydromt__root"


def answer(slug):
    """What a lock wants of PyPI, and what of it is refused."""
    try:
        told = LockSource(LOCKS / slug).select((ALL,), subscription="lock:x", workspace=slug, layout="channels")
    except WorkspaceError:
        pytest.skip("the lock is damaged, or needs py-rattler")
    return [each for each in told.snapshot.packages if each.kind == "pypi"], told.snapshot.refused


def pages_of(packages):
    """Path -> what our reader finds on each page for these packages, all of them being there."""
    there = [replace(each, sha256=each.sha256 or "0" * 64, size=each.size or 1) for each in packages]
    contents = Contents(packages=there, channels=(), listings={}, standing=(), where=Path)
    made = PypiIndex().files(contents)
    return {
        path: read_page(file.content(), url=f"http://mirror/{path}", content_type=None)[0]
        for path, file in made.items()
        if not path.count("/") or path.rpartition("/")[2] == "index.html"
    }


@pytest.mark.parametrize("slug", first(3, sampled(ROWS)))
def test_every_file_is_on_one_page_of_its_index_and_in_simple(slug):
    packages, _ = answer(slug)
    pages = pages_of(packages)
    places: dict[str, list[str]] = {}
    for path, files in pages.items():
        for file in files:
            places.setdefault(file.url, []).append(path)
    for package in packages:
        name = package.path.rpartition("/")[2]
        simple = [each.url for each in pages[f"simple/{package.name}/index.html"] if each.file_name == name]
        target = [unquote(urlsplit(url).path).lstrip("/") for url in simple]
        same = [each.path for each in packages if (each.sha256, each.path.rpartition("/")[2]) == (package.sha256, name)]
        assert set(target) & set(same), package.path
        on = places.get(package.url.stripped, [])
        assert len(on) == (index_of(package, None) is not None), (package.path, on)


@pytest.mark.parametrize("slug", first(3, sampled(ROWS)))
def test_only_what_has_no_archive_is_refused(slug):
    _, refused = answer(slug)
    for each in refused:
        name, _, location = each.entry.partition(" @ ")
        is_source_package = "source package" in each.reason
        is_not_here = form_of(location).startswith("local") and "cannot be read" in each.reason
        assert is_source_package or is_not_here or form_of(location) in ("git", "directory"), (name, each.reason)


@pytest.mark.slow
def test_the_largest_lock_has_all_of_its_wheels():
    packages, _ = answer(LARGEST)
    text = lock_path(LARGEST).read_text(encoding="utf-8")
    locked = {line.split("pypi: ")[1].strip() for line in text.splitlines() if line.strip().startswith("- pypi: http")}
    assert {each.url.raw for each in packages} == locked
    assert len(locked) > 900
