"""`.pixi-mirror/state.json`: what only this machine knows of a mirror."""

import json

import pytest

from pixi_mirror.disk.files import FileIdentity
from pixi_mirror.mirror.state_file import FORMAT, State, dump, parse
from pixi_mirror.model.values import admit_path

INDEX = admit_path("conda-forge/noarch/repodata.json")
FULL = State(
    locks={"name:shop": "/home/somebody/shop/pixi.lock"},
    manifests={"name:shop": "/home/somebody/shop/pixi.toml"},
    found={"/home/somebody": ("/home/somebody/shop/pixi.toml", "digest")},
    identities={
        INDEX: FileIdentity(7, 1_700_000_000_000_000_000, 2**60, None),
        admit_path("a/b"): FileIdentity(1, 2, 3, 4),
    },
    unlisted={admit_path("a/b"): 1_700_000_000.5},
    attempts={INDEX: "digest"},
    updated_as="0" * 64,
    placing=(admit_path("a/c"),),
)


def test_what_is_written_is_read_back():
    assert parse(dump(FULL)) == FULL
    assert parse(dump(State())) == State()
    assert dump(parse(dump(FULL))) == dump(FULL)


def test_the_state_of_the_first_build_is_read():
    raw = json.loads(dump(FULL))
    for key in ("updated_as", "manifests", "found", "attempts"):
        del raw[key]
    found = parse(json.dumps(raw).encode())
    assert (found.locks, found.identities, found.updated_as) == (FULL.locks, FULL.identities, "")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", FORMAT + 1),
        ("locks", []),
        ("locks", {"a": "nul\0"}),
        ("identities", {"a": [1, 2, 3]}),
        ("identities", {"a": [1, 2.5, 3, None]}),
        ("identities", {"a": [1, 2, 3, "4"]}),
        ("unlisted", {"../a": 1}),
        ("unlisted", {"a": "yesterday"}),
        ("placing", ["../a"]),
        ("found", {"/a": ["one"]}),
    ],
)
def test_what_is_no_state_is_refused(key, value):
    raw = json.loads(dump(FULL)) | {key: value}
    with pytest.raises(ValueError):  # noqa: PT011 - each has words of its own
        parse(json.dumps(raw).encode())
