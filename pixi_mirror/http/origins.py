"""Who may be asked, and by which way: origins, loopback, plain http, proxies, unchecked certificates; pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from pixi_mirror.model.network import Proxies
from pixi_mirror.model.values import Url

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port: what credentials belong to."""

    scheme: str
    host: str
    """In lower case; an IPv6 address without brackets."""
    port: int

    @property
    def authority(self) -> str:
        """`host:port`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        default = self.port == _PORTS.get(self.scheme)
        return self.authority.rpartition(":")[0] if default else self.authority


def origin(url: Url) -> Origin | None:
    """Where a request for `url` goes; None if it is no http or https URL with a host."""
    try:
        split = urlsplit(url.raw)
        host, port = split.hostname, split.port
    except ValueError:
        return None
    if split.scheme not in _PORTS or not host:
        return None
    return Origin(split.scheme, host.rstrip("."), _PORTS[split.scheme] if port is None else port)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, without asking a name server."""
    address = _address(host)
    return host == "localhost" or host.endswith(".localhost") or bool(address and address.is_loopback)


def proxy(place: Origin, proxies: Proxies) -> str | None:
    """The proxy to go through; None: directly, as always to loopback."""
    if is_loopback(place.host) or any(_exempts(rule, place) for rule in proxies.exempt):
        return None
    return proxies.http if place.scheme == "http" else proxies.https


def is_listed(place: Origin, hosts: Iterable[str]) -> bool:
    """Whether one of `hosts` (`host` or `host:port`) is the place."""
    return not {place.host, f"[{place.host}]", place.authority}.isdisjoint(host.lower() for host in hosts)


def _exempts(rule: str, place: Origin) -> bool:
    rule = rule.strip().lower()
    if rule == "*" or is_listed(place, [rule]):
        return True
    name, colon, port = rule.rpartition(":")
    if colon and port.isdecimal() and ":" not in name.strip("[]"):
        if int(port) != place.port:
            return False
        rule = name
    address = _address(place.host)
    if address is not None:
        return _contains(rule, address)
    domain = rule.removeprefix("*").lstrip(".")
    return bool(domain) and (place.host == domain or place.host.endswith("." + domain))


def _contains(block: str, address: IPv4Address | IPv6Address) -> bool:
    try:
        return address in ip_network(block.strip("[]"), strict=False)
    except ValueError:
        return False


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None
