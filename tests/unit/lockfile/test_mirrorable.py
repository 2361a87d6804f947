"""One rule says what of a lock can be mirrored or packed, and names entries without secrets."""

import pytest

from pixi_mirror.errors import UnmirrorableError, WorkspaceError
from pixi_mirror.lockfile.conda_package import conda_package
from pixi_mirror.lockfile.entries import CondaSource, PypiEntry
from pixi_mirror.lockfile.mirrorable import NO_HASH, ONLY_MD5, entry_title, missing_archive, missing_hash
from pixi_mirror.lockfile.pypi_package import pypi_package
from pixi_mirror.lockfile.records import conda_binary
from pixi_mirror.lockfile.source import LockSource
from pixi_mirror.lockfile.versions import VERSIONS
from pixi_mirror.model.request import Request

SHA, MD5 = "5" * 64, "6" * 32


def conda(location, **fields):
    return conda_binary({"conda": location, **fields}, location, VERSIONS[6], {})


def pypi(location):
    return PypiEntry(
        name="demo", version="1.0", location=location, sha256=None, md5=None, index=None, requires_dist=(),
        requires_python=None, editable=False,
    )  # fmt: skip


WITHOUT = [
    (CondaSource(name="s", location="./recipes/s"), "source package"),
    (CondaSource(name="s", location="git+https://h.example/s.git?branch=x#abc"), "source package"),
    (conda("gcs://h.example/c/linux-64/a-1-0.conda", subdir="linux-64"), "gcs URLs are not supported yet"),
    (pypi("git+https://h.example/s.git#abc"), "git repository"),
    (pypi("./packages/demo"), "source directory"),
    (pypi("ftp://h.example/demo-1.0.tar.gz"), "only http, https and local files"),
    (pypi("https://h.example/demo"), "no archive by its name"),
]


@pytest.mark.parametrize(("entry", "words"), WITHOUT, ids=lambda value: getattr(value, "location", None))
def test_an_entry_without_archive_is_told_and_why(entry, words):
    assert words in missing_archive(entry)


@pytest.mark.parametrize(
    "entry",
    [
        conda("https://h.example/c/linux-64/a-1-0.conda"),
        conda("s3://b/c/linux-64/a-1-0.conda", subdir="linux-64"),
        conda("./a-1-0.conda", subdir="linux-64"),
        pypi("https://h.example/demo-1.0-py3-none-any.whl"),
        pypi("direct+https://h.example/demo-1.0.tar.gz"),
        pypi("./wheels/demo-1.0-py3-none-any.whl"),
    ],
    ids=lambda entry: entry.location,
)
def test_what_can_be_fetched_has_an_archive(entry):
    assert missing_archive(entry) is None


def test_the_hash_that_is_missing_is_told():
    location = "https://h.example/c/linux-64/a-1-0.conda"
    packages = [
        conda_package(conda(location, **fields), layout="channels", base="file:///w/")
        for fields in ({"sha256": SHA}, {"sha256": SHA, "md5": MD5}, {"md5": MD5}, {})
    ]
    assert [missing_hash(package) for package in packages] == [None, None, ONLY_MD5, NO_HASH]


SECRETS = [
    "https://user:hunter2@h.example/a.conda",
    "https://hunter2@h.example/a.conda",
    "https://h.example/t/hunter2/c/noarch/a.conda",
    "https://h.example/a.conda?X-Amz-Signature=hunter2",
    "https://h.example/a.conda#token=hunter2",
    "git+https://user:hunter2@h.example/s.git?branch=x#abc",
    "git+ssh://user:hunter2@h.example/s.git",
    "direct+https://user:hunter2@h.example/demo-1.0.tar.gz",
]


@pytest.mark.parametrize("location", SECRETS)
def test_no_title_holds_a_secret(location):
    for entry in (CondaSource(name="s", location=location), pypi(location)):
        assert "hunter2" not in entry_title(entry)
        assert "hunter2" not in (missing_archive(entry) or "")


@pytest.mark.parametrize(
    "location", ["https://h.example/c/../linux-64/a-1-0.conda", f"https://h.example/{'x' * 300}/linux-64/a-1-0.conda"]
)
def test_what_needs_no_place_is_not_refused_for_one(location):
    """A pack has its own places."""
    entry = conda(location, sha256=SHA)
    with pytest.raises(WorkspaceError):
        conda_package(entry, layout="channels", base="file:///w/")
    package = conda_package(entry, layout="channels", base="file:///w/", needs_place=False)
    assert package.path.startswith("local/url-")
    assert package.path.endswith("/a-1-0.conda")
    assert package.url.raw == location
    wheel = pypi(location.replace("a-1-0.conda", "demo-1.0-py3-none-any.whl"))
    keys = {"indexes": (), "find_links": (), "base": "file:///w/", "sha256_of": lambda _: None}
    with pytest.raises(WorkspaceError):
        pypi_package(wheel, **keys)
    assert pypi_package(wheel, **keys, needs_place=False).path.startswith("local/url-")


LOCK = """version: 6
environments:
  default:
    channels:
    - url: https://h.example/c/
    packages:
      linux-64:
      - conda: ./a-1-0.conda
packages:
- conda: ./a-1-0.conda
  subdir: linux-64
"""


def test_a_local_conda_archive_without_hash_is_pinned_to_the_file_as_it_is(tmp_path):
    """As Python archives are: the lock names the file itself."""
    (tmp_path / "pixi.lock").write_text(LOCK)
    file = tmp_path / "a-1-0.conda"

    def selected():
        source = LockSource(tmp_path)
        return source.digest(), source.select(
            (Request(environments=None, platforms=()),), subscription="s", workspace="w", layout="channels"
        )

    absent, result = selected()
    assert [refusal.entry for refusal in result.refusals] == ["./a-1-0.conda"]
    assert "cannot be read" in result.refusals[0].reason
    digests = {absent}
    for data in (b"one", b"two"):
        file.write_bytes(data)
        digest, result = selected()
        (package,) = result.snapshot.packages
        assert result.refusals == ()
        assert package.path == f"local/{package.sha256}/a-1-0.conda"
        assert package.size == 3
        digests.add(digest)
    assert len(digests) == 3, "a changed file is noticed"


def test_what_is_refused_at_the_door_is_refused_by_the_rule():
    for entry, words in WITHOUT:
        if isinstance(entry, PypiEntry | CondaSource):
            continue
        with pytest.raises((UnmirrorableError, WorkspaceError), match=words):
            conda_package(entry, layout="channels", base="file:///w/")
