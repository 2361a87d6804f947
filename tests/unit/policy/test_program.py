"""What pixi-policy reports is narrowed to what is mirrored, and its policy to what can be judged without a network."""

import pytest

from pixi_mirror.errors import ProgramError
from pixi_mirror.policy.program import (
    PolicyProgram,
    manifest_beside,
    narrowed,
    offline_part,
    read_report,
)


def row(rule="bans.deny", environment="prod", platform="linux-64", severity="error", package="bad"):
    """A finding as pixi-policy 0.3.0 reports it."""
    return {
        "rule": rule, "severity": severity, "package": package, "version": "1.0", "environment": environment,
        "platform": platform, "file": "pixi.lock", "line": None, "message": "is banned", "help": "remove it",
    }  # fmt: skip


def report(*findings, waived=()):
    return read_report({"version": 1, "summary": {"passed": False}, "findings": list(findings), "waived": list(waived)})


def test_one_finding_is_made_of_all_that_are_mirrored():
    found = report(row(), row(platform="osx-arm64"), row(environment="dev"), row(package="other", environment="dev"))
    about = narrowed(found, "shop", [("prod", "linux-64"), ("prod", "osx-arm64")])
    (finding,) = about.findings
    assert (finding.package, finding.where) == ("bad", ("shop/prod/linux-64", "shop/prod/osx-arm64"))
    assert finding.text == "bans.deny: bad 1.0 is banned (shop/prod/linux-64 and 1 more)"


def test_what_is_about_the_workspace_as_a_whole_stays():
    about = narrowed(report(row(environment="", platform="", package=None), waived=[row()]), "shop", [])
    assert [(each.package, each.where) for each in about.findings] == [(None, ())]
    assert about.waived == ()


def test_data_out_of_reach_are_apart_and_a_warning_of_them_is_nothing():
    found = report(row("advisories.unavailable", ""), row("freshness.unavailable", "", severity="warning"), row())
    assert found.unavailable == ("advisories.unavailable: is banned",)
    assert [each.rule for each in found.findings] == ["bans.deny"]


@pytest.mark.parametrize("raw", [{}, [], {"findings": [{}]}, {"findings": 1}])
def test_another_report_is_none(raw):
    with pytest.raises((KeyError, TypeError)):
        read_report(raw)


RESOLVED = """\
# p.toml, resolved
max-waiver-days = 90

[bans]
deny = [
  { name = "a" },  # base.toml
]

[manifest]
python-pinned = true

[advisories]
fail-on = "high"

[[waivers]]
rule = "bans.deny"
"""


def test_what_needs_a_manifest_or_a_network_is_left_out():
    part, left_out = offline_part(RESOLVED)
    assert left_out == ("manifest", "advisories")
    assert [line for line in part.splitlines() if line.startswith("[")] == ["[bans]", "[[waivers]]"]
    assert "max-waiver-days = 90" in part


@pytest.mark.parametrize(
    "text",
    ['[policy]\nextends = ["/etc/x"]\n', 'policy.extends = ["x"]\n', 'policy = { extends = ["x"] }\n', "[bans", "= 1"],
)
def test_a_policy_from_elsewhere_reads_no_other_file(text):
    with pytest.raises(ValueError):  # noqa: PT011 - of two kinds
        offline_part(text)


def test_the_manifest_is_the_one_beside_a_lock_of_that_name(tmp_path):
    lock = tmp_path / "pixi.lock"
    assert manifest_beside(lock) is None
    (tmp_path / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    assert manifest_beside(lock) is None
    (tmp_path / "pyproject.toml").write_text("[tool.pixi.workspace]\n", encoding="utf-8")
    assert manifest_beside(lock) == tmp_path / "pyproject.toml"
    (tmp_path / "pixi.toml").write_text("", encoding="utf-8")
    assert manifest_beside(lock) == tmp_path / "pixi.toml"
    assert manifest_beside(tmp_path / "my.lock") is None


def test_without_the_program_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(ProgramError, match="pip install pixi-policy"):
        PolicyProgram({"PATH": str(tmp_path)})
