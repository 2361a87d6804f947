"""Where two packages bring one path, the order of rattler decides whose stays."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixi_mirror.environments.conda_archive import CondaArchive
from pixi_mirror.environments.conda_paths import PackagePath, PackagePaths
from pixi_mirror.environments.conda_plan import ordered, plan_packages
from pixi_mirror.environments.prefix import Prefix
from pixi_mirror.environments.stored_file import StoredFile
from pixi_mirror.errors import WrongBytesError

PREFIX = Prefix(Path("/here"), "/there", "linux-64", None)


def names(*records):
    return [records[number]["name"] for number in ordered(records)]


def record(name, *depends, noarch=None):
    return {"name": name, "depends": list(depends), **({"noarch": noarch} if noarch else {})}


def test_what_is_needed_comes_first_and_of_equals_the_first_name_comes_last():
    assert names(record("a"), record("b")) == ["b", "a"]
    assert names(record("a", "b >=1"), record("b")) == ["b", "a"]
    assert names(record("c", "a"), record("b"), record("a")) == ["a", "c", "b"]
    assert names(record("Upper"), record("a", "upper==1")) == ["Upper", "a"]


def test_of_a_circle_the_package_for_a_platform_does_without_the_one_for_all():
    assert names(record("python", "pip"), record("pip", "python >=3", noarch="python")) == ["python", "pip"]
    assert sorted(names(record("a", "b"), record("b", "a"))) == ["a", "b"]


@given(st.dictionaries(st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdefg"))))
def test_every_package_is_there_once(graph):
    records = [record(name, *depends) for name, depends in graph.items()]
    assert sorted(ordered(records)) == list(range(len(records)))


def planned(**packages):
    given = []
    for name, paths in packages.items():
        archive = CondaArchive(StoredFile(Path(), 0, 0), f"{name}-1-0.conda", "linux-64", record(name), "", None)
        rows = [
            PackagePath(path, path, "file", sha256=None, no_link=False, placeholder=None, is_text=False)
            for path in paths
        ]
        given.append((archive, PackagePaths(tuple(rows), ())))
    return {each.archive.name: each.moved for each in plan_packages(given, PREFIX)}


def test_the_file_of_the_other_goes_among_the_clobbered():
    assert planned(a=["x", "y"], b=["x"]) == {"a": {}, "b": {"x": "__clobbers__/b/x"}}


@pytest.mark.parametrize(("first", "second"), [("x", "x/y"), ("x/y", "x"), ("x/y/z", "x")])
def test_a_file_and_a_folder_of_one_name_do_not_meet(first, second):
    assert planned(a=[first], b=[second]) == {"a": {}, "b": {second: f"__clobbers__/b/{second}"}}


@pytest.mark.parametrize("paths", [["x", "x/y"], ["x/y", "x"], ["x/y/z", "x"]])
def test_a_package_that_has_something_below_its_own_file_is_refused(paths):
    with pytest.raises(WrongBytesError, match="and something below it"):
        planned(a=paths)


@pytest.mark.parametrize("path", ["conda-meta/history", "conda-meta/a-1-0.json"])
def test_what_is_written_for_every_environment_is_no_package_s(path):
    with pytest.raises(WrongBytesError, match="which is written for every environment"):
        planned(a=[path])
