"""Specs that mean the same are spelled the same, and others are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixi_mirror.conda.matchspec_spelling import normal_record, normal_spec


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
