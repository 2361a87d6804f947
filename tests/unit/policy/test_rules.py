"""Our own rules are read strictly: what is misspelt is an error that names it."""

from datetime import date, timedelta

import pytest

from pixi_mirror.errors import MachineError
from pixi_mirror.policy.files import OWN, read_policy_files
from pixi_mirror.policy.rules import Waiver, read_rules

WAIVER = {"rule": "age", "package": "a", "reason": "needed for the  release", "expires": "2027-03-31"}


def test_everything_has_a_meaning_and_the_tables_have_their_defaults():
    rules = read_rules(
        {
            "age": {"minimum": "7d", "of": {"conda-forge": "36h", "https://pypi.example/simple/": "2w"}},
            "projects": {"archived": "error"},
            "sources": {"allowed-hosts": ["*.Example"]},
            "files": {"max-size": "500M"},
            "licenses": {"missing": "warn"},
            "waivers": [WAIVER, {**WAIVER, "rule": "mirror.yanked", "version": "1.0"}],
        }
    )
    assert (rules.minimum_age, rules.unknown_age) == (timedelta(days=7), "error")
    assert rules.ages == {"conda-forge": timedelta(hours=36), "https://pypi.example/simple": timedelta(days=14)}
    assert rules.projects == {"quarantined": "error", "yanked": "error", "archived": "error", "deprecated": "allow"}
    assert (rules.hosts, rules.largest, rules.missing_license) == (("*.example",), 500_000_000, "warn")
    reason = "needed for the release"
    assert rules.waivers[0] == Waiver(rule="age", package="a", version=None, reason=reason, expires=date(2027, 3, 31))
    assert (rules.waivers[1].rule, rules.waivers[1].version) == ("yanked", "1.0")
    assert rules.needs_pages


def test_nothing_is_judged_that_is_not_asked_for():
    rules = read_rules({})
    assert [rules.needs_pages, rules.judges_age, rules.judges_projects] == [False] * 3
    assert (rules.hosts, rules.largest, rules.missing_license, rules.waivers) == (None, None, "allow", ())
    assert read_rules({"projects": {}}).judges_projects


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ({"ages": {}}, "[mirror] has no key 'ages'; it takes age, projects"),
        ({"age": 7}, "[mirror.age] is no table"),
        ({"age": {"minimum": 7}}, "[mirror.age] minimum takes a span as"),
        ({"age": {"minimum": "-7d"}}, "not '-7d'"),
        ({"age": {"minimum": "\u0667d"}}, "takes a span"),
        ({"age": {"max": "7d"}}, "[mirror.age] has no key 'max'"),
        ({"age": {"of": "conda-forge"}}, "[mirror.age] of is a table"),
        ({"age": {"of": {"x": "soon"}}}, "[mirror.age.of] 'x' takes a span"),
        ({"age": {"unknown": "deny"}}, "[mirror.age] unknown takes error, warn, allow, not 'deny'"),
        ({"projects": {"yanked": True}}, "[mirror.projects] yanked takes error, warn, allow, not 'True'"),
        ({"sources": {"allowed-hosts": "x"}}, "allowed-hosts is no list of hosts"),
        ({"sources": {"allowed-hosts": [""]}}, "allowed-hosts is no list of hosts"),
        ({"files": {"max-size": 0}}, "max-size takes a size"),
        ({"files": {"max-size": True}}, "max-size takes a size"),
        ({"files": {"max-size": "5 apples"}}, "max-size takes a size"),
        ({"licenses": {"missing": "no"}}, "[mirror.licenses] missing takes"),
        ({"waivers": {}}, "[[mirror.waivers]] is no list of tables"),
        ({"waivers": [{**WAIVER, "reason": " "}]}, "waiver 1 lacks 'reason'"),
        ({"waivers": [{**WAIVER, "package": None}]}, "waiver 1 lacks 'package'"),
        ({"waivers": [{**WAIVER, "rule": "bans"}]}, "waiver 1 is for the rule 'bans', and the rules are age"),
        ({"waivers": [WAIVER, {**WAIVER, "expires": None}]}, "waiver 2 has no end"),
        ({"waivers": [{**WAIVER, "version": 1}]}, "waiver 1: version is a text"),
        ({"waivers": [{**WAIVER, "until": "x"}]}, "has no key 'until'"),
    ],
)
def test_what_is_misspelt_is_named(raw, problem):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared
        read_rules(raw)
    assert problem in str(caught.value)


def written(directory, name, text):
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return path


def test_ours_lies_beside_the_one_of_pixi_policy_or_stands_alone(tmp_path):
    theirs = written(tmp_path, "pixi-policy.toml", "[bans]\n")
    assert read_policy_files(theirs, minimum_age=None).rules == {}
    ours = written(tmp_path, OWN, '[mirror.age]\nminimum = "7d"\n[[mirror.waivers]]\nrule = "age"\npackage = "a"\n'
                   'reason = "b"\nexpires = 2027-03-31\n')  # fmt: skip
    both = read_policy_files(theirs, minimum_age="2w")
    assert (both.program, both.name) == (theirs, f"pixi-policy.toml and {OWN}")
    assert both.rules["age"] == {"minimum": "2w"}
    assert both.rules["waivers"][0]["expires"] == "2027-03-31"
    alone = read_policy_files(ours, minimum_age=None)
    assert (alone.program, alone.rules["age"]) == (None, {"minimum": "7d"})
    age = read_policy_files(None, minimum_age="7d")
    assert (age.program, age.rules) == (None, {"age": {"minimum": "7d"}})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[mirror", "cannot be used"),
        ("[mirror]\n[bans]\n", "pixi-policy refuses a file with tables that it does not know"),
        ("mirror = 1\n", "it has no table [mirror]"),
        ("[mirror]\nage = 1\n", "[mirror.age] is no table"),
        ("a = " + "[" * 5000, "cannot be used"),
    ],
)
def test_a_file_that_is_no_policy_is_refused_by_name(tmp_path, text, problem):
    path = written(tmp_path, "p.toml", text)
    with pytest.raises(MachineError) as caught:
        read_policy_files(path, minimum_age=None)
    assert str(path) in str(caught.value)
    assert problem in str(caught.value)
    with pytest.raises(MachineError, match="nowhere"):
        read_policy_files(tmp_path / "nowhere.toml", minimum_age=None)
