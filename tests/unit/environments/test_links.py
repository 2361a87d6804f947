"""Where links lead is known without following them."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixi_mirror.environments.links import LinkLoopError, LinkMap, map_links, refuse_link_out
from pixi_mirror.errors import WrongBytesError


@pytest.mark.parametrize("leads_to", ["x", "../x", "../../x", "a/../../y", "../lib/", "."])
def test_a_link_inside_passes(leads_to):
    refuse_link_out("a/b/link", leads_to)


@pytest.mark.parametrize(
    "leads_to", ["", "/", "/etc", "../../../x", "x/../../../../y", "a\0", "C:/x", "\\\\host\\x", "../../.."]
)
def test_a_link_outside_is_refused(leads_to):
    with pytest.raises(ValueError, match="the link a/b/link leads outside"):
        refuse_link_out("a/b/link", leads_to)


def test_links_are_followed_and_circles_and_ways_out_are_noticed():
    links = LinkMap()
    for path, leads_to in {
        "a": "real",
        "real/b": "../a/c",
        "loop": "pool",
        "pool": "loop",
        "out": "real/../../x",
    }.items():
        links.add(path, leads_to)
    assert links.resolve("a/b/d") == "real/c/d"
    assert links.resolve("a/../x") == "x"
    with pytest.raises(LinkLoopError):
        links.resolve("loop/x")
    with pytest.raises(ValueError, match="leads out of the environment"):
        links.resolve("out")
    links.remove("out")
    assert links.resolve("out/x") == "out/x"


def test_the_owner_of_a_link_that_leads_out_through_others_is_named():
    good = ("first", "a/b/c/up", "../..")
    assert map_links([good]).resolve("a/b/c/up/x") == "a/x"
    with pytest.raises(WrongBytesError, match="second cannot be installed: its link y leads out"):
        map_links([good, ("second", "y", "a/b/c/up/../..")])


paths = st.sampled_from(["a", "b", "a/c", "b/c", "d/e"])
targets = st.sampled_from(["a", "b", "..", ".", "../a", "../b", "c", "../..", "e/../c"])


@given(st.dictionaries(paths, targets, max_size=4), paths)
def test_it_is_what_the_system_says(tmp_path_factory, chosen, asked):
    root = tmp_path_factory.mktemp("links").resolve() / "1/2/3"
    links = LinkMap()
    for path, leads_to in chosen.items():
        if os.path.lexists(root / path) or any(each.is_symlink() for each in (root / path).parents):
            continue
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).symlink_to(leads_to)
        links.add(path, leads_to)
    true = os.path.realpath(root / asked / "x")
    try:
        assert true == os.path.normpath(root / links.resolve(f"{asked}/x"))
    except LinkLoopError:
        pass
    except ValueError:
        assert os.path.commonpath([true, root]) != str(root)
