"""Bytes are counted and hashed while they go by, however they come."""

import hashlib
import random

import pytest
from pixi_mirror.disk.tally import Tally


@pytest.mark.parametrize("sizes", [[], [0], [1], [5, 3_000_000, 7], [100_000] * 40, [1 << 20] * 30, [524_287, 1, 1]])
def test_it_is_the_sha256_of_all_that_was_written_and_all_is_passed_on_in_order(sizes):
    chance, passed = random.Random(1), []
    pieces = [chance.randbytes(size) for size in sizes]
    with Tally(passed.append) as tally:
        for piece in pieces:
            tally.write(piece)
        assert tally.sha256 == hashlib.sha256(b"".join(pieces)).hexdigest()
        tally.write(b"more")
        assert tally.sha256 == hashlib.sha256(b"".join(pieces) + b"more").hexdigest()
        assert tally.size == sum(sizes) + 4
    assert passed == [*pieces, b"more"]
