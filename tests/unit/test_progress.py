"""One unit for sizes, on the terminal and on the page."""

import pytest

from pixi_mirror.progress import format_size


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (-1500, "-1.5 kB"), (999_949, "999.9 kB"), (1_500_000, "1.5 MB"),
        (7 * 10**9, "7.0 GB"), (12 * 10**12, "12.0 TB"), (5 * 10**15, "5000.0 TB"),
    ],
)  # fmt: skip
def test_a_size_has_a_decimal_unit(size, text):
    assert format_size(size) == text
