"""The locations of git sources, as locks of all versions spell them."""

import pytest

from pixi_mirror.git.source import GitSource, git_source, merge_references, read_git_location, resolve_submodule_url

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "f" * 40


@pytest.mark.parametrize(
    ("location", "url", "references", "subdirectory"),
    [
        (f"git+https://git.example/org/r.git#{COMMIT}", "https://git.example/org/r.git", (), ""),
        (f"git+https://git.example/org/r?rev={COMMIT}#{COMMIT}", "https://git.example/org/r", (), ""),
        (f"git+https://git.example/r/#{COMMIT}", "https://git.example/r", (), ""),
        (f"git+https://git.example/r?branch=a%2Fb#{COMMIT}", "https://git.example/r", ("refs/heads/a/b",), ""),
        (f"git+https://git.example/r?tag=v1.0#{COMMIT}", "https://git.example/r", ("refs/tags/v1.0",), ""),
        (f"git+https://git.example/r?rev=v1#{COMMIT}", "https://git.example/r", ("refs/heads/v1", "refs/tags/v1"), ""),
        (f"git+https://git.example/r?subdirectory=py&rev=x#{COMMIT}", "https://git.example/r",
         ("refs/heads/x", "refs/tags/x"), "py"),
        (f"git+ssh://git@git.example/org/r.git@{COMMIT}", "ssh://git@git.example/org/r.git", (), ""),
        (f"git+https://git.example/r.git@{COMMIT}#subdirectory=py", "https://git.example/r.git", (), "py"),
        (f"git+https://git.example/r.git@{COMMIT}#egg=r&subdirectory=a%2Fb", "https://git.example/r.git", (), "a/b"),
        (f"git+https://me:secret@git.example:8443/r#{COMMIT}", "https://me:secret@git.example:8443/r", (), ""),
        (f"git+file:///srv/r.git#{COMMIT}", "file:///srv/r.git", (), ""),
        (f"git+https://git.example/r?tag=-x#{COMMIT}", "https://git.example/r", (), ""),
        (f"git+https://git.example/r?tag=a..b#{COMMIT}", "https://git.example/r", (), ""),
    ],
)  # fmt: skip
def test_a_location_names_a_repository_a_commit_and_perhaps_references(location, url, references, subdirectory):
    source = read_git_location(location)
    assert (source.url.raw, source.commit, source.references) == (url, COMMIT, references)
    assert source.subdirectory == subdirectory


@pytest.mark.parametrize(
    "location",
    [
        "https://git.example/r.git",
        "git+https://git.example/r.git",
        "git+https://git.example/r.git?rev=main",
        "git+https://git.example/r.git#main",
        f"git+https:///r.git#{COMMIT}",
        f"git+https://git.example/#{COMMIT}",
        f"git+ftp://git.example/r#{COMMIT}",
        f"git+ext::sh -c true#{COMMIT}",
    ],
)
def test_what_names_no_commit_or_no_repository_is_refused(location):
    with pytest.raises(ValueError, match=r"commit|repository|host|git fetches"):
        read_git_location(location)


def test_an_address_of_scp_is_a_url_of_ssh():
    assert git_source("git@git.example:org/r.git", COMMIT).url.raw == "ssh://git@git.example/org/r.git"


@pytest.mark.parametrize(
    ("parent", "url", "whole"),
    [
        ("https://git.example/org/r.git", "../sub.git", "https://git.example/org/sub.git"),
        ("https://git.example/org/r.git", "../../other/sub", "https://git.example/other/sub"),
        ("https://git.example/org/r.git", "./sub", "https://git.example/org/r.git/sub"),
        ("https://git.example/org/r.git", "https://else.example/s", "https://else.example/s"),
    ],
)
def test_the_url_of_a_submodule_may_be_relative_to_its_parent(parent, url, whole):
    assert resolve_submodule_url(parent, url) == whole


def test_a_submodule_leads_to_no_host_above_its_parents():
    with pytest.raises(ValueError, match="above the host"):
        resolve_submodule_url("https://git.example/r", "../../../x")


def test_a_name_that_two_locks_pin_differently_is_no_reference():
    def of(commit: str, *references: str) -> GitSource:
        return GitSource(url=git_source("https://git.example/r", commit).url, commit=commit, references=references)

    merged = merge_references([of(COMMIT, "refs/heads/main", "refs/tags/v1"), of(OTHER, "refs/heads/main")])
    assert merged == {
        f"refs/heads/pixi-mirror/{COMMIT}": COMMIT,
        f"refs/heads/pixi-mirror/{OTHER}": OTHER,
        "refs/tags/v1": COMMIT,
    }
    # git keeps references as files: `a` and `a/b` exclude each other.
    merged = merge_references([of(COMMIT, "refs/heads/a"), of(OTHER, "refs/heads/a/b")])
    assert "refs/heads/a" not in merged
    assert merged["refs/heads/a/b"] == OTHER
