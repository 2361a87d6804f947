"""Our own sidecars say what `repodata.json` says, are the same for the same packages, and follow the change."""

import hashlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixi_mirror.archives.compression import decompress_zstd, zstd_library
from pixi_mirror.conda.msgpack import packed, unpacked
from pixi_mirror.conda.repodata import repodata
from pixi_mirror.conda.shards import read_shard, read_shard_index
from pixi_mirror.conda.sidecar_writer import OldShards, compressed_repodata, new_shards
from pixi_mirror.conda.sidecars import shards_problem, zst_problem

zstd = zstd_library()
RELATIONS = {"base": "../other"}


def record(name, number=0, **more):
    digest = hashlib.sha256(f"{name}{number}".encode()).hexdigest()
    return {
        "name": name, "version": "1.0", "build": f"h_{number}", "build_number": number, "subdir": "linux-64",
        "depends": ["zlib 1.3.2 *_2"], "sha256": digest, "md5": digest[:32], "size": 10**12, **more,
    }  # fmt: skip


RECORDS = {
    "a-1.0-h_0.conda": record("a", run_exports={"weak": ["a >=1"]}, attestations_sha256="ab" * 32),
    "a-1.0-h_1.tar.bz2": record("a", 1, legacy_bz2_md5="cd" * 16, track_features="x y", timestamp=1_712_345_678_901),
    "a-1.0-h_2.conda": record("a", 2, depends=["z >=1[when='python >=3.10']"], extra_depends={"more": ["b >=1"]}),
    "b-1.0-h_0.conda": record("b", purls=[], license="Größe", timestamp=1_712_345_678),
    "OldName-1.0-h_0.tar.bz2": record("OldName"),
}


def made(records, old=None, threads=2):
    return new_shards(repodata("linux-64", records, relations=RELATIONS), old=old, threads=threads)


def standing(records, shards, whole=lambda _: True):
    return OldShards(repodata=repodata("linux-64", records, relations=RELATIONS), index=shards.index, is_whole=whole)


def problem(records, shards, get):
    return shards_problem(shards.index, "linux-64", records, get, relations=RELATIONS)


def test_shards_have_every_record_of_every_section_with_digests_as_bytes():
    shards = made(RECORDS)
    assert problem(RECORDS, shards, shards.made.get) is None
    _, digests, relations = read_shard_index(shards.index)
    assert (set(digests), relations) == ({"a", "b", "OldName"}, RELATIONS)
    content = unpacked(decompress_zstd(shards.made[digests["a"]]))
    assert {section: [*listed] for section, listed in content.items() if section != "v3"} == {
        "packages": ["a-1.0-h_1.tar.bz2"], "packages.conda": ["a-1.0-h_0.conda"], "removed": [],
    }  # fmt: skip
    assert [*content["v3"]["conda"]] == ["a-1.0-h_2"]
    for file_name, keys in {"a-1.0-h_0.conda": ["sha256", "md5", "attestations_sha256"],
                            "a-1.0-h_1.tar.bz2": ["legacy_bz2_md5"]}.items():  # fmt: skip
        found = read_shard(shards.made[digests["a"]])[file_name]
        assert {key: found[key].hex() for key in keys} == {key: RECORDS[file_name][key] for key in keys}


def test_the_index_says_what_repodata_says_about_itself_and_no_date():
    info = unpacked(decompress_zstd(made(RECORDS).index))["info"]
    about = json.loads(repodata("linux-64", RECORDS, relations=RELATIONS))["info"]
    assert info == {**about, "base_url": "", "shards_base_url": "./shards/"}
    assert about["repodata_revisions"] == {"v3": {"n_packages": 1}}


def test_zst_is_repodata_in_one_frame_that_says_its_length():
    data = repodata("linux-64", RECORDS, relations=RELATIONS)
    compressed = compressed_repodata(data)
    assert decompress_zstd(compressed) == data
    assert zstd.get_frame_info(compressed).decompressed_size == len(data)
    assert zst_problem(compressed, "linux-64", RECORDS, relations=RELATIONS) is None


