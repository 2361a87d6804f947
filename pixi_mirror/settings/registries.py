"""Credentials of OCI registries as `docker login`, `podman login` and `oras login` leave them."""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Lock

from pixi_mirror.errors import MachineError, ProgramError
from pixi_mirror.model.network import Basic, Credential, IdentityToken
from pixi_mirror.model.values import Json
from pixi_mirror.settings.files import read_text

_HELPER_S = 60.0
_IDENTITY = "<token>"
"""The user name with which a helper gives an identity token (docker-credential-helpers)."""
_DOCKER_HUB = {"docker.io", "registry-1.docker.io"}
_HUB_KEY = "https://index.docker.io/v1/"


class RegistryCredentials:
    """Finds the credentials of a registry. Many threads use one object; each file is read when it is first needed.

    podman's files are looked into before docker's, as podman and skopeo do (containers-auth.json(5)). In each the
    longest beginning of `HOST/REPOSITORY` counts, and a helper for the host before what stands in the file.
    """

    def __init__(self, *, environ: Mapping[str, str], home: Path) -> None:
        """Prepare; nothing is read yet.

        Args:
            environ: the environment; helpers run in it.
            home: the user's home directory.
        """
        self._environ = environ
        self._home = home
        self._paths = tuple(_files(environ, home))
        self._documents: dict[Path, Mapping[str, Json]] = {}
        self._helped: dict[tuple[str, str], Credential | None] = {}
        self._lock = Lock()

    def __call__(self, host: str, repository: str) -> Credential | None:
        """The credential for a repository; None: there is none.

        Raises:
            MachineError: a file is there and cannot be read, or a helper fails.
        """
        with self._lock:
            for path in self._paths:
                if path not in self._documents:
                    self._documents[path] = _document(path)
                found = self._find(self._documents[path], host, repository, path)
                if found is not None:
                    return found
        return None

    def _find(self, document: Mapping[str, Json], host: str, repository: str, path: Path) -> Credential | None:
        helpers = document.get("credHelpers")
        helper = helpers.get(host) if isinstance(helpers, dict) else None
        helper = helper or document.get("credsStore")
        if isinstance(helper, str) and helper:
            found = self._ask(helper, _HUB_KEY if host in _DOCKER_HUB else host)
            if found is not None:
                return found
        auths = document.get("auths")
        if isinstance(auths, dict):
            for key in _keys(host, repository):
                if isinstance(entry := auths.get(key), dict) and entry:
                    return _credential(entry, path, key)
        return None

    def _ask(self, helper: str, server: str) -> Credential | None:
        """Ask a helper program for the credential of a server, once; None: it has none, which it says by failing."""
        if (helper, server) not in self._helped:
            self._helped[helper, server] = _run_helper(f"docker-credential-{helper}", server, self._environ, self._home)
        return self._helped[helper, server]


def _files(environ: Mapping[str, str], home: Path) -> Iterator[Path]:
    if named := environ.get("REGISTRY_AUTH_FILE"):
        yield Path(named)
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        yield Path(runtime) / "containers" / "auth.json"
    configuration = environ.get("XDG_CONFIG_HOME")
    yield (Path(configuration) if configuration else home / ".config") / "containers" / "auth.json"
    docker = environ.get("DOCKER_CONFIG")
    yield (Path(docker) if docker else home / ".docker") / "config.json"


def _document(path: Path) -> Mapping[str, Json]:
    text = read_text(path)
    if not text or text.isspace():
        return {}
    try:
        document: Json = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict):
        return document
    # Raised here, because the parser's error carries the text.
    raise MachineError(
        f"the credential file {path} is not a JSON object: renew it with `docker login`, or move it away"
    )


def _keys(host: str, repository: str) -> Iterator[str]:
    place = f"{host}/{repository}"
    while place != host:
        yield place
        place = place.rpartition("/")[0]
    yield host
    yield from (f"https://{host}", f"https://{host}/", f"https://{host}/v1/", f"https://{host}/v2/")
    if host in _DOCKER_HUB:
        yield _HUB_KEY


def _credential(entry: Mapping[str, Json], path: Path, key: str) -> Credential:
    if isinstance(token := entry.get("identitytoken"), str) and token:
        return IdentityToken(token)
    name, password = entry.get("username"), entry.get("password")
    try:
        if isinstance(packed := entry.get("auth"), str) and packed:
            name, _, password = base64.b64decode(packed, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        name = None
    if isinstance(name, str) and isinstance(password, str):
        return Basic(name, password.rstrip("\0"))
    raise MachineError(f"the credential file {path} has an entry for {key} in no shape of docker's: log in there again")


def _run_helper(program: str, server: str, environ: Mapping[str, str], home: Path) -> Credential | None:
    from pixi_mirror.process import run_program

    try:
        done = run_program([program, "get"], cwd=home, environ=environ, timeout_s=_HELPER_S, given=server)
    except ProgramError as error:
        raise MachineError(
            f"the credentials of {server} cannot be had: {program} cannot be run, which docker's configuration names"
        ) from error
    if done.status != 0:
        return None
    try:
        found: Json = json.loads(done.stdout)
        name, secret = found["Username"], found["Secret"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(name, str) or not isinstance(secret, str):
        return None
    return IdentityToken(secret) if name == _IDENTITY else Basic(name, secret)
