"""A match spec means the packages that pixi's solver takes for it, whoever spelled it, and nobody's hangs us."""

import pytest
from harness.examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from pixi_mirror.conda.matchspec import MatchSpec

OTHER = {"name": "foo", "version": "1.2.3", "build": "py310h1_2", "build_number": 2}


def matches(text, version="1.2.3", build="py310h1_2", **others):
    return MatchSpec.parse(text).matches(**{**OTHER, "version": version, "build": build, **others})


@pytest.mark.parametrize(
    ("text", "taken", "left"),
    [
        ("foo", "0 1.2 9!1dev", ""),
        ("foo *", "0 1.2", ""),
        ("foo 1.2", "1.2 1.2.0 1.2+0", "1.2.1 1.2a 1!1.2"),
        ("foo ==1.2", "1.2 1.2.0", "1.2.1"),
        ("foo =1.2", "1.2 1.2.9 1.2a1", "1.20 1.3"),
        ("foo = 1.2", "1.2 1.2.9", "1.3"),
        ("foo=1.2", "1.2.9", "1.3"),
        ("foo 1.2.*", "1.2 1.2.9", "1.20 1.3"),
        ("foo 1.2*", "1.2 1.2.9", "1.3"),
        ("foo ==1.2.*", "1.2 1.2.9", "1.3"),
        ("foo 2023.*.*", "2023.1 2023.5.6", "2024"),
        ("foo !=1.2.*", "1.3 1", "1.2 1.2.9"),
        ("foo !=1.2", "1.2.1", "1.2.0"),
        ("foo >=1.2,<2", "1.2 1.9", "1.1 2 2.0.1"),
        ("foo >=1.2,<2.0a0", "1.9", "2.0a0 2"),
        ("foo >=1.2 , < 2", "1.9", "2"),
        ("foo >1.2", "1.2.1", "1.2 1.2a"),
        ("foo >1.2.*", "1.2 1.3", "1.1"),
        ("foo <=1.2", "1.2 1.2rc1", "1.2.1"),
        ("foo ~=1.2", "1.2 1.9", "2.0 1.1"),
        ("foo ~=1.2.3", "1.2.3 1.2.9", "1.3 1.2.2"),
        ("foo >=*", "0 1", ""),
        ("foo 2.7|>=3.6", "2.7 3.6 4", "2.8 3.5"),
        ("foo ==2.7.*|>=3.4", "2.7.1 3.4", "2.8"),
        ("foo >=1,<2|>=3,<4", "1.5 3.5", "2.5 4"),
        ("foo (>=1|<0.5),!=2", "0.4 1 3", "0.7 2"),
        ("foo ((>=1|<0.5),!=2)", "0.4 1 3", "0.7 2"),
        ("foo " + "|".join(["(1)", "(2)"] * 30), "1 2", "3"),
        ("foo>=1", "1", "0.9"),
        ("FOO >=1", "1", "0.9"),
        ("foo[version='>=1,<2']", "1.5", "2"),
        ("foo >=1 # a comment", "1", "0.9"),
    ],
)
def test_a_spec_takes_these_versions_and_leaves_those(text, taken, left):
    assert [version for version in taken.split() if not matches(text, version)] == []
    assert [version for version in left.split() if matches(text, version)] == []


@pytest.mark.parametrize(
    ("text", "taken", "left"),
    [
        ("foo 1.2.3 *_2", "py310h1_2 _2", "py310h1_12 py310h1_2x"),
        ("foo 1.2.3   4*_mkl", "4_mkl 41hb_mkl", "5_mkl 4_mklx"),
        ("foo 1.2.3 mkl", "mkl MKL", "mkl_1"),
        ("foo 1.2.3 MKL", "mkl MKL", "mkl_1"),
        ("foo 1.2.3 Py3*", "py310 PY310", "xpy310"),
        ("foo =*=cpu", "cpu", "cuda"),
        ("foo * *_cp310", "x_cp310", "x_cp311"),
        ("foo ==1.2.3=*_2", "py310h1_2", "py310h1_1"),
        ("foo 1.2.3=py*", "py310h1_2", "h1_2"),
        ("foo 1.2.3 ^py3[0-9]+h.*$", "py310h1_2 PY310h", "h1_2"),
        ("foo[build=py310*]", "py310h1_2", "py311h1_2"),
        ("foo 1.2.3 x[build='py310*']", "py310h1_2", "x"),
    ],
)
def test_a_spec_takes_these_builds_and_leaves_those(text, taken, left):
    assert [build for build in taken.split() if not matches(text, build=build)] == []
    assert [build for build in left.split() if matches(text, build=build)] == []


