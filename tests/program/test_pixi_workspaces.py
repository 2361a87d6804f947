"""A user mirrors workspaces by asking pixi; a stub stands for pixi and fails when it is not called with care."""

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from harness.examples import first
from harness.stub_pixi import StubPixi, info_of, rows_of
from harness.world import small_packages

from pixi_mirror.lockfile.writer import LockPlatform

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stub is started by its first line")

PROD = {"tool-1.0-h12_1.conda", "base-2024.1-0.conda", "pure-1.0-pyhd8ed1ab_0.conda"}


def snapshots(studio):
    return json.loads((studio.world.mirror / "pixi-mirror.json").read_text())["subscriptions"]


def test_the_workspace_around_the_user_is_asked_for_once_and_mirrored(studio):
    workspace = studio.workspace()
    below = workspace / "src" / "deep"
    below.mkdir(parents=True)
    studio.done("-e", "prod", cwd=below)
    assert studio.packages == PROD
    assert [call.words[0] for call in studio.stub.calls] == ["info", "list"]
    assert studio.stub.calls[0].cwd == str(below)
    assert studio.stub.calls[1].place == "prod linux-64"


def test_without_any_choice_the_default_environment_of_the_workspace_here_is_mirrored(studio):
    studio.world.mirror.mkdir()  # with a name that is not there, it would be a refresh of nothing
    studio.done(cwd=studio.workspace())
    assert {call.place for call in studio.stub.calls} == {None, "default linux-64", "default osx-arm64"}
    assert "tool-1.0-h34_1.conda" in studio.packages


def test_pixi_and_the_lock_alone_give_the_same_mirror(studio, tmp_path):
    workspace = studio.workspace()
    studio.done("-m", workspace, "--all-environments")
    first = studio.world.mirror.rename(tmp_path / "by-pixi")
    studio.done("--lock", workspace / "pixi.lock", "--all-environments")
    for path in sorted(path for path in first.rglob("*") if path.is_file() and ".pixi-mirror" not in path.parts):
        other = studio.world.mirror / path.relative_to(first)
        if path.name == "pixi-mirror.json":
            ours, theirs = (json.loads(each.read_text()) for each in (path, other))
            for document in (ours, theirs):
                del document["generation"]  # each mirror has a random name
                for snapshot in document["subscriptions"]:
                    del snapshot["source_sha256"]
            assert ours == theirs
        else:
            assert path.read_bytes() == other.read_bytes()


def test_a_dry_run_asks_pixi_and_leaves_nothing_behind(studio):
    workspace = studio.workspace()
    assert "would bring 3 files" in studio.done("-e", "prod", "--dry-run", cwd=workspace).stdout
    assert [call.words[0] for call in studio.stub.calls] == ["info", "list"]
    assert not studio.world.mirror.exists()
    assert not list(studio.world.home.glob("pixi-mirror-*"))


@pytest.mark.parametrize("words", first(1, [["-e", "prod"], ["-m", ".", "-e", "prod"], []]))
def test_an_unchanged_run_starts_no_program(studio, words):
    workspace = studio.workspace()
    studio.done(*(words or ["-e", "prod"]), cwd=workspace)
    studio.stub.forget_calls()
    assert json.loads(studio.done(*words, "--json", cwd=workspace).stdout)["missing"] == []  # decided in full
    assert studio.done(*words, cwd=workspace).stdout.startswith("nothing to do")
    assert studio.stub.calls == []


@pytest.mark.slow
def test_an_unchanged_run_from_another_directory_of_the_workspace_asks_only_where_it_is(studio):
    workspace = studio.workspace()
    (workspace / "src").mkdir()
    studio.done("-e", "prod", cwd=workspace)
    studio.stub.forget_calls()
    studio.done("-e", "prod", cwd=workspace / "src")
    assert [call.words for call in studio.stub.calls] == [["info", "--json"]]
    studio.stub.forget_calls()
    studio.done("-e", "prod", cwd=workspace / "src")
    studio.done("-e", "prod", cwd=workspace)
    assert studio.stub.calls == []


@pytest.mark.parametrize("words", first(1, [[], ["--json"]]))
def test_a_nearer_manifest_is_noticed(studio, words):
    workspace = studio.workspace()
    inner = workspace / "inner"
    inner.mkdir()
    studio.done("-e", "prod", cwd=inner)
    studio.workspace("workspace/inner")
    studio.stub.forget_calls()
    studio.done("-e", "prod", *words, cwd=inner)
    assert [call.words[0] for call in studio.stub.calls] == ["info", "list"]
    assert len(snapshots(studio)) == 2


