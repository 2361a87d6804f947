"""Why a request brought nothing, as a value: an exception would drag along others, whose texts hold secrets."""

import http.client
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

import requests
import urllib3

from pixi_mirror.errors import FetchError, WrongBytesError
from pixi_mirror.http.origins import Origin
from pixi_mirror.http.sockets import SlowAnswerError
from pixi_mirror.model.network import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is wrong, in words that hold no secret."""

    reason: str
    """Half a sentence, to stand after a colon."""
    advice: str = ""
    """What a person may do about it; a whole sentence."""
    passing: bool = False
    """Trying again may help."""
    upstream_failed: bool = False
    """A server error or a broken transport: what counts against a target of `[mirrors]`."""
    later: bool = False
    """Trying again in this run does not help; in another it may."""
    unreached: Origin | None = None
    """The place that no connection came about to; None: there was one, or none was tried."""
    error: type[FetchError] | type[WrongBytesError] = FetchError

    @property
    def lasting(self) -> bool:
        """Asking again brings the same: as `FetchError.lasting`."""
        return not (self.passing or self.upstream_failed or self.later)


class Again(Enum):
    """An answer that a request without `Range` will mend."""

    FROM_ZERO = auto()


FROM_ZERO: Final = Again.FROM_ZERO


def broken(reason: str) -> Trouble:
    """The connection or the answer broke; another attempt may succeed."""
    return Trouble(
        reason=reason,
        advice="Run the same command again later; it goes on from there.",
        passing=True,
        upstream_failed=True,
    )


UNCONNECTED = "no connection came about"
"""A note (PEP 678) to be put on what is raised while a connection is made; requests and urllib3 keep that within."""

_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")
_LASTING = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidProxyURL,
    requests.exceptions.InvalidHeader,
    urllib3.exceptions.LocationValueError,
    urllib3.exceptions.ProxySchemeUnknown,
    UnicodeError,
)
_PASSING_PROXY_STATUSES = {"408", "429", "500", "502", "503", "504"}


def explained(error: Exception, network: Network, *, place: Origin, proxied: bool) -> Trouble:
    """What went wrong with a request to `place`, whether it may pass, and what to do."""
    chain = list(_chain(error))
    unconnected = any(UNCONNECTED in getattr(link, "__notes__", ()) for link in chain)
    return replace(_explained(chain, network, proxied=proxied), unreached=place if unconnected else None)


def _explained(chain: list[BaseException], network: Network, *, proxied: bool) -> Trouble:
    way = " through the proxy" if proxied else ""
    for link in chain:
        if isinstance(link, ssl.SSLCertVerificationError):
            return Trouble(
                reason=f"its TLS certificate is not trusted ({link.verify_message.rstrip('.')})",
                advice="If the certificate is right, name the one that signed it with --ca-file.",
                upstream_failed=True,
            )
        if isinstance(link, _LASTING):
            return Trouble(
                reason="the URL, its credentials or the proxy cannot be put into a request"
                f"{way} ({type(link).__name__})",
                advice="Correct the URL, the stored credentials or the proxy setting.",
            )
        if (tunnel := _TUNNEL.search(str(link))) and tunnel[1] not in _PASSING_PROXY_STATUSES:
            return Trouble(
                reason=f"the proxy refused to connect with status {tunnel[1]}",
                advice="Check the proxy's address and credentials in pixi's [proxy-config] or HTTPS_PROXY.",
                upstream_failed=True,
            )
    # The innermost says most: urllib3 files a refused connection and an unknown name under connect time-outs. But what
    # comes of a connection that we have ended ourselves says nothing.
    ours = [link for link in chain if isinstance(link, SlowAnswerError)]
    reasons = (_transport(link, network) for link in (*ours, *reversed(chain)))
    return broken(next(filter(None, reasons), "the connection broke") + way)


def _transport(link: BaseException, network: Network) -> str | None:  # noqa: PLR0911 - a table of kinds
    match link:
        case requests.exceptions.ConnectTimeout() | urllib3.exceptions.ConnectTimeoutError():
            return f"no connection within {network.connect_timeout_s:g} s"
        case requests.exceptions.ReadTimeout() | urllib3.exceptions.ReadTimeoutError():
            return f"nothing arrived for {network.idle_timeout_s:g} s"
        case http.client.RemoteDisconnected():
            return "the server closed the connection without an answer"
        case http.client.IncompleteRead() | urllib3.exceptions.IncompleteRead():
            return "the body ended too early"
        case http.client.HTTPException():
            return "the answer is not HTTP"
        case socket.gaierror():
            return f"the host's name cannot be resolved ({link.strerror})"
        case ssl.SSLError():
            return f"TLS failed ({link.reason or type(link).__name__})"
        case SlowAnswerError():
            return f"no complete answer within {2 * network.idle_timeout_s:g} s"
        case OSError() if link.strerror and not isinstance(link, requests.RequestException):
            return f"the connection failed ({link.strerror})"
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and all that it wraps, the innermost kinds of requests and urllib3 included."""
    waiting, seen = [error], set[int]()
    while waiting:
        link = waiting.pop(0)
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        wrapped = (link.__cause__, link.__context__, getattr(link, "reason", None), *link.args)
        waiting.extend(inner for inner in wrapped if isinstance(inner, BaseException))
