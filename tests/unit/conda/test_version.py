"""Versions stand in the order of CEP 33, and begin with one another as pixi's solver thinks they do."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixi_mirror.conda.version import CondaVersion

ASCENDING = (
    ("0.4", "0.4.0", "0.4.0.0", "00.4"),
    ("0.4.1.rc", "0.4.1.RC"),
    ("0.4.1",),
    ("0.5a1",),
    ("0.5b3", "0.5B3"),
    ("0.5",),
    ("0.9.6",),
    ("0.960923",),
    ("1.0",),
    ("1.1dev1",),
    ("1.1_",),
    ("1.1a1",),
    ("1.1.0dev1", "1.1.dev1"),
    ("1.1.a1",),
    ("1.1.0rc1", "1.1.rc1"),
    ("1.1.0", "1.1", "1.1+0"),
    ("1.1+1",),
    ("1.1.0post1", "1.1.post1"),
    ("1.1post1", "1.1POST1"),
    ("1996.07.12", "1996.7.12"),
    ("1!0.4.1",),
    ("1!3.1.1.6",),
    ("2!0.4.1",),
)
"""Equal versions together; each group is less than the next."""

WORDS = st.sampled_from(("0", "1", "2", "10", "01", "a", "rc", "dev", "post", "alpha", "DEV"))
SEGMENTS = st.lists(st.lists(WORDS, min_size=1, max_size=3).map("".join), min_size=1, max_size=4)
TEXTS = st.builds(
    lambda epoch, separator, main, tail, local: f"{epoch}{separator.join(main)}{tail}{local}",
    st.sampled_from(("", "", "0!", "1!")),
    st.sampled_from((".", ".", "_", "-")),
    SEGMENTS,
    st.sampled_from(("", "", "", "_", "._", "__")),
    st.one_of(st.just(""), SEGMENTS.map(lambda parts: "+" + ".".join(parts))),
).filter(lambda text: not {"-", "_"} <= set(text))


def test_versions_stand_in_the_order_of_the_specification():
    for (low, lows), (high, highs) in itertools.combinations(enumerate(ASCENDING), 2):
        assert low < high
        for one, other in itertools.product(lows, highs):
            assert CondaVersion.parse(one) < CondaVersion.parse(other), (one, other)
            assert not CondaVersion.parse(other) <= CondaVersion.parse(one)


@pytest.mark.parametrize("equal", [group for group in ASCENDING if len(group) > 1])
def test_versions_that_no_solver_tells_apart_are_one(equal):
    assert len({CondaVersion.parse(text) for text in equal}) == 1
    assert [str(CondaVersion.parse(text)) for text in equal] == list(equal)


@given(st.lists(TEXTS, min_size=3, max_size=3))
def test_the_order_is_total_and_equal_ones_have_equal_hashes(texts):
    one, two, three = sorted(map(CondaVersion.parse, texts))
    assert one <= two <= three
    assert one <= three
    assert (one == two) == (not one < two)
    assert one != two or hash(one) == hash(two)


@given(TEXTS)
def test_every_version_begins_with_itself_and_is_compatible_with_itself(text):
    version = CondaVersion.parse(text)
    assert version.starts_with(version)
    assert version.is_compatible_with(version)


@pytest.mark.parametrize(
    ("version", "prefix", "begins"),
    [
        ("1.2.3", "1.2", True),
        ("1.20", "1.2", False),
        ("1.2a1", "1.2", True),
        ("1.2", "1.2.0", True),
        ("1.2", "1.2.1", False),
        ("1", "1.0.0", True),
        ("1.1c.1", "1.1.1", False),
        ("1!1.2", "1.2", False),
        ("1.2+5", "1.2", True),
        ("1.2+5.1", "1.2+5", True),
        ("1.2", "1.2+5", False),
        ("7.3_64", "7.3", True),
    ],
)
def test_a_version_begins_with_whole_segments_of_another(version, prefix, begins):
    assert CondaVersion.parse(version).starts_with(CondaVersion.parse(prefix)) is begins


@pytest.mark.parametrize(
    ("version", "limit", "compatible"),
    [
        ("1.3", "1.2", True),
        ("1.2", "1.2.1", False),
        ("2.0", "1.2", False),
        ("1.2.9", "1.2.1", True),
        ("1!1.3", "1.2", False),
    ],
)
def test_compatible_is_not_less_and_the_same_but_for_the_last_segment(version, limit, compatible):
    assert CondaVersion.parse(version).is_compatible_with(CondaVersion.parse(limit)) is compatible


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 ",
        "1.",
        ".1",
        "1..2",
        "_1",
        "1+",
        "+1",
        "1-2_3",
        "1.2-3+1_2",
        "x!1",
        "1!",
        "1.*",
        "1.é",
        "1.2\n",
        "٣",
    ],
)
def test_what_is_no_version_is_refused(text):
    with pytest.raises(ValueError, match="is no version of a conda package"):
        CondaVersion.parse(text)


@pytest.mark.parametrize("text", ["1" * 21, "1." + "9" * 5000, "9" * 30 + "!1"])
def test_numbers_that_no_solver_holds_are_refused(text):
    with pytest.raises(ValueError, match="has a number of"):
        CondaVersion.parse(text)


@pytest.mark.rattler
@given(TEXTS, TEXTS)
def test_py_rattler_orders_the_same(one, other):
    import rattler

    ours, theirs = (CondaVersion.parse(one), CondaVersion.parse(other)), (rattler.Version(one), rattler.Version(other))
    assert _compared(*ours, CondaVersion.is_compatible_with) == _compared(*theirs, rattler.Version.compatible_with)


@pytest.mark.rattler
@given(st.text("01a.-_+! é", max_size=6))
def test_py_rattler_refuses_the_same_texts(text):
    import rattler

    assert _is_accepted(CondaVersion.parse, text) == _is_accepted(rattler.Version, text)


def _compared(one, other, is_compatible):
    if ("-" in str(one)) != ("-" in str(other)):
        return one < other, one == other  # for rattler `1-` and `1_` are equal, and none begins with the other
    return one < other, one == other, one.starts_with(other), is_compatible(one, other)


def _is_accepted(parse, text):
    try:
        parse(text)
    except Exception:  # noqa: BLE001 - each library has its own
        return False
    return True
