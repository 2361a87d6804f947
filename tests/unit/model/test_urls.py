"""A URL for files has no secret, and is spelled as clients spell it, whichever way leads there."""

import pytest

from pixi_mirror.model.values import Url


@pytest.mark.parametrize(
    ("raw", "stripped"),
    [
        ("https://conda.example/c/noarch/a.conda", "https://conda.example/c/noarch/a.conda"),
        ("https://Conda.Example:443/C/noarch/a.conda", "https://conda.example/C/noarch/a.conda"),
        ("HTTP://conda.example:80/C", "http://conda.example/C"),
        ("http://conda.example:8080/C", "http://conda.example:8080/C"),
        ("https://me:word@Conda.Example/t/tk-word/C?x=1#y", "https://conda.example/C"),
        ("s3://Bucket/Key", "s3://bucket/Key"),
        ("file:///home/me/a.conda", "file:a.conda"),
    ],
)
def test_a_url_is_stripped_of_secrets_and_of_odd_spellings_of_its_host(raw, stripped):
    assert Url(raw).stripped == stripped
