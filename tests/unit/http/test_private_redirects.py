"""A host of the internet leads nobody to this machine or into a private network, unless that is allowed."""

import socket

import pytest

from pixi_mirror.http.origins import _look_up, is_private

NAMES = {
    "public.example": ["198.18.0.1", "8.8.4.4"],
    "open.example": ["8.8.4.4"],
    "inner.example": ["10.1.2.3"],
    "six.example": ["2001:4860:4860::8844"],
}


@pytest.fixture(autouse=True)
def names(monkeypatch):
    """Names without a name server: no test asks one."""

    def look_up(host, _port, **_):
        if host not in NAMES:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in NAMES[host]]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    _look_up.cache_clear()
    yield
    _look_up.cache_clear()


@pytest.mark.parametrize(
    ("host", "private"),
    [
        ("127.0.0.1", True), ("localhost", True), ("x.localhost", True), ("::1", True), ("::ffff:127.0.0.1", True),
        ("10.0.0.1", True), ("172.16.9.9", True), ("192.168.1.1", True), ("169.254.169.254", True), ("fe80::1", True),
        ("fd00::1", True), ("100.64.0.1", True), ("0.0.0.0", True), ("8.8.4.4", False), ("172.32.0.1", False),
        ("2001:4860:4860::8844", False), ("::ffff:8.8.4.4", False), ("inner.example", True), ("open.example", False),
        ("six.example", False), ("public.example", True), ("nobody.example", None),
    ],
)  # fmt: skip
def test_what_the_internet_cannot_reach_is_private(host, private):
    assert is_private(host) is private
