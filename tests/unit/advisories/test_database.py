"""A database is read one advisory at a time, from an archive or from lines, and refused where it is not whole."""

import json

import pytest
from harness.osv import advisory, affected, all_zip

from pixi_mirror.advisories import database
from pixi_mirror.advisories.database import LINES, ZIP, is_zip, lines_of, read_advisories, survey


def written(path, data):
    path.write_bytes(data)
    return path


def test_the_age_is_that_of_the_newest_and_other_ecosystems_are_counted_apart(tmp_path):
    path = written(
        tmp_path / "all.zip",
        all_zip(
            advisory("A", modified="2026-01-01T00:00:00Z"),
            advisory("B", modified="2026-03-01T01:00:00.5+02:00"),
            advisory("C", affected("x", ecosystem="npm")),
            advisory("D", withdrawn="2026-01-01T00:00:00Z"),
            extra=[("notes.txt", b"no advisory")],
        ),
    )
    found = survey(read_advisories(path, ZIP))
    assert (found.advisories, found.about_projects, found.newest) == (4, 2, "2026-11-01T00:00:00+00:00")
    assert is_zip(path)


def test_lines_are_sorted_and_the_same_for_the_same_advisories(tmp_path):
    first = written(tmp_path / "a.json", json.dumps([advisory("B"), advisory("A")], indent=4).encode())
    second = written(tmp_path / "b.json", json.dumps({"vulns": [advisory("A"), advisory("B")]}).encode())
    lines = lines_of(first)
    assert lines == lines_of(second)
    path = written(tmp_path / "x", lines)
    assert [each.id for each in read_advisories(path, LINES)] == ["A", "B"]
    assert not is_zip(path)


@pytest.mark.parametrize("end", [1, 5])
def test_lines_that_were_cut_are_noticed(tmp_path, end):
    lines = lines_of(written(tmp_path / "a.json", json.dumps([advisory("A"), advisory("B")]).encode()))
    path = written(tmp_path / "x", lines[:-end])
    with pytest.raises(ValueError, match="line 2 was cut short"):
        survey(read_advisories(path, LINES))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_an_archive_that_was_cut_is_noticed(tmp_path, share):
    data = all_zip(*(advisory(f"A-{number}") for number in range(50)))
    path = written(tmp_path / "all.zip", data[: int(len(data) * share)])
    with pytest.raises(ValueError, match=r"cut short|zip"):
        survey(read_advisories(path, ZIP))


def test_a_small_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    path = written(tmp_path / "all.zip", all_zip(*(advisory(f"A-{number}", details=" " * 9000) for number in range(9))))
    monkeypatch.setattr(database, "LARGEST_CONTENT", 50_000)
    with pytest.raises(ValueError, match="have more than"):
        survey(read_advisories(path, ZIP))


def test_nothing_is_no_database(tmp_path):
    with pytest.raises(ValueError, match="no advisory in it"):
        survey([])
    with pytest.raises(ValueError, match=r"no file in it whose name ends with \.json"):
        lines_of(tmp_path)
