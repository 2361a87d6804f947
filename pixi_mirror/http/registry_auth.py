"""Log in to an OCI registry: answer its challenge with the user's credentials, or with a token that they bring."""

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from pixi_mirror.http.auth import AuthorizedUrl, basic
from pixi_mirror.http.failures import Failure
from pixi_mirror.http.origins import is_loopback, origin_of
from pixi_mirror.http.responses import HttpResponse
from pixi_mirror.model.network import Basic, Bearer, Credential, IdentityToken, IndexUser, Network
from pixi_mirror.model.values import Json, Url

Ask = Callable[[AuthorizedUrl, str], HttpResponse | Failure]
"""Sends a request, and gives the response whatever its status is. The text is the host that has led there."""

_BEARER = re.compile(r"(?:^|[,\s])bearer\s+", re.IGNORECASE)
_PARAMETER = re.compile(r'[\s,]*([A-Za-z_-]+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))')
_LONGEST_CHALLENGE = 1 << 12
_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryLogin:
    """What authorizes requests for one repository."""

    headers: Mapping[str, str]
    credentials: str
    """Which credentials are sent, in words; half a sentence."""
    advice: str


class RegistryLogins:
    """Logs in to registries, once for each repository and what is done there. Many threads use one object."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._known: dict[tuple[str, str, str], RegistryLogin] = {}
        self._challenges: dict[str, str] = {}
        self._lock = threading.Lock()

    def login(self, host: str, repository: str, actions: str, ask: Ask) -> RegistryLogin | Failure:
        """What is known to authorize requests for a repository: after the first challenge of the host a token of it.

        Args:
            host: of the registry, as the user writes it.
            repository: in which something is done.
            actions: `pull`, or `pull,push`.
            ask: sends what is needed for a token.
        """
        with self._lock:
            known, challenge = self._known.get((host, repository, actions)), self._challenges.get(host)
        if known is not None:
            return known
        if challenge is not None:
            return self.answer(challenge, host, repository, actions, ask)
        credential = self._credential(host, repository)
        # Only a token is meant for the registry itself; a password waits for the challenge that asks for it.
        return self._direct(host, credential if isinstance(credential, Bearer) else None)

    def answer(self, challenge: str, host: str, repository: str, actions: str, ask: Ask) -> RegistryLogin | Failure:
        """What authorizes requests after a registry has answered with 401.

        Args:
            challenge: the value of `WWW-Authenticate`.
            host: of the registry.
            repository: in which something is done.
            actions: `pull`, or `pull,push`.
            ask: sends the request for a token.
        """
        credential = self._credential(host, repository)
        bearer = _bearer_challenge(challenge)
        if isinstance(credential, Bearer) or bearer is None:
            login: RegistryLogin | Failure = self._direct(host, credential)
        else:
            scope = {"service": bearer.get("service"), "scope": f"repository:{repository}:{actions}"}
            login = self._exchange(bearer["realm"], scope, host, credential, ask)
        if isinstance(login, RegistryLogin):
            with self._lock:
                self._challenges[host] = challenge
                self._known[host, repository, actions] = login
        return login

    def forget(self, host: str, repository: str, actions: str) -> None:
        """Drop a token that the registry takes no longer."""
        with self._lock:
            self._known.pop((host, repository, actions), None)

    def _credential(self, host: str, repository: str) -> Credential | None:
        stored = self._network.credential(Url(f"oci://{host}/{repository}"))
        return stored if stored is not None else self._network.registry_credential(host, repository)

    def _direct(self, host: str, credential: Credential | None) -> RegistryLogin:
        match credential:
            case Basic(name, password) | IndexUser(name, password):
                headers, sent = {"Authorization": basic(name, password)}, "a user name and password were sent"
            case Bearer(token):
                headers, sent = (
                    {"Authorization": f"Bearer {token}"},
                    "a bearer token from the credential store was sent",
                )
            case _:
                headers, sent = {}, "no credentials were sent"
        return RegistryLogin(headers=headers, credentials=sent, advice=_advice(host))

    def _exchange(
        self, realm: str, scope: Mapping[str, str | None], host: str, credential: Credential | None, ask: Ask
    ) -> RegistryLogin | Failure:
        named = {name: value for name, value in scope.items() if value is not None}
        sent, headers = "no credentials were sent for a token", dict[str, str]()
        if isinstance(credential, IdentityToken):
            named |= {"grant_type": "refresh_token", "refresh_token": credential.token, "client_id": "pixi-mirror"}
            sent = "an identity token was exchanged for a token"
        elif isinstance(credential, Basic | IndexUser):
            headers = {"Authorization": basic(credential.username, credential.password)}
            sent = "a user name and password were exchanged for a token"
        form = urlencode(named) if isinstance(credential, IdentityToken) else None
        url = realm if form is not None else f"{realm}{'&' if '?' in realm else '?'}{urlencode(named)}"
        request = AuthorizedUrl(url=Url(url), headers=headers, credentials=sent, advice=_advice(host), form=form)
        response = ask(request, host)
        if isinstance(response, Failure):
            return response
        token = _token(response)
        response.close()
        if token is None:
            return Failure(
                reason=f"{origin_of(Url(realm))} gives no token for {host} (status {response.status}); {sent}",
                advice=_advice(host),
                retry=response.status >= 500,  # noqa: PLR2004 - a server's error
            )
        return RegistryLogin(headers={"Authorization": f"Bearer {token}"}, credentials=sent, advice=_advice(host))


def _advice(host: str) -> str:
    return (
        f"Give credentials that may do it with `pixi auth login {host}`, --auth-file, `docker login {host}` or "
        f"`oras login {host}`."
    )


def _bearer_challenge(value: str) -> Mapping[str, str] | None:
    """The parameters of a `Bearer` challenge (RFC 9110 11.6.1) with a realm that may get a password; None: it has none.

    As in rattler the realm must be https: else whoever sits between could ask for the password in clear.
    """
    found = _BEARER.search(value[:_LONGEST_CHALLENGE])
    if found is None:
        return None
    named, at = dict[str, str](), found.end()
    while (each := _PARAMETER.match(value, at)) is not None:
        named[each[1].lower()] = each[2] or each[3] or ""
        at = each.end()
    origin = origin_of(Url(named.get("realm", "")))
    safe = origin is not None and (origin.scheme == "https" or is_loopback(origin.host))
    return named if safe else None


def _token(response: HttpResponse) -> str | None:
    if response.status != 200:  # noqa: PLR2004 - a status
        return None
    data = response.read_whole(_LARGEST)
    try:
        document: Json = json.loads(data) if isinstance(data, bytes) else None
    except (ValueError, RecursionError):
        return None
    found = (document.get("token") or document.get("access_token")) if isinstance(document, dict) else None
    return found if isinstance(found, str) and found.isprintable() and found.isascii() else None
