"""The challenge of a registry: which realm may get a password."""

import pytest

from pixi_mirror.http.registry_auth import _bearer_challenge


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ('Bearer realm="https://h.example/t",service="s"', {"realm": "https://h.example/t", "service": "s"}),
        ('Basic realm="x", Bearer realm="https://h.example/t"', {"realm": "https://h.example/t"}),
        ("bearer realm=https://h.example/t , service = s", {"realm": "https://h.example/t", "service": "s"}),
        ('Bearer realm="https://h.example/t",scope="a,b c"', {"realm": "https://h.example/t", "scope": "a,b c"}),
        ('Bearer realm="http://127.0.0.1:5001/t"', {"realm": "http://127.0.0.1:5001/t"}),
        ('Bearer realm="http://h.example/t"', None),
        ('Bearer service="s"', None),
        ('Bearer realm="nonsense"', None),
        ('Basic realm="https://h.example/"', None),
        ("", None),
    ],
)
def test_a_realm_is_https_or_this_machine(value, found):
    assert _bearer_challenge(value) == found


def test_a_long_challenge_ends_soon():
    assert _bearer_challenge("Bearer " + "a" * 1_000_000) is None
    assert _bearer_challenge("Bearer " + 'a="b",' * 1_000_000 + "x") is None
