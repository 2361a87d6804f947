"""What the real pixi answered about a small workspace, healthy and broken, replayed."""

import json
import shutil
import sys
from functools import partial

import pytest
from harness.stub_pixi import RECORDED, StubPixi, moved, recorded

from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.source import LockSource
from pixi_mirror.model.request import Request
from pixi_mirror.pixi.discovery import find_workspace
from pixi_mirror.pixi.run import reason_of
from pixi_mirror.pixi.source import PixiSource

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stub is started by its first line")

LISTED = {
    "prod linux-64": "list",
    "cross linux-64": "list-cross",
    "wheels linux-64": "list-wheels",
    "sdist linux-64": "list-sdist",
    "default win-64": "list-other-platform",
}


@pytest.fixture
def stub(tmp_path):
    return StubPixi(tmp_path / "bin")


@pytest.fixture
def manifest(tmp_path):
    shutil.copytree(RECORDED / "workspace", tmp_path / "ws")
    return tmp_path / "ws" / "pixi.toml"


def know(stub, manifest, **answers):
    info = moved(json.loads(recorded("info")["stdout"]), manifest)
    lists = {place: RECORDED / "cases" / case / "stdout" for place, case in LISTED.items()}
    stub.knows(manifest, **{"info": info, "lists": lists, **answers})


def ask(source, environment="default", platform=None):
    platforms = () if platform is None else (platform,)
    request = Request(environments=(environment,), platforms=platforms, skip_unmirrorable=True)
    return source.select((request,), subscription="lock:x", workspace="ws", layout="channels")


@pytest.mark.parametrize("place", sorted(LISTED))
def test_pixi_and_the_lock_give_the_same_packages_records_and_channels(stub, manifest, place):
    know(stub, manifest)
    environment, platform = place.split()
    by_pixi = ask(PixiSource(manifest, stub.environ({})), environment, platform).snapshot
    by_lock = ask(LockSource(manifest.parent), environment, platform).snapshot
    assert by_pixi.packages == by_lock.packages
    assert by_pixi.cells == by_lock.cells
    assert [call.place for call in stub.calls] == [None, place]


UNLOADABLE = {
    "list-broken-manifest": "expected a right bracket, found a newline (at /home/user/ws/pixi.toml:1:11)",
    "list-requires-newer-pixi": "this project requires pixi '>=99', but you have pixi 0.77.0 "
    "(at /home/user/ws/pixi.toml:3:18)",
}


@pytest.mark.parametrize("case", sorted(UNLOADABLE))
@pytest.mark.parametrize("here", [False, True])
def test_a_workspace_that_does_not_load_is_refused_with_pixis_reason(stub, manifest, case, here):
    know(stub, manifest, info=json.loads(recorded(case.replace("list", "info"))["stdout"]), failure=recorded(case))
    environ = stub.environ({})
    look = partial(find_workspace, manifest.parent, environ, known=None)
    with pytest.raises(WorkspaceError) as caught:
        look() if here else ask(PixiSource(manifest, environ))
    assert str(caught.value) == f"pixi does not load the workspace of {manifest}: {UNLOADABLE[case]}."


