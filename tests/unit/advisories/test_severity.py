"""The severity of an advisory: CVSS base scores as specified, words of databases, what is unknown."""

import pytest

from pixi_mirror.advisories.severity import UNKNOWN, Severity, base_score, highest, severity_of

V3 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
V4 = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"


@pytest.mark.parametrize(
    ("vector", "score"),
    [
        (V3, 9.8),
        ("CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1),
        ("CVSS:3.1/AV:L/AC:H/PR:L/UI:N/S:U/C:H/I:H/A:H", 7.0),
        ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:H/A:H", 9.9),
        ("CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:L", 1.6),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0),
        (f"{V3}/E:P/RL:O/RC:C", 9.8),
        (V4, 9.3),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H", 10.0),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N", 0.0),
        ("CVSS:4.0/AV:N/AC:L/AT:P/PR:N/UI:N/VC:N/VI:N/VA:H/SC:N/SI:N/SA:N", 8.2),
        ("CVSS:4.0/AV:L/AC:L/AT:N/PR:L/UI:N/VC:L/VI:L/VA:N/SC:N/SI:N/SA:N", 4.8),
        ("CVSS:4.0/AV:P/AC:H/AT:P/PR:H/UI:A/VC:L/VI:N/VA:N/SC:N/SI:N/SA:N", 1.0),
        (f"{V4}/E:U", 9.3),
    ],
)
def test_base_scores(vector, score):
    assert base_score(vector) == score


@pytest.mark.parametrize(
    "vector",
    ["", "CVSS:5.0/AV:N", "AV:N/AC:L/Au:N/C:P/I:P/A:P", V3.replace("/A:H", ""), V3.replace("AV:N", "AV:X"),
     f"{V3}/AV:L",
     V4.replace("/SA:N", ""), V4.replace("AT:N", "AT:Q"), "CVSS:3.1", "CVSS:3.1/////"],
)  # fmt: skip
def test_a_vector_that_is_none_has_no_score(vector):
    assert base_score(vector) is None


def test_the_worst_of_all_that_is_given_counts():
    low = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:L"}
    assert severity_of([low], None) == Severity("low", 1.6)
    assert severity_of([low, {"type": "CVSS_V4", "score": V4}], None) == Severity("critical", 9.3)
    assert severity_of([low], {"severity": "HIGH"}) == Severity("high", 1.6)
    assert severity_of(None, {"severity": "moderate"}) == Severity("medium", None)


@pytest.mark.parametrize(
    "vectors", [None, [], {}, ["x"], [{"score": 7.5}], [{"type": "CVSS_V2", "score": "AV:N/AC:L"}]]
)
def test_what_is_not_said_is_unknown_and_stands_above_all(vectors):
    found = severity_of(vectors, {"severity": 3})
    assert found == UNKNOWN
    assert found.reaches("critical")
    assert not severity_of([{"score": V3.replace(":H", ":N")}], None).reaches("low")


def test_what_is_known_counts_beside_what_is_not():
    assert highest([UNKNOWN, Severity("low", 2.0), Severity("medium", None)]) == Severity("medium", 2.0)
    assert highest([]) == UNKNOWN
