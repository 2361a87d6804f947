"""The rules of OSV, one by one: which versions an advisory is about, and what it says besides."""

import json

import pytest
from harness.osv import advisory, affected, events

from pixi_mirror.advisories.osv import advisory_of, read_advisory
from pixi_mirror.advisories.ranges import RangeVerdict, fixes, in_order, judge

YES, NO, UNDECIDED = RangeVerdict.AFFECTED, RangeVerdict.UNAFFECTED, RangeVerdict.UNDECIDED


def verdict(version, *ranges, versions=(), **options):
    (about,) = advisory_of(advisory("X-1", affected(ranges=ranges, versions=versions, **options))).affected
    return judge(version, about)


FIXED_IN_2 = events(("introduced", "0"), ("fixed", "2.0"))


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("0a1", YES),
        ("0", YES),
        ("1.9", YES),
        ("2.0rc1", YES),
        ("2.0.dev1", YES),
        ("2.0", NO),
        ("2.0.post1", NO),
        ("2!0", NO),
    ],
)
def test_fixed_ends_a_range_and_a_pre_release_of_the_fix_is_affected(version, expected):
    assert verdict(version, FIXED_IN_2) is expected


def test_introduced_0_is_before_every_version_and_another_0_is_not():
    assert verdict("0.dev0", events(("introduced", "0"))) is YES
    assert verdict("0.dev0", events(("introduced", "0.0"))) is NO


@pytest.mark.parametrize(
    ("version", "expected"), [("1.4", YES), ("1.5", YES), ("1.5.0", YES), ("1.5.post1", NO), ("1.6", NO)]
)
def test_last_affected_is_itself_affected(version, expected):
    assert verdict(version, events(("introduced", "0"), ("last_affected", "1.5"))) is expected


@pytest.mark.parametrize(
    ("version", "expected"),
    [("0.9", NO), ("1.0", YES), ("1.1", YES), ("1.2", NO), ("2.0", YES), ("2.4", YES), ("2.5", NO)],
)
def test_a_range_may_begin_again_and_its_events_stand_in_any_order(version, expected):
    shuffled = events(("fixed", "2.5"), ("introduced", "1.0"), ("introduced", "2.0"), ("fixed", "1.2"))
    assert verdict(version, shuffled) is expected


def test_what_is_introduced_at_the_version_that_fixes_is_affected():
    again = events(("introduced", "0"), ("fixed", "1.0"), ("introduced", "1.0"), ("last_affected", "1.0"))
    assert [verdict(each, again) for each in ("0.9", "1.0", "1.1")] == [YES, YES, NO]


def test_one_of_several_ranges_is_enough():
    first, second = events(("introduced", "1.0"), ("fixed", "1.1")), events(("introduced", "3.0"), ("fixed", "3.1"))
    assert [verdict(each, first, second) for each in ("1.0", "2.0", "3.0")] == [YES, NO, YES]


def test_a_limit_bounds_a_range_and_a_star_does_not():
    start = ("introduced", "1.0")
    assert verdict("1.5", events(start, ("limit", "2.0"))) is YES
    assert verdict("2.0", events(start, ("limit", "2.0"))) is NO
    assert verdict("2.5", events(start, ("limit", "2.0"), ("limit", "3.0"))) is YES
    assert verdict("9", events(start, ("limit", "2.0"), ("limit", "*"))) is YES
    assert verdict("9", events(start, ("limit", "next"))) is UNDECIDED


def test_versions_are_compared_as_versions_and_joined_with_the_ranges():
    assert verdict("1.0", versions=["1.0.0"]) is YES
    assert verdict("1.0RC1", versions=["1.0rc1"]) is YES
    assert verdict("1.1", versions=["1.0.0"]) is NO
    assert verdict("1.1", events(("introduced", "1.1")), versions=["1.0"]) is YES


def test_a_local_version_is_judged_by_its_public_part():
    assert verdict("1.5+cu118", events(("introduced", "0"), ("last_affected", "1.5"))) is YES
    assert verdict("1.5+cu118", versions=["1.5"]) is YES
    assert verdict("2.0+cu118", FIXED_IN_2) is NO


def test_what_cannot_be_compared_is_undecided_unless_it_is_named():
    assert verdict("2019b-x", FIXED_IN_2) is UNDECIDED
    assert verdict("2019b-x", versions=["1.0"]) is NO
    assert verdict("2019b-x", FIXED_IN_2, versions=["2019b-x"]) is YES
    assert verdict("1.0", events(("introduced", "0"), ("fixed", "r2112-x"))) is UNDECIDED
    assert verdict("1.0", events(("introduced", "r2112-x")), FIXED_IN_2) is YES


def test_commits_say_nothing_of_a_release():
    assert verdict("1.0", events(("introduced", "0")), kind="GIT") is NO
    assert verdict("1.0", events(("introduced", "0")), kind="SEMVER") is YES


def test_only_the_ecosystem_counts_and_names_are_normalised():
    found = advisory_of(
        advisory(
            "X-1",
            affected("Shop_Lib"),
            affected("shop-lib", ecosystem="npm"),
            affected("shop-lib", ecosystem="pypi"),
            affected("other.lib", ecosystem="PyPI:part"),
        )
    )
    assert [each.project for each in found.affected] == ["shop-lib", "other-lib"]


def test_the_fixes_that_help_are_later_ones():
    about = advisory_of(
        advisory("X-1", affected(ranges=[events(("fixed", "1.2"), ("fixed", "2.10")), FIXED_IN_2]))
    ).affected[0]
    assert in_order(fixes("1.5", about)) == ("2.0", "2.10")
    assert fixes("odd-x", about) == ("1.2", "2.10", "2.0")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"id": None}, "its id is 'None'"),
        ({"id": "two words"}, "its id is 'two words'"),
        ({"modified": None}, "X-1: it has no `modified`"),
        ({"modified": "yesterday"}, "X-1: `modified` is 'yesterday'"),
        ({"affected": {}}, None),
        ({"affected": {"a": 1}}, "X-1: affected is no list"),
        ({"affected": ["a"]}, "X-1: a member of affected is no object"),
        ({"affected": [affected("../x")]}, "X-1: it names the project '../x'"),
        ({"affected": [affected(versions=[1])]}, "X-1: versions is no list of texts"),
        ({"affected": [affected(ranges=[[{"introduced": 0}]])]}, "X-1: an event of a range has no text"),
    ],
)
def test_a_record_that_is_none_is_refused_by_name(change, problem):
    record = {**advisory("X-1"), **change}
    if problem is None:
        assert advisory_of(record).affected == ()
        return
    with pytest.raises(ValueError, match=problem.replace("(", r"\(").replace("..", r"\.\.")):
        advisory_of(record)


def test_a_hostile_record_is_an_error_of_its_own_kind():
    for data in (b"[" * 100_000, b"\xff", b'{"id"', b"[]", b"1"):
        with pytest.raises(ValueError, match=r"it|JSON|utf|Expecting"):
            read_advisory(data)


def test_the_line_for_people_is_short_and_one():
    assert advisory_of(advisory("X-1", summary="", details="# Title\n\nmore")).summary == "Title"
    assert len(advisory_of(advisory("X-1", summary="x" * 5000)).summary) == 303
    assert read_advisory(json.dumps(advisory("X-1", withdrawn="2026-01-01T00:00:00Z")).encode()).is_withdrawn
