"""How to reach other machines, as values: credentials, mirrors, proxies, timeouts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from pixi_mirror.model.values import Url


@dataclass(frozen=True, slots=True)
class Basic:
    """User name and password, sent as `Authorization: Basic`."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token sent as `Authorization: Bearer`."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CondaToken:
    """A token put before the path as `/t/TOKEN`."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class IndexUser:
    """The user in the URL of a lock's index, sent as `Authorization: Basic` to the origin of that index."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class IdentityToken:
    """What `docker login` leaves of a password: it is exchanged for a token at the registry's own place for that."""

    token: str = field(repr=False)


Credential: TypeAlias = Basic | Bearer | CondaToken | IndexUser | IdentityToken
"""What authorizes a request for an http or https URL."""


@dataclass(frozen=True, slots=True)
class S3Keys:
    """What requests for an `s3://` URL are signed with."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    """None: the keys are no temporary ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Options:
    """Where a bucket is, as `[s3-options.BUCKET]` says."""

    endpoint_url: str | None = None
    """An http or https URL without user and query; None: Amazon's."""
    region: str | None = None
    """None: what the AWS configuration says."""
    force_path_style: bool = False
    """Whether the bucket is in the path of a request's URL, and not in its host."""


def _nobody(_url: Url) -> None:
    return None


def _nobody_there(_host: str, _repository: str) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxies:
    """Which proxy to go through."""

    http: str | None = field(default=None, repr=False)
    https: str | None = field(default=None, repr=False)
    exempt: tuple[str, ...] = ()
    """Host names, domains (`.lan`), addresses or CIDR blocks that are reached directly; `*` is every host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How to reach other machines."""

    mirrors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """pixi's `[mirrors]`: URL prefix with trailing slash -> targets with trailing slash, the longest prefix wins.

    Without targets, what begins with the prefix is not requested at all.
    """
    proxies: Proxies = Proxies()
    ca_file: Path | None = None
    """Certificates to trust; None: those that come with the HTTP client."""
    verify_tls: bool = True
    insecure_hosts: frozenset[str] = frozenset()
    """Hosts (`host` or `host:port`) whose certificate is not checked."""
    allow_private_redirects: bool = False
    """Whether a host of the internet may redirect to this machine or into a private network."""
    http_hosts: frozenset[str] = frozenset()
    """Hosts that may be requested over plain http, because the lock or `[mirrors]` says so."""
    credential: Callable[[Url], Credential | None] = field(default=_nobody, repr=False)
    """The credential for the URL that is really requested; None: there is none."""
    registry_credential: Callable[[str, str], Credential | None] = field(default=_nobody_there, repr=False)
    """What the files of docker and podman have for a repository (host, name) of an OCI registry."""
    s3_options: Mapping[str, S3Options] = field(default_factory=dict)
    """By bucket. The keys of those in it come from `s3_keys`, else from the AWS configuration, as of all others."""
    s3_keys: Callable[[Url], S3Keys | None] = field(default=_nobody, repr=False)
    """What pixi's stores hold for an `s3://` URL."""
    retries: int = 5
    """How often a request that failed for a passing reason is tried again."""
    connect_timeout_s: float = 15.0
    idle_timeout_s: float = 60.0
    """Longest wait for the next bytes."""
    least_speed: int = 1024
    """Bytes a second, averaged over `idle_timeout_s`, below which a download counts as stalled."""
    longest_wait_s: float = 120.0
    """Longest `Retry-After` that is honoured; a longer one ends the attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The user's settings, of pixi and of ours."""

    network: Network
    """Of `http_hosts` only those of mirrors; the locks' are the caller's to add."""
    jobs: int
    """How many downloads at once."""
    indexes: tuple[str, ...] = field(repr=False)
    """URLs of Python indexes, the first one first, as pixi's `[pypi-config]` has them; perhaps with secrets."""
    sources: tuple[str, ...]
    """The configuration files that were read, the highest first."""
    warnings: tuple[str, ...]
    """Sentences that every run shows."""
    default_channels: tuple[str, ...] = ()
    """The channels of new workspaces, as pixi's `default-channels` has them; empty: it has none."""
