"""Specs that mean the same are spelled the same, and others are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixi_mirror.conda.matchspec_spelling import bracketed_spec, normal_record, normal_spec, requires_v3, v3_record


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # What rattler-index 0.34.5 makes of specs of real locks.
        ("_libgcc_mutex 0.1 conda_forge", "_libgcc_mutex ==0.1 conda_forge"),
        ("boost-cpp =1.82.0", "boost-cpp 1.82.0.*"),
        ("libgcc-ng ==15.2.0=*_20", "libgcc-ng ==15.2.0 *_20"),
        ("libabseil-static =20240116.2=cxx17*", "libabseil-static ==20240116.2 cxx17*"),
        ("apache-arrow-proc =*=cpu", "apache-arrow-proc * cpu"),
        ("liblapack  3.11.0   4*_mkl", "liblapack ==3.11.0 4*_mkl"),
        ("cudatoolkit 12.9|12.9.*", "cudatoolkit ==12.9|12.9.*"),
        ("python ==2.7.*|>=3.4", "python 2.7.*|>=3.4"),
        ("pcl 1.13.1*", "pcl 1.13.1.*"),
        ("re2 2023.09.01.*", "re2 2023.9.1.*"),
        ("pyqt >=5.15.*", "pyqt >=5.15"),
        ("__cuda  >=12.8", "__cuda >=12.8"),
        ("__osx>=10.12", "__osx >=10.12"),
        ("python >=3.8, <4", "python >=3.8,<4"),
        ("python *", "python"),
    ],
)
def test_a_spec_and_what_an_indexer_makes_of_it_are_one(one, other):
    assert normal_spec(one) == normal_spec(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a 1.0", "a =1.0"),
        ("a ==1.0", "a >=1.0"),
        ("a 1.0", "a 10"),
        ("a 1.0 b", "a 1.0 c"),
        ("a 1.0", "a 1.0 b"),
        ("a >=1,<2", "a >=1|<2"),
        ("a !=1.0", "a !=1.0.*"),
        ("a =1.0=b", "a =1.0"),
        ("a", "b"),
        ("a * b", "a"),
        ("a ~=1.2", "a >=1.2"),
    ],
)
def test_specs_that_differ_in_meaning_stay_different(one, other):
    assert normal_spec(one) != normal_spec(other)


VERSIONS = st.from_regex(r"(?:==|!=|<=|>=|~=|<|>|=)?[0-9]{1,3}(?:\.[0-9]{1,3}){0,2}(?:\.\*)?", fullmatch=True)
BUILDS = st.sampled_from(["", "h1_0", "*_1", "cuda*"])


@given(st.lists(VERSIONS, min_size=1, max_size=3), st.sampled_from([",", "|", ", ", " | "]), BUILDS)
def test_the_normal_spelling_is_its_own(versions, joint, build):
    spec = normal_spec(f"a {joint.join(versions)} {build}")
    assert normal_spec(spec) == spec


def test_what_is_absent_null_or_an_empty_list_is_one():
    assert normal_record({"name": "a", "constrains": [], "license": None}) == normal_record({"name": "a"})


def test_digests_are_one_in_bytes_and_in_digits():
    assert normal_record({"sha256": bytes(32)}) == normal_record({"sha256": "00" * 32})


def test_a_stamp_makes_a_record_another():
    assert normal_record({"name": "a", "indexed_timestamp": 1}) != normal_record({"name": "a"})


# What rattler-index 0.34.5 makes of specs in its `v3` section.
IN_V3 = {
    "python": "python",
    "python >=3.10": 'python[version=">=3.10"]',
    "zlib 1.3.2 *_2": 'zlib[version="==1.3.2",build="*_2"]',
    'zlib[version=">=1",build="h*"]': 'zlib[version=">=1",build="h*"]',
    'numpy >=2[when="python >=3.10"]': 'numpy[version=">=2",when="python>=3.10"]',
    "foo[extras=[x,y]]": "foo[extras=[x,y]]",
    "foo[extras=[x, y]]": "foo[extras=[x,y]]",
    "bar >=1,<2[flags=[cuda]]": 'bar[version=">=1,<2",flags=[cuda]]',
    "conda-forge::q 1.*": 'q[version="1.*",channel="conda-forge"]',
    "m =1.2": 'm[version="1.2.*"]',
    "b ==1.0 h_0": 'b[version="==1.0",build="h_0"]',
    "__archspec 1.* ^(a|b)$": '__archspec[version="1.*",build="^(a|b)$"]',
    'n[build_number=">=3"]': 'n[build_number=">=3"]',
    "w >=1[when=\"python >=3.10 and (__unix or foo[version='>=2'])\"]": (
        'w[version=">=1",when="python>=3.10 and (__unix or foo>=2)"]'
    ),
    'x[when="python 3.10.*"]': 'x[when="python[version=\\"3.10.*\\"]"]',
}


@pytest.mark.parametrize("spec", IN_V3)
def test_a_spec_gets_the_brackets_that_an_indexer_gives_it_and_means_the_same(spec):
    assert bracketed_spec(spec) == IN_V3[spec]
    assert bracketed_spec(IN_V3[spec]) == IN_V3[spec]
    assert normal_spec(spec) == normal_spec(IN_V3[spec])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('a[when="b"]', "a"),
        ('a[when="b"]', 'a[when="c"]'),
        ('a[when="b and c"]', 'a[when="b or c"]'),
        ("a[extras=[b]]", "a[extras=[b,c]]"),
        ("a[extras=[b]]", "a[flags=[b]]"),
        ('a[version=">=1"]', 'a[version=">=2"]'),
        ("conda-forge::a", "a"),
    ],
)
def test_specs_with_brackets_that_differ_in_meaning_stay_different(one, other):
    assert normal_spec(one) != normal_spec(other)


def test_what_is_no_spec_keeps_its_text():
    assert normal_spec("a[when=") == "a[when="
    assert bracketed_spec("a[b=") == "a[b="


def test_only_specs_with_when_extras_or_flags_make_a_record_one_of_the_v3_section():
    plain = {"depends": ["a >=1", 'b[version="1"]'], "extra_depends": {"x": ['a[when="b"]']}, "flags": ["f"]}
    assert not requires_v3(plain)
    for spec in ('a[when="b"]', "a[extras=[b]]", "a >1[flags=[c]]", "a; if b"):
        assert requires_v3({"depends": [spec]})
        assert requires_v3({"depends": [], "constrains": [spec]})
    assert v3_record({"depends": ["a >1"], "constrains": ["b"], "extra_depends": {"x": ["c 1"]}, "name": "d"}) == {
        "depends": ['a[version=">1"]'],
        "constrains": ["b"],
        "extra_depends": {"x": ['c[version="==1"]']},
        "name": "d",
    }
