"""Whom to be for a URL: what is sent, and what may be said about it; the only place that spells credentials out."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from pixi_mirror.model.network import Basic, Bearer, CondaToken, Credential
from pixi_mirror.model.values import Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A URL ready to be requested, with the headers that say who asks."""

    url: Url
    """Without user and fragment, with the token."""
    headers: Mapping[str, str] = field(repr=False)
    """For the origin of `url` and no other."""
    said: str
    """What was sent, in words without the secret."""
    bucket: str | None = None
    """The S3 bucket that the URL leads to; None: to none."""
    advice: str
    """How to give other credentials; a whole sentence."""


def identify(url: Url, credential: Credential | None) -> Identity:
    """Be whom the store names for `url`, else the user within the URL itself.

    Raises:
        ValueError: it is not a URL.
    """
    split = urlsplit(url.raw)
    host = split.netloc.rpartition("@")[2]
    userinfo = split.netloc[: -len(host) - 1] if "@" in split.netloc else ""
    path, said, authorization = split.path, "no credentials were sent", None
    if path.startswith("/t/"):
        said = "the token within the URL was sent"
    match credential:
        case Basic(username, password):
            authorization = _basic(username, password)
            said = "a user name and password from the credential store were sent"
        case Bearer(token):
            authorization, said = f"Bearer {token}", "a bearer token from the credential store was sent"
        case CondaToken(token):
            # As rattler: a URL that has a token already keeps its own.
            if not path.startswith("/t/"):
                path = f"/t/{quote(token, safe='')}{path}"
            said = "a conda token from the credential store was sent"
    if credential is None and userinfo:
        name, _, password = userinfo.partition(":")
        authorization, said = _basic(unquote(name), unquote(password)), "the user within the URL was sent"
    bare = Url(urlunsplit((split.scheme, host, path, split.query, "")))
    return Identity(
        url=bare,
        headers={} if authorization is None else {"Authorization": authorization},
        said=said,
        advice=f"Give credentials that may read it with `pixi auth login {split.hostname}` or --auth-file.",
    )


def _basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")
