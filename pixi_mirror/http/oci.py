"""Find the files of `oci://` channels in their registries: log in, read the manifest, and name the blob to request."""

import json
from collections.abc import Callable

from pixi_mirror.http.auth import AuthorizedUrl
from pixi_mirror.http.failures import Failure
from pixi_mirror.http.oci_names import MANIFEST, OciReference, is_same_type, place_of
from pixi_mirror.http.registry_auth import Ask, RegistryLogin, RegistryLogins
from pixi_mirror.http.responses import HttpResponse
from pixi_mirror.model.network import Network
from pixi_mirror.model.values import Json, Url, admit_sha256

_PULL = "pull"
_LARGEST = 1 << 22
"""Bytes of a manifest: what registries take at most."""
_OK, _UNAUTHORIZED, _NOT_FOUND = 200, 401, 404


class OciReader:
    """Finds files in registries. Many threads use one object."""

    def __init__(
        self,
        network: Network,
        ask: Ask,
        explain: Callable[[HttpResponse, AuthorizedUrl], Failure],
    ) -> None:
        """Prepare; nothing is requested yet.

        Args:
            network: has the credentials.
            ask: sends a request, and gives the response whatever its status is.
            explain: gives the failure that a status stands for.
        """
        self._logins = RegistryLogins(network)
        self._ask = ask
        self._explain = explain

    def locate(self, url: Url) -> AuthorizedUrl | Failure:
        """The request for the blob that is the file at an `oci://` URL.

        The manifest is read even where the digest is known: a registry that keeps copies of another one fetches what is
        asked for by its manifest, and has no blob before.

        Raises:
            MachineError: a credential store is there and cannot be read.
        """
        place = place_of(url)
        if place is None:
            return Failure(reason="it is not oci://HOST/CHANNEL/SUBDIR/FILE", advice="Correct the lock or [mirrors].")
        host, reference = place
        login = self._logins.login(host, reference.repository, _PULL, self._ask)
        if isinstance(login, Failure):
            return login
        response = self._ask(_manifest_request(host, reference, login), host)
        if isinstance(response, HttpResponse) and response.status == _UNAUTHORIZED:
            challenge = response.header("WWW-Authenticate") or ""
            response.drain()
            self._logins.forget(host, reference.repository, _PULL)
            login = self._logins.answer(challenge, host, reference.repository, _PULL, self._ask)
            if isinstance(login, Failure):
                return login
            response = self._ask(_manifest_request(host, reference, login), host)
        if isinstance(response, Failure):
            return response
        return self._read_manifest(response, host, reference, login)

    def _read_manifest(
        self, response: HttpResponse, host: str, reference: OciReference, login: RegistryLogin
    ) -> AuthorizedUrl | Failure:
        name = f"{host}/{reference.repository}:{reference.tag}"
        try:
            if response.status == _NOT_FOUND:
                return _absent(name)
            if response.status != _OK:
                return self._explain(response, _manifest_request(host, reference, login))
            data = response.read_whole(_LARGEST)
        finally:
            response.close()
        if isinstance(data, Failure):
            return data
        digest = _digest_of(data, reference.media_type)
        if digest is None:
            return Failure(
                reason=f"the manifest {name} names no file of the type {reference.media_type}",
                advice="The registry holds another file under this name, or none that conda's tools have put there.",
            )
        return AuthorizedUrl(
            url=Url(f"https://{host}/v2/{reference.repository}/blobs/sha256:{digest}"),
            headers=login.headers,
            credentials=login.credentials,
            advice=login.advice,
        )


def _manifest_request(host: str, reference: OciReference, login: RegistryLogin) -> AuthorizedUrl:
    return AuthorizedUrl(
        url=Url(f"https://{host}/v2/{reference.repository}/manifests/{reference.tag}"),
        headers={"Accept": MANIFEST, **login.headers},
        credentials=login.credentials,
        advice=login.advice,
    )


def _absent(name: str) -> Failure:
    return Failure(
        reason=f"the registry has no manifest {name} (status 404)",
        advice="It was removed there, or the URL is wrong; the port of an oci:// URL is not used, as in pixi.",
    )


def _digest_of(manifest: bytes, media_type: str) -> str | None:
    """The sha256 of the layer that has a media type; None: the manifest has none, or is none."""
    try:
        document: Json = json.loads(manifest)
        return next(
            (
                admit_sha256(layer["digest"].removeprefix("sha256:"))
                for layer in document["layers"]
                if is_same_type(layer["mediaType"], media_type)
            ),
            None,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