def test_a_single_equal_sign_is_exact_before_a_build_and_a_prefix_alone():
    assert matches("foo =1.2", version="1.2.3")
    assert not matches("foo =1.2=py*", version="1.2.3")
    assert not matches("foo =1.2 py*", version="1.2.3")
    assert matches("foo =1.2=py*", version="1.2")
    assert matches("foo =1.2.*=py*", version="1.2.3")


def test_another_name_never_matches_and_case_does_not_count():
    assert not matches("foo", name="foobar")
    assert matches("foo", name="Foo")
    assert MatchSpec.parse("Foo >=1").name == "foo"


@pytest.mark.parametrize(
    ("text", "number", "wanted"),
    [(">=3", 3, True), (">=3", 2, False), ("2", 2, True), ("!=2", 2, False), ("<3", 2, True), ("==2", None, False)],
)
def test_brackets_ask_for_a_build_number(text, number, wanted):
    assert matches(f"foo[build_number='{text}']", build_number=number) is wanted


def test_brackets_ask_for_hashes_and_features_of_the_record():
    one, other = "a" * 64, "b" * 64
    assert matches(f"foo[sha256={one}]", record={"sha256": one})
    assert not matches(f"foo[sha256={one}]", record={"sha256": other})
    assert not matches(f"foo[md5={one[:32]}]", record={})
    assert matches("foo[track_features='x y']", record={"track_features": "y x z"})
    assert not matches("foo[track_features='x y']", record={"track_features": ["x"]})


def test_what_says_whence_a_package_comes_is_kept_and_not_asked_of_it():
    spec = MatchSpec.parse('conda-forge/linux-64::foo >=1[subdir=osx-64, fn="a,b]"]')
    assert (spec.name, spec.channel, spec.fields["fn"]) == ("foo", "conda-forge/linux-64", "a,b]")
    assert spec.matches(**OTHER)
    assert MatchSpec.parse("https://channels.example/a::foo").channel == "https://channels.example/a"
    assert MatchSpec.parse("foo[channel=bioconda]").channel == "bioconda"
    assert MatchSpec.parse("foo").channel is None


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("foo >=1; if python >=3.12", "python >=3.12"),
        ("foo >=1 ;  if (python <3 or __win)", "(python <3 or __win)"),
        ('foo >=1[when="python >=3.12"]', "python >=3.12"),
        (r"""foo[version=">=1", when="bar[build=\"x\"]"]""", 'bar[build="x"]'),
        ("foo >=1; if bar[build=x]", "bar[build=x]"),
        ("foo[version='>=1', fn='a; if b'] ; if bar", "bar"),
    ],
)
def test_a_condition_is_told_and_no_part_of_the_version(text, condition):
    spec = MatchSpec.parse(text)
    assert spec.condition == condition
    assert spec.matches(**OTHER)
    assert not spec.matches(**{**OTHER, "version": "0.9"}) or ">=1" not in text


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("", "does not begin with the name"),
        (">=1", "does not begin with the name"),
        ("foo_*", "a name does not go on with '\\*'"),
        ("foo(>=1)", "a name does not go on with"),
        ("foo =>1", "'=>' is no operator"),
        ("foo !=*", "allows no version"),
        ("foo 1.*.3", "is no version"),
        ("foo >=1,", "is no version"),
        ("foo (>=1", "is not closed"),
        ("foo >=1)", "is no build"),
        ("foo 1 =x", "is no build"),
        ("foo @ 1", "is no version"),
        ("foo[version=1", "not closed"),
        ("foo[version", "a name does not go on with"),
        ("foo[version=1][build=2]", "do not hold KEY=VALUE"),
        ("foo[]x", "a name does not go on with"),
        ("foo[python=3]", "is not known"),
        ("foo[build_number=x]", "is no number"),
        ("foo[version='1 b']", "is no build"),
        ("https://channels.example/foo-1-0.conda", "colons"),
        ("foo 1 ^((a$", "is no regular expression"),
        ("foo " + "(" * 2000, "parentheses"),
        ("foo 1 ^(a{6000})+$", "too many repetitions"),
        ("foo 1 ^a(?=b)b$", "not judged here"),
        (r"foo 1 ^(a)\1$", "not judged here"),
        ("foo 1 " + "x*" * 2100, "characters long"),
        ("foo " + " " * 5000 + "1", "characters long"),
    ],
)
def test_what_is_no_spec_is_refused_and_named(text, because):
    with pytest.raises(ValueError, match=because) as caught:
        MatchSpec.parse(text)
    assert str(caught.value).startswith(f"{text!r} is no match spec: ")


