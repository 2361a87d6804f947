"""Paths that would have to be a file and a directory, and index files that make way for new ones."""

from types import SimpleNamespace

import pytest

from pixi_mirror.mirror.blocked_paths import blocked_paths_error, make_way, without_displaced
from pixi_mirror.model.packages import GeneratedFile, Inventory, Package, PackageFile
from pixi_mirror.model.values import Sha256, Url, admit_path

SHA = Sha256("ab" * 32)
PAGE = "https://h.example/whl/page.html"


def package(path, *, links=()):
    return Package(
        path=admit_path(path), url=Url(f"https://{path}"), sha256=SHA, md5=None, size=None, kind="pypi", name="thing",
        version="1.0", build=None, subdir=None, record={"indexes": [], "find-links": list(links)},
    )  # fmt: skip


def plan(*packages, kept=()):
    return SimpleNamespace(
        packages={each.path: each for each in packages}, kept={each.path: each for each in kept}, layout="channels"
    )


def test_a_page_and_packages_beside_it_block_nothing():
    assert (
        blocked_paths_error(plan(package("h.example/whl/cpu/a.whl", links=[PAGE]), package("h.example/b.zip"))) is None
    )


@pytest.mark.parametrize(
    "blocked",
    [
        plan(package("h.example/whl/page.html/a.whl", links=[PAGE])),
        plan(package("h.example/a.zip"), package("h.example/a.zip/b.zip")),
        plan(package("h.example/a.zip"), kept=[package("h.example/a.zip/deep/b.zip")]),
    ],
)
def test_a_file_that_would_have_to_be_a_directory_is_named_with_both(blocked):
    error = blocked_paths_error(blocked)
    assert error.status == 4
    assert "would have to be" in str(error)
    assert "prune" in str(error)
    assert all(path in str(error) for path in blocked.packages)


class RecordedTree:
    """What `make_way` knows of a mirror."""

    def __init__(self, *, generated=(), stored=()):
        tree = {admit_path(path): GeneratedFile(recipe=SHA) for path in generated}
        tree |= {admit_path(path): PackageFile(sha256=SHA, size=1) for path in stored}
        self.inventory = Inventory(layout="channels", snapshots=(), kept={}, tree=tree)
        self.removed = []

    def remove(self, path):
        self.removed.append(path)


@pytest.mark.parametrize(
    ("new", "removed"),
    [
        ("h/page.html", ["h/page.html/index.html", "h/page.html/thing/index.html"]),
        ("h/other.html/x.whl", ["h/other.html"]),
        ("h/x.html", []),
        ("h/other.html", []),  # it is recorded, so nothing is in its way
        ("h/kept.zip/x.whl", []),  # a package is never removed
    ],
)
def test_recorded_index_files_make_way_and_packages_do_not(new, removed):
    generated = ["h/page.html/index.html", "h/page.html/thing/index.html", "h/other.html", "h/simple/index.html"]
    tree = RecordedTree(generated=generated, stored=["h/kept.zip"])
    make_way(tree, [admit_path(new)])
    assert tree.removed == removed


def test_what_has_made_way_is_not_removed_again():
    obsolete = tuple(map(admit_path, ("h/page.html/index.html", "h/other.html", "h/gone/index.html")))
    held = [admit_path("h/page.html"), admit_path("h/other.html/x.whl")]
    assert without_displaced(obsolete, held) == ("h/gone/index.html",)
    assert without_displaced((), held) == ()
