"""What a right covers: paths, patterns, and what is hosted, of which nobody learns who has no right to it by name."""

import json

import pytest
from harness.hosting import Host
from people import user

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.packages import build_package
from pixi_mirror.serve.access.control import AccessControl
from pixi_mirror.serve.access.rights import ListingPages, admit_right, is_within, touches
from pixi_mirror.serve.access.users import DamagedLineError, User, admit_upload, dump, parse


@pytest.mark.parametrize(
    ("path", "right", "expected"),
    [
        ("team", "team", True),
        ("team/noarch/a-1-0.conda", "team", True),
        ("teams", "team", False),
        ("team/simple/acme-core", "team/simple/acme-*", True),
        ("team/simple/acme-core/index.html", "team/simple/acme-*", True),
        ("team/simple/other", "team/simple/acme-*", False),
        ("team/simple", "team/simple/*", False),
        ("team/a/b", "team/*", True),
        ("team/simple/ACME-core", "team/simple/acme-*", False),
    ],
)
def test_a_right_covers_its_path_and_what_is_below(path, right, expected):
    assert is_within(path, admit_right(right)) is expected


@pytest.mark.parametrize("right", ["", "../x", "*/x", "*", "a//b", ".pixi-mirror", "team/a:b"])
def test_no_other_text_is_a_right(right):
    with pytest.raises(ValueError, match=r"."):
        admit_right(right)


def test_there_is_no_right_to_upload_everywhere():
    with pytest.raises(ValueError, match="no place"):
        admit_upload("/")


def test_a_place_is_touched_from_above_and_from_below():
    assert touches(["team/simple/acme-*"], "team")
    assert touches(["team"], "team/simple")
    assert not touches(["other", "/"], "team")


def test_rights_and_expiry_are_read_again_and_are_in_no_file_that_does_not_need_them():
    plain = {"ada": user("ada")}
    assert b"upload" not in dump(plain)
    assert b"token_until" not in dump(plain)
    full = {
        "ci": User("ci", None, None, ("/", "team/noarch"), upload=("team/simple/acme-*",), token_until_s=1_800_000_000)
    }
    assert parse(dump(full)) == full


@pytest.mark.parametrize(
    "changes",
    [
        {"upload": "team"},
        {"upload": ["/"]},
        {"token_until": "tomorrow"},
        {"token_until": True},
        {"token_until": 10**15},
    ],
)
def test_a_file_with_other_values_is_damaged(changes):
    head, line = dump({"ada": user("ada")}).decode().splitlines()
    with pytest.raises(DamagedLineError):
        parse(f"{head}\n{json.dumps({**json.loads(line), **changes})}\n".encode())


@pytest.fixture
def access(world):
    """A mirror that hosts `team` and `other`; whether a user with such rights may read a path."""
    for name in ("team", "other"):
        host = Host(world, name)
        host.add()
        host.send(build_wheel(name=f"{name}-pkg", version="1.0"))
        host.send(build_package(name=f"{name}-tool"), subdir="noarch")
    Host(world, "other").send(build_wheel(name="common", version="1.0"))
    Host(world, "team").send(build_wheel(name="common", version="2.0"))
    control = AccessControl(dict, ListingPages(world.mirror))

    def reads(path, *rights, upload=()):
        return control.may_read(User("ada", None, None, rights or None, upload=upload), path)

    return reads


WHEEL = "team/files/team_pkg-1.0-py3-none-any.whl"
OF_TEAM = [
    "team",
    "team/noarch/repodata.json",
    "team/simple",
    "team/simple/team-pkg",
    WHEEL,
    f"{WHEEL}.metadata",
    "simple/team-pkg/index.html",
    "simple/team-pkg",
]


@pytest.mark.parametrize("path", OF_TEAM)
def test_what_is_hosted_needs_a_right_by_name(access, path):
    assert not access(path)
    assert not access(path, "/")
    assert not access(path, "other")
    assert access(path, "team")
    assert access(path, "/", "team")
    assert access(path, upload=("team",))


def test_a_part_of_an_index_covers_its_files_and_no_others(access):
    for path in (
        WHEEL,
        f"{WHEEL}.metadata",
        f"{WHEEL}.provenance",
        "team/simple/team-pkg/index.html",
        "simple/team-pkg/index.html",
    ):
        assert access(path, "team/simple/team-*")
    for path in ("team/simple/common", "team/noarch/repodata.json", "team/files/common-2.0-py3-none-any.whl", "team"):
        assert not access(path, "team/simple/team-*")


def test_a_right_to_the_merged_index_shows_nothing_hosted(access):
    assert not access("simple/team-pkg", "simple")
    assert not access(WHEEL, "simple")
    assert access("simple/numpy", "simple")


def test_a_project_of_two_names_is_shown_to_who_may_read_both(access):
    assert not access("simple/common", "team")
    assert not access("simple/common", "other")
    assert access("simple/common", "team", "other")


@pytest.mark.parametrize(
    "path", ["pixi-mirror.json", "-/metrics", "simple", "simple/index.html", "simple/index.v1_json"]
)
def test_what_shows_all_names_needs_a_right_to_all(access, path):
    assert not access(path)
    assert not access(path, "/", "team")
    assert access(path, "/", "team", "other")


def test_what_no_name_hosts_is_read_as_before(access):
    assert access("conda-forge/noarch/repodata.json")
    assert access("")
    assert access("teams/x")
    assert not access("conda-forge/noarch/repodata.json", "team")
