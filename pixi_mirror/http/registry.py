"""Write to an OCI registry: blobs and manifests of its repositories, by the API of OCI distribution 1.1."""

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import BinaryIO, TypeAlias
from urllib.parse import quote, urljoin

from pixi_mirror.errors import FarSideError, FetchError, PixiMirrorError
from pixi_mirror.http.auth import AuthorizedUrl
from pixi_mirror.http.client import HttpClient
from pixi_mirror.http.failures import Failure
from pixi_mirror.http.oci_names import MANIFEST
from pixi_mirror.http.origins import Origin, origin_of
from pixi_mirror.http.registry_auth import RegistryLogin, RegistryLogins
from pixi_mirror.http.responses import HttpResponse
from pixi_mirror.http.retry import REDIRECTS, back_off_s, retry_after_s, rule_of
from pixi_mirror.model.network import Network
from pixi_mirror.model.values import Url
from pixi_mirror.progress import Progress

Body: TypeAlias = bytes | Callable[[], BinaryIO]
"""What is sent: bytes, or what opens a file anew for each attempt."""

_ACTIONS = "pull,push"
_FIRST_BACK_OFF_S = 0.5
_LARGEST_MANIFEST = 1 << 22
_LARGEST_ERROR = 1 << 14
_CODE = re.compile(r"[A-Z_]{1,40}")
_UNAUTHORIZED = 401
_DIGEST_HEADER = "Docker-Content-Digest"


