"""Bytes are counted and hashed while they go by, however they come."""

import hashlib
import random

import pytest

from pixi_mirror.disk.hashing_writer import HashingWriter


@pytest.mark.parametrize("sizes", [[], [0], [1], [5, 3_000_000, 7], [100_000] * 40, [1 << 20] * 30, [524_287, 1, 1]])
def test_it_is_the_sha256_of_all_that_was_written_and_all_is_passed_on_in_order(sizes):
    chance, passed = random.Random(1), []
    pieces = [chance.randbytes(size) for size in sizes]
    with HashingWriter(passed.append) as hashing:
        for piece in pieces:
            hashing.write(piece)
        assert hashing.sha256 == hashlib.sha256(b"".join(pieces)).hexdigest()
        hashing.write(b"more")
        assert hashing.sha256 == hashlib.sha256(b"".join(pieces) + b"more").hexdigest()
        assert hashing.size == sum(sizes) + 4
    assert passed == [*pieces, b"more"]
