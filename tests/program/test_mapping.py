"""The mapping host: what pixi asks when it solves an environment with PyPI packages is answered from the locks."""

import json

import pytest

from pixi_mirror.demo.packages import build_package

LOCK = ("--lock", "workspace/pixi.lock")
HOST = "conda-mapping.prefix.dev"


def package(world, name, purls, **changes):
    entry = world.publish(build_package(name=name, **changes))
    return entry if purls is None else entry.hotfixed(purls=purls)


def mirrored(world, *entries):
    world.lock("workspace", environments={"default": {"linux-64": entries}})
    done = world.run(*LOCK)
    assert done.status == 0, done.stderr
    return entries


def by_hash(world, entry):
    path = world.mirror / HOST / "hash-v0" / entry.record["sha256"]
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def by_name(world):
    return json.loads((world.mirror / HOST / "compressed-v0/compressed_mapping.json").read_text(encoding="utf-8"))


def test_purls_answer_for_a_package_and_for_its_name(world):
    (entry,) = mirrored(world, package(world, "pytorch", ["pkg:pypi/Torch@2.0?source=hash-mapping"]))
    assert by_hash(world, entry) == {
        "pypi_normalized_names": ["torch"],
        "versions": None,
        "conda_name": "pytorch",
        "package_name": "pytorch-1.0-0.conda",
        "direct_url": None,
    }
    assert by_name(world) == {"pytorch": "torch"}


def test_no_purls_mean_that_it_is_not_on_pypi(world):
    (entry,) = mirrored(world, package(world, "zlib", []))
    assert by_hash(world, entry)["pypi_normalized_names"] is None
    assert by_name(world) == {"zlib": None}


def test_unknown_purls_have_no_file(world):
    unknown, _ = mirrored(world, package(world, "unknown", None), package(world, "known", ["pkg:pypi/known"]))
    assert by_hash(world, unknown) is None
    assert by_name(world) == {"known": "known"}


def test_a_lock_that_knows_no_purls_makes_an_empty_mapping_without_which_pixi_cannot_lock(world):
    mirrored(world, package(world, "unknown", None))
    assert by_name(world) == {}
    assert [path.name for path in (world.mirror / HOST).rglob("*") if path.is_file()] == ["compressed_mapping.json"]


def test_a_name_that_stands_for_several_projects_has_them_all(world):
    one = package(world, "many", ["pkg:pypi/b", "pkg:pypi/a"])
    two = package(world, "many", ["pkg:pypi/c"], version="2.0")
    mirrored(world, one, two)
    assert by_name(world) == {"many": ["a", "b", "c"]}
    assert by_hash(world, one)["pypi_normalized_names"] == ["a", "b"]


def test_what_another_lock_learns_is_written_anew(world):
    entry = world.publish(build_package(name="thing"))
    world.lock("one", environments={"default": {"linux-64": [entry]}})
    assert world.run("--lock", "one/pixi.lock").status == 0
    world.lock("two", environments={"default": {"linux-64": [entry.hotfixed(purls=["pkg:pypi/thing"])]}})
    assert world.run("--lock", "two/pixi.lock").status == 0
    assert by_hash(world, entry)["pypi_normalized_names"] == ["thing"]


def test_the_mapping_of_what_is_pruned_goes(world):
    old = package(world, "old", ["pkg:pypi/old"])
    kept = package(world, "kept", ["pkg:pypi/kept"])
    mirrored(world, old, kept)
    mirrored(world, kept)
    assert by_name(world) == {"kept": "kept", "old": "old"}
    assert world.run("prune", "--apply").status == 0
    assert by_name(world) == {"kept": "kept"}
    assert by_hash(world, old) is None


@pytest.mark.parametrize("damage", [b"{}", None])
def test_a_damaged_answer_is_found_and_mended(world, damage):
    (entry,) = mirrored(world, package(world, "zlib", []))
    path = world.mirror / HOST / "hash-v0" / entry.record["sha256"]
    path.write_bytes(damage) if damage is not None else path.unlink()
    assert world.run("verify").status == 1
    assert world.run("verify", "--repair").status == 0
    assert by_hash(world, entry)["conda_name"] == "zlib"
