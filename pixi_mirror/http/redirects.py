"""Send a request and follow its redirects: credentials, plain http, pauses that hosts ask for, and statuses."""

import re
import threading
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urljoin

from pixi_mirror.http.auth import AuthorizedUrl, authorize
from pixi_mirror.http.client import HttpClient
from pixi_mirror.http.failures import Failure, stopped_failure
from pixi_mirror.http.oci import OciReader
from pixi_mirror.http.origins import Origin, is_listed, is_loopback, is_private, origin_of
from pixi_mirror.http.responses import HttpResponse
from pixi_mirror.http.retry import REDIRECTS, SUCCESS, HostPauses, retry_after_s, rule_of
from pixi_mirror.http.s3 import S3Client, explain_refusal
from pixi_mirror.model.network import Network
from pixi_mirror.model.values import Url
from pixi_mirror.progress import Progress

_MOST_REDIRECTS = 5
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30}):")
_NONE: Mapping[Origin, Failure] = MappingProxyType({})


class _Hop(NamedTuple):
    """One request on the way from a URL to its last redirect."""

    request: AuthorizedUrl
    origin: Origin


class RedirectFollower:
    """Sends GET requests and follows their redirects. Many threads use one object."""

    def __init__(
        self, network: Network, progress: Progress, client: HttpClient, pauses: HostPauses, stopped: threading.Event
    ) -> None:
        self._network = network
        self._progress = progress
        self._client = client
        self._pauses = pauses
        self._stopped = stopped
        self._s3 = S3Client(network, progress.warn)
        self._oci = OciReader(network, self._ask, self._explain_status)
        self._warned_plain: set[str] = set()
        self._lock = threading.Lock()

    def get(
        self, url: Url, headers: Mapping[str, str], *, given_up: Mapping[Origin, Failure] = _NONE
    ) -> HttpResponse | Failure:
        """Send a GET and follow at most 5 redirects; the response has one of the statuses of `SUCCESS`.

        Args:
            url: an http, https, `s3://` or `oci://` URL.
            headers: sent to every host on the way.
            given_up: origins that get no request, and the failure that is returned in place of the response.
        """
        found = self._follow(self._first_hop(url, headers), headers, given_up)
        if isinstance(found, Failure):
            return found
        response, hop = found
        if response.status in SUCCESS:
            return response
        failure = self._explain_status(response, hop.request)
        response.drain()
        return failure

    def _ask(self, request: AuthorizedUrl, led_by: str) -> HttpResponse | Failure:
        """Send a request to which a registry has led, with redirects; the response may have any other status."""
        origin = origin_of(request.url)
        if origin is None:
            return _not_a_url(request.url)
        refusal = self._refuse_private(Origin("https", led_by.strip("[]"), 443), origin) or self._refuse_plain(origin)
        found = self._follow(refusal or _Hop(request, origin), {}, _NONE)
        return found if isinstance(found, Failure) else found[0]

    def _follow(
        self, hop: _Hop | Failure, headers: Mapping[str, str], given_up: Mapping[Origin, Failure]
    ) -> tuple[HttpResponse, _Hop] | Failure:
        """Send a request and follow its redirects; the last response, and the request that it answers."""
        visited: set[str] = set()
        while not isinstance(hop, Failure):
            if hop.origin in given_up:
                return given_up[hop.origin]
            response = self._send(hop, headers)
            if isinstance(response, Failure):
                # An `s3://` URL does not say which host has the bucket.
                in_bucket = hop.request.bucket is not None
                return replace(response, reason=f"at {hop.origin}, {response.reason}") if in_bucket else response
            location = response.header("Location")
            if response.status not in REDIRECTS or (hop.request.bucket and not location):
                return response, hop
            visited.add(hop.request.url.raw)
            response.drain()
            hop = self._next_hop(hop, location, visited)
        return hop

    def _first_hop(self, url: Url, headers: Mapping[str, str]) -> _Hop | Failure:
        if url.raw[:3].lower() == "s3:":
            signed = self._s3.sign(url, headers)
            return signed if isinstance(signed, Failure) else self._first_bucket_hop(signed)
        if url.raw[:4].lower() == "oci:":
            located = self._oci.locate(url)
            blob = None if isinstance(located, Failure) else origin_of(located.url)
            return located if isinstance(located, Failure) else _not_a_url(url) if blob is None else _Hop(located, blob)
        origin = origin_of(url)
        if origin is None:
            return _not_a_url(url)
        return self._refuse_plain(origin) or _Hop(authorize(url, self._network.credential(url)), origin)

    def _first_bucket_hop(self, signed: AuthorizedUrl) -> _Hop | Failure:
        origin = origin_of(signed.url)
        if origin is None:
            return _not_a_url(signed.url)
        # The user's own configuration says where the bucket is, so plain http is the user's choice.
        return self._refuse_plain(origin, configured=True) or _Hop(signed, origin)

    def _next_hop(self, hop: _Hop, location: str | None, visited: set[str]) -> _Hop | Failure:
        if not location:
            return Failure(reason="it redirects without saying where to")
        if len(visited) > _MOST_REDIRECTS:
            return Failure(reason=f"it redirects more than {_MOST_REDIRECTS} times")
        target = _joined(hop.request.url, location)
        origin = origin_of(target) if target else None
        if target is None or origin is None:
            return Failure(reason="it redirects to something that is no http or https URL")
        request = authorize(target, None)
        if request.url.raw in visited:
            return Failure(reason=f"it redirects in a circle, back to {target}")
        if hop.origin.scheme == "https" and origin.scheme == "http":
            return Failure(reason=f"it redirects from https to plain http, to {target}, which is refused")
        # P12: credentials belong to the origin that they were given for. A user within a `Location` is never sent.
        same = origin == hop.origin
        headers = hop.request.headers if same else {}
        credentials = hop.request.credentials if same else "no credentials are sent where a redirect leads"
        request = replace(request, headers=headers, credentials=credentials)
        return self._refuse_private(hop.origin, origin) or self._refuse_plain(origin) or _Hop(request, origin)

    def _refuse_private(self, before: Origin, target: Origin) -> Failure | None:
        """Refuse to be led by a host of the internet to what only this machine, or its network, can reach."""
        if self._network.allow_private_redirects or before.host == target.host:
            return None
        # Of a host that cannot be looked up nothing good is assumed, and of its target nothing bad.
        if is_private(before.host) or not is_private(target.host):
            return None
        return Failure(
            reason=f"it redirects from {before}, which is on the internet, to {target}, which is this machine or in a "
            "private network; that is refused",
            advice="If it is meant to, give --allow-private-redirects.",
        )

    def _send(self, hop: _Hop, headers: Mapping[str, str]) -> HttpResponse | Failure:
        if (failure := self._wait_for_pause(hop.origin)) is not None:
            return failure
        # A request for an object of a bucket has all of its headers already.
        sent = {**({} if hop.request.bucket else headers), **hop.request.headers}
        return self._client.send_form(hop.request.url, hop.origin, sent, hop.request.form)

    def _wait_for_pause(self, origin: Origin) -> Failure | None:
        """Wait until the pause of the host ends; a failure if it is too long."""
        while (remaining_s := self._pauses.remaining_s(origin.authority)) > 0:
            if (failure := self._refuse_pause(origin)) is not None:
                return failure
            if self._stopped.wait(remaining_s):
                break
        return stopped_failure() if self._stopped.is_set() else None

    def _refuse_pause(self, origin: Origin) -> Failure | None:
        remaining_s, longest_s = self._pauses.remaining_s(origin.authority), self._network.longest_wait_s
        if remaining_s <= longest_s:
            return None
        return Failure(
            reason=f"{origin} asks to be left alone for {remaining_s:.0f} s, longer than the {longest_s:g} s that are "
            "waited",
            advice="Run the same command again after that time.",
            later=True,
        )

    def _explain_status(self, response: HttpResponse, request: AuthorizedUrl) -> Failure:
        """The failure that a status stands for, by the table of `retry`."""
        origin = response.origin
        if request.bucket is not None and (failure := explain_refusal(response, request)) is not None:
            return failure
        rule = rule_of(response.status)
        if rule.honours_retry_after:
            wait_s = retry_after_s(response.header("Retry-After"), response.header("Date"))
            if wait_s:
                self._pauses.pause(origin.authority, wait_s)
            if (failure := self._refuse_pause(origin)) is not None:
                return failure
        return Failure(
            reason=rule.sentence.format(origin=origin, status=response.status, credentials=request.credentials),
            advice=request.advice if rule.asks_login else rule.advice,
            retry=rule.retry,
            next_mirror=rule.next_mirror,
        )

    def _refuse_plain(self, origin: Origin, *, configured: bool = False) -> Failure | None:
        """Refuse plain http where nobody has chosen it; warn once where somebody has."""
        if origin.scheme == "https" or is_loopback(origin.host):
            return None
        if not configured and not is_listed(origin, self._network.http_hosts):
            return Failure(
                reason=f"{origin} would be asked over plain http, which neither the lock nor [mirrors] does",
                advice="Name it with https, or with http in [mirrors] if its network is to be trusted.",
            )
        with self._lock:
            first = origin.authority not in self._warned_plain
            self._warned_plain.add(origin.authority)
        if first:
            self._progress.warn(f"{origin} is asked over plain http: whoever sits between can read what is fetched.")
        return None


def _not_a_url(url: Url) -> Failure:
    found = _SCHEME.match(url.raw)
    scheme = found[1].lower() if found else None
    if scheme is None:
        reason = "it has no scheme; http, https, s3 and oci can be fetched"
    elif scheme in {"http", "https"}:
        reason = "it is not a URL with a host and a valid port"
    else:
        reason = f"{scheme!r} is not a scheme that can be fetched; http, https, s3 and oci are"
    return Failure(reason=reason, advice="Correct what names it: the lock, or [mirrors] in pixi's configuration.")


def _joined(base: Url, location: str) -> Url | None:
    try:
        # http.client reads headers as Latin-1, and servers that write other letters mean UTF-8.
        return Url(urljoin(base.raw, location.encode("latin-1").decode("utf-8", "replace")))
    except ValueError:
        return None
