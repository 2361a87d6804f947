"""What a mirror's keeper can watch: sizes of environments, and when it was last refreshed and verified."""

import json
import re
import time
import urllib.request
from datetime import datetime

import pytest
from harness.looking import identities
from harness.serving import served

LOCK = "workspace/pixi.lock"
OLD = 1_700_000_000
"""A date long ago, in seconds since 1970."""


@pytest.fixture
def mirrored(world):
    world.workspace()
    assert world.run("--lock", LOCK, "--name", "lab", "--all-environments").status == 0
    return world


def age(world, event):
    """Have the mirror believe that the event was long ago."""
    (world.mirror / ".pixi-mirror" / f"last-{event}").write_text(f"{OLD:<19}\n")


def seconds(text):
    return datetime.fromisoformat(text).timestamp()


def dates(world):
    told = world.run_json("status")
    return told["refreshed"], told["verified"]


def test_each_environment_has_its_own_platforms_and_size(mirrored):
    (follows,) = mirrored.run_json("status")["subscriptions"]
    found = {row["environment"]: row for row in follows["contents"]}
    assert found["default"]["platforms"] == ["linux-64", "osx-arm64"]
    assert found["prod"]["platforms"] == ["linux-64"]
    files = [path for path in mirrored.mirror.rglob("*") if path.name.endswith((".conda", ".tar.bz2"))]
    assert (found["default"]["files"], found["default"]["bytes"]) == (5, sum(path.stat().st_size for path in files))
    prod = [path for path in files if "osx" not in str(path) and "old" not in path.name]
    assert (found["prod"]["files"], found["prod"]["bytes"]) == (3, sum(path.stat().st_size for path in prod))
    text = mirrored.run("status").stdout
    assert re.search(r"^  default on linux-64, osx-arm64: 5 files, ", text, re.MULTILINE)
    assert re.search(r"^  prod on linux-64: 3 files, ", text, re.MULTILINE)


def test_a_refresh_that_finds_nothing_to_do_has_a_date_and_changes_nothing_else(mirrored):
    age(mirrored, "refresh")
    before = identities(mirrored.mirror)
    assert seconds(dates(mirrored)[0]) == OLD
    done = mirrored.run("--lock", LOCK, "--name", "lab", "--all-environments")
    assert done.stdout.startswith("nothing to do")
    assert time.time() - seconds(dates(mirrored)[0]) < 600
    age(mirrored, "refresh")
    assert mirrored.run().status == 0
    assert time.time() - seconds(dates(mirrored)[0]) < 600
    assert "refreshed 20" in mirrored.run("status").stdout
    after = identities(mirrored.mirror)
    assert {path: after[path] for path in after if not path.startswith(".pixi-mirror")} == {
        path: before[path] for path in before if not path.startswith(".pixi-mirror")
    }


def test_only_a_run_that_reads_every_lock_is_a_refresh(mirrored):
    mirrored.workspace("second")
    age(mirrored, "refresh")
    for words in (("--lock", "second/pixi.lock"), ("--dry-run",), ("--name", "lab")):
        assert mirrored.run(*words).status == 0
        assert mirrored.run(*words).status == 0  # from its memo, too
        assert seconds(dates(mirrored)[0]) == OLD, words
    (mirrored.directory / "second" / "pixi.lock").unlink()
    assert mirrored.run().status == 3
    assert seconds(dates(mirrored)[0]) == OLD


def test_only_a_verify_that_hashes_everything_and_finds_nothing_wrong_has_a_date(mirrored):
    assert dates(mirrored)[1] is None
    assert "not verified yet" in mirrored.run("status").stdout
    assert mirrored.run("verify", "--quick").status == 0
    assert dates(mirrored)[1] is None
    assert mirrored.run("verify").status == 0
    assert time.time() - seconds(dates(mirrored)[1]) < 600
    age(mirrored, "verify")
    damaged = next(mirrored.mirror.rglob("tool-*.conda"))
    damaged.unlink()
    assert mirrored.run("verify").status == 1
    assert seconds(dates(mirrored)[1]) == OLD
    assert mirrored.run("verify", "--repair").status == 0
    assert time.time() - seconds(dates(mirrored)[1]) < 600


def test_the_inventory_that_is_served_has_no_clock(mirrored):
    before = (mirrored.mirror / "pixi-mirror.json").read_bytes()
    age(mirrored, "refresh")
    assert mirrored.run().status == 0
    assert (mirrored.mirror / "pixi-mirror.json").read_bytes() == before


@pytest.mark.parametrize("content", ["", "soon", "9" * 19, "9" * 500])
def test_a_date_that_is_none_is_no_failure(mirrored, content):
    (mirrored.mirror / ".pixi-mirror" / "last-verify").write_text(content)
    assert mirrored.run("status").status == 0
    assert mirrored.run("verify").status == 0


def ask(url):
    with urllib.request.urlopen(url, timeout=30) as response:
        return response.headers["Content-Type"], response.read().decode()


def test_a_server_gives_the_dates_and_metrics(mirrored):
    age(mirrored, "refresh")
    with served(mirrored.mirror, env=mirrored.environment) as url:
        health = json.loads(ask(f"{url}/-/health")[1])
        assert (health["status"], seconds(health["refreshed"]), health["verified"]) == ("ok", OLD, None)
        kind, text = ask(f"{url}/-/metrics")
        assert kind.startswith("text/plain; version=0.0.4")
        lines = text.splitlines()
        assert "pixi_mirror_files 5" in lines
        assert f"pixi_mirror_last_refresh_timestamp_seconds {OLD}" in lines
        assert not any(line.startswith("pixi_mirror_last_verify") for line in lines)
        assert 'pixi_mirror_environment_files{workspace="lab",environment="prod"} 3' in lines
        assert mirrored.run("verify").status == 0
        assert "pixi_mirror_last_verify_timestamp_seconds 1" in ask(f"{url}/-/metrics")[1]
        names = [line.split()[2] for line in lines if line.startswith("# TYPE")]
        samples = [re.match(r"[a-z_]+", line)[0] for line in lines if not line.startswith("#")]
        assert list(dict.fromkeys(samples)) == names
        assert all(re.fullmatch(r'[a-z_]+(\{([a-z]+="[^"]*",?)+\})? \d+', line) for line in lines if line[0] != "#")
