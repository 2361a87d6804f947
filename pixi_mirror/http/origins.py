"""Origins of URLs, loopback, lists of hosts, and which proxy a request goes through; pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from pixi_mirror.model.network import Proxies
from pixi_mirror.model.values import Url

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port (RFC 6454). Credentials belong to one origin."""

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


def origin_of(url: Url) -> Origin | None:
    """The origin of `url`; None: it is no http or https URL with a host."""
    try:
        split = urlsplit(url.raw)
        host, port = split.hostname, split.port
    except ValueError:
        return None
    if split.scheme not in _PORTS or not host:
        return None
    return Origin(split.scheme, host.rstrip("."), _PORTS[split.scheme] if port is None else port)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine. No name server is asked."""
    address = _address(host)
    return host == "localhost" or host.endswith(".localhost") or bool(address and address.is_loopback)


def is_private(host: str) -> bool | None:
    """Whether a host is this machine, or in a network that the internet does not reach (RFC 1918, 3927, 4193, 6598).

    A name is looked up. None: nobody can tell, for the name cannot be looked up here, as behind a proxy.
    """
    if is_loopback(host):
        return True
    addresses = (address,) if (address := _address(host)) else _look_up(host)
    if not addresses:
        return None
    return any(not _plain(address).is_global for address in addresses)


@lru_cache(1024)
def _look_up(host: str) -> tuple[IPv4Address | IPv6Address, ...]:
    import socket

    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(address for *_, where in found if (address := _address(str(where[0]).partition("%")[0])))


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address stands for, if it does."""
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def proxy_for(origin: Origin, proxies: Proxies) -> str | None:
    """The URL of the proxy for requests to `origin`; None: none, as always for loopback."""
    if is_loopback(origin.host) or is_exempt(origin, proxies.exempt):
        return None
    return proxies.http if origin.scheme == "http" else proxies.https


def is_exempt(origin: Origin, rules: Iterable[str]) -> bool:
    """Whether requests to `origin` go to no proxy, by the rules of a variable such as `NO_PROXY`."""
    return any(_exempts(rule, origin) for rule in rules)


def is_listed(origin: Origin, hosts: Iterable[str]) -> bool:
    """Whether one of `hosts` (`host` or `host:port`) is the origin."""
    return not {origin.host, f"[{origin.host}]", origin.authority}.isdisjoint(host.lower() for host in hosts)


def _exempts(rule: str, origin: Origin) -> bool:
    rule = rule.strip().lower()
    if rule == "*" or is_listed(origin, [rule]):
        return True
    name, colon, port = rule.rpartition(":")
    if colon and port.isdecimal() and ":" not in name.strip("[]"):
        if int(port) != origin.port:
            return False
        rule = name
    address = _address(origin.host)
    if address is not None:
        return _contains(rule, address)
    domain = rule.removeprefix("*").lstrip(".")
    return bool(domain) and (origin.host == domain or origin.host.endswith("." + domain))


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
