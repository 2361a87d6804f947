"""The decisions: what differs, and what stands where locks disagree; over any input."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixi_mirror.errors import UnmirrorableError
from pixi_mirror.mirror.compare import compare, twin
from pixi_mirror.mirror.merge import merge
from pixi_mirror.model.packages import Cell, Channel, Package, Snapshot
from pixi_mirror.model.values import Url, admit_path, admit_sha256


def digest(text):
    return admit_sha256(hashlib.sha256(str(text).encode()).hexdigest())


PATHS = st.sampled_from([admit_path(f"conda-forge/noarch/p{number}-1-0.conda") for number in range(6)])
DIGESTS = st.none() | st.integers(0, 3).map(digest)
WITNESSES = st.dictionaries(PATHS, DIGESTS)


@given(WITNESSES, WITNESSES)
def test_every_path_is_missing_or_changed_or_surplus_or_right_and_only_one_of_these(wanted, held):
    found = compare(wanted, held)
    right = {path for path in wanted.keys() & held.keys() if held[path] and wanted[path] in (None, held[path])}
    groups = [set(found.missing), set(found.changed), set(found.surplus), right]
    assert set().union(*groups) == wanted.keys() | held.keys()
    assert sum(map(len, groups)) == len(wanted.keys() | held.keys())
    assert set(found.missing) == wanted.keys() - held.keys()
    assert set(found.surplus) == held.keys() - wanted.keys()


@given(WITNESSES, WITNESSES)
def test_once_what_differs_is_brought_and_the_surplus_removed_nothing_differs(wanted, held):
    found = compare(wanted, held)
    after = {path: known for path, known in held.items() if path not in found.surplus}
    after |= {path: wanted[path] or digest("first fetch") for path in (*found.missing, *found.changed)}
    assert compare(wanted, after) == compare({}, {})


@given(WITNESSES)
def test_the_difference_is_sorted_whatever_the_order(wanted):
    backwards = dict(reversed(wanted.items()))
    assert compare(wanted, {}) == compare(backwards, {})
    assert list(compare(wanted, {}).missing) == sorted(wanted)


def package(path, *, sha256="a", url="https://conda.anaconda.org/conda-forge/noarch/p-1-0.conda", **record):
    return Package(
        path=path, url=Url(url), sha256=None if sha256 is None else digest(sha256), md5=None, size=1, kind="conda",
        name="p", version="1", build="0", subdir="noarch", record=record,
    )  # fmt: skip


def snapshot(number, packages, *, newest, channels=()):
    paths = tuple(sorted({each.path for each in packages}))
    cell = Cell(environment="default", platform="noarch", subdir="noarch", channels=channels, packages=paths)
    return Snapshot(
        id=f"lock:{number}", workspace=f"w{number}", source_sha256=digest(number), newest_timestamp=newest,
        requests=(), cells=(cell,), packages=tuple(packages), refused=(),
    )  # fmt: skip


NAMES = {f"lock:{number}": f"/w{number}/pixi.lock" for number in range(5)}
RECORDS = st.fixed_dictionaries(
    {"depends": st.lists(st.sampled_from(["a", "b >=1"]), max_size=2)},
    optional={"purls": st.lists(st.sampled_from(["pkg:pypi/x", "pkg:pypi/y"]), unique=True)},
)
LOCKS = st.lists(st.tuples(st.integers(0, 2), st.dictionaries(PATHS, RECORDS)), max_size=4)


def snapshots(locks):
    return [
        snapshot(number, [package(path, **record) for path, record in sorted(wants.items())], newest=newest)
        for number, (newest, wants) in enumerate(locks)
    ]


@given(LOCKS, st.randoms(use_true_random=False))
def test_the_order_in_which_locks_are_named_changes_nothing(locks, chance):
    ordered = snapshots(locks)
    shuffled = list(ordered)
    chance.shuffle(shuffled)
    first = merge(ordered, layout="channels", names=NAMES)
    second = merge(shuffled, layout="channels", names=NAMES)
    assert first == second


@given(LOCKS)
def test_the_record_of_the_lock_with_the_newest_package_stands_and_purls_are_united(locks):
    merged = merge(snapshots(locks), layout="channels", names=NAMES)
    assert set(merged.packages) == {path for _, wants in locks for path in wants}
    for path, settled in merged.packages.items():
        claims = [(newest, wants[path]) for newest, wants in locks if path in wants]
        newest = max(newest for newest, _ in claims)
        assert settled.record["depends"] in [record["depends"] for found, record in claims if found == newest]
        known = {purl for _, record in claims for purl in record.get("purls", ())}
        assert set(settled.record.get("purls", ())) == known
        differ = len({tuple(record["depends"]) for _, record in claims}) > 1
        assert any(path in line for line in merged.disagreements) == differ


def test_two_hashes_at_one_path_are_refused_with_both_locks_named():
    path = admit_path("conda-forge/noarch/p-1-0.conda")
    locks = [snapshot(number, [package(path, sha256=number)], newest=0) for number in (0, 1)]
    with pytest.raises(UnmirrorableError, match=r"/w0/pixi\.lock") as refused:
        merge(locks, layout="channels", names=NAMES)
    assert "/w1/pixi.lock" in str(refused.value)


def test_a_lock_without_a_hash_takes_that_of_another():
    path = admit_path("conda-forge/noarch/p-1-0.conda")
    locks = [snapshot(0, [package(path, sha256=None)], newest=9), snapshot(1, [package(path)], newest=0)]
    (settled,) = merge(locks, layout="channels", names=NAMES).packages.values()
    assert settled.sha256 == digest("a")


def test_two_channels_with_one_directory_are_refused():
    path = admit_path("h.example/c")
    both = [(Channel(url=f"{scheme}://h.example/c", path=path),) for scheme in ("http", "https")]
    locks = [snapshot(number, [], newest=0, channels=channels) for number, channels in enumerate(both)]
    with pytest.raises(UnmirrorableError, match=r"http://h\.example/c and https://h\.example/c"):
        merge(locks, layout="channels", names=NAMES)


def test_a_flat_mirror_takes_one_file_of_two_channels_if_they_say_the_same_of_it():
    path = admit_path("noarch/p-1-0.conda")
    here = snapshot(0, [package(path, depends=["a"])], newest=0)
    there = package(path, url="https://prefix.dev/conda-forge/noarch/p-1-0.conda", depends=["a"])
    merge([here, snapshot(1, [there], newest=0)], layout="flat", names=NAMES)
    other = replace(there, record={"depends": ["b"]})
    with pytest.raises(UnmirrorableError, match="--flat"):
        merge([here, snapshot(1, [other], newest=0)], layout="flat", names=NAMES)


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (["a/x", "a/y", "b/x"], None),
        (["a/x", "A/y"], ("A", "a")),
        (["a/X.conda", "a/x.conda"], ("a/X.conda", "a/x.conda")),
        (["a/stra\u00dfe", "a/strasse"], ("a/strasse", "a/stra\u00dfe")),
        (["a/e\u0301", "a/\u00e9"], ("a/e\u0301", "a/\u00e9")),
        (["a", "a/A"], None),
    ],
)
def test_twins_are_names_that_differ_in_case_or_composition_alone(paths, found):
    assert twin(paths) == found