def many(count):
    return {f"n{each}-1.0-h_0.conda": record(f"n{each}") for each in range(count)}


def test_any_number_of_threads_makes_the_same():
    records = many(300)
    assert made(records, threads=1) == made(records, threads=4)


CHANGES = {
    "one more": lambda records: {**records, "n7-1.0-h_1.conda": record("n7", 1)},
    "another record": lambda records: {**records, "n7-1.0-h_0.conda": record("n7", depends=["else"])},
    "none of a name": lambda records: {key: each for key, each in records.items() if key != "n7-1.0-h_0.conda"},
    "another archive": lambda records: {
        **CHANGES["none of a name"](records), "n7-1.0-h_0.tar.bz2": records["n7-1.0-h_0.conda"],
    },
    "into the v3 section": lambda records: {
        **records, "n7-1.0-h_0.conda": record("n7", depends=["z >=1[when='python >=3.10']"]),
    },
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_only_the_shards_of_what_changed_are_made_again_and_the_index_is_that_of_a_fresh_start(change):
    before, after = many(20), CHANGES[change](many(20))
    old = made(before)
    new = made(after, old=standing(before, old))
    assert new.index == made(after).index
    assert len(new.made) == (0 if change == "none of a name" else 1)
    assert len(new.kept) == 19
    assert problem(after, new, {**old.made, **new.made}.get) is None


def test_a_shard_that_is_damaged_is_made_again():
    records = many(20)
    old = made(records)
    bad = next(iter(old.made))
    new = made(records, old=standing(records, old, whole=lambda sha256: sha256 != bad))
    assert {*new.made} == {bad}
    assert new.kept == old.made.keys() - {bad}


@pytest.mark.parametrize("other", ["another program's", "damaged"])
def test_nothing_is_kept_of_what_we_did_not_make(other):
    records = many(20)
    old = made(records)
    index = old.index[:-2]
    if other != "damaged":
        document = unpacked(decompress_zstd(old.index))
        index = zstd.compress(packed({**document, "info": {**document["info"], "created_at": "2026-01-01T00:00:00Z"}}))
    new = new_shards(
        repodata("linux-64", records, relations=RELATIONS),
        old=OldShards(
            repodata=repodata("linux-64", records, relations=RELATIONS), index=index, is_whole=lambda _: True
        ),
        threads=2,
    )
    assert not new.kept
    assert new == made(records)


@pytest.mark.parametrize("wrong", [{"size": 1 << 64}, {"md5": "no hexadecimal"}])
def test_what_a_shard_cannot_say_is_told_in_a_sentence(wrong):
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        made({"a-1.0-h_0.conda": record("a", **wrong)})


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=40)
    | st.binary(max_size=300),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=8), inner, max_size=20),
)


@given(VALUES)
def test_what_is_packed_is_read_as_it_was(value):
    found = unpacked(packed(value))
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "value",
    [0, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**63, 2**64 - 1, -1, -32, -33, -128, -129, -(2**31),
     -(2**31) - 1, -(2**63), math.pi, "a" * 31, "a" * 32, "ü" * 255, "a" * 65536, b"", b"a" * 256, b"a" * 65536,
     [1] * 15, [1] * 16, [1] * 65536, {str(each): each for each in range(16)},
     {str(each): each for each in range(65536)}],
    ids=lambda value: f"{type(value).__name__} {value!r:.12}",
)  # fmt: skip
def test_every_width_is_read_as_it_was(value):
    assert unpacked(packed(value)) == value


@pytest.mark.parametrize(("value", "spelled"), [(5, "05"), (-1, "ff"), (200, "ccc8"), (-100, "d09c"), ("a", "a161"),
                                                ([], "90"), ({}, "80"), (b"a", "c40161"), (None, "c0")])  # fmt: skip
def test_each_value_has_its_shortest_form(value, spelled):
    assert packed(value).hex() == spelled


def test_what_is_nested_without_sense_is_refused():
    value = []
    for _ in range(100):
        value = [value]
    with pytest.raises(ValueError, match="nested"):
        packed(value)
