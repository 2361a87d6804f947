"""Put credentials into a request. This is the only module that writes them out."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from pixi_mirror.model.network import Basic, Bearer, CondaToken, Credential, IndexUser
from pixi_mirror.model.values import Url


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizedUrl:
    """A URL that is ready to be requested, with the headers that authorize the request."""

    url: Url
    """Without user and fragment, with the token."""
    headers: Mapping[str, str] = field(repr=False)
    """For the origin of `url` and no other."""
    credentials: str
    """Which credentials are sent, in words without the secret; half a sentence."""
    bucket: str | None = None
    """The S3 bucket that the URL leads to; None: it leads to none."""
    advice: str
    """How the user gives other credentials; a whole sentence."""
    form: str | None = field(default=None, repr=False)
    """The body of a POST, as forms send it; None: it is a GET."""


_REDACTED_USER = re.compile(r"(?:[^:]*:)?\*+")
_REDACTED_TOKEN = re.compile(r"/t/\*+(?=/)")


def is_redacted_user(userinfo: str) -> bool:
    """Whether the part of a URL before its `@` is what pixi writes in place of a user or a password: `****`."""
    return _REDACTED_USER.fullmatch(unquote(userinfo)) is not None


def authorize(url: Url, credential: Credential | None) -> AuthorizedUrl:
    """Put `credential` into a request for `url`; None: the user within the URL itself, if it has one.

    Raises:
        ValueError: it is not a URL.
    """
    split = urlsplit(url.raw)
    host = split.netloc.rpartition("@")[2]
    userinfo = split.netloc[: -len(host) - 1] if "@" in split.netloc else ""
    path, sent, authorization = split.path, "no credentials were sent", None
    if is_redacted_user(userinfo):
        userinfo, sent = "", "no credentials were sent, for the lock has **** in place of the user"
    if (redacted := _REDACTED_TOKEN.match(path)) is not None:
        path, sent = path[redacted.end() :], "no credentials were sent, for the lock has **** in place of the token"
    if path.startswith("/t/"):
        sent = "the token within the URL was sent"
    match credential:
        case Basic(username, password):
            authorization = basic(username, password)
            sent = "a user name and password from the credential store were sent"
        case Bearer(token):
            authorization, sent = f"Bearer {token}", "a bearer token from the credential store was sent"
        case CondaToken(token):
            # As rattler: a URL that has a token already keeps it.
            if not path.startswith("/t/"):
                path = f"/t/{quote(token, safe='')}{path}"
            sent = "a conda token from the credential store was sent"
        case IndexUser(username, password):
            authorization, sent = basic(username, password), "the user within the URL of the index was sent"
    if credential is None and userinfo:
        name, _, password = userinfo.partition(":")
        authorization, sent = basic(unquote(name), unquote(password)), "the user within the URL was sent"
    bare = Url(urlunsplit((split.scheme, host, path, split.query, "")))
    return AuthorizedUrl(
        url=bare,
        headers={} if authorization is None else {"Authorization": authorization},
        credentials=sent,
        advice=f"Give credentials that may read it with `pixi auth login {split.hostname}` or --auth-file.",
    )


def basic(username: str, password: str) -> str:
    """The value of `Authorization` for a user (RFC 7617), in UTF-8."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")
