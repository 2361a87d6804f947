"""Read pixi's credential stores, and find the credential for a URL. Secrets leave this module as values only."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TypeAlias

from pixi_mirror.errors import MachineError
from pixi_mirror.model.network import Basic, Bearer, CondaToken, Credential, S3Keys
from pixi_mirror.model.values import Json, Url
from pixi_mirror.settings.files import read_text
from pixi_mirror.settings.mirrors import host_of

_Entry: TypeAlias = Credential | S3Keys

Store: TypeAlias = Callable[[str], _Entry | None]
"""Gives the entry of an account: a host, `*.domain`, a bucket, or an `s3://` URL; None: it has none."""

_METHODS = frozenset({"BearerToken", "BasicHTTP", "CondaToken", "OAuth", "S3Credentials"})
_S3_URL = re.compile(r"[sS]3://([A-Za-z0-9._-]+)((?:/[^/?#]*)*)")


class CredentialLookup:
    """Finds the credential for a URL. Many threads use one object; each store is read once, when it is first needed."""

    def __init__(self, *, inside: Sequence[tuple[str, Credential]], stores: Sequence[Store]) -> None:
        """Prepare; no store is read yet.

        Args:
            inside: beginnings of URLs with the credentials that stood in the targets of `[mirrors]`, longest first.
            stores: in the order in which they are searched.
        """
        self._inside = tuple(inside)
        self._stores = tuple(stores)
        self._known: dict[tuple[int, str], _Entry | None] = {}
        self._lock = Lock()

    def __call__(self, url: Url) -> Credential | None:
        """The credential for the URL that is really requested; None: there is none.

        One that stood in a mirror's URL comes first, then the exact host in all stores, then `*.domain` from the
        longest domain to the shortest.

        Raises:
            MachineError: a store is there and cannot be read.
        """
        for prefix, credential in self._inside:
            if url.raw.startswith(prefix):
                return credential
        host = host_of(url.raw)
        if host is None or url.raw[:3].lower() == "s3:":
            return None
        with self._lock:
            return next((entry for entry in self._entries(_accounts(host)) if not isinstance(entry, S3Keys)), None)

    def keys(self, url: Url) -> S3Keys | None:
        """The keys that requests for an `s3://` URL are signed with; None: the stores have none.

        The entry of the bucket's name comes first, then that of the URL, then those of its parents up to the bucket.

        Raises:
            MachineError: a store is there and cannot be read.
        """
        accounts = _bucket_accounts(url.raw)
        with self._lock:
            return next((entry for entry in self._entries(accounts) if isinstance(entry, S3Keys)), None)

    def _entries(self, accounts: Iterable[str]) -> Iterator[_Entry]:
        """The entries of the stores, account by account. A store is searched only if all before it had nothing."""
        for account in accounts:
            for number, store in enumerate(self._stores):
                key = (number, account)
                if key not in self._known:
                    self._known[key] = store(account)
                if (entry := self._known[key]) is not None:
                    yield entry


def _bucket_accounts(url: str) -> Iterator[str]:
    found = _S3_URL.match(url)
    if found is None:
        return
    bucket, path = found[1], found[2].rstrip("/")
    yield bucket.lower()
    while path:
        yield f"s3://{bucket}{path}"
        path = path.rpartition("/")[0]
    yield f"s3://{bucket}"


def _accounts(host: str) -> Iterator[str]:
    yield host
    # An address has no domain: neither `[::1]` nor a name whose last part is a number.
    if host.startswith("[") or host.rpartition(".")[2].isdigit():
        return
    domain = host
    while domain:
        yield f"*.{domain}"
        domain = domain.partition(".")[2]


def credential_stores(
    *, environ: Mapping[str, str], home: Path, option: Path | None, configured: Path | None
) -> tuple[Store, ...]:
    """The credential stores in pixi's order.

    Args:
        environ: the environment.
        home: the user's home directory.
        option: the file of `--auth-file`; None: not given.
        configured: pixi's `authentication-override-file`; None: not set.
    """
    named = environ.get("RATTLER_AUTH_FILE")
    override = option or configured
    netrc = environ.get("NETRC")
    return (
        *((_LazyStore(partial(_json_entries, Path(named))),) if named else ()),
        *((_LazyStore(partial(_json_entries, override, required=override is option)),) if override else ()),
        _from_keyring,
        _LazyStore(partial(_json_entries, home / ".rattler" / "credentials.json")),
        _LazyStore(partial(_netrc_entries, (Path(netrc),) if netrc else (home / ".netrc", home / "_netrc"))),
    )


class _LazyStore:
    """A store that is read when it is first needed. If reading fails, it fails again each time."""

    def __init__(self, load: Callable[[], Mapping[str, _Entry]]) -> None:
        self._load = load
        self._entries: Mapping[str, _Entry] | None = None
        self._fault: str | None = None

    def __call__(self, account: str) -> _Entry | None:
        if self._fault is not None:
            raise MachineError(self._fault)
        if self._entries is None:
            try:
                self._entries = self._load()
            except MachineError as error:
                self._fault = str(error)
                raise
        return self._entries.get(account)


def _json_entries(path: Path, *, required: bool = False) -> Mapping[str, _Entry]:
    text = read_text(path)
    if text is None and required:
        raise MachineError(f"the credential file {path} does not exist: correct --auth-file or leave it out")
    if text is None:
        return {}
    document, fault = _parsed(text)
    if fault is not None:
        raise MachineError(f"the credential file {path} is not valid JSON ({fault}): correct it or move it away")
    if type(document) is not dict:
        raise MachineError(f"the credential file {path} is not a JSON object of hosts: correct it or move it away")
    entries: dict[str, _Entry] = {}
    for number, (account, raw) in enumerate(document.items(), start=1):
        if _is_malformed(raw):
            raise MachineError(
                f"the credential file {path} has an entry (number {number}) in none of pixi's shapes: renew it with "
                "`pixi auth login`"
            )
        if (credential := _credential(raw)) is not None:
            # Hosts are the same in any case; of an `s3://` URL the path is not.
            entries[account.rstrip("/") if account.startswith("s3://") else account.lower()] = credential
    return entries


def _parsed(text: str) -> tuple[Json, str | None]:
    """The value of a JSON text; or None and the place where it is not JSON."""
    # The parser's error carries the whole text, so nothing is raised while it is handled: it would stay in the chain.
    try:
        return json.loads(text), None
    except json.JSONDecodeError as error:
        return None, f"line {error.lineno}, column {error.colno}"
    except (ValueError, RecursionError):
        return None, "a number too long, or nested too deeply"


def _credential(raw: Json) -> _Entry | None:
    """The credential of an entry; None: its method is one of later versions of pixi."""
    match raw:
        case {"BearerToken": str(token)} | {"OAuth": {"access_token": str(token)}}:
            return Bearer(token)
        case {"BasicHTTP": {"username": str(name), "password": str(password)}}:
            return Basic(name, password)
        case {"CondaToken": str(token)}:
            return CondaToken(token)
        case {"S3Credentials": {"access_key_id": str(name), "secret_access_key": str(secret)} as keys}:
            session = keys.get("session_token")
            return S3Keys(name, secret, session) if session is None or isinstance(session, str) else None
    return None


def _is_malformed(raw: Json) -> bool:
    return type(raw) is not dict or (_credential(raw) is None and not _METHODS.isdisjoint(raw))


def _from_keyring(account: str) -> _Entry | None:
    import importlib

    # The package is optional, and the errors of desktop keyrings have no common class. pixi goes on with the next
    # store, and so do we.
    try:
        text = importlib.import_module("keyring").get_password("rattler", account)
    except Exception:  # noqa: BLE001
        return None
    return _credential(_parsed(text)[0]) if type(text) is str else None


def _netrc_entries(paths: Sequence[Path]) -> Mapping[str, _Entry]:
    for path in paths:
        hosts, fault = _netrc_hosts(path)
        if fault is not None:
            raise MachineError(
                f"the netrc file {path} cannot be used ({fault}): correct it or set NETRC to another file"
            )
        if hosts is not None:
            # As in pixi, the entry `default` counts for no host.
            return {
                host.lower(): Basic(login or "", password or "")
                for host, (login, _, password) in hosts.items()
                if host != "default"
            }
    return {}


def _netrc_hosts(path: Path) -> tuple[Mapping[str, tuple[str, str | None, str | None]] | None, str | None]:
    """The entries of a netrc file, None if there is no such file; and what is wrong with it, None if nothing is."""
    import netrc

    # The parser's messages quote words of the file, so nothing is raised while one is handled.
    try:
        return netrc.netrc(path).hosts, None
    except (FileNotFoundError, NotADirectoryError):
        return None, None
    except netrc.NetrcParseError as error:
        return None, f"line {error.lineno}"
    except UnicodeDecodeError:
        return None, "it is not text"
    except OSError as error:
        return None, str(error.strerror)
