"""`repodata.json` says what the locks say, whatever the archives say; what disagrees is settled in the open."""

import json

import pytest
from harness.looking import archives, contents, identities, repodata

from pixi_mirror.demo.packages import build_package

LOCK = "workspace/pixi.lock"


def run(world, *args, status=0, **options):
    done = world.run(*args, **options)
    assert done.status == status, f"{done.status}\n{done.stdout}\n{done.stderr}"
    return done


def subdir(world, name="noarch", channel="conda-forge"):
    return world.mirror / world.authority_path / channel / name


def lock(world, entries, directory="workspace", platform="linux-64", **options):
    return world.lock(directory, environments={"default": {platform: entries}}, **options)


def document(folder):
    return json.loads((folder / "repodata.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("version", [6, 7])
def test_an_index_has_the_records_of_the_lock_to_the_letter(world, version):
    package = build_package(
        name="full",
        version="1!2.0+local",
        build="py312_3",
        build_number=3,
        subdir="linux-64",
        depends=["python >=3.12,<3.13.0a0", "libc[version='>=2']"],
        constrains=["other <0"],
        track_features=("one", "two"),
        timestamp=1712345678901,
        extra={"license_family": "BSD", "purls": ["pkg:pypi/full@2.0"], "python_site_packages_path": "lib/x"},
    )
    lock(world, [world.publish(package)], version=version)
    run(world, "--lock", LOCK)
    record = repodata(subdir(world, "linux-64"))[package.file_name]
    told = {key: value for key, value in package.record.items() if key not in {"platform", "arch"}}
    assert {key: record.get(key) for key in told} == told
    assert record["track_features"] == "one two"


def test_a_hotfix_stands_in_the_index_and_not_what_the_archive_says(world):
    package = build_package(name="patched", depends=["libc"], subdir="linux-64")
    hotfixed = world.publish(package).hotfixed(depends=["libc >=2,<3"], constrains=["bad <1"], license="MIT")
    lock(world, [hotfixed])
    run(world, "--lock", LOCK)
    record = repodata(subdir(world, "linux-64"))[package.file_name]
    assert (record["depends"], record["constrains"], record["license"]) == (["libc >=2,<3"], ["bad <1"], "MIT")


def test_a_hotfix_that_comes_later_changes_the_index_and_fetches_nothing(world):
    entry = world.publish(build_package(name="patched", depends=["libc"]))
    lock(world, [entry])
    run(world, "--lock", LOCK)
    world.upstream.forget_requests()
    lock(world, [entry.hotfixed(depends=["libc >=2"])])
    run(world)
    assert repodata(subdir(world))["patched-1.0-0.conda"]["depends"] == ["libc >=2"]
    assert world.requests == []


def test_old_archives_stand_under_packages_and_new_ones_under_packages_conda(world):
    entries = [world.publish(build_package(name="both", extension=each)) for each in ("conda", "tar.bz2")]
    lock(world, entries)
    run(world, "--lock", LOCK)
    index = document(subdir(world))
    assert (set(index["packages"]), set(index["packages.conda"])) == ({"both-1.0-0.tar.bz2"}, {"both-1.0-0.conda"})
    assert index["info"]["subdir"] == "noarch"
    assert "base_url" not in index["info"]


def test_an_index_lists_every_file_that_the_tree_holds(world):
    lock(world, [world.publish(build_package(name="old"))])
    run(world, "--lock", LOCK)
    lock(world, [world.publish(build_package(name="new"))])
    run(world)
    assert set(repodata(subdir(world))) == {"old-1.0-0.conda", "new-1.0-0.conda"}


def test_every_channel_that_an_environment_names_is_there(world):
    url = world.upstream.url
    lock(world, [world.publish(build_package(name="one"))], channels=[f"{url}/conda-forge/", f"{url}/bioconda/"])
    run(world, "--lock", LOCK)
    assert repodata(subdir(world, "noarch", "bioconda")) == {}
    assert repodata(subdir(world, "linux-64", "bioconda")) == {}


@pytest.fixture
def disagreement(world):
    """Two locks with other records for one file; that of `newer` has the newest package."""
    entry = world.publish(build_package(name="shared", timestamp=1_600_000_000_000))
    older = world.publish(build_package(name="older", timestamp=1_650_000_000_000))
    newer = world.publish(build_package(name="newer", timestamp=1_700_000_000_000))
    lock(world, [entry.hotfixed(depends=["x <2"]), older], "a")
    lock(world, [entry.hotfixed(depends=["x <3"]), newer], "b")


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_of_two_records_that_of_the_newer_lock_stands_and_a_warning_says_so(world, disagreement, order):
    done = run(world, *(word for name in order for word in ("--lock", f"{name}/pixi.lock")))
    assert repodata(subdir(world))["shared-1.0-0.conda"]["depends"] == ["x <3"]
    assert "shared-1.0-0.conda" in done.stderr
    assert str(world.directory / "a" / "pixi.lock") in done.stderr
    assert "depends" in done.stderr
    (warning,) = world.run_json()["warnings"]
    assert "shared-1.0-0.conda" in warning
    assert "shared-1.0-0.conda" in run(world).stderr


def test_forgetting_the_winner_changes_the_index(world, disagreement):
    run(world, "--lock", "a/pixi.lock", "--lock", "b/pixi.lock")
    run(world, "forget", "--lock", "b/pixi.lock")
    assert repodata(subdir(world))["shared-1.0-0.conda"]["depends"] == ["x <2"]
    assert "newer-1.0-0.conda" in repodata(subdir(world))
    assert "shared" not in run(world).stderr


def test_purls_are_united_and_are_no_disagreement(world):
    entry = world.publish(build_package(name="shared"))
    lock(world, [entry.hotfixed(purls=["pkg:pypi/a"])], "a")
    lock(world, [entry.hotfixed(purls=["pkg:pypi/b"])], "b")
    done = run(world, "--lock", "a/pixi.lock", "--lock", "b/pixi.lock")
    assert sorted(repodata(subdir(world))["shared-1.0-0.conda"]["purls"]) == ["pkg:pypi/a", "pkg:pypi/b"]
    assert "warning" not in done.stderr


def test_two_hashes_for_one_path_are_refused_naming_both_locks_and_change_nothing(world):
    entry = world.publish(build_package(name="shared"))
    lock(world, [entry], "a")
    run(world, "--lock", "a/pixi.lock")
    lock(world, [entry.hotfixed(sha256="0" * 64), world.publish(build_package(name="more"))], "b")
    before = contents(world.mirror / world.authority_path), (world.mirror / "pixi-mirror.json").read_bytes()
    world.upstream.forget_requests()
    done = run(world, "--lock", "b/pixi.lock", status=4)
    assert "shared-1.0-0.conda" in done.stderr
    assert all(str(world.directory / name / "pixi.lock") in done.stderr for name in "ab")
    assert world.requests == []
    assert (contents(world.mirror / world.authority_path), (world.mirror / "pixi-mirror.json").read_bytes()) == before


@pytest.fixture
def channels(world):
    """Entries from two channels, with a file that both have."""
    same = build_package(name="same")
    return (
        [world.publish(build_package(name="one"), channel="first"), world.publish(same, channel="first")],
        [
            world.publish(build_package(name="two", subdir="linux-64"), channel="second"),
            world.publish(same, channel="second"),
        ],
    )


def test_flat_makes_one_channel_at_the_top(world, channels):
    first, second = channels
    lock(world, first, "a")
    lock(world, second, "b")
    run(world, "--lock", "a", "--lock", "b", "--flat")
    assert archives(world.mirror) == {
        "noarch/one-1.0-0.conda", "noarch/same-1.0-0.conda", "linux-64/two-1.0-0.conda",
    }  # fmt: skip
    assert set(repodata(world.mirror / "noarch")) == {"one-1.0-0.conda", "same-1.0-0.conda"}
    assert run(world).stdout.startswith("nothing to do")


def test_flat_refuses_channels_that_disagree(world, channels):
    first, second = channels
    lock(world, first, "a")
    lock(world, [second[0], second[1].hotfixed(depends=["x"])], "b")
    done = run(world, "--lock", "a", "--lock", "b", "--flat", status=4)
    assert all(each.url in done.stderr for each in (first[1], second[1]))
    assert archives(world.mirror) == set()
    assert world.requests == []


def test_a_mirror_of_channels_is_not_flattened(world):
    world.workspace()
    run(world, "--lock", LOCK, "-e", "prod")
    before = identities(world.mirror / world.authority_path)
    assert "flat" in run(world, "--lock", LOCK, "-e", "prod", "--flat", status=8).stderr
    assert identities(world.mirror / world.authority_path) == before


def test_a_flat_mirror_stays_flat(world, channels):
    lock(world, channels[0], "a")
    run(world, "--lock", "a", "--flat")
    lock(world, channels[1], "b")
    run(world, "--lock", "b")
    assert "linux-64/two-1.0-0.conda" in archives(world.mirror)
