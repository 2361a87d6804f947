"""Requirement lines: whom they name, when they hold, and which versions they take, as PEP 440 and 508 say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixi_mirror.pypi.requirements import accepts, admit_for_resolver, is_conditional, required_name


@pytest.mark.parametrize(
    ("line", "name"),
    [("Ruamel.Yaml>=1", "ruamel-yaml"), (" a [b] ; c", "a"), ("a.b-@https://h.example", "a-b"), ("", ""), (">=1", "")],
)
def test_a_requirement_names_a_project(line, name):
    assert required_name(line) == name


@pytest.mark.parametrize(
    ("line", "version", "accepted"),
    [
        ("a", "1.0", True), ("a>=1", "1.0", True), ("a >= 1.1", "1.0", False), ("a<=1", "1.0.0", True),
        ("a>1.0", "1", False), ("a<2,>=1", "1.9", True), ("a<2,>=1", "2.0", False), ("a[x,y] (>=3)", "2", False),
        ("a @ https://e.example/a.whl", "1", True), ("a>=2; python_version>'3'", "1", False),
        # wildcards
        ("a==1.*", "1.9", True), ("a==1.*", "2.1", False), ("a!=1.*", "1.9", False), ("a!=1.*", "2.0", True),
        ("a!=1.5", "1.5.0", False), ("a==1.0.*", "1", True), ("a==1.*", "1.0rc1", True), ("a==1.*", "1!1.0", False),
        ("a==1.1.*", "1.1.post1", True), ("a==1.1.*", "1.1+local", True), ("a==1.1.*", "1.10", False),
        # compatible releases
        ("a~=2.2.3", "2.2.9", True), ("a~=2.2.3", "2.3", False), ("a~=2.2.3", "2.2.2", False),
        ("a~=2.2", "2.2.post3", True), ("a~=2.2", "3.0", False), ("a~=2.2.post3", "2.2.post2", False),
        ("a~=2.2.post3", "2.3", True), ("a~=1.4.5a4", "1.4.5a3", False), ("a~=1!2.2", "1!2.9", True),
        # pre-releases: one that is installed counts as any other version
        ("a>=2", "1.0rc1", False), ("a>=1.0rc1", "0.1", False), ("a>=1.0rc1", "1.0rc1", True),
        ("a>=1", "1.0rc1", False),
        ("a>=1", "2.0rc1", True), ("a<2", "2.0rc1", False), ("a<2.0rc2", "2.0rc1", True), ("a>1.0rc1", "1.0rc2", True),
        ("a==1.0a1", "1.0.alpha1", True), ("a!=1.0rc1", "1.0rc1", False), ("a>=1.0.dev2", "1.0.dev1", False),
        # post-releases
        ("a>1.7", "1.7.post1", False), ("a>1.7", "1.7.1", True), ("a>1.7.post2", "1.7.post3", True),
        ("a>=1.7", "1.7.post1", True), ("a==1.7", "1.7.post1", False), ("a<=1.7", "1.7.post1", False),
        ("a<1.7.post2", "1.7.post1", True), ("a==1.7.post1", "1.7-1", True),
        # epochs
        ("a>=2", "1!1.0", True), ("a<2", "1!1.0", False), ("a==1.0", "1!1.0", False), ("a==1!1.0", "1!1", True),
        ("a>=1!1", "2023.1", False), ("a==0!1.0", "1.0", True),
        # local versions
        ("a==1.0", "1.0+cu121", True), ("a==1.0+cu121", "1.0", False), ("a==1.0+cu121", "1.0+CU121", True),
        ("a!=1.0", "1.0+cu121", False), ("a>1.0", "1.0+cu121", False), ("a<=1.0", "1.0+cu121", True),
        ("a>=1.0", "1.0+cu121", True),
        # arbitrary equality compares text
        ("a===2", "2", True), ("a===2", "2.0", False), ("a===2.0", "2", False), ("a===1.0+cu", "1.0+cu", True),
        # what the library cannot read refuses nothing
        ("a>=1.*", "0.1", True), ("a (>dev)", "0.1", True), ("a>=2", "2024a", True), ("a>=2", "", True),
        ("a>=2", "1.0_1_2", True), ("a>=2; " + "(" * 4000, "1", True),
    ],
)  # fmt: skip
def test_a_version_is_accepted_exactly_where_the_specifications_say(line, version, accepted):
    assert accepts(line, version) is accepted


@given(st.lists(st.integers(0, 20), min_size=1, max_size=4), st.lists(st.integers(0, 20), min_size=1, max_size=4))
def test_a_version_is_below_at_or_above_another(left, right):
    one, other = (".".join(map(str, parts)) for parts in (left, right))
    found = [accepts(f"a{operator}{other}", one) for operator in ("<", "==", ">")]
    assert found.count(True) == 1
    assert accepts(f"a<={other}", one) == (found[0] or found[1])
    assert accepts(f"a!={other}", one) != found[1]


@pytest.mark.parametrize(
    ("line", "conditional"),
    [
        ("a>=1; extra == 'x'", True),
        ("a ; python_version<'3'", True),
        ("a>=1", False),
        ("a @ https://h.example/a;b.whl", False),
        ("a>=1.*; extra == 'x'", True),  # unreadable, and a marker all the same
        ("a>=1.*", False),
    ],
)
def test_a_marker_makes_a_requirement_conditional(line, conditional):
    assert is_conditional(line) is conditional


@pytest.mark.parametrize(
    ("line", "spelling"),
    [
        ("Tiny.Backend>=1", "Tiny.Backend>=1"),
        ("a [y,x] ( >=1 , <2 )", "a[x,y]<2,>=1"),
        ("a;python_version<'3.12'", 'a; python_version < "3.12"'),
        ("  a\t>=1", "a>=1"),
    ],
)
def test_a_requirement_goes_to_a_resolver_in_its_canonical_spelling(line, spelling):
    assert admit_for_resolver(line) == spelling


@pytest.mark.parametrize(
    "line",
    [
        "", "--index-url=https://h.example", "-e .", "-r other.txt", "./dir", "a b", "a>=1 --hash=sha256:00",
        "a @ https://h.example/a.whl", "a @ git+https://h.example/a", "a>=1\n-e .", "a==$HOME", "a # b", "a\\",
        "a; python_version == ' --pre'", "a; python_version == '${HOME}'", "a; python_version == ' #'",
        "a; python_version == '\n-e .'", "a; " + "(" * 4000,
    ],
)  # fmt: skip
def test_what_a_resolver_could_take_for_something_else_is_refused(line):
    with pytest.raises(ValueError, match=r"PEP 508|requirements file"):
        admit_for_resolver(line)


LONG = 1_000_000


@pytest.mark.parametrize(
    "line",
    ["a" + " " * LONG + "!", " " * LONG + "a>=1", "a" + "\t " * LONG + ">=1", "a [" + " " * LONG, "a (" + " " * LONG,
     "a>=1," + " " * LONG + ",", "a;" + " " * LONG, "a @ " + " " * LONG, "a" + " -" * LONG, "a>=" + " " * LONG + "x",
     "a; extra" + " " * LONG + "x", "-" * LONG, "a" + "." * LONG, "a" + "a-" * LONG],
)  # fmt: skip
def test_a_line_with_much_white_space_is_judged_in_time_that_its_length_allows(line):
    # What takes time with the square of the length runs into the time-out here.
    accepts(line, "1.0")
    is_conditional(line)
    required_name(line)
    try:
        admit_for_resolver(line)
    except ValueError:
        return


@given(st.text(max_size=60), st.text(max_size=10))
def test_no_text_is_a_requirement_that_crashes(line, version):
    accepts(line, version)
    is_conditional(line)
    required_name(line)