def test_an_empty_directory_is_no_workspace(stub, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(WorkspaceError, match=r"pixi finds no workspace in .*empty"):
        find_workspace(tmp_path / "empty", stub.environ({}), known=None)


DAMAGED = {
    "conflict-markers": (
        "<<<<<<< HEAD\nversion: 7\n=======\n>>>>>>> x\n",
        "mapping values are not allowed in this context at line 2 column 8",
    ),
    "dangling": (None, "environment default and platform linux-64 refers to a package that does not exist: "
                 "https://conda.anaconda.org/conda-forge/linux-64/app-1.0-h9_0.conda"),
    "empty-file": ("", "missing `version` field in lock file"),
    "lfs-pointer": ("version https://git-lfs.github.com/spec/v1\n", "missing `version` field in lock file"),
    "truncated": ("version: 7\nenvironments: {}\n", "missing field `packages`"),
    "version-8": ("version: 8\nenvironments: {}\npackages: []\n", "Lock-file version 8 is newer than supported"),
}  # fmt: skip


@pytest.mark.parametrize("case", sorted(DAMAGED))
def test_a_damaged_lock_is_refused_with_pixis_reason(stub, manifest, case):
    text, reason = DAMAGED[case]
    lock = manifest.parent / "pixi.lock"
    if text is None:
        head, _, pool = lock.read_text().partition("\npackages:\n")
        text = head + "\npackages:\n" + pool.replace("linux-64/app-1.0-h9_0.conda", "linux-64/gone-1.0-h9_0.conda")
    lock.write_text(text)
    know(stub, manifest, failure=recorded(f"list-lock-{case}"))
    with pytest.raises(WorkspaceError) as caught:
        ask(PixiSource(manifest, stub.environ({})))
    assert str(caught.value).endswith(f": {reason}.")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", ["list-locked-stale", "list-locked-without-lock"])
def test_a_lock_that_is_not_current_is_refused_where_that_was_asked(stub, manifest, case):
    know(stub, manifest, locked=recorded(case))
    if case.endswith("without-lock"):
        (manifest.parent / "pixi.lock").unlink()
    with pytest.raises(WorkspaceError, match="lock file not up-to-date with the workspace"):
        PixiSource(manifest, stub.environ({})).refuse_stale()


def test_a_lock_that_is_not_there_is_refused_though_pixi_lists_nothing_and_calls_it_success(stub, manifest):
    assert recorded("list-without-lock")["stdout"].strip() == "[]"
    know(stub, manifest, lists={})
    (manifest.parent / "pixi.lock").unlink()
    with pytest.raises(WorkspaceError, match="there is no lock at"):
        ask(PixiSource(manifest, stub.environ({})))


def test_an_unknown_environment_is_refused_with_those_there_are(stub, manifest):
    know(stub, manifest)
    with pytest.raises(
        WorkspaceError, match="no environment 'nope'; there are: cross, default, other, prod, sdist, wheels"
    ):
        ask(PixiSource(manifest, stub.environ({})), "nope")


@pytest.mark.parametrize(
    ("environment", "platform"), [("prod", "win-64"), ("default", "linux-aarch64"), ("default", "nonsense")]
)
def test_a_platform_that_is_not_there_is_told_to_be_lacking(stub, manifest, environment, platform):
    know(stub, manifest)
    answer = ask(PixiSource(manifest, stub.environ({})), environment, platform)
    assert [(each.environment, each.platform) for each in answer.missing_platforms] == [(environment, platform)]
    assert answer.found_platforms == frozenset()


@pytest.mark.parametrize("case", ["list-in-shell-of-prod", "list-temp-environment-name", "no-progress-wrong-value"])
def test_a_shell_around_us_changes_nothing(stub, manifest, case):
    know(stub, manifest)
    folder = RECORDED / "cases" / case
    around = json.loads((folder / "command.json").read_text())["environment"] if folder.exists() else {}
    around = around or {"PIXI_IN_SHELL": "1", "PIXI_ENVIRONMENT_NAME": "prod"}
    ask(PixiSource(manifest, stub.environ(around)), "default", "win-64")
    assert stub.calls[-1].place == "default win-64"


REASONS = {
    "list-unknown-environment": "unknown environment 'nope'",
    "list-nonsense-platform": "workspace does not define a platform named 'nonsense'",
    "no-progress-wrong-value": "invalid value '1' for '--no-progress'",
    "unknown-subcommand": "unrecognized subcommand 'mirror'",
}


@pytest.mark.parametrize("case", sorted(REASONS))
def test_pixis_last_words_come_down_to_one_sentence(case):
    answer = recorded(case)
    assert reason_of(answer["stderr"], status=answer["status"]) == REASONS[case]


def test_an_error_that_was_only_logged_is_not_the_reason():
    logged = "error: a server answered late\n WARN something\nError:   \u00d7 the one that counts\n  help: do this\n"
    assert reason_of(logged, status=1) == "the one that counts"


@pytest.mark.parametrize("quote", ["'", '"', "`", "<"])
def test_a_password_with_a_quote_in_it_is_not_shown(quote):
    said = f"Error:   \u00d7 failed to fetch 'https://me:a{quote}cAnArY7@c.example/x/repodata.json': not found\n"
    assert reason_of(said, status=1) == "failed to fetch 'https://***@c.example/x/repodata.json': not found"


def test_a_failure_without_words_is_said_to_be_one():
    assert reason_of("", status=-9) == "it ended with status -9 and gave no reason"


@pytest.mark.parametrize("answer", ["[", "[" * 100_000, "{}", '[{"name": 1}]'], ids=range(4))
def test_a_list_that_is_none_is_refused(stub, manifest, tmp_path, answer):
    path = tmp_path / "rows"
    path.write_text(answer)
    know(stub, manifest, lists={"prod linux-64": path})
    with pytest.raises(WorkspaceError, match="is not what pixi-mirror reads"):
        ask(PixiSource(manifest, stub.environ({})), "prod", "linux-64")


def test_a_refusal_of_one_place_is_told_in_pixis_words(stub, manifest):
    know(stub, manifest, failure=recorded("list-nonsense-platform"))
    with pytest.raises(WorkspaceError, match=r"cannot list environment 'prod' on 'linux-64' .* named 'nonsense'\."):
        ask(PixiSource(manifest, stub.environ({})), "prod")
