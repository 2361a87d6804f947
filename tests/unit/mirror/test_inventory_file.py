"""`pixi-mirror.json`: the same inventory gives the same bytes, and only an inventory is taken for one."""

import json
from dataclasses import replace

import pytest
from harness.inventories import CHANNEL, conda, digest, inventory, sdist, snapshot

from pixi_mirror.mirror.inventory_file import FORMAT, parse
from pixi_mirror.mirror.inventory_text import dump
from pixi_mirror.model.packages import GeneratedFile, Listing, PackageFile
from pixi_mirror.model.request import Refusal, Request
from pixi_mirror.model.values import Url, admit_md5, admit_path


def listing(**known):
    empty = {
        "index": None, "is_settled": True, "requires_python": None, "yanked": None, "upload_time": None,
        "metadata": None, "build_requires": None,
    }  # fmt: skip
    return Listing(**empty | known)


def full():
    """An inventory in which everything stands that can."""
    data, tool, source, old = (
        conda("data", depends=["base >=1"]),
        conda("tool", has_hash=False),
        sdist("src"),
        conda("old"),
    )
    tool = replace(tool, md5=admit_md5("a" * 32))
    request = Request(
        environments=None, platforms=("linux-64",), pypi=False, skip_unmirrorable=True, build_requires=("setuptools",)
    )
    one = replace(
        snapshot(data, source, request=request),
        tools=(sdist("setuptools"),),
        tools_for=digest("question"),
        refused=(Refusal(entry="./local", reason="it is a directory"),),
    )
    one = replace(one, cells=(replace(one.cells[0], build_packages=(data.path,), virtual_packages=("__glibc=2.28",)),))
    stored = {each.path: PackageFile(sha256=digest(each.name), size=7) for each in (data, tool, old)}
    tree = stored | {admit_path("conda-forge/noarch/repodata.json"): GeneratedFile(recipe=digest("index"))}
    listings = {
        source.path: listing(index="https://pypi.example/simple", yanked="", build_requires=("flit",), size=9),
        data.path: listing(metadata=digest("metadata")),
    }
    return inventory(
        one, snapshot(data, tool, name="zoo", newest=5), tree=tree, kept={old.path: old}, listings=listings,
        deferred=frozenset({source.path}),
    )  # fmt: skip


def test_what_is_written_is_read_back():
    assert parse(dump(full())) == full()


def test_the_same_inventory_gives_the_same_bytes_whatever_the_order():
    one = full()
    backwards = replace(one, tree=dict(reversed(one.tree.items())), listings=dict(reversed(one.listings.items())))
    assert dump(one) == dump(backwards) == dump(parse(dump(one)))


def test_a_package_that_several_want_is_written_once():
    text = dump(full()).decode()
    assert text.count('"name":"data"') == 2  # its record and itself
    assert max(map(len, text.splitlines())) < 1000  # one package or file a line


def test_no_secret_and_no_place_of_this_machine_is_written():
    secret = replace(
        conda("data"), url=Url("https://user:hunter2@h.example/t/hunter2/c/noarch/data-1.0-0.conda?hunter2")
    )
    local = replace(conda("here"), url=Url("file:///home/somebody/here-1.0-0.conda"))
    text = dump(inventory(snapshot(secret, local), tree={})).decode()
    assert "hunter2" not in text
    assert "somebody" not in text


def test_keys_of_later_builds_are_absent_where_they_say_nothing():
    """A mirror that an older program can still read is to be readable for it."""
    text = json.loads(dump(inventory(snapshot(conda("data")), tree={})))
    assert "deferred" not in text
    assert not {"size"} & {key for row in text["listings"].values() for key in row}


def test_an_inventory_without_optional_keys_is_read():
    raw = json.loads(dump(inventory(snapshot(conda("data")), tree={})))
    for cell in raw["subscriptions"][0]["cells"]:
        cell.pop("build_packages", None)
        cell.pop("virtual_packages", None)
    assert parse(json.dumps(raw).encode()).snapshots[0].cells[0].channels == (CHANNEL,)


def broken(change):
    raw = json.loads(dump(full()))
    change(raw)
    return json.dumps(raw).encode()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda raw: raw.update(format=FORMAT + 1),
            f"it has format {FORMAT + 1}, and the one here reads 1 to {FORMAT}",
        ),
        (lambda raw: raw.update(format=0), "it has format 0, which is none"),
        (lambda raw: raw.update(format=True), "it has format True, which is none"),
        (lambda raw: raw.pop("tree"), "it lacks 'tree'"),
        (lambda raw: raw.update(layout="round"), "'round' is none of"),
        (lambda raw: raw["packages"][0].pop("url"), r"packages\.0 lacks 'url'"),
        (lambda raw: raw["packages"][0].update(size="7"), r"packages\.0\.size is '7'"),
        (lambda raw: raw["packages"][0].update(size=True), r"packages\.0\.size is 'True'"),
        (lambda raw: raw["packages"][0].update(sha256="a" * 63), "no(t a)? sha256"),
        (lambda raw: raw["packages"][0].update(name="../evil"), "name that can stand"),
        (lambda raw: raw["packages"][0].update(path="/etc/hosts"), "name that can stand"),
        (lambda raw: raw["packages"][0]["record"].update(depends="a"), r"packages\.0\.record\.depends"),
        (lambda raw: raw["packages"][0]["record"].update(run_exports=["a"]), r"packages\.0\.record\.run_exports"),
        (lambda raw: raw["packages"][0]["record"].update(timestamp="now"), r"packages\.0\.record\.timestamp"),
        (lambda raw: raw["kept"].append(99), "lacks or misspells"),
        (lambda raw: raw["tree"].update({"../out": {"sha256": "a" * 64, "size": 1}}), "name that can stand"),
        (lambda raw: raw["tree"].update({"Pixi-Mirror.json": {"recipe": "a" * 64}}), "itself"),
        (lambda raw: raw["subscriptions"][0]["requests"][0].pop("platforms"), "lacks 'platforms'"),
        (lambda raw: raw["subscriptions"][0]["cells"][0]["packages"].append(3), "has a package that"),
        (lambda raw: raw["listings"].update({"a/b": 1}), r"listings\.a/b"),
    ],
)
def test_what_is_no_inventory_is_refused_and_says_where(change, told):
    with pytest.raises(ValueError, match=told):
        parse(broken(change))


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff", b'{"format": 1}'])
def test_what_is_no_object_of_ours_is_refused(data):
    with pytest.raises(ValueError):  # noqa: PT011 - JSON has words of its own
        parse(data)