@pytest.mark.parametrize("change", first(1, ["manifest", "lock", "pixi"]))
def test_pixi_is_asked_again_when_what_it_answered_about_has_changed(studio, change):
    workspace = studio.workspace()
    studio.done("-m", workspace, "-e", "prod")
    studio.stub.forget_calls()
    if change == "pixi":
        studio.stub.upgrade()
    else:
        path = workspace / ("pixi.toml" if change == "manifest" else "pixi.lock")
        path.write_text(path.read_text() + "\n# changed\n")
    studio.done()
    assert [call.words[0] for call in studio.stub.calls] == ["info", "list"]
    studio.stub.forget_calls()
    studio.done()
    assert studio.stub.calls == []


@pytest.mark.slow
def test_an_upgrade_of_a_pixi_in_its_own_home_is_noticed(studio):
    workspace = studio.workspace()
    (studio.world.home / ".pixi").mkdir(parents=True)
    (studio.world.home / ".pixi" / "bin").symlink_to(studio.stub.directory)
    words = ["-m", workspace, "-e", "prod", "-o", studio.world.mirror]
    assert studio.world.run(*words).status == 0
    studio.stub.forget_calls()
    assert studio.world.run(*words).status == 0
    assert studio.stub.calls == []
    studio.stub.upgrade()
    assert studio.world.run(*words).status == 0
    assert [call.words[0] for call in studio.stub.calls] == ["info", "list"]


def test_a_refresh_of_a_workspace_follows_its_new_lock(studio):
    environments = studio.environments()
    studio.workspace(environments={"default": environments["prod"]})
    studio.done("-m", "workspace")
    assert "old-thing-1!0.5-0.tar.bz2" not in studio.packages
    studio.workspace(environments={"default": environments["default"]})
    studio.done()
    assert "old-thing-1!0.5-0.tar.bz2" in studio.packages


@pytest.mark.parametrize("name", first(1, ["workspace", "workspace/", "workspace/pixi.toml"]))
def test_a_manifest_and_the_lock_beside_it_are_one_subscription(studio, name):
    studio.workspace()
    studio.done("-m", name, "-e", "prod")
    studio.done("--lock", "workspace/pixi.lock", "-e", "default", "-p", "osx-arm64")
    studio.stub.forget_calls()
    studio.done("-m", name, "--lock", "workspace", "-e", "prod")
    assert {call.place for call in studio.stub.calls} == {None, "prod linux-64", "default osx-arm64"}
    (snapshot,) = snapshots(studio)
    assert len(snapshot["requests"]) == 2


def test_a_workspace_and_the_lock_of_another_are_mirrored_together(studio):
    environments = studio.environments()
    studio.workspace("one", environments={"default": {"linux-64": [studio.entries["tool-linux"]]}})
    studio.workspace("two", environments={"default": {"linux-64": environments["prod"]["linux-64"][1:]}})
    studio.done("-m", "one", "--lock", "two")
    assert studio.packages == PROD
    assert {call.words[call.words.index("--manifest-path") + 1] for call in studio.stub.calls} == {
        str(studio.world.directory / "one" / "pixi.toml")
    }


def test_the_last_word_decides_whether_pixi_is_asked(studio):
    workspace = studio.workspace()
    studio.done("-m", workspace)
    studio.done("--lock", workspace)
    studio.stub.forget_calls()
    (workspace / "pixi.toml").write_text("")
    studio.done()
    assert studio.stub.calls == []


def test_what_surrounds_the_user_does_not_reach_pixi(studio):
    workspace = studio.workspace()
    around = {
        "PIXI_IN_SHELL": "1", "PIXI_ENVIRONMENT_NAME": "prod", "PIXI_NO_PROGRESS": "1", "PIXI_LOCKED": "true",
        "PIXI_PROJECT_MANIFEST": "/elsewhere/pixi.toml", "PIXI_EXE": str(studio.stub.program),
        "PIXI_CACHE_DIR": str(studio.world.home / "kept"),
    }  # fmt: skip
    studio.world.mirror.mkdir()
    studio.done(cwd=workspace, env=around)
    assert {call.place for call in studio.stub.calls} == {None, "default linux-64", "default osx-arm64"}


