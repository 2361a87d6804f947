"""What an exception of the HTTP client means, in words of our own: its own texts hold URLs and thereby secrets."""

import http.client
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace

import requests
import urllib3

from pixi_mirror.fetch.routes import Origin
from pixi_mirror.fetch.sockets import SlowAnswerError
from pixi_mirror.fetch.trouble import Trouble, broken
from pixi_mirror.model import Network

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