class RegistryClient:
    """Reads and writes repositories of one registry. Many threads use one object.

    Its methods raise `FarSideError` where the registry refuses, and `FetchError` where it cannot be reached.
    """

    def __init__(self, network: Network, progress: Progress, *, host: str, endpoint: str, connections: int) -> None:
        """Prepare; nothing is requested yet.

        Args:
            network: proxies, certificates, credentials.
            progress: gets a note for each attempt that is repeated.
            host: of the registry, by which credentials are looked up.
            endpoint: scheme, host and port at which it answers.
            connections: how many are kept open.
        """
        self._network = network
        self._progress = progress
        self._host = host
        self._endpoint = endpoint.rstrip("/")
        self._client = HttpClient(network, progress, connections=connections)
        self._logins = RegistryLogins(network)
        self._known: set[tuple[str, str]] = set()
        """Blobs that are there: repository and digest."""
        self._lock = threading.Lock()

    def read_manifest(self, repository: str, tag: str) -> bytes | None:
        """The bytes of a manifest; None: there is none."""
        path = f"/v2/{repository}/manifests/{tag}"
        return self._request("GET", path, repository, headers={"Accept": MANIFEST}, most=_LARGEST_MANIFEST)[0]

    def find_digest(self, repository: str, tag: str) -> str | None:
        """The digest of a manifest, `sha256:…`; None: there is none."""
        path = f"/v2/{repository}/manifests/{tag}"
        _, found = self._request("HEAD", path, repository, headers={"Accept": MANIFEST})
        if found is None or found.get(_DIGEST_HEADER):
            return None if found is None else found[_DIGEST_HEADER]
        data = self.read_manifest(repository, tag)
        return None if data is None else digest_of(data)

    def read_blob(self, repository: str, digest: str, *, most: int) -> bytes | None:
        """The bytes of a small blob, unchecked; None: there is none."""
        return self._request("GET", f"/v2/{repository}/blobs/{digest}", repository, most=most)[0]

    def has_blob(self, repository: str, digest: str) -> bool:
        """Whether a blob is there."""
        return self._request("HEAD", f"/v2/{repository}/blobs/{digest}", repository)[1] is not None

    def push_blob(self, repository: str, digest: str, body: Body, *, content_size: int) -> None:
        """Write a blob, unless it is there."""
        with self._lock:
            if (repository, digest) in self._known:
                return
        if not self.has_blob(repository, digest):
            self._upload(repository, digest, body, content_size)
        with self._lock:
            self._known.add((repository, digest))

    def push_manifest(self, repository: str, tag: str, data: bytes) -> None:
        """Write a manifest, whose blobs are there, and point the tag at it."""
        path = f"/v2/{repository}/manifests/{tag}"
        headers = {"Content-Type": MANIFEST}
        if self._request("PUT", path, repository, headers=headers, body=data)[1] is None:
            raise self._refusal(f"{repository}:{tag}", "status 404", None)

    def delete_manifest(self, repository: str, tag: str) -> None:
        """Remove the manifest that a tag points at, and all tags of it; one that is not there is no failure."""
        digest = self.find_digest(repository, tag)
        if digest is not None:
            self._request("DELETE", f"/v2/{repository}/manifests/{digest}", repository)

    def close(self) -> None:
        """End every connection."""
        self._client.close()

    def _upload(self, repository: str, digest: str, body: Body, size: int) -> None:
        """Write a blob in one piece; an upload that broke off is begun anew, since not all registries resume one."""
        for attempt in range(1, self._network.retries + 2):
            _, found = self._request("POST", f"/v2/{repository}/blobs/uploads/", repository, body=b"")
            place = (found or {}).get("Location")
            if place is None:
                raise self._refusal(repository, "it gives no place for an upload", None)
            whole = urljoin(f"{self._endpoint}/", place)
            if whole.startswith("http:") and self._endpoint.startswith("https:"):
                raise self._refusal(repository, "it wants uploads over plain http, so its own URL is set wrongly", None)
            whole += f"{'&' if '?' in whole else '?'}digest={quote(digest, safe='')}"
            headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
            try:
                if self._request("PUT", whole, repository, headers=headers, body=body, attempts=1)[1] is not None:
                    return
            except FetchError as error:
                if attempt > self._network.retries:
                    raise
                self._progress.note(f"{error} It is sent again.")
                time.sleep(back_off_s(attempt + 1, first_s=_FIRST_BACK_OFF_S))
        raise self._refusal(repository, "it has lost an upload", None)

    def _request(
        self,
        method: str,
        place: str,
        repository: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        most: int = _LARGEST_ERROR,
        attempts: int | None = None,
    ) -> tuple[bytes | None, Mapping[str, str] | None]:
        """Body and header fields of a good answer; None, None: the registry has no such thing.

        Args:
            method: of HTTP.
            place: a path at the registry, or a URL that it has named.
            repository: whose rights are needed.
            headers: sent besides `Authorization`.
            body: what is sent.
            most: bytes of the answer.
            attempts: None: as many as the settings say.
        """
        url = place if "://" in place else self._endpoint + place
        failure: PixiMirrorError = FetchError(f"{url} was not asked.")
        challenged = False
        left = self._network.retries + 1 if attempts is None else attempts
        while left > 0:
            login = self._logins.login(self._host, repository, _ACTIONS, self._ask)
            if isinstance(login, Failure):
                raise self._login_error(repository, login)
            response = self._send(method, url, login, headers or {}, body)
            if isinstance(response, Failure):
                reason = f"{Url(url)} could not be reached: {response.reason}."
                failure = FetchError(f"{reason} {response.advice}".rstrip())
                if not response.retry:
                    raise failure
                note, wait_s = reason, 0.0  # the advice is for the end, when nothing is tried any more
            else:
                done = self._judge(response, repository, login, most)
                if not isinstance(done, PixiMirrorError):
                    return done
                if response.status == _UNAUTHORIZED and not challenged:
                    challenged = True
                    self._answer(response, repository)
                    continue
                if not rule_of(response.status).retry:
                    raise done
                failure, note = done, str(done)
                pause_s = retry_after_s(response.header("Retry-After"), response.header("Date")) or 0.0
                wait_s = min(pause_s, self._network.longest_wait_s)
            left -= 1
            if left > 0:
                self._progress.note(f"{note} It is tried again.")
                time.sleep(max(wait_s, back_off_s(2, first_s=_FIRST_BACK_OFF_S)))
        raise failure

    def _send(
        self, method: str, url: str, login: RegistryLogin, headers: Mapping[str, str], body: Body | None
    ) -> HttpResponse | Failure:
        origin = origin_of(Url(url))
        if origin is None:
            return Failure(reason="the registry has named a place that is no URL")
        # A registry may name another host for an upload; what logs in here is not for that one.
        sent = {**headers, **(login.headers if origin == self._origin() else {})}
        if body is None or isinstance(body, bytes):
            return self._client.send(Url(url), origin, sent, method=method, body=body)
        with body() as file:
            return self._client.send(Url(url), origin, sent, method=method, body=file)

    def _origin(self) -> Origin | None:
        return origin_of(Url(self._endpoint))

    def _ask(self, request: AuthorizedUrl, _led_by: str) -> HttpResponse | Failure:
        origin = origin_of(request.url)
        if origin is None:
            return Failure(reason="the registry has named a place for tokens that is no URL")
        return self._client.send_form(request.url, origin, request.headers, request.form)

    def _answer(self, response: HttpResponse, repository: str) -> None:
        self._logins.forget(self._host, repository, _ACTIONS)
        challenge = response.header("WWW-Authenticate") or ""
        login = self._logins.answer(challenge, self._host, repository, _ACTIONS, self._ask)
        if isinstance(login, Failure):
            raise self._login_error(repository, login)

    def _judge(
        self, response: HttpResponse, repository: str, login: RegistryLogin, most: int
    ) -> tuple[bytes | None, Mapping[str, str] | None] | PixiMirrorError:
        """What an answer means; the response is closed."""
        try:
            data = response.read_whole(most)
        finally:
            response.close()
        if response.status in range(200, 300):
            if isinstance(data, Failure):
                return FetchError(f"{self._host}/{repository}: {data.reason}. Run it again.")
            fields = {name: value for name in ("Location", _DIGEST_HEADER) if (value := response.header(name))}
            return data, fields
        if response.status == 404:  # noqa: PLR2004 - a status
            return None, None
        code = _code_of(data) if isinstance(data, bytes) else None
        reason = f"status {response.status}" + ("" if code is None else f", {code}")
        if rule_of(response.status).retry:
            return FetchError(f"{self._host}/{repository}: the registry answered with {reason}. Run it again.")
        if response.status in REDIRECTS:
            return self._refusal(repository, f"it leads elsewhere ({reason})", None)
        return self._refusal(repository, reason, login if response.status in (401, 403) else None)

    def _refusal(self, repository: str, reason: str, login: RegistryLogin | None) -> FarSideError:
        needed = "They need the right to pull and push there."
        rights = "" if login is None else f"; {login.credentials}. {needed} {login.advice}"
        return FarSideError(f"the registry {self._host} refuses {repository}: {reason}{rights or '.'}")

    def _login_error(self, repository: str, login: Failure) -> PixiMirrorError:
        kind = FetchError if login.retry else FarSideError
        return kind(f"{self._host}/{repository}: {login.reason}. {login.advice}".rstrip())


def digest_of(data: bytes) -> str:
    """The digest of bytes as registries spell it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _code_of(data: bytes) -> str | None:
    """The first code of an answer that refuses (OCI distribution 1.1, "Error codes"): it can hold no secret."""
    try:
        code = json.loads(data)["errors"][0]["code"]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else None
