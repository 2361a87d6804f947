"""From a URL to the answer that counts: plain http, credentials, redirects, and hosts that ask to be left alone."""

import re
import threading
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urljoin

from pixi_mirror.http.auth import Identity, identify
from pixi_mirror.http.client import Answer, Client
from pixi_mirror.http.errors import Trouble, broken
from pixi_mirror.http.origins import Origin, is_listed, is_loopback, origin
from pixi_mirror.http.retry import Patience, retry_after_s
from pixi_mirror.http.s3 import Buckets, refused_by_bucket
from pixi_mirror.model.network import Network
from pixi_mirror.model.values import Url
from pixi_mirror.progress import Progress

_MOST_HOPS = 5
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30}):")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_WANTED = frozenset({200, 206, 412, 416})
_PASSING = frozenset({408, 429})
_SERVER_ERROR = 500
_NOWHERE: Mapping[Origin, Trouble] = MappingProxyType({})


class _Hop(NamedTuple):
    identity: Identity
    place: Origin


class Exchange:
    """Asks for URLs; for many threads."""

    def __init__(
        self, network: Network, progress: Progress, client: Client, patience: Patience, stopped: threading.Event
    ) -> None:
        self._network = network
        self._progress = progress
        self._client = client
        self._patience = patience
        self._stopped = stopped
        self._buckets = Buckets(network)
        self._plain: set[str] = set()
        self._lock = threading.Lock()

    def ask(
        self, url: Url, headers: Mapping[str, str], *, given_up: Mapping[Origin, Trouble] = _NOWHERE
    ) -> Answer | Trouble:
        """The answer to a GET with status 200, 206, 412 or 416, after at most 5 redirects; anything else is trouble.

        Of an `s3://` URL the object is asked for. Where a place is `given_up`, its trouble stands for the answer.
        """
        hop = self._first_hop(url, headers)
        visited: set[str] = set()
        while not isinstance(hop, Trouble):
            if hop.place in given_up:
                return given_up[hop.place]
            answer = self._ask_hop(hop, headers)
            if isinstance(answer, Trouble):
                # Nothing in an `s3://` URL tells where it is asked for.
                return replace(answer, reason=f"at {hop.place}, {answer.reason}") if hop.identity.bucket else answer
            if answer.status in _WANTED:
                return answer
            location = answer.header("Location")
            if answer.status not in _REDIRECTS or (hop.identity.bucket and not location):
                trouble = self._refused(answer, hop)
                answer.drain()
                return trouble
            visited.add(hop.identity.url.raw)
            answer.drain()
            hop = self._next_hop(hop, location, visited)
        return hop

    def _first_hop(self, url: Url, headers: Mapping[str, str]) -> _Hop | Trouble:
        if url.raw[:3].lower() == "s3:":
            signed = self._buckets.signed(url, headers)
            return signed if isinstance(signed, Trouble) else self._first_bucket_hop(signed)
        place = origin(url)
        if place is None:
            return _no_url(url)
        return self._plain_refusal(place) or _Hop(identify(url, self._network.credential(url)), place)

    def _first_bucket_hop(self, signed: Identity) -> _Hop | Trouble:
        place = origin(signed.url)
        if place is None:
            return _no_url(signed.url)
        # The user's own configuration says where the bucket is, so plain http is told.
        return self._plain_refusal(place, told=True) or _Hop(signed, place)

    def _next_hop(self, hop: _Hop, location: str | None, visited: set[str]) -> _Hop | Trouble:
        if not location:
            return Trouble(reason="it redirects without saying where to")
        if len(visited) > _MOST_HOPS:
            return Trouble(reason=f"it redirects more than {_MOST_HOPS} times")
        target = _joined(hop.identity.url, location)
        place = origin(target) if target else None
        if target is None or place is None:
            return Trouble(reason="it redirects to something that is no http or https URL")
        identity = identify(target, None)
        if identity.url.raw in visited:
            return Trouble(reason=f"it redirects in a circle, back to {target}")
        if hop.place.scheme == "https" and place.scheme == "http":
            return Trouble(reason=f"it redirects from https to plain http, to {target}, which is refused")
        # P12: credentials belong to the origin that they were given to; a user within a Location is none of ours.
        headers = hop.identity.headers if place == hop.place else {}
        said = hop.identity.said if place == hop.place else "no credentials are sent where a redirect leads"
        identity = replace(identity, headers=headers, said=said)
        return self._plain_refusal(place) or _Hop(identity, place)

    def _ask_hop(self, hop: _Hop, headers: Mapping[str, str]) -> Answer | Trouble:
        if (trouble := self._waited(hop.place)) is not None:
            return trouble
        # Of a bucket the headers are signed: they are sent as they are.
        sent = hop.identity.headers if hop.identity.bucket else {**headers, **hop.identity.headers}
        return self._client.ask(hop.identity.url, hop.place, sent)

    def _waited(self, place: Origin) -> Trouble | None:
        """Wait for as long as the host has asked any thread to; trouble if that is too long."""
        while (remaining_s := self._patience.remaining_s(place.authority)) > 0:
            if (trouble := self._too_patient(place)) is not None:
                return trouble
            if self._stopped.wait(remaining_s):
                break
        return stopped_trouble() if self._stopped.is_set() else None

    def _too_patient(self, place: Origin) -> Trouble | None:
        remaining_s, longest_s = self._patience.remaining_s(place.authority), self._network.longest_wait_s
        if remaining_s <= longest_s:
            return None
        return Trouble(
            reason=f"{place} asks to be left alone for {remaining_s:.0f} s, longer than the {longest_s:g} s that are "
            "waited",
            advice="Run the same command again after that time.",
            later=True,
        )

    def _refused(self, answer: Answer, hop: _Hop) -> Trouble:
        code, place = answer.status, hop.place
        if hop.identity.bucket is not None and (trouble := refused_by_bucket(answer, hop.identity)) is not None:
            return trouble
        if code in _PASSING or code >= _SERVER_ERROR:
            wait_s = retry_after_s(answer.header("Retry-After"), answer.header("Date"))
            if wait_s:
                self._patience.hold(place.authority, wait_s)
            return self._too_patient(place) or replace(
                broken(f"{place} answered with status {code}"), upstream_failed=code >= _SERVER_ERROR
            )
        if code in {401, 403}:
            return Trouble(
                reason=f"{place} answered with status {code}; {hop.identity.said}",
                advice=hop.identity.advice,
            )
        if code in {404, 410}:
            return Trouble(
                reason=f"{place} does not have it (status {code})",
                advice="It was removed upstream, or the mirror that [mirrors] names does not hold it.",
            )
        return Trouble(reason=f"{place} answered with status {code}")

    def _plain_refusal(self, place: Origin, *, told: bool = False) -> Trouble | None:
        if place.scheme == "https" or is_loopback(place.host):
            return None
        if not told and not is_listed(place, self._network.http_hosts):
            return Trouble(
                reason=f"{place} would be asked over plain http, which neither the lock nor [mirrors] does",
                advice="Name it with https, or with http in [mirrors] if its network is to be trusted.",
            )
        with self._lock:
            first = place.authority not in self._plain
            self._plain.add(place.authority)
        if first:
            self._progress.warn(f"{place} is asked over plain http: whoever sits between can read what is fetched.")
        return None


def stopped_trouble() -> Trouble:
    """The fetcher was closed while somebody waited."""
    return Trouble(
        reason="the run was stopped", advice="Run the same command again; it goes on from there.", later=True
    )


def _no_url(url: Url) -> Trouble:
    found = _SCHEME.match(url.raw)
    scheme = found[1].lower() if found else None
    if scheme is None:
        reason = "it has no scheme; http, https and s3 can be fetched"
    elif scheme in {"http", "https"}:
        reason = "it is not a URL with a host and a valid port"
    else:
        reason = f"{scheme!r} is not a scheme that can be fetched; http, https and s3 are"
    return Trouble(reason=reason, advice="Correct what names it: the lock, or [mirrors] in pixi's configuration.")


def _joined(base: Url, location: str) -> Url | None:
    try:
        # http.client reads headers as Latin-1; servers that write UTF-8 mean it.
        return Url(urljoin(base.raw, location.encode("latin-1").decode("utf-8", "replace")))
    except ValueError:
        return None
