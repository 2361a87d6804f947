"""Names of PyPI: projects, locations, wheels and sdists; alone and over every lock of the corpus."""

from collections import Counter
from functools import cache

import pytest
from harness.corpus import ROWS, lock_path, needs_corpus
from hypothesis import given
from hypothesis import strategies as st
from packaging.tags import Tag
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.entries import PypiEntry
from pixi_mirror.lockfile.reader import read_lock
from pixi_mirror.pypi.names import (
    WheelName,
    canonical_name,
    file_name_of,
    form_of,
    is_wheel_name,
    sdist_version,
    wheel_name,
)

WHEEL = "typing_extensions-4.12.2-py3-none-any.whl"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    "name", ["Ruamel.Yaml", "ruamel-yaml", "RUAMEL_-.yaml", "a--b", "-a", "a-", "", "\u00fc", "a1"]
)
def test_a_project_has_one_normalised_name_with_and_without_the_library(name):
    assert canonical_name(name) == canonicalize_name(name)


FORMS = {
    f"https://files.pypi.example/packages/26/{WHEEL}": "wheel",
    f"HTTP://files.pypi.example/{WHEEL}?signature=a/b.tar.gz#sha256=00": "wheel",
    "https://files.pypi.example/torch-2.3.0%2Bcu121-cp311-cp311-linux_x86_64.whl": "wheel",
    "https://files.pypi.example/x-1.0.tar.gz": "sdist",
    "https://files.pypi.example/x-latest-py3-none-any.whl": "sdist",
    "https://files.pypi.example/": "sdist",
    f"https://files.pypi.example/%25{WHEEL}2e": "sdist",
    f"direct+https://host.example/{WHEEL}": "direct wheel",
    "direct+http://host.example/archive/main.zip": "direct sdist",
    "direct+ftp://host.example/x-1.0.zip": "unsupported",
    f"file:///here/{WHEEL}": "local wheel",
    "file:///here/x-1.0.tar.gz": "local sdist",
    "file:///here/x": "directory",
    "file:///here/x#subdirectory=a.whl": "directory",
    f"./dist/{WHEEL}": "local wheel",
    f"C:\\dist\\{WHEEL}": "local wheel",
    "C:/dist/x-1.0.zip": "local sdist",
    "D:\\work": "directory",
    "../x-1.0.tar.bz2": "local sdist",
    "/abs/x-1.0.TGZ": "local sdist",
    "./": "directory",
    ".": "directory",
    "./pkg.whl/": "directory",
    "..": "directory",
    f"git+https://host.example/a/b?rev=a%2Fb#{COMMIT}": "git",
    "git+ssh://git@host.example/x.whl": "git",
    "git+file:///x": "git",
    f"oci://host.example/{WHEEL}": "unsupported",
    f"ftp://host.example/{WHEEL}": "unsupported",
}


@pytest.mark.parametrize("location", FORMS)
def test_the_location_alone_decides_the_form(location):
    assert form_of(location) == FORMS[location]


@pytest.mark.parametrize(
    ("location", "name"),
    [
        ("https://files.pypi.example/a/x-1%2Bcu1.whl?q=1/2#f/g", "x-1+cu1.whl"),
        ("https://files.pypi.example/a/x-1+cu1.whl", "x-1+cu1.whl"),
        ("direct+https://user:p@host.example/x.zip", "x.zip"),
        ("file:///here/x%20y.whl", "x y.whl"),
        ("file:here/x.whl", "x.whl"),
        ("./dist/x?.whl", "x?.whl"),
        ("C:\\dist\\x.whl", "x.whl"),
        ("x.whl", "x.whl"),
    ],
)
def test_a_file_name_is_decoded_once(location, name):
    assert file_name_of(location) == name


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("https://files.pypi.example/a/", "names no file"),
        ("https://files.pypi.example", "names no file"),
        ("https://files.pypi.example?x/y.whl", "names no file"),
        ("https://files.pypi.example/x%252B.whl", "encoded twice"),
        ("./x%2B.whl", "encoded twice"),
        ("https://files.pypi.example/x%ff.whl", "not UTF-8"),
    ],
)
def test_a_location_that_names_no_file_or_two_is_refused(location, reason):
    with pytest.raises(ValueError, match=reason):
        file_name_of(location)


def test_a_wheel_says_what_it_runs_on():
    found = wheel_name(
        "a_b.c-1!2.0rc1.post2.dev3+cu12.1-1_x-py2.py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
    )
    platforms = ("manylinux_2_17_x86_64", "manylinux2014_x86_64")
    assert found == WheelName(
        name="a-b-c",
        version="1!2.0rc1.post2.dev3+cu12.1",
        tags=frozenset(Tag(python, "none", platform) for python in ("py2", "py3") for platform in platforms),
    )
    assert wheel_name(WHEEL).tags == {Tag("py3", "none", "any")}


@pytest.mark.parametrize("name", ["A__b", "A___B", "A_B"])
def test_a_wheel_whose_name_has_several_separators_in_a_row_is_one_as_it_is_to_uv(name):
    assert wheel_name(f"{name}-1.0.RC.1-py3-none-any.whl").name == "a-b"
    assert wheel_name(f"{name}-1.0.RC.1-py3-none-any.whl").version == "1.0.RC.1"