def test_a_task_run_from_outside_its_workspace_means_that_workspace(studio):
    workspace = studio.workspace()
    studio.done("-e", "prod", env={"PIXI_PROJECT_MANIFEST": str(workspace / "pixi.toml")})
    assert studio.packages == PROD


@pytest.mark.parametrize("place", first(2, ["PIXI_EXE", "PATH", "PIXI_HOME", "home"]))
def test_pixi_is_found_where_pixi_says(studio, tmp_path, place):
    workspace = studio.workspace()
    environ = dict(studio.world.environment)
    if place == "PIXI_EXE":
        other = StubPixi(tmp_path / "on-path")
        environ = other.environ(environ) | {"PIXI_EXE": str(studio.stub.program)}
    elif place == "PATH":
        environ = studio.stub.environ(environ)
    else:
        home = tmp_path / "pixi-home" if place == "PIXI_HOME" else studio.world.home / ".pixi"
        home.mkdir()
        (home / "bin").symlink_to(studio.stub.directory)
        environ |= {"PIXI_HOME": str(home)} if place == "PIXI_HOME" else {}
    done = studio.world.run("-m", workspace, "-e", "prod", env=environ)
    assert (done.status, done.stderr) != (3, ""), done.stderr
    assert done.status == 0, done.stderr
    assert len(studio.stub.calls) == 2


@pytest.mark.parametrize("words", [["-m", "."], [], ["-e", "prod"]])
def test_without_pixi_the_user_is_told_of_the_lock(studio, words):
    workspace = studio.workspace()
    done = studio.world.run(*words, cwd=workspace)
    assert done.status == 3
    assert "no pixi was found" in done.stderr
    assert "--lock" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_pixi_a_subscription_made_with_it_keeps_what_it_wanted_last(studio):
    studio.workspace()
    studio.done("-m", "workspace", "-e", "prod")
    done = studio.world.run("-o", studio.world.mirror)
    assert done.status == 3
    assert "no pixi was found" in done.stderr
    assert studio.packages == PROD
    studio.done("--lock", "workspace", "-e", "prod")


def test_status_starts_no_program_and_says_what_has_changed(studio):
    workspace = studio.workspace()
    studio.done("-m", workspace, "-e", "prod")
    studio.stub.forget_calls()
    environ = studio.stub.environ(studio.world.environment)
    assert studio.world.run("status", "--check", studio.world.mirror, env=environ).status == 0
    (workspace / "pixi.toml").write_text("# changed")
    assert studio.world.run("status", "--check", studio.world.mirror, env=environ).status == 1
    (workspace / "pixi.toml").unlink()
    assert studio.world.run("status", "--check", studio.world.mirror, env=environ).status == 1
    assert studio.stub.calls == []


@pytest.mark.parametrize("version", ["0.67.2", "0.9.0"])
def test_a_pixi_that_is_too_old_is_named_with_the_least_version(studio, tmp_path, version):
    workspace = studio.workspace()
    studio.stub.knows(workspace / "pixi.toml", info=info_of(workspace / "pixi.toml", {}, version=version))
    done = studio.done("-m", workspace, status=3)
    assert version in done.stderr
    assert "0.68" in done.stderr
    assert str(studio.stub.program) in done.stderr


@pytest.mark.parametrize("version", first(1, ["0.68.0", "1.0.0", "nightly"]))
def test_newer_pixis_are_asked(studio, version):
    manifest = studio.world.directory / "workspace" / "pixi.toml"
    studio.workspace(
        info=info_of(manifest, {"default": ["linux-64", "osx-arm64"], "prod": ["linux-64"]}, version=version)
    )
    studio.done("-m", manifest, "-e", "prod")


def test_platforms_may_be_plain_names_as_before_pixi_0_71(studio):
    manifest = studio.world.directory / "workspace" / "pixi.toml"
    info = info_of(manifest, {})
    info["environments_info"] = [{"name": "prod", "platforms": ["linux-64"]}]
    studio.workspace(info=info)
    studio.done("-m", manifest, "-e", "prod")
    assert studio.stub.calls[1].place == "prod linux-64"


