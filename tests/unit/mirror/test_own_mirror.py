"""A target of `[mirrors]` behind which the mirror itself is served is left out, whatever its server answers."""

import json

import pytest
from harness.upstream import Upstream

from pixi_mirror.mirror.tree import Tree
from pixi_mirror.mirror.upstream import leave_out_own_mirror
from pixi_mirror.model.network import Network
from pixi_mirror.progress import NoProgress

KEY = "https://c.example/x/"


@pytest.fixture
def served(tmp_path):
    (tmp_path / "mirror").mkdir()
    with Upstream() as upstream:
        yield Tree(tmp_path / "mirror"), upstream


def targets(tree, upstream):
    url = f"{upstream.url}/c.example/x/"
    left = leave_out_own_mirror(Network(mirrors={KEY: (url, KEY)}), tree, NoProgress())
    return left.mirrors[KEY] == (url, KEY)


def know(tree, upstream):
    (tree.root / ".pixi-mirror").mkdir()
    tree.know_address(upstream.url)


def test_the_server_of_this_mirror_is_left_out_and_that_of_another_one_is_not(served):
    tree, upstream = served
    upstream.put("/-/health", json.dumps({"mirror": tree.identity}).encode())
    assert targets(tree, upstream), "a server on loopback is believed only at an address that serve has recorded"
    know(tree, upstream)
    assert not targets(tree, upstream)
    upstream.put("/-/health", json.dumps({"mirror": "another"}).encode())
    assert targets(tree, upstream)


@pytest.mark.parametrize("answer", [b"", b"{", b"[" * 4000, b"\xff", None], ids=range(5))
def test_a_recorded_address_is_believed_where_its_server_says_nothing(served, answer):
    tree, upstream = served
    know(tree, upstream)
    if answer is not None:
        upstream.put("/-/health", answer)
    assert not targets(tree, upstream)
