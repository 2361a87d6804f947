"""MessagePack and zstd are read as they are written elsewhere, and damage is told in a sentence."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixi_mirror.archives.compression import decompress_zstd, zstd_library
from pixi_mirror.conda.msgpack import unpacked
from pixi_mirror.conda.shards import read_shard_index

zstd = zstd_library()
CONTENT = b"abc" * 1000


@pytest.mark.parametrize(
    ("spelled", "value"),
    [
        # The examples of the specification, a line a family.
        ("00", 0), ("7f", 127), ("ff", -1), ("e0", -32),
        ("cc80", 128), ("cd0100", 256), ("ce00010000", 65536), ("cf0000000100000000", 2**32),
        ("d080", -128), ("d18000", -32768), ("d280000000", -(2**31)), ("d38000000000000000", -(2**63)),
        ("c0", None), ("c2", False), ("c3", True),
        ("a161", "a"), ("d90161", "a"), ("da000161", "a"), ("db0000000161", "a"),
        ("c40161", b"a"), ("c5000161", b"a"), ("c60000000161", b"a"),
        ("9101", [1]), ("dc000101", [1]), ("dd0000000101", [1]),
        ("81a16101", {"a": 1}), ("de0001a16101", {"a": 1}), ("df00000001a16101", {"a": 1}),
    ],
)  # fmt: skip
def test_every_kind_that_repodata_uses_is_read(spelled, value):
    found = unpacked(bytes.fromhex(spelled))
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("spelled", ["", "a261", "91", "0000", "c1", "ca00000000", "81c001", "a1ff", "91" * 80 + "00"])
def test_what_is_cut_or_strange_is_refused(spelled):
    with pytest.raises(ValueError, match=r"\w"):
        unpacked(bytes.fromhex(spelled))


@given(st.binary(max_size=40))
def test_no_bytes_do_anything_but_give_a_value_or_be_refused(data):
    with suppress(ValueError):
        unpacked(data)


def test_a_frame_is_decompressed_whatever_it_says_of_its_size():
    silent = zstd.compress(CONTENT, options={zstd.CompressionParameter.content_size_flag: 0})
    assert decompress_zstd(zstd.compress(CONTENT)) == decompress_zstd(silent) == CONTENT


@pytest.mark.parametrize("data", [b"", b"no zstd", zstd.compress(CONTENT)[:-2]])
def test_a_frame_that_is_cut_or_none_is_told_in_a_sentence(data):
    with pytest.raises(ValueError, match="zstd"):
        decompress_zstd(data)


def test_a_frame_that_would_fill_the_memory_is_refused_unread():
    head = bytes.fromhex("28b52ffde0") + (1 << 40).to_bytes(8, "little")
    with pytest.raises(ValueError, match="bytes long"):
        decompress_zstd(head)


def test_a_shard_index_that_sends_clients_elsewhere_is_refused():
    info = b"\x83\xa6subdir\xa6noarch\xa8base_url\xaahttps://x/\xafshards_base_url\xa9./shards/"
    data = zstd.compress(b"\x82\xa4info" + info + b"\xa6shards\x80")
    with pytest.raises(ValueError, match="https://x/"):
        read_shard_index(data)
