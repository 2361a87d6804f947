"""What a lock says, as values: a `pixi.lock`, or one of another format."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from pixi_mirror.model.values import Json, Md5, Sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaBinary:
    """A conda package that can be downloaded."""

    location: str
    """URL or path, as the lock has it; a relative path starts at the lock's directory."""
    channel: str | None
    """URL of the channel that it came from, without trailing slash; None: a path of which the lock names no channel."""
    subdir: str | None
    """The subdir that it lies in, which is not always that of the record; None: it lies in none."""
    file_name: str
    """Last segment of the location, decoded."""
    record: Mapping[str, Json]
    """The complete repodata record; timestamps as the lock has them, in seconds or milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaSource:
    """A conda package that is built from source where it is installed."""

    name: str
    location: str
    """Where its manifest is: a path, a URL or a git reference, as the lock has it."""
    origin: Mapping[str, str] = field(default_factory=dict)
    """Where its source comes from, if that is elsewhere: `git`, `rev`, `branch`, `tag`, `url` and the like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PypiEntry:
    """A Python package."""

    name: str
    version: str | None
    """None: the lock does not say, as for a source directory."""
    location: str
    """URL or path, as the lock has it."""
    sha256: Sha256 | None
    """None: the lock has none. Of a directory it is the hash of no file that could be fetched."""
    md5: Md5 | None
    """None: the lock has none."""
    index: str | None
    """URL as the lock has it; None: not written, which means the default index."""
    requires_dist: tuple[str, ...]
    requires_python: str | None
    """None: any version."""
    editable: bool


Entry: TypeAlias = CondaBinary | CondaSource | PypiEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedPlatform:
    """A platform that the lock was solved for."""

    name: str
    """Its name in environments; it need not be a subdir."""
    subdir: str
    virtual_packages: tuple[str, ...]
    """Such as `__glibc=2.28`; empty below version 7, which does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedEnvironment:
    """One environment, solved for some platforms."""

    channels: tuple[str, ...]
    """URLs as written, in the order of their priority."""
    indexes: tuple[str, ...]
    """URLs as written; empty: no PyPI packages."""
    find_links: tuple[str, ...]
    """URLs or paths as written."""
    packages: Mapping[str, tuple[Entry, ...]]
    """Platform name -> what is installed, in the lock's order."""
    build_packages: Mapping[str, tuple[Entry, ...]]
    """Platform name -> what is needed besides to build the source packages, and those that build these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A whole lock file."""

    version: int
    platforms: Mapping[str, LockedPlatform]
    """By name."""
    environments: Mapping[str, LockedEnvironment]
    """By name."""
    newest_timestamp: int
    """Milliseconds, the highest of any package; 0: none has one."""
    notes: tuple[str, ...] = ()
    """What a person should know of the lock, each as sentences that follow its name and a colon."""
