"""What resolvers report: pip's installation report and `pylock.toml`, damaged ones too."""

import json
from importlib.util import find_spec

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixi_mirror.pypi.resolver_output import ResolvedFile, read_pylock, read_report

SHA256 = "ab" * 32
needs_pylock = pytest.mark.skipif(find_spec("packaging.pylock") is None, reason="needs packaging 26")
URL = "https://files.pypi.example/ab/Some_Tool-1.0-py3-none-any.whl"
TOOL = ResolvedFile(name="some-tool", version="1.0", url=URL, sha256=SHA256)


def report(**changes):
    row = {
        "metadata": {"name": "Some.Tool", "version": "1.0"},
        "download_info": {"url": URL, "archive_info": {"hashes": {"sha256": SHA256}}},
        **changes,
    }
    return {"version": "1", "pip_version": "24.0", "install": [row], "environment": {}}


PYLOCK = f"""\
lock-version = "1.0"
created-by = "uv"

[[packages]]
name = "some-tool"
version = "1.0"
wheels = [{{ url = "{URL}", hashes = {{ sha256 = "{SHA256}" }} }}]
"""


OF_AN_SDIST = PYLOCK.replace(
    f'wheels = [{{ url = "{URL}"', 'sdist = { url = "https://files.pypi.example/some_tool-1.0.tar.gz"'
).replace("}]", "}")


def test_a_report_of_pip_tells_name_version_url_and_hash():
    assert read_report(json.dumps(report())) == (TOOL,)
    assert read_report(json.dumps({"install": []})) == ()


@needs_pylock
def test_a_pylock_tells_name_version_url_and_hash():
    assert read_pylock(PYLOCK) == (TOOL,)
    assert read_pylock('lock-version = "1.0"\ncreated-by = "uv"\npackages = []\n') == ()


@needs_pylock
def test_every_wheel_of_a_package_of_a_pylock_is_told():
    second = URL.replace("py3-none-any", "cp312-cp312-win_amd64")
    text = PYLOCK.replace("wheels = [", f'wheels = [{{ url = "{second}", hashes = {{ sha256 = "{SHA256}" }} }}, ')
    assert [each.url for each in read_pylock(text)] == [second, URL]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "3",
        "{}",
        '{"install": 3}',
        '{"install": [[]]}',
        "[" * 100_000,
        json.dumps(report(metadata={"name": "x"})),
        json.dumps(report(metadata=[])),
        json.dumps(report(metadata={"name": 1, "version": "1"})),
        json.dumps(report(metadata={"name": "x", "version": 1})),
        json.dumps(report(download_info={"url": URL})),
        json.dumps(report(download_info={"url": 5, "archive_info": {"hashes": {"sha256": SHA256}}})),
        json.dumps(report(download_info={"url": URL, "archive_info": {"hashes": {"md5": "00"}}})),
        json.dumps(report(download_info={"url": URL, "archive_info": {"hashes": {"sha256": "00"}}})),
        json.dumps(report(download_info={"url": URL, "archive_info": {"hashes": {"sha256": 7}}})),
        json.dumps(report(download_info={"url": URL, "archive_info": {"hashes": ["sha256"]}})),
        json.dumps(report(download_info={"url": URL, "dir_info": {}})),
    ],
)
def test_what_is_no_report_of_pip_is_a_value_error(text):
    with pytest.raises(ValueError, match=r".+") as caught:
        read_report(text)
    assert type(caught.value) is ValueError  # one that says what is wrong, not one of the parser


@needs_pylock
@pytest.mark.parametrize(
    "text",
    [
        "packages",
        "packages = 3",
        "packages = [1]",
        'packages = ["name"]',
        'packages = "name"',
        "a = " + "[" * 100_000,
        PYLOCK.replace('name = "some-tool"', ""),
        PYLOCK.replace('version = "1.0"\nwheels', "version = 1\nwheels"),
        PYLOCK.replace("wheels", "sdists"),
        PYLOCK.replace("wheels = [", "wheels = [1, "),
        PYLOCK.replace(f'url = "{URL}"', "url = 1"),
        PYLOCK.replace(f'url = "{URL}"', 'path = "./x.whl"'),
        PYLOCK.replace("sha256 =", "md5 ="),
        PYLOCK.replace(SHA256, "ab"),
        PYLOCK.replace(f'"{SHA256}"', "[]"),
    ],
)
def test_what_is_no_pylock_is_a_value_error(text):
    with pytest.raises(ValueError, match=r".+") as caught:
        read_pylock(text)
    assert type(caught.value) is ValueError


@needs_pylock
def test_what_lacks_a_wheel_or_a_hash_is_named():
    with pytest.raises(ValueError, match=r"some-tool has no wheel"):
        read_pylock(OF_AN_SDIST)
    with pytest.raises(ValueError, match=r"some-tool 1\.0 has no sha256"):
        read_pylock(PYLOCK.replace("sha256 =", "md5 ="))


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["install", "metadata", "name", "version", "download_info", "url", "archive_info", "hashes", "sha256"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def damaged(text: str):
    """The text with a piece of it replaced."""
    places = st.integers(0, len(text))
    pieces = st.sampled_from(["", "1", '"', "{}", "[]", "null", "\n", "=", "\0", "é"]) | st.text(max_size=3)
    return st.tuples(places, places, pieces).map(lambda cut: text[: min(cut[:2])] + cut[2] + text[max(cut[:2]) :])


def is_sound(found):
    return all(
        type(value) is str for each in found for value in (each.name, each.version, each.url, each.sha256)
    ) and all(len(each.sha256) == 64 for each in found)


@given(st.text() | JSONS.map(json.dumps) | damaged(json.dumps(report())))
def test_a_damaged_report_is_read_soundly_or_refused(text):
    try:
        found = read_report(text)
    except ValueError:
        return
    assert is_sound(found)


@needs_pylock
@given(st.text() | damaged(PYLOCK))
def test_a_damaged_pylock_is_read_soundly_or_refused(text):
    try:
        found = read_pylock(text)
    except ValueError:
        return
    assert is_sound(found)
