"""Every answer of the real pixi about real locks: asked through pixi and read from the lock, they want the same."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from harness.corpus import CORPUS, lock_path, sampled
from harness.examples import first
from harness.stub_pixi import StubPixi, moved, unpacked

from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.source import LockSource
from pixi_mirror.model.request import Request
from pixi_mirror.model.values import canonical
from pixi_mirror.pixi.discovery import find_workspace
from pixi_mirror.pixi.run import reason_of
from pixi_mirror.pixi.source import PixiSource

ANSWERS = CORPUS / "answers" / "corpus"
SLUGS = sorted(path.name for path in ANSWERS.iterdir()) if ANSWERS.is_dir() else []
pytestmark = [
    pytest.mark.skipif(not SLUGS, reason="no recorded answers about real locks (PIXI_MIRROR_CORPUS)"),
    pytest.mark.skipif(sys.platform == "win32", reason="the stub is started by its first line"),
]

LOADED = [slug for slug in SLUGS if any((ANSWERS / slug).glob("list--*.json.gz"))]
FAILED = [slug for slug in SLUGS if slug not in LOADED]

OLD = {slug for slug in SLUGS if "version: 1\n" in lock_path(slug).read_text()[:20]}
NOWHERE = {
    ("prefix-dev__pixi__examples-tasks", "default", "osx-arm64"),
    ("prefix-dev__pixi__examples-tasks", "extra", "osx-arm64"),
    ("prefix-dev__pixi__tests-data-satisfiability-conda-extras", "default", "linux-64"),
}
"""Places that manifest and pixi know and the lock does not, with nothing to install there or the lock stale."""
STALE = "prefix-dev__pixi__tests-data-mock-projects-test-project-export-pixi-rich-platforms.lock"
"""Its lock is of another manifest."""


def places_of(slug):
    names = sorted(path.name.removesuffix(".json.gz") for path in (ANSWERS / slug).glob("list--*.json.gz"))
    return [tuple(name.split("--")[1:]) for name in names]


def manifest_of(slug, info):
    """The name that the manifest had where pixi was asked, in a directory that has the lock only."""
    return "pixi.toml" if info["project_info"] is None else Path(info["project_info"]["manifest_path"]).name


@pytest.fixture
def asked(tmp_path):
    """Lays a workspace out and has the stub know what pixi said of it."""

    def lay_out(slug):
        folder = ANSWERS / slug
        info = json.loads((folder / "info.json").read_text())
        workspace = tmp_path / "ws"
        workspace.mkdir()
        shutil.copy(lock_path(slug), workspace)
        manifest = workspace / manifest_of(slug, info)
        manifest.write_text("")
        stub = StubPixi(tmp_path / "bin")
        failures = sorted(folder.glob("list*.stderr"))
        failing = [path for path in failures if "Error:" in path.read_text()]
        stub.knows(
            manifest,
            info=info if info["project_info"] is None else moved(info, manifest),
            lists={" ".join(place): folder / f"list--{'--'.join(place)}.json.gz" for place in places_of(slug)},
            failure={"status": 1, "stderr": failing[0].read_text()} if failing else None,
        )
        return PixiSource(manifest, stub.environ({})), LockSource(workspace), stub

    return lay_out


def answer(source, places):
    requests = tuple(
        Request(environments=(name,), platforms=(platform,), skip_unmirrorable=True, allow_unhashed=True)
        for name, platform in places
    )
    return source.select(requests, subscription="lock:x", workspace="ws", layout="channels")


@pytest.mark.parametrize(
    "slug",
    [
        *(pytest.param(slug, marks=pytest.mark.rattler) for slug in LOADED if slug in OLD),
        *first(2, sampled(set(LOADED) - OLD)),
    ],
)
def test_pixi_and_the_lock_want_the_same_of_a_real_workspace(asked, slug):
    source, lock, stub = asked(slug)
    places = [place for place in places_of(slug) if slug != STALE or place == ("default", "linux-64")]
    by_pixi = answer(source, places)
    assert {(slug, each.environment, each.platform) for each in by_pixi.missing_platforms} <= NOWHERE
    assert {call.place for call in stub.calls[1:]} == {
        " ".join(place) for place in places if (slug, *place) not in NOWHERE
    }
    cells = {(cell.environment, cell.platform): cell for cell in by_pixi.snapshot.cells}
    assert set(cells) == {place for place in places if (slug, *place) not in NOWHERE}
    whole = Request(environments=None, platforms=(), skip_unmirrorable=True, allow_unhashed=True)
    by_lock = lock.select((whole,), subscription="lock:x", workspace="ws", layout="channels").snapshot
    for (environment, platform), cell in cells.items():
        # The lock has names of its own for platforms.
        alike = [each for each in by_lock.cells if (each.environment, each.subdir) == (environment, cell.subdir)]
        same = [each for each in alike if each.platform == platform] or alike
        assert (cell.packages, cell.channels) in [(each.packages, each.channels) for each in same]
        rows = unpacked(ANSWERS / slug / f"list--{environment}--{platform}.json.gz")
        listed = {row["file_name"] for row in rows if row["file_name"] is not None}
        assert listed - {Path(path).name for path in cell.packages} <= refused_names(by_pixi)
    wanted = {(package.path, canonical(dict(package.record))): package for package in by_pixi.snapshot.packages}
    known = {(package.path, canonical(dict(package.record))): package for package in by_lock.packages}
    assert wanted.items() <= known.items()


def refused_names(found):
    return {refusal.entry.rpartition("/")[2] for refusal in found.snapshot.refused}


@pytest.mark.parametrize("slug", first(2, FAILED))
def test_a_real_workspace_that_pixi_cannot_list_is_refused_in_its_words(asked, slug):
    source, _, stub = asked(slug)
    (stderr, *_others) = [
        path for path in sorted((ANSWERS / slug).glob("list*.stderr")) if "Error:" in path.read_text()
    ]
    reason = reason_of(stderr.read_text(), status=1)
    assert "\n" not in reason
    assert reason
    with pytest.raises(WorkspaceError) as caught:
        answer(source, [("default", "linux-64")])
    assert reason in str(caught.value)
    if json.loads((ANSWERS / slug / "info.json").read_text())["project_info"] is None:
        with pytest.raises(WorkspaceError) as here:
            find_workspace(source.manifest.parent, stub.environ({}), known=None)
        assert reason in str(here.value)
