"""Core metadata and build requirements, as real and as hostile packages have them."""

import json
from contextlib import suppress

import pytest
from harness.examples import first
from hypothesis import given
from hypothesis import strategies as st

from pixi_mirror.pypi.metadata import CoreMetadata, build_requirements, read_metadata

HEAD = b"Metadata-Version: 2.1\nName: x\nVersion: 1.0\n"


def test_the_headers_of_a_wheel_are_read_and_its_text_is_not():
    data = (
        b"Metadata-Version: 2.3\r\nNAME: Ruamel.Yaml\r\nversion:1!2.0+cu1\r\nSummary: caf\xe9: x\r\n"
        b'Requires-Dist: a>=1;\r\n\textra == "b"\r\nRequires-Python: >=3.8\r\nRequires-Dist:   c\r\n'
        b"Description: first\r\n        \r\n        Name: y\r\n\r\nName: body\r\nRequires-Dist: no\r\n\xff"
    )
    assert read_metadata(data) == CoreMetadata(
        name="Ruamel.Yaml", version="1!2.0+cu1", requires_python=">=3.8", requires_dist=('a>=1; extra == "b"', "c")
    )


@pytest.mark.parametrize(
    "tail", [b"", b"\n", b"\r\n", b"no header\nRequires-Dist: a\n", b"Requires-Dist:\nRequires-Python: "]
)
def test_what_is_not_said_is_not_there(tail):
    assert read_metadata(HEAD + tail) == CoreMetadata(name="x", version="1.0", requires_python=None, requires_dist=())


def test_a_header_at_the_very_end_counts():
    assert read_metadata(HEAD + b"Requires-Dist: a").requires_dist == ("a",)


BAD = {
    b"": "have no 'name'",
    b"\n" + HEAD: "have no 'name'",
    b" Name: x\nVersion: 1": "have no 'name'",
    b"Name: x\n\nVersion: 1": "have no 'version'",
    b"Name:\nVersion: 1": "impossible 'name' or 'version': ' 1'",
    b"Name: x/y\nVersion: 1": "impossible 'name' or 'version': 'x/y 1'",
    b"Name: x\nVersion: 1 0": "impossible 'name' or 'version': 'x 1 0'",
    HEAD + b"Name: y": "several values of 'name': 'x, y'",
    HEAD + b"Requires-Dist: caf\xe9": "not UTF-8 in 'requires-dist'",
    HEAD + b"Requires-Dist: a\x07": "cannot be shown",
    HEAD + b"Requires-Dist: " + b"a" * 5000: "too long",
    HEAD + b"Requires-Dist: a\n" * 10_001: "more than 10000 times",
    bytes(16 * 1024 * 1024 + 1): "more than the 16777216",
}


@pytest.mark.parametrize("data", BAD, ids=list(BAD.values()))
def test_impossible_metadata_are_refused_saying_why(data):
    with pytest.raises(ValueError, match=BAD[data]):
        read_metadata(data)


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_no_bytes_are_metadata_that_crash(before, after):
    for data in (before, HEAD + after):
        with suppress(ValueError):
            assert read_metadata(data).name


@pytest.mark.parametrize(
    "line",
    first(
        1,
        [
            b" \n",
            b"Requires-Dist:\n a\n",
            b"=?utf-8?q?a?= ",
            b"a:\n",
            b"\n",
            b"a" * 1000,
            b"\r",
            b" a",
            b":",
            b" \xc3\xa9\n",
            b"\xe9",
        ],
    ),
    ids=repr,
)
def test_hostile_metadata_of_a_megabyte_are_read_or_refused_at_once(line):
    # What takes time with the square of the length runs into the time-out here.
    with suppress(ValueError):
        assert read_metadata(HEAD + b"Requires-Python: 3\n" + line * (1024 * 1024 // len(line))).name == "x"


@pytest.mark.parametrize(
    ("pyproject", "requires"),
    [
        (None, ("setuptools>=40.8.0",)),
        (b"", ("setuptools>=40.8.0",)),
        (b"[project]\nname = 'x'", ("setuptools>=40.8.0",)),
        (b"[build-system]\nbuild-backend = 'x'", ("setuptools>=40.8.0",)),
        (b"[build-system]\nrequires = []", ()),
        (
            b"[build-system]\r\nrequires = ['hatchling', \"b; python_version < '3.9'\"]",
            ("hatchling", "b; python_version < '3.9'"),
        ),
    ],
)
def test_what_building_needs_stands_in_pyproject_or_is_setuptools(pyproject, requires):
    assert build_requirements(pyproject) == requires


@pytest.mark.parametrize(
    ("pyproject", "reason"),
    [
        (b"[build-system", "is damaged: "),
        (b"\xff", "is damaged: "),
        (b"a = " + b"[" * 100_000, "nested too deep"),
        (b"a = " + b"9" * 5000, "is damaged: "),
        (b"build-system = 1", "no list of strings"),
        (b"build-system.requires = 'setuptools'", "no list of strings"),
        (b"build-system.requires = [1]", "no list of strings"),
        (b'build-system.requires = ["a\\nb"]', "cannot be shown"),
        (b" " * (1024 * 1024 + 1), "more than the 1048576"),
    ],
)
def test_a_damaged_pyproject_is_refused_saying_why(pyproject, reason):
    with pytest.raises(ValueError, match=reason):
        build_requirements(pyproject)


@pytest.mark.parametrize(
    "tail", [b"Summary: caf\xe9\n", b"Name: x\n", b"X-Odd: \xff\n" * 3, b"Requires-Python: >=3\nRequires-Python: <4\n"]
)
def test_odd_fields_cost_nothing_of_the_others(tail):
    found = read_metadata(HEAD + tail + b"Requires-Dist: caf\xc3\xa9\nRequires-Dist: b\n")
    assert found.name == "x"
    assert found.requires_dist == ("caf\xe9", "b")


def test_a_version_that_is_none_of_pep_440_is_read():
    assert read_metadata(b"Metadata-Version: 1.0\nName: x\nVersion: 2004-beta_x\n").version == "2004-beta_x"


@pytest.mark.slow
def test_many_different_fields_are_refused_before_their_square_takes_time():
    with pytest.raises(ValueError, match="more than 200 different fields"):
        read_metadata(HEAD + b"".join(b"X-%d:\n" % number for number in range(300_000)))


@pytest.mark.parametrize("line", [b"\r\n\r\n", b"\n\n", b"\r\r", b"\n\r\n"])
def test_what_follows_an_empty_line_is_not_read(line):
    assert read_metadata(HEAD.rstrip() + line + b"X:\n" * 1_500_000 + b"Name: y\n").name == "x"


@pytest.mark.parametrize(
    ("line", "stored"),
    [
        ("x @ https://user:secret@h.example/x-1.0.tar.gz", "x @ https://h.example/x-1.0.tar.gz"),
        ("x @ git+https://secret@h.example/r.git@main", "x @ git+https://h.example/r.git@main"),
        (
            "x @ https://h.example/x.zip?sig=secret ; python_version > '3'",
            "x @ https://h.example/x.zip ; python_version > '3'",
        ),
        ("x@https://h.example/t/secret/x.zip#egg=secret", "x@https://h.example/x.zip"),
        ("x[y]>=1,!=1.5; sys_platform == 'win32'", "x[y]>=1,!=1.5; sys_platform == 'win32'"),
    ],
)
def test_no_secret_of_a_url_is_kept_of_a_build_requirement(line, stored):
    pyproject = f"[build-system]\nrequires = [{json.dumps(line)}]\n".encode()
    assert build_requirements(pyproject) == (stored,)