@given(st.text("fo =<>!~|,()[]*^$.'\"\\;#:1a+", max_size=30))
def test_no_text_ends_in_anything_but_a_spec_or_its_refusal(text):
    try:
        MatchSpec.parse(text).matches(**OTHER)
    except ValueError as error:
        assert "is no match spec" in str(error)  # noqa: PT017 - most texts are refused, and that is fine


LITERALS = st.sampled_from(
    ("1", "1.2", "1.2.3", "1.2.0", "2", "1.2a1", "1.2_1", "1!1.2", "1.2+3", "0.9", "1.2dev", "1.2post1")
)
CONSTRAINTS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(("", "", "==", "!=", "<=", ">=", "<", ">", "~=", "=")),
        st.sampled_from(("", "", " ")),
        LITERALS,
        st.sampled_from(("", "", "", "*", ".*", ".*.*")),
    ),
)
RANGES = st.recursive(
    st.one_of(CONSTRAINTS, st.sampled_from(("*", ">=*", "=*"))),
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(",".join),
        st.lists(inner, min_size=2, max_size=3).map(" | ".join),
        inner.map(lambda text: f"({text.strip()})"),
    ),
    max_leaves=4,
)
SPECS = st.builds(
    lambda versions, build, brackets: f"foo {versions}{build}{brackets}",
    RANGES,
    st.sampled_from(("", "", " py_0", "=py_0", "  *_0", " py*", " ^py.*$", " PY_0")),
    st.sampled_from(("", "", "[build_number='>=1']", "[build=py_0]", "[version='>1.2']")),
)
VERSIONS = (
    "1",
    "1.2",
    "1.2.1",
    "1.2.3",
    "1.3",
    "2",
    "1.2a1",
    "1.2_1",
    "1!1.2",
    "1.2+3",
    "0.9",
    "1.2dev",
    "1.2post1",
    "1.20",
)


@pytest.mark.rattler
@settings(max_examples=examples(400))
@given(SPECS)
def test_py_rattler_takes_the_same_packages(text):
    import rattler

    try:
        theirs = rattler.MatchSpec(text)
    except Exception:  # noqa: BLE001 - it has no class of its own for this
        with pytest.raises(ValueError, match="is no match spec"):
            MatchSpec.parse(text)
        return
    ours = MatchSpec.parse(text)
    for version in VERSIONS:
        for build in ("py_0", "py_1", "h_0"):
            record = rattler.PackageRecord("foo", version, rattler.BuildString(build), int(build[-1]), "noarch")
            taken = ours.matches(name="foo", version=version, build=build, build_number=int(build[-1]))
            assert taken == theirs.matches(record), (version, build)


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^a*a*a*a*b$", "^(a|aa)+$", "^(a*)*b$", "^(.*a){20}$"])
def test_a_regular_expression_that_would_keep_others_busy_is_answered_at_once(pattern):
    assert not matches(f"foo 1.2.3 {pattern}", build="a" * 60 + "c")


@pytest.mark.parametrize(
    "white", ["foo[version=1" + " " * 3900 + "'", "foo" + " " * 3900 + ";", "foo 1" + ".*" * 1900 + "x"]
)
def test_long_white_space_and_long_globs_are_refused_at_once(white):
    with pytest.raises(ValueError, match="no match spec"):
        MatchSpec.parse(white)


def test_a_glob_of_many_stars_is_answered_at_once():
    assert not matches("foo 1.2.3 " + "*a" * 60 + "*b", build="a" * 300)