@pytest.mark.parametrize(
    ("stdout", "says"),
    [
        ("[", "not what pixi-mirror reads"),
        ("[" * 100_000, "not what pixi-mirror reads"),
        ("{}", "not what pixi-mirror reads"),
        ('{"version": "0.77.0"}', "not what"),
    ],
    ids=range(4),
)
def test_a_program_that_is_no_pixi_is_status_3(studio, stdout, says):
    workspace = studio.workspace()
    program = studio.stub.program
    program.with_name("answer").write_text(stdout)
    program.write_text('#!/bin/sh\nexec cat "$(dirname "$0")/answer"\n')
    done = studio.done("-m", workspace, status=3)
    assert says in done.stderr
    assert str(program) in done.stderr


def test_a_pixi_that_cannot_be_started_is_status_3(studio):
    workspace = studio.workspace()
    studio.stub.program.write_text("#!/nowhere/at/all\n")
    assert "cannot be started" in studio.done("-m", workspace, status=3).stderr


def aliased(studio):
    """A workspace with two platforms of one subdir, which the lock calls linux-64 and p1."""
    entry = studio.environments() and studio.entries
    cuda = LockPlatform(name="p1", subdir="linux-64", virtual_packages=("__cuda=12", "__glibc=2.28"))
    mac = LockPlatform(name="p2", subdir="osx-arm64", virtual_packages=("__osx=13.5",))
    plain = LockPlatform(name="linux-64", subdir="linux-64", virtual_packages=("__glibc=2.28",))
    environments = {
        "default": {"linux-64": [entry["base"]], "p1": [entry["tool-linux"]], "p2": [entry["tool-osx"]]},
    }
    manifest = studio.world.directory / "workspace" / "pixi.toml"
    told = [
        {"name": "mac", "subdir": "osx-arm64", "virtual_packages": ["macos=13.5"]},
        {"name": "cuda", "subdir": "linux-64", "virtual_packages": ["cuda=12"]},
        "linux-64",
    ]
    return studio.workspace(
        environments=environments,
        platforms=[plain, cuda, mac],
        called={"p1": "cuda", "p2": "mac"},
        info=info_of(manifest, {"default": told}),
    )


def test_platforms_go_by_their_names_in_the_manifest(studio):
    studio.done("-m", aliased(studio))
    assert {call.place for call in studio.stub.calls[1:]} == {"default linux-64", "default cuda", "default mac"}
    (snapshot,) = snapshots(studio)
    assert [cell["platform"] for cell in snapshot["cells"]] == ["cuda", "linux-64", "mac"]


@pytest.mark.parametrize(
    ("asked", "places"),
    first(
        2,
        [
            ("cuda", {"default cuda"}),
            ("p1", {"default cuda"}),
            ("linux-64", {"default linux-64"}),
            ("subdir:linux-64", {"default linux-64", "default cuda"}),
            ("osx-arm64", {"default mac"}),
        ],
    ),
)
def test_a_platform_is_chosen_by_name_alias_or_subdir(studio, asked, places):
    studio.done("-m", aliased(studio), "-p", asked)
    assert {call.place for call in studio.stub.calls[1:]} == places


def test_a_lock_that_is_stale_is_mirrored_as_it_stands(studio):
    manifest = studio.world.directory / "workspace" / "pixi.toml"
    info = info_of(manifest, {"default": ["linux-64", "win-64"], "new": ["linux-64"]})
    workspace = studio.workspace(info=info)
    studio.done("-m", workspace, "--all-environments")
    assert {call.place for call in studio.stub.calls[1:]} == {"default linux-64"}
    assert "tool-1.0-h34_1.conda" in studio.packages


@pytest.mark.parametrize(
    ("words", "says"),
    first(
        2,
        [
            (["-e", "new"], "no environment 'new', which"),
            (["-e", "prod"], "has no environment 'prod'; there are: default, new"),
            (["-e", "nope"], "has no environment 'nope'; there are: default, new"),
            (["-p", "win-64"], "no chosen environment has the platform 'win-64'"),
            (["-p", "nonsense"], "no chosen environment has the platform 'nonsense'"),
        ],
    ),
)
def test_what_pixi_would_list_silently_as_nothing_is_status_3(studio, words, says):
    manifest = studio.world.directory / "workspace" / "pixi.toml"
    studio.workspace(info=info_of(manifest, {"default": ["linux-64", "win-64"], "new": ["linux-64"]}))
    done = studio.done("-m", manifest, *words, status=3)
    assert says in done.stderr
    assert not studio.packages


def test_a_lock_that_is_not_there_is_status_3(studio):
    workspace = studio.workspace()
    (workspace / "pixi.lock").unlink()
    assert "pixi lock" in studio.done("-m", workspace, status=3).stderr