@pytest.mark.parametrize(
    "name",
    [
        "x-1.0-py3-none-any.zip",
        "x-1.0-py3-none.whl",
        "x-1.0-1-2-py3-none-any.whl",
        "x-1.0-b1-py3-none-any.whl",
        "x-1.0--py3-none-any.whl",
        "x-one-py3-none-any.whl",
        "x-1.0_1-py3-none-any.whl",
        "-1.0-py3-none-any.whl",
        "_x-1.0-py3-none-any.whl",
        "x-1.0-py3..py2-none-any.whl",
        "x-1.0-py3-none-.whl",
        "x/y-1.0-py3-none-any.whl",
        "x-1.0-py3-none-any\n.whl",
        "x-1.0\n-py3-none-any.whl",
        "x-1.\u0663-py3-none-any.whl",
        "\u00fc-1.0-py3-none-any.whl",
        "x-1.0 -py3-none-any.whl",
        "x_-1.0-py3-none-any.whl",
        f"x-{'9' * 5000}-py3-none-any.whl",
        f"x-1.0-{'.'.join(f'py{n}' for n in range(2000))}-{'.'.join(f'a{n}' for n in range(2000))}-any.whl",
        "",
        ".whl",
    ],
)
def test_what_is_no_wheel_is_told_why(name):
    assert not is_wheel_name(name)
    with pytest.raises(ValueError, match="is not the name of a wheel: "):
        wheel_name(name)


@pytest.mark.parametrize(
    ("name", "project", "version"),
    [
        ("x-1.0.tar.gz", "x", "1.0"),
        ("X_y.Z-1.0.post1.zip", "x-y-z", "1.0.post1"),
        ("x-y-1.0.tar.bz2", "X.Y", "1.0"),
        ("x-y-1.0.tar.bz2", "x", None),
        ("x-1-2.0.tgz", "x-1", "2.0"),
        ("x-1.0+cu121.tar.xz", "x", "1.0+cu121"),
        ("x-1!1.0.TAR.GZ", "x", "1!1.0"),
        ("x.tar.gz", "x", None),
        ("x-.tar.gz", "x", None),
        ("x-main.zip", "x", None),
        ("y-1.0.tar.gz", "x", None),
        ("x-1.0-py3-none-any.whl", "x", None),
        ("x-1.0.exe", "x", None),
        (".zip", "", None),
    ],
)
def test_an_sdist_says_its_version_for_its_own_project_alone(name, project, version):
    assert sdist_version(name, project) == version


@given(st.text(max_size=60))
def test_no_text_is_a_name_that_crashes(text):
    form_of(text)
    sdist_version(text, text)
    sdist_version(f"{text}-1.0.zip", text)
    is_wheel_name(text)


VERSIONS = ["1", "v1.0", "1!2.0", "1.0a1", "1.0.RC.1", "1.0-1", "1.0_post1", "1.0-dev", "1.0+a.b-1_c", "1.0preview2",
            "1.0.post", "1.0-r4", "", "1.", "1.0_1", "1.0+", "1.0+a..b", "a", "1.0alph", "1..0", "1!", "1.0 ",
            "1.0rc1rc2"]  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_is_one_to_us_exactly_where_it_is_one_to_packaging(version):
    try:
        Version(version)
        # The library strips white space, which no file name of theirs has.
        is_one = version == version.strip()
    except InvalidVersion:
        is_one = False
    assert (sdist_version(f"x-{version}.zip", "x") is not None) == is_one


@cache
def entries() -> dict[tuple[str, str], PypiEntry]:
    """Every distinct PyPI entry of the locks that can be read, by name and location."""
    found = {}
    for slug in (slug for slug, row in ROWS.items() if row["pypi"] != "0"):
        try:
            lock = read_lock(lock_path(slug).read_bytes(), name=slug)
        except WorkspaceError:
            continue
        for environment in lock.environments.values():
            for packages in environment.packages.values():
                found |= {(e.name, e.location): e for e in packages if isinstance(e, PypiEntry)}
    return found


def of_form(*forms: str) -> list[PypiEntry]:
    return [entry for entry in entries().values() if form_of(entry.location) in forms]


@pytest.mark.slow
@needs_corpus
def test_every_location_of_the_corpus_has_the_form_that_a_person_gives_it():
    # Wheels are as many as distinct addresses in the locks' text end in `.whl`; all others were looked at one by one.
    assert Counter(form_of(entry.location) for entry in entries().values()) == {
        "wheel": 1915,
        "sdist": 18,
        "directory": 16,
        "git": 5,
        "local wheel": 3,
        "direct wheel": 2,
    }
    assert {entry.name for entry in of_form("local wheel", "direct wheel")} == {
        "click", "foobar", "my-webserver", "numpy", "requests"
    }  # fmt: skip
    assert all(entry.location.endswith(".tar.gz") for entry in of_form("sdist"))
    assert all(entry.location.startswith(".") for entry in of_form("directory"))


@needs_corpus
def test_every_wheel_of_the_corpus_is_of_the_project_and_version_of_its_entry():
    for entry in of_form("wheel", "local wheel", "direct wheel"):
        found = wheel_name(file_name_of(entry.location))
        assert found.name == canonicalize_name(entry.name)
        assert entry.version in (found.version, None)


@needs_corpus
def test_every_sdist_of_the_corpus_says_the_version_of_its_entry():
    for entry in of_form("sdist"):
        assert sdist_version(file_name_of(entry.location), entry.name) == entry.version
