"""A build pattern means what Python's expressions and py-rattler take it for, in time that does not explode."""

import fnmatch
import re

import pytest
from harness.examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from pixi_mirror.conda.build_patterns import LONGEST_PATTERN, MOST_STEPS, read_build_pattern

BUILDS = st.text("abAB1_.-^", max_size=8)
ATOMS = st.sampled_from(
    ["a", "B", "1", "_", ".", r"\.", r"\d", r"\W", r"\s", "[ab]", "[^a]", "[a-c1]", "[]a]", "[a-]", r"[\d_]", "[^]b]"]
)
EXPRESSIONS = st.recursive(
    st.one_of(ATOMS, st.sampled_from(["^", "$"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map("|".join),
        st.tuples(st.sampled_from(["(", "(?:"]), inner).map(lambda pair: f"{pair[0]}{pair[1]})"),
        st.tuples(
            st.one_of(ATOMS, inner.map(lambda text: f"({text})")),
            st.sampled_from(["*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{,2}", "{1,}", "{0}"]),
        ).map("".join),
    ),
    max_leaves=6,
)


def fits(pattern: str, build: str) -> bool:
    return read_build_pattern(pattern).matches(build)


@settings(max_examples=examples(500), deadline=None)
@given(EXPRESSIONS, st.lists(BUILDS, min_size=1, max_size=5))
def test_an_expression_finds_what_python_finds(text: str, builds: list[str]) -> None:
    pattern = f"^{text}$"
    try:
        expected = re.compile(pattern, re.IGNORECASE)
    except re.error:
        with pytest.raises(ValueError, match="regular expression"):
            read_build_pattern(pattern)
        return
    try:
        found = read_build_pattern(pattern)
    except ValueError as error:
        assert "{," in pattern or "nothing to repeat" in str(error)  # noqa: PT017 - others refuse that, too
        return
    for build in builds:
        assert found.matches(build) == bool(expected.search(build)), build


@settings(max_examples=examples(500), deadline=None)
@given(st.text("ab*?[]!-1", max_size=8), st.lists(BUILDS, min_size=1, max_size=5))
def test_a_glob_finds_what_fnmatch_finds(text: str, builds: list[str]) -> None:
    pattern = text if "*" in text else f"{text}*"
    expected = re.compile(fnmatch.translate(pattern), re.IGNORECASE)
    for build in builds:
        assert fits(pattern, build) == bool(expected.fullmatch(build)), build


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("^(?=a)$", "not judged here"),
        ("^(?i)a$", "not judged here"),
        (r"^(a)\1$", "not judged here"),
        (r"^\ba$", "not judged here"),
        ("^a*+$", "not judged here"),
        ("^[[:alpha:]]$", "not judged here"),
        ("^[a&&b]$", "not judged here"),
        ("^" + "(" * 60 + ")" * 60 + "$", "not judged here"),
        ("^a**$", "nothing to repeat"),
        ("^*$", "nothing to repeat"),
        ("^{2}$", "nothing to repeat"),
        ("^a{3,2}$", "the most is less"),
        ("^(a$", "not closed"),
        ("^a)$", "closes nothing"),
        ("^[a$", "not closed"),
        ("^[b-a]$", "range of a class"),
        ("^\\$", ""),
        ("^a{9999}$", "too many repetitions"),
        ("^(((){9999}){9999}){9999}$", "too many repetitions"),
        ("^" + "a" * LONGEST_PATTERN + "$", "characters long"),
    ],
)
def test_what_is_no_expression_or_cannot_be_judged_is_refused(pattern: str, why: str) -> None:
    if not why:
        assert not fits(pattern, "a")
        return
    with pytest.raises(ValueError, match=why):
        read_build_pattern(pattern)


def test_a_comparison_that_would_take_too_long_is_refused() -> None:
    pattern = read_build_pattern("^(a|b){100}$")
    assert pattern.matches("ab" * 50)
    with pytest.raises(ValueError, match="too long"):
        pattern.matches("a" * MOST_STEPS)


def test_the_first_and_the_last_piece_of_a_glob_do_not_overlap() -> None:
    assert fits("ab*ba", "abba")
    assert not fits("ab*ba", "aba")


def test_the_steps_do_not_depend_on_how_the_pattern_is_nested() -> None:
    assert not fits("^(((a*)*)*)*b$", "a" * 300)
    assert not fits("*a" * 90 + "*b", "a" * 10_000)
    assert not fits("*[a]" * 40 + "*b", "a" * 300)


@pytest.mark.rattler
@settings(deadline=None)
@given(st.text("ab*1_", min_size=1, max_size=8), BUILDS)
def test_py_rattler_takes_the_same_builds_for_a_glob(text: str, build: str) -> None:
    import rattler

    build = re.sub(r"[^A-Za-z0-9_.+]", "x", build) or "x"
    pattern = text if "**" not in text else text.replace("*", "")
    if not pattern:
        return
    theirs = rattler.MatchSpec(f"foo * {pattern}")
    record = rattler.PackageRecord("foo", "1", rattler.BuildString(build), 0, "noarch")
    assert fits(pattern, build) == theirs.matches(record)
