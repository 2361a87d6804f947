"""Every kind of compressed data is read as a stream, up to a limit, and what is damaged, cut or a bomb is refused."""

import bz2
import gzip
import io
import lzma
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixi_mirror.archives.compression import (
    MAGIC,
    DecompressedStream,
    Decompressor,
    compression_of,
    decompress_zstd,
    zstd_library,
)
from pixi_mirror.archives.opening import open_compressed

zstd = zstd_library()
COMPRESS = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "zstd": zstd.compress}
CONTENT = bytes(range(256)) * 1000
SKIPPABLE = b"\x53\x2a\x4d\x18\x04\0\0\0abcd"
EACH = pytest.mark.parametrize("kind", COMPRESS)


def unpack(data: bytes, kind: str, *, piece: int = 1 << 20, **options: bool) -> bytes:
    decompressor = Decompressor(kind, **options)
    found = b"".join(
        part for start in range(0, len(data), piece) for part in decompressor.feed(data[start : start + piece])
    )
    if not decompressor.is_complete:
        raise EOFError
    return found


@EACH
@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_streams_that_follow_one_another_are_one_content(kind: str, piece: int) -> None:
    data = COMPRESS[kind](CONTENT[:1000]) + COMPRESS[kind](b"") + COMPRESS[kind](CONTENT[1000:2000])
    assert unpack(data, kind, piece=piece) == CONTENT[:2000]
    assert compression_of(data) == kind


@EACH
def test_a_stream_that_is_cut_anywhere_is_not_complete(kind: str) -> None:
    data = COMPRESS[kind](CONTENT)
    for end in range(1, len(data), max(1, len(data) // 300)):
        with pytest.raises((EOFError, ValueError)):
            unpack(data[:end], kind)
        with pytest.raises(ValueError, match=r"cut short|not compressed"):
            DecompressedStream(io.BytesIO(data[:end]), kinds=(kind,)).drain()


@EACH
@settings(deadline=None)
@given(data=st.data())
def test_a_byte_that_was_changed_is_noticed_or_changes_nothing(kind: str, data: st.DataObject) -> None:
    whole = bytearray(COMPRESS[kind](CONTENT[:700], **{"options": OPTIONS} if kind == "zstd" else {}))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = unpack(bytes(whole), kind)
    except (EOFError, ValueError):
        return
    assert found in (CONTENT[:700], b"")  # a frame of zstd may become one that is skipped


OPTIONS = {zstd.CompressionParameter.checksum_flag: 1}


@EACH
def test_what_follows_the_last_stream_is_refused_or_ignored_on_demand(kind: str) -> None:
    data = COMPRESS[kind](b"abc") + b"rubbish"
    with pytest.raises(ValueError, match="damaged"):
        unpack(data, kind)
    assert unpack(data, kind, may_have_rest=True) == b"abc"
    with pytest.raises(ValueError, match="damaged"):
        unpack(b"rubbish", kind, may_have_rest=True)


def test_zeros_after_zstd_frames_are_damage_and_skippable_frames_are_nothing() -> None:
    assert decompress_zstd(SKIPPABLE + zstd.compress(b"abc") + SKIPPABLE) == b"abc"
    stream = DecompressedStream(io.BytesIO(zstd.compress(b"abc") + bytes(512)), kinds=("zstd",))
    with pytest.raises(ValueError, match="damaged"):
        stream.drain()


@EACH
def test_no_byte_is_complete_and_the_start_of_another_kind_is_refused(kind: str) -> None:
    assert Decompressor(kind).is_complete
    for other in COMPRESS.keys() - {kind}:
        with pytest.raises(ValueError, match="damaged"):
            unpack(COMPRESS[other](b"abc"), kind)
        with pytest.raises(ValueError, match="not compressed with"):
            DecompressedStream(io.BytesIO(COMPRESS[other](b"abc")), kinds=(kind,)).read(1)


@EACH
def test_a_stream_is_read_in_any_steps_and_says_its_position(kind: str) -> None:
    stream = DecompressedStream(io.BytesIO(COMPRESS[kind](CONTENT)), kinds=tuple(MAGIC))
    found = [stream.read(size) for size in (0, 1, 70_000, 0, 3)]
    assert b"".join(found) == CONTENT[:70_004]
    assert [len(each) for each in found] == [0, 1, 70_000, 0, 3]
    assert stream.position == 70_004
    assert stream.read(1 << 30) == CONTENT[70_004:]
    assert stream.read(5) == b""


@EACH
def test_more_than_the_limit_is_refused_in_little_memory(kind: str) -> None:
    data = COMPRESS[kind](bytes(24 << 20))
    tracemalloc.start()
    stream = DecompressedStream(io.BytesIO(data), kinds=(kind,), limit=16 << 20)
    with pytest.raises(ValueError, match="more than 16777216 bytes"):
        stream.drain()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 16 << 20 <= stream.position < 17 << 20
    assert peak < 12 << 20  # the dictionary of xz has 8 MiB
    assert len(DecompressedStream(io.BytesIO(data), kinds=(kind,), limit=24 << 20).read(1 << 30)) == 24 << 20


@EACH
def test_many_tiny_streams_cost_little(kind: str) -> None:
    assert unpack(COMPRESS[kind](b"") * 20_000, kind) == b""


def test_a_document_of_zstd_has_a_limit_that_counts_before_it_is_read_where_its_length_is_told() -> None:
    silent = zstd.compress(bytes(3000), options={zstd.CompressionParameter.content_size_flag: 0})
    for data, words in ((zstd.compress(bytes(3000)), "it would be 3000 bytes"), (silent, "more than 2999 bytes")):
        assert decompress_zstd(data, limit=3000) == bytes(3000)
        with pytest.raises(ValueError, match=words):
            decompress_zstd(data, limit=2999)


def test_a_window_of_more_than_128_mib_is_refused() -> None:
    for log, is_read in ((27, True), (28, False)):
        parameters = zstd.CompressionParameter
        packer = zstd.ZstdCompressor(options={parameters.window_log: log, parameters.content_size_flag: 0})
        data = packer.compress(bytes(1000)) + packer.flush()
        if is_read:
            assert decompress_zstd(data) == bytes(1000)
        else:
            with pytest.raises(ValueError, match="memory"):
                decompress_zstd(data)


@EACH
def test_a_stream_that_may_be_compressed_is_opened(kind: str) -> None:
    assert open_compressed(io.BytesIO(COMPRESS[kind](b"abc"))).read(9) == b"abc"
    assert open_compressed(io.BytesIO(b"plain")).read(9) == b"plain"
    assert open_compressed(io.BytesIO(b"")).read(9) == b""