def test_nothing_listed_where_the_lock_has_packages_is_status_3(studio):
    workspace = studio.workspace()
    manifest = workspace / "pixi.toml"
    studio.stub.knows(manifest, info=info_of(manifest, {"prod": ["linux-64"]}))
    assert "pixi lists nothing for environment 'prod'" in studio.done("-m", workspace, "-e", "prod", status=3).stderr


CHANGES = {
    "version": "9.9", "build": "other_0", "build_number": 7, "size_bytes": 1, "sha256": "0" * 64, "md5": "0" * 32,
    "subdir": "noarch", "depends": ["evil"], "constrains": ["evil"], "noarch": "python", "timestamp": 1,
    "track_features": ["x"], "file_name": "other-1-0.conda", "url": "https://other.example/c/linux-64/tool-1.0-h12_1.conda",
}  # fmt: skip


@pytest.mark.parametrize("field", first(2, sorted(CHANGES)))
def test_where_pixi_and_the_lock_disagree_the_package_is_named(studio, field):
    workspace = studio.workspace()
    rows = rows_of(studio.environments()["prod"]["linux-64"])
    assert rows[0]["name"] == "tool"
    rows[0][field] = CHANGES[field]
    manifest = workspace / "pixi.toml"
    studio.stub.knows(manifest, info=info_of(manifest, {"prod": ["linux-64"]}), lists={"prod linux-64": rows})
    done = studio.done("-m", workspace, "-e", "prod", status=3)
    assert "disagree about the conda package tool" in done.stderr
    assert f"{field} is" in done.stderr or field == "url"
    assert not studio.packages


@pytest.mark.parametrize("change", ["less", "more"])
def test_a_package_that_only_one_of_them_has_is_named(studio, change):
    workspace = studio.workspace()
    rows = rows_of(studio.environments()["prod"]["linux-64"])
    extra = rows_of([studio.entries["old"]])
    rows = rows[1:] if change == "less" else rows + extra
    manifest = workspace / "pixi.toml"
    studio.stub.knows(manifest, info=info_of(manifest, {"prod": ["linux-64"]}), lists={"prod linux-64": rows})
    done = studio.done("-m", workspace, "-e", "prod", status=3)
    assert ("conda package tool" if change == "less" else "conda package old-thing") in done.stderr


def test_locked_refuses_a_stale_lock_in_pixis_words(studio):
    stale = {"status": 1, "stderr": "Error:   \u00d7 lock file not up-to-date with the workspace\n\n"}
    workspace = studio.workspace(locked=stale)
    done = studio.done("-m", workspace, "--locked", status=3)
    assert "lock file not up-to-date with the workspace" in done.stderr
    assert not studio.world.mirror.exists()
    studio.done("-m", workspace)
    assert "lock file not up-to-date" in studio.done("--locked", status=3).stderr


def test_locked_asks_every_time_and_mirrors_a_current_lock(studio):
    workspace = studio.workspace()
    studio.done("-m", workspace, "--locked")
    studio.stub.forget_calls()
    studio.done("--locked")
    assert [("--locked" in call.words, "--frozen" in call.words) for call in studio.stub.calls] == [
        (False, False),
        (True, False),
    ]


def test_locked_goes_with_pixi_only(studio):
    workspace = studio.workspace()
    assert "--locked asks pixi" in studio.done("--lock", workspace, "--locked", status=2).stderr


@pytest.mark.parametrize("how", first(1, ["directory", "manifest", "gone"]))
def test_a_workspace_is_forgotten_by_its_manifest(studio, how):
    workspace = studio.workspace()
    studio.done("-m", workspace)
    if how == "gone":
        shutil.rmtree(workspace)
    words = ["-m", workspace / "pixi.toml" if how == "manifest" else workspace]
    done = studio.world.run("forget", studio.world.mirror, *words)
    assert done.status == 0, done.stderr
    assert snapshots(studio) == []
    state = json.loads((studio.world.mirror / ".pixi-mirror" / "state.json").read_text())
    assert state["manifests"] == {}


def test_a_name_may_stand_for_a_workspace(studio, tmp_path):
    workspace = studio.workspace()
    studio.done("-m", workspace, "--name", "ci", "-e", "prod")
    moved = workspace.rename(tmp_path / "elsewhere")
    studio.workspace("elsewhere")
    studio.done("-m", moved, "--name", "ci", "-e", "prod")
    (snapshot,) = snapshots(studio)
    assert snapshot["id"] == "name:ci"


