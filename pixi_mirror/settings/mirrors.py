"""Normalise pixi's `[mirrors]`, and take the credentials out of its URLs; pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pixi_mirror.model.network import Basic, CondaToken, Credential
from pixi_mirror.model.values import Url

_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:(?P<user>[^/?#\s\\]*)@)?(?P<place>(?:\[[0-9A-Fa-f:.]+\]|[^/?#@:\s\\]*)(?::[0-9]*)?)"
    r"(?:/t/(?P<token>[^/?#\s]+)(?=/|$))?(?P<path>(?:/[^?#\s\\]*)?)"
)
_HOST = re.compile(
    r"[a-z][a-z0-9+.-]*://(?:[^/?#\\]*@)?(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]*)?(?=[/?#]|$)",
    re.IGNORECASE,
)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorSettings:
    """`[mirrors]` without its secrets, and the secrets apart."""

    targets: Mapping[str, tuple[str, ...]]
    """URL prefix -> targets, all with one trailing slash, lower-case host, no default port and no credentials.

    Without targets, what begins with the prefix is not to be requested at all.
    """
    credentials: tuple[tuple[str, Credential], ...] = field(repr=False)
    """Target prefix and the credential that stood in it, the longest prefix first."""
    http_hosts: frozenset[str]
    """Hosts of `http://` targets, without port or brackets."""


def admit_mirrors(table: Mapping[str, tuple[str, ...]]) -> MirrorSettings:
    """The mirrors of a table of `[mirrors]`; each of its keys and targets satisfies `is_prefix`."""
    split = {_split(key)[0]: tuple(_split(target) for target in targets) for key, targets in table.items()}
    inside = {prefix: credential for pairs in split.values() for prefix, credential in pairs if credential is not None}
    targets = {key: tuple(prefix for prefix, _ in pairs) for key, pairs in sorted(split.items())}
    return MirrorSettings(
        targets=MappingProxyType(targets),
        credentials=tuple(sorted(inside.items(), key=lambda pair: (-len(pair[0]), pair[0]))),
        http_hosts=frozenset(
            host.strip("[]")
            for prefixes in targets.values()
            for prefix in prefixes
            if prefix.startswith("http://") and (host := host_of(prefix)) is not None
        ),
    )


def host_of(url: str) -> str | None:
    """The host of a URL in lower case, without port, an IPv6 address in brackets; None if there is doubt about it.

    It is strict: if we and the HTTP client understood different hosts, a stranger would get the credential.
    """
    found = _HOST.match(url)
    return None if found is None else found[1].lower()


def is_prefix(raw: str) -> bool:
    """Whether `raw` can be the beginning of URLs: no query, no fragment, and not both a user and a `/t/TOKEN/`."""
    found = _URL.fullmatch(raw)
    return found is not None and (found["user"] is None or found["token"] is None)


def is_endpoint(raw: str) -> bool:
    """Whether `raw` can be where an object store is: http or https with a host, no user, no query, no fragment."""
    found = _URL.fullmatch(raw)
    return (
        found is not None
        and found["user"] is None
        and raw.lower().startswith(("http:", "https:"))
        and bool(host_of(raw))
    )


def masked_setting(raw: str) -> str:
    """A text that should be a URL, for people. It masks more than `Url`: a mistyped URL has its password anywhere."""
    before, at, after = raw.rpartition("@")
    return f"***@{after.partition('/')[0]}/***" if at and before else str(Url(raw))


def _split(raw: str) -> tuple[str, Credential | None]:
    """A prefix without credential, and the credential that was in it."""
    found = _URL.match(raw)
    if found is None:
        return raw, None
    scheme, place = found["scheme"].lower(), found["place"].lower()
    place = place.removesuffix(_DEFAULT_PORTS.get(scheme, "/"))
    prefix = f"{scheme}://{place}{found['path'].rstrip('/')}/"
    return prefix, _credential(found["user"], found["token"])


def _credential(user: str | None, token: str | None) -> Credential | None:
    if user is None and token is None:
        return None
    from urllib.parse import unquote

    if token is not None:
        return CondaToken(unquote(token))
    name, _, password = (user or "").partition(":")
    return Basic(unquote(name), unquote(password))
