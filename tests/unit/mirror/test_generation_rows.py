"""The rows of a generation are its content, whatever numbers the inventory gives to packages, and become it again."""

from dataclasses import replace

import pytest
from harness.child import ROOT

from pixi_mirror.mirror.generation_rows import content_digest, document_of, rows_of
from pixi_mirror.mirror.inventory_file import parse
from pixi_mirror.mirror.inventory_text import PackageTexts
from pixi_mirror.model.advisories import AdvisoryDatabase, database_path
from pixi_mirror.model.packages import PackageFile
from pixi_mirror.model.policy import PolicyRecord
from pixi_mirror.model.sources import SourceDirectory
from pixi_mirror.model.values import admit_path, admit_sha256

KEPT = sorted((ROOT / "tests" / "data" / "mirrors").glob("*/mirror/pixi-mirror.json"))


@pytest.fixture(params=KEPT, ids=lambda path: path.parts[-3])
def kept(request):
    """The inventory of a kept mirror: conda and PyPI files, an sdist with build tools, deferred files, surplus."""
    found = parse(request.param.read_bytes())
    directory = SourceDirectory(entry="./local", path="local", kind="pypi", is_inside=True, build_requires=("flit",))
    first, *rest = found.snapshots
    relations = {admit_path("conda-forge/noarch"): {"base": "https://conda.anaconda.org/base"}}
    database = database_path("osv", "a" * 64, ".zip")
    about = AdvisoryDatabase(name="osv", source="all.zip", advisories=1, newest="2026-11-01T00:00:00+00:00")
    return replace(
        found,
        snapshots=(replace(first, directories=(directory,)), *rest),
        relations=relations,
        tree={**found.tree, database: PackageFile(sha256=admit_sha256("a" * 64), size=1)},
        advisories={database: about},
        policy=PolicyRecord(name="p.toml", rules={"age": {"minimum": "7d"}}, program="[bans]\n"),
    )


def rows(inventory):
    return rows_of(inventory, PackageTexts())


def listed(inventory):
    """What a generation is to hold of an inventory."""
    paths = {package.path for each in inventory.snapshots for package in each.wanted} | {*inventory.kept}
    paths |= {*inventory.advisories}
    files = {path: each for path, each in inventory.tree.items() if isinstance(each, PackageFile) and path in paths}
    listings = {path: each for path, each in inventory.listings.items() if path in paths}
    return replace(inventory, tree=files, listings=listings)


def test_rows_become_the_inventory_again_without_what_is_made_and_what_is_not_listed(kept):
    again = parse(document_of(rows(kept)))
    assert len(again.snapshots) == len(kept.snapshots) > 1
    for ours, theirs in zip(again.snapshots, listed(kept).snapshots, strict=True):
        assert ours == theirs
    assert again == listed(kept)
    assert rows(again) == rows(kept)


def test_the_digest_is_of_what_is_offered_and_not_of_what_was_requested(kept):
    first, *rest = kept.snapshots
    digest = content_digest(rows(kept))
    other = replace(first, requests=(), source_sha256=rest[0].source_sha256)
    assert content_digest(rows(replace(kept, snapshots=(other, *rest)))) == digest
    assert content_digest(rows(replace(kept, deferred=frozenset()))) != digest
    assert content_digest(rows(replace(kept, policy=None))) != digest
    assert content_digest(rows(replace(kept, advisories={}))) != digest
    assert content_digest(rows(replace(kept, snapshots=(*rest,)))) != digest


def test_a_subscription_that_pins_nothing_is_no_content(kept):
    first, *rest = kept.snapshots
    empty = replace(first, cells=(), packages=(), tools=(), tools_for=None, refused=(), directories=())
    ours = rows(replace(kept, snapshots=(empty, *rest), kept={}))
    assert content_digest(ours) == content_digest(rows(replace(kept, snapshots=(*rest,), kept={})))
    assert first.id not in {each.id for each in parse(document_of(ours)).snapshots}


@pytest.mark.parametrize("row", ["7", "[]", "[[]]", '["file",1,2,3]', '["pins","x"]', "{"])
def test_a_row_that_is_none_is_refused(kept, row):
    with pytest.raises(ValueError, match=r"."):
        parse(document_of([*rows(kept), row]))


def test_rows_that_are_none_are_refused(kept):
    known = sorted(rows(kept))
    for left_out in ("package", "layout", "requests", "cell"):
        some = [row for row in known if not row.startswith(f'["{left_out}",')]
        with pytest.raises(ValueError, match=r"it |unpack"):
            parse(document_of([*some, '["cell"]'] if left_out == "cell" else some))
