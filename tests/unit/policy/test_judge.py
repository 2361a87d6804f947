"""Each rule of ours: what it finds, what it leaves alone, and how long a waiver holds. The clock is given."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from harness.inventories import INDEX, conda, sdist

from pixi_mirror.model.packages import Listing, Target
from pixi_mirror.model.values import Url
from pixi_mirror.policy.judge import JudgedPackage, judge_packages, unsettled
from pixi_mirror.policy.rules import read_rules

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
TARGET = Target(workspace="shop", environment="prod", platform="linux-64")
KNOWN = Listing(
    index=INDEX, is_settled=True, requires_python=None, yanked=None, upload_time="2020-01-01T00:00:00Z", metadata=None,
    build_requires=None,
)  # fmt: skip


def stamp(days):
    return int((NOW - timedelta(days=days)).timestamp() * 1000)


def of_conda(name="base", **record):
    return JudgedPackage(package=conda(name, **record), listing=None, targets=(TARGET,), has_license=None)


def of_pypi(name="thing", *, listing=KNOWN, **changes):
    listing = None if listing is None else replace(listing, **changes)
    return JudgedPackage(package=sdist(name), listing=listing, targets=(TARGET,), has_license=None)


def found(each, rules, now=NOW):
    verdict = judge_packages([each], read_rules(rules), now)
    return [(finding.rule.removeprefix("mirror."), finding.severity) for finding in verdict.findings]


WEEK = {"age": {"minimum": "7d"}}


@pytest.mark.parametrize(
    ("days", "expected"), [(6.9, [("age", "error")]), (7, []), (400, []), (-2, [("age", "error")])]
)
def test_the_age_of_conda_packages_is_that_of_their_build(days, expected):
    assert found(of_conda(timestamp=stamp(days)), WEEK) == expected
    assert found(of_conda(timestamp=stamp(days) // 1000), WEEK) == expected  # old records have seconds


@pytest.mark.parametrize(("days", "expected"), [(6.9, [("age", "error")]), (7, [])])
def test_the_age_of_pypi_files_is_that_of_their_upload(days, expected):
    uploaded = (NOW - timedelta(days=days)).isoformat().replace("+00:00", "Z")
    assert found(of_pypi(upload_time=uploaded), WEEK) == expected


@pytest.mark.parametrize("grade", ["error", "warn", "allow"])
def test_an_unknown_age_is_no_old_one(grade):
    rules = {"age": {"minimum": "7d", "unknown": grade}}
    expected = {"error": [("age-unknown", "error")], "warn": [("age-unknown", "warning")], "allow": []}[grade]
    for each in (
        of_conda(),
        of_conda(timestamp=0),
        of_conda(timestamp=1 << 70),
        of_pypi(upload_time=None),
        of_pypi(listing=None),
    ):
        assert found(each, rules) == expected
    assert found(of_conda(), {"projects": {}}) == []


def test_a_channel_and_an_index_have_their_own_minimum():
    young = of_conda(timestamp=stamp(3))
    assert found(young, {"age": {"minimum": "7d", "of": {"conda-forge": "2d"}}}) == []
    assert found(young, {"age": {"of": {"https://conda.anaconda.org/conda-forge": "4d"}}}) == [("age", "error")]
    assert found(young, {"age": {"of": {"forge": "4d", "other": "4d"}}}) == []
    assert found(young, {"age": {"of": {"conda-forge": "4d", "conda.anaconda.org/conda-forge": "0d"}}}) == []
    assert found(of_pypi(upload_time=None), {"age": {"minimum": "7d", "of": {INDEX: "0d"}}}) == []


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("quarantined", [("quarantined", "error")]),
        ("archived", [("archived", "warning")]),
        ("deprecated", []),
        (None, []),
    ],
)
def test_the_status_of_a_project_counts_once_it_is_asked_for(status, expected):
    assert found(of_pypi(status=status), {"projects": {}}) == expected
    assert found(of_pypi(status=status), {}) == []


def test_a_yanked_file_is_found_with_its_reason():
    verdict = judge_packages([of_pypi(yanked="broken")], read_rules({"projects": {}}), NOW)
    assert [finding.text for finding in verdict.findings] == [
        "mirror.yanked: thing 1.0 was yanked: broken (shop/prod/linux-64)"
    ]
    assert found(of_pypi(yanked=""), {"projects": {"yanked": "warn"}}) == [("yanked", "warning")]


def test_hosts_are_compared_without_case_port_and_user():
    rules = {"sources": {"allowed-hosts": ["conda.anaconda.org", "*.pypi.example"]}}
    assert found(of_conda(), rules) == found(of_pypi(), rules) == []
    assert found(of_conda(), {"sources": {"allowed-hosts": []}}) == [("hosts", "error")]
    for url, expected in [
        ("https://user:secret@Files.PyPI.example:8443/a", []),
        ("git+https://pypi.example/a.git", [("hosts", "error")]),
        ("https://evil.example/files.pypi.example/a", [("hosts", "error")]),
        ("file:///a", []),
    ]:
        each = of_pypi()
        assert found(replace(each, package=replace(each.package, url=Url(url))), rules) == expected


def test_sizes_and_licences():
    each = of_conda()
    assert found(each, {"files": {"max-size": 3}}) == [("size", "error")]
    assert found(each, {"files": {"max-size": 4}}) == []
    assert found(of_pypi(), {"files": {"max-size": 1}}) == []  # its size is not known
    assert found(replace(each, has_license=False), {"licenses": {"missing": "error"}}) == [("license", "error")]
    assert found(replace(each, has_license=True), {"licenses": {"missing": "error"}}) == []


def waived(**changes):
    waiver = {"rule": "age", "package": "Base", "reason": "hot fix", "expires": "2026-12-01", **changes}
    return {**WEEK, "waivers": [waiver]}


def test_a_waiver_holds_to_the_end_of_its_last_day_and_then_the_finding_is_there_again():
    each = of_conda(timestamp=stamp(0))
    verdict = judge_packages([each], read_rules(waived()), NOW)
    assert verdict.findings == ()
    assert "waived until 2026-12-01: hot fix" in verdict.waived[0].message
    after = judge_packages([each], read_rules(waived()), datetime(2026, 12, 2, tzinfo=UTC))
    assert [finding.rule for finding in after.findings] == ["mirror.age"]
    assert "its waiver expired on 2026-12-01 (hot fix)" in after.findings[0].message
    assert after.waived == ()
    # East of Greenwich it is the next day already, and the end is one of UTC.
    east = datetime(2026, 12, 2, 1, tzinfo=timezone(timedelta(hours=2)))
    assert judge_packages([each], read_rules(waived()), east).findings == ()


@pytest.mark.parametrize("change", [{"rule": "yanked"}, {"package": "other"}, {"version": "2.0"}])
def test_a_waiver_is_for_one_rule_and_one_package(change):
    assert found(of_conda(timestamp=stamp(0)), waived(**change)) == [("age", "error"), ("waiver-unused", "warning")]


def test_a_waiver_for_a_version_holds_for_it():
    assert found(of_conda(timestamp=stamp(0)), waived(version="1.0")) == []


def test_the_same_of_several_files_is_one_finding():
    each = of_conda(timestamp=stamp(0))
    other = replace(each.package, path=each.package.path.replace("noarch", "linux-64"))
    verdict = judge_packages([each, replace(each, package=other)], read_rules(WEEK), NOW)
    assert len(verdict.findings) == 1
    assert len(verdict.findings[0].paths) == 2


def test_an_index_that_did_not_answer_is_no_finding_but_counted():
    silent = of_pypi(is_settled=False)
    assert unsettled([silent, of_pypi(), of_conda()], read_rules(WEEK)) == {INDEX: 1}
    assert unsettled([silent], read_rules({"sources": {"allowed-hosts": []}})) == {}