def test_no_workspace_here_is_said_with_what_to_do(studio, tmp_path):
    (tmp_path / "empty").mkdir()
    done = studio.done("-e", "prod", cwd=tmp_path / "empty", status=3)
    assert "pixi finds no workspace" in done.stderr
    assert "-m PATH" in done.stderr
    assert not studio.world.mirror.exists()


@pytest.mark.parametrize("name", ["nowhere", "nowhere/pixi.toml", "pixi-bin"])
def test_a_manifest_that_is_not_there_is_named(studio, name):
    assert name in studio.done("-m", name, status=3).stderr
    assert studio.stub.calls == []


def test_a_manifest_that_has_gone_fails_the_refresh_and_keeps_the_packages(studio):
    workspace = studio.workspace()
    studio.done("-m", workspace, "-e", "prod")
    (workspace / "pixi.toml").unlink()
    assert "there is no manifest at" in studio.done(status=3).stderr
    assert studio.packages == PROD


def test_a_workspace_is_never_written_to(studio):
    workspace = studio.workspace()
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in workspace.iterdir()}
    os.chmod(workspace, 0o555)
    try:
        studio.done("-m", workspace, "--all-environments")
        assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in workspace.iterdir()} == before
    finally:
        os.chmod(workspace, 0o755)


@pytest.mark.parametrize("words", first(1, [["-m", "workspace"], ["--lock", "workspace"]]))
def test_the_settings_of_the_workspace_count_from_wherever_it_is_named(studio, words):
    base = "https://conda.example"
    entries = [studio.world.publish(small_packages()[name], base=base) for name in ("base", "pure")]
    workspace = studio.workspace(environments={"default": {"linux-64": entries}})
    (workspace / ".pixi").mkdir()
    (workspace / ".pixi" / "config.toml").write_text(f'[mirrors]\n"{base}" = ["{studio.world.upstream.url}"]\n')
    studio.done(*words)
    assert len(studio.packages) == 2


CANARY = "s3cr3t-canary"


@pytest.mark.parametrize("wrapped", [False, True])
def test_no_secret_of_a_url_is_shown_in_pixis_reason(studio, wrapped):
    url = f"https://user:{CANARY}@host.example/t/{CANARY}/chan/linux-64/app-1.0-h9_0.conda?sig={CANARY}"
    broken = url.replace(CANARY, CANARY[:7] + "\n      " + CANARY[7:]) if wrapped else url
    stderr = f"Error:   \u00d7 Failed to load\n  ╰─▶ refers to a package that does not exist: {broken}\n"
    workspace = studio.workspace(failure={"status": 1, "stderr": stderr})
    done = studio.done("-m", workspace, status=3)
    assert "host.example" in done.stderr
    for part in (CANARY, CANARY[:7], CANARY[7:]):
        assert part not in done.stdout + done.stderr


def test_no_secret_of_a_url_is_shown_where_pixi_and_the_lock_disagree(studio):
    workspace = studio.workspace()
    rows = rows_of(studio.environments()["prod"]["linux-64"])
    rows[0]["url"] = f"https://user:{CANARY}@host.example/t/{CANARY}/chan/linux-64/tool-1.0-h12_1.conda"
    manifest = workspace / "pixi.toml"
    studio.stub.knows(manifest, info=info_of(manifest, {"prod": ["linux-64"]}), lists={"prod linux-64": rows})
    done = studio.done("-m", workspace, "-e", "prod", status=3)
    assert "host.example" in done.stderr
    assert CANARY not in done.stdout + done.stderr
    found = [path for path in Path(studio.world.mirror).rglob("*") if path.is_file()]
    assert not [path for path in found if CANARY.encode() in path.read_bytes()]


@pytest.mark.parametrize("words", [["-m", "workspace"], ["--lock", "workspace"]])
def test_packages_of_an_unknown_scheme_are_refused_by_name(studio, words):
    entry = studio.environments() and studio.entries["tool-linux"]
    unknown = replace(entry, url="gcs://registry.example/chan/linux-64/tool-1.0-h12_1.conda")
    studio.workspace(environments={"default": {"linux-64": [unknown, studio.entries["base"]]}})
    done = studio.done(*words, status=4)
    assert "tool-1.0-h12_1.conda" in done.stderr
    assert "gcs" in done.stderr
    assert not studio.packages
