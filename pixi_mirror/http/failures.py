"""Why a request brought nothing, as a value. An exception would carry other exceptions, whose texts hold secrets."""

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
from pixi_mirror.http.retry import rule_of
from pixi_mirror.http.sockets import SlowResponseError
from pixi_mirror.model.network import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What is wrong, in words that hold no secret."""

    reason: str
    """Half a sentence, to stand after a colon."""
    advice: str = ""
    """What the user can do about it; a whole sentence."""
    retry: bool = False
    """Whether another attempt may succeed."""
    next_mirror: bool = False
    """Whether it counts as a failure of the target of `[mirrors]`: a server error or a broken connection."""
    later: bool = False
    """Whether a later run may succeed, though another attempt in this run cannot."""
    unreached: Origin | None = None
    """The origin to which no connection could be made; None: there was a connection, or none was tried."""
    error: type[FetchError] | type[WrongBytesError] = FetchError

    @property
    def lasting(self) -> bool:
        """Whether the same request would fail again, in this run and in later ones: see `FetchError.lasting`."""
        return not (self.retry or self.next_mirror or self.later)


class Restart(Enum):
    """The response is of no use, and a request without `Range` will bring a better one."""

    FROM_ZERO = auto()


FROM_ZERO: Final = Restart.FROM_ZERO


def transport_failure(reason: str) -> Failure:
    """The failure of a connection or of a response that broke; another attempt may succeed."""
    return Failure(
        reason=reason,
        advice="Run the same command again later; it goes on from there.",
        retry=True,
        next_mirror=True,
    )


def stopped_failure() -> Failure:
    """The failure of a request whose fetcher was closed meanwhile."""
    return Failure(
        reason="the run was stopped", advice="Run the same command again; it goes on from there.", later=True
    )


UNCONNECTED = "no connection could be made"
"""A note (PEP 678) on what is raised while a connection is made. requests and urllib3 keep the noted exception inside
their own."""

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


def explain_exception(error: Exception, network: Network, *, origin: Origin, proxied: bool) -> Failure:
    """The failure that an exception of requests or urllib3 stands for.

    Args:
        error: what sending the request, or reading its response, raised.
        network: the timeouts, for the message.
        origin: where the request went.
        proxied: whether the request went through a proxy.
    """
    chain = list(_chain(error))
    unconnected = any(UNCONNECTED in getattr(link, "__notes__", ()) for link in chain)
    return replace(_explain(chain, network, proxied=proxied), unreached=origin if unconnected else None)


def _explain(chain: list[BaseException], network: Network, *, proxied: bool) -> Failure:
    way = " through the proxy" if proxied else ""
    for link in chain:
        if isinstance(link, ssl.SSLCertVerificationError):
            return Failure(
                reason=f"its TLS certificate is not trusted ({link.verify_message.rstrip('.')})",
                advice="If the certificate is right, name the one that signed it with --ca-file.",
                next_mirror=True,
            )
        if isinstance(link, _LASTING):
            return Failure(
                reason="the URL, its credentials or the proxy cannot be put into a request"
                f"{way} ({type(link).__name__})",
                advice="Correct the URL, the stored credentials or the proxy setting.",
            )
        if (tunnel := _TUNNEL.search(str(link))) and not rule_of(int(tunnel[1])).retry:
            return Failure(
                reason=f"the proxy refused to connect with status {tunnel[1]}",
                advice="Check the proxy's address and credentials in pixi's [proxy-config] or HTTPS_PROXY.",
                next_mirror=True,
            )
    # The innermost exception is the most exact: urllib3 reports a refused connection and an unknown name as connect
    # timeouts. But an exception that follows from our own ending of the connection explains nothing.
    ours = [link for link in chain if isinstance(link, SlowResponseError)]
    reasons = (_reason_of(link, network) for link in (*ours, *reversed(chain)))
    return transport_failure(next(filter(None, reasons), "the connection broke") + way)


def _reason_of(link: BaseException, network: Network) -> str | None:  # noqa: PLR0911 - a table of kinds
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
        case SlowResponseError():
            return f"no complete answer within {2 * network.idle_timeout_s:g} s"
        case OSError() if link.strerror and not isinstance(link, requests.RequestException):
            return f"the connection failed ({link.strerror})"
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and every exception inside it, also where requests and urllib3 keep one as an argument."""
    waiting, seen = [error], set[int]()
    while waiting:
        link = waiting.pop(0)
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        inside = (link.__cause__, link.__context__, getattr(link, "reason", None), *link.args)
        waiting.extend(inner for inner in inside if isinstance(inner, BaseException))
