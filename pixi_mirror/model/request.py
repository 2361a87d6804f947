"""What the user requests of one lock, and what of it cannot be mirrored."""

from dataclasses import dataclass, field

SKIP = "--skip-unmirrorable"
"""The option that leaves out what no other option brings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Something a lock names that cannot be mirrored."""

    entry: str
    reason: str
    option: str = field(default=SKIP, compare=False)
    """What a user can add to the command so that it is no refusal any more. It is not recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the user requests of one lock, kept as requested, so that a refresh follows the lock."""

    environments: tuple[str, ...] | None
    """None: all that the lock has."""
    platforms: tuple[str, ...]
    """Names or subdirs; empty: all that the lock has for an environment."""
    pypi: bool = True
    build_packages: bool = True
    skip_unmirrorable: bool = False
    allow_md5: bool = False
    allow_unhashed: bool = False
    build_requires: tuple[str, ...] = ()
    """What building needs besides, as PEP 508 has it."""
    with_build_requirements: bool = False
    """Whether what the sdists themselves name is needed, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockReading:
    """How a lock is read, as far as the user says it."""

    format: str | None = None
    """The name of its format; None: its name and content say it."""
    index: str | None = None
    """URL of the Python index that has its files, without user; None: the lock or the configuration names one."""
