"""`verify` warns where locked packages do not fit together, since the lock has it so; strictly it is a finding."""

import pytest
from harness.several import run_several
from harness.world import small_packages

from pixi_mirror.demo.packages import build_package
from pixi_mirror.lockfile.writer import CondaLockEntry

LOCK = "workspace/pixi.lock"


def entries(world):
    """The three packages of `prod`, by name; `tool` asks for `base >=2024` and `pure`."""
    return {
        each.removesuffix("-linux"): world.publish(small_packages()[each]) for each in ("base", "pure", "tool-linux")
    }


def hotfixed(entry: CondaLockEntry, **keys) -> CondaLockEntry:
    return entry.hotfixed(**keys)


def verified(world, packages, *, environments=("default",), options=()):
    """Mirror these packages; what `verify` says as JSON, then with --strict, then to people."""
    world.lock("workspace", environments={name: {"linux-64": packages} for name in environments})
    lines = [
        ["update", "--lock", LOCK, "--all-environments", *options],
        ["verify", "--json"],
        ["verify", "--json", "--strict"],
        ["verify"],
    ]
    update, plain, strict, people = run_several(lines, env=world.environment, cwd=world.directory)
    assert (update.status, plain.status, people.status) == (0, 0, 0), update.stderr + plain.stderr + people.stderr
    return plain.json, strict, people.stdout


def test_what_fits_together_is_no_word_worth_and_strictly_status_0(world):
    plain, strict, people = verified(world, entries(world).values())
    assert (plain["closure"], plain["warnings"]) == ([], [])
    assert strict.status == 0
    assert "fit" not in people


def test_a_dependency_that_nobody_meets_is_a_warning_that_names_both_and_strictly_a_finding(world):
    some = entries(world)
    plain, strict, people = verified(world, [some["tool"], some["base"]])
    problem = "package 'tool=1.0=h12_1' has dependency 'pure', which is not in the environment"
    (row,) = plain["closure"]
    assert row == {
        "workspace": "workspace",
        "environment": "default",
        "platform": "linux-64",
        "path": f"{world.authority_path}/conda-forge/linux-64/tool-1.0-h12_1.conda",
        "problem": problem,
    }
    assert plain["warnings"] == [f"default of workspace on linux-64: {problem}"]
    assert (strict.status, strict.json["closure"], strict.json["warnings"]) == (1, plain["closure"], [])
    assert problem in people


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"depends": ["base >=2025"]}, "has dependency 'base >=2025', which is not in the environment"),
        ({"depends": ["base 2024.1 nope_*"]}, "has dependency 'base 2024.1 nope_*', which is not in the environment"),
        ({"constrains": ["pure <1"]}, "has constraint 'pure <1', which is not satisfied by 'pure=1.0=pyhd8ed1ab_0'"),
    ],
)
def test_a_hotfix_that_asks_for_more_than_is_locked_is_told(world, record, words):
    some = entries(world)
    plain, strict, _ = verified(world, [some["base"], some["pure"], hotfixed(some["tool"], **record)])
    assert [words in each["problem"] for each in plain["closure"]] == [True]
    assert strict.status == 1


@pytest.mark.parametrize(
    "record",
    [
        {"depends": ["base >=2024,<2025", "pure 1.0.*"], "constrains": ["absent <1", "pure >=1"]},
        {"depends": ["__glibc >=99", "__cuda"], "constrains": []},
        {"depends": ["pure; if not sure"], "constrains": ["pure @"]},
    ],
    ids=["met", "the machine's affair", "nobody can say"],
)
def test_what_is_met_or_cannot_be_judged_here_is_not_told(world, record):
    some = entries(world)
    plain, strict, _ = verified(world, [some["base"], some["pure"], hotfixed(some["tool"], **record)])
    assert (plain["closure"], strict.status) == ([], 0)


def test_each_environment_counts_by_itself(world):
    """What one environment has does not help another, though the mirror holds it."""
    some = entries(world)
    world.lock(
        "workspace",
        environments={"whole": {"linux-64": some.values()}, "torn": {"linux-64": [some["tool"], some["pure"]]}},
    )
    world.run_json("update", "--lock", LOCK, "--all-environments")
    rows = world.run_json("verify")["closure"]
    assert [(row["environment"], "'base >=2024'" in row["problem"]) for row in rows] == [
        ("torn", True),
        ("torn", False),
    ]
    assert "package 'pure" in rows[1]["problem"]


def test_the_same_in_many_environments_is_one_line_to_people(world):
    some = entries(world)
    plain, _, people = verified(world, [some["tool"], some["base"]], environments=("a", "b", "c"))
    assert len(plain["closure"]) == 3
    assert people.count("has dependency 'pure'") == 1
    assert "and 2 more" in people


def test_the_record_that_the_mirror_shows_is_the_one_that_is_judged(world):
    """Two locks have two records of one file, and the newer stands in the index: with it the older lock breaks."""
    some = entries(world)
    world.lock("old", environments={"default": {"linux-64": some.values()}})
    newest = world.publish(build_package(name="newest", timestamp=1_900_000_000_000))
    broken = hotfixed(some["tool"], depends=["newest"])
    world.lock("new", environments={"default": {"linux-64": [broken, newest]}})
    world.run_json("update", "--lock", "old/pixi.lock", "--lock", "new/pixi.lock")
    (row,) = world.run_json("verify")["closure"]
    assert (row["workspace"], "'newest'" in row["problem"]) == ("old", True)


@pytest.mark.broken_mirror("a package is missing on purpose")
def test_a_package_that_is_missing_is_a_finding_of_its_own_and_breaks_no_dependency_besides(world):
    world.lock("workspace", environments={"default": {"linux-64": entries(world).values()}})
    world.run_json("update", "--lock", LOCK)
    (world.mirror / world.authority_path / "conda-forge/noarch/pure-1.0-pyhd8ed1ab_0.conda").unlink()
    found = world.run_json("verify", status=1)
    (row,) = found["closure"]
    assert row["path"] == found["missing"][0]
    assert row["problem"] == "the mirror does not have it whole"
