"""What a lock has built where it is installed: directories, none of which is mirrored, and commits of repositories."""

from dataclasses import dataclass
from typing import Literal

from pixi_mirror.model.values import MirrorPath


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDirectory:
    """A directory that a lock names: what lies there is built where it is installed, so nothing of it is mirrored."""

    entry: str
    """How messages name it."""
    path: str
    """As the lock has it. Of an absolute path it is the last part alone: inventories hold no path of a machine."""
    kind: Literal["conda", "pypi"]
    is_inside: bool
    """Whether it belongs to the workspace, so that everybody who has a checkout has it, too."""
    build_requires: tuple[str, ...] | None
    """What building it needs, as PEP 508 has it, of a conda package as match specs; None: it is not known."""
    channels: tuple[str, ...] = ()
    """URLs of the channels that the build backend of a conda package comes from; empty: those of its environments."""
    indexes: tuple[str, ...] = ()
    """URLs, stripped, of the indexes that an environment of a PyPI package names."""
    archive: str = ""
    """URL, stripped, of an archive that is not mirrored, from which a conda package is built; empty: it needs none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCommit:
    """A package that is built, where it is installed, from a commit of a repository that is mirrored."""

    entry: str
    """How messages name it."""
    path: MirrorPath
    """Of the pin of the commit."""
    kind: Literal["conda", "pypi"]
    subdirectory: str
    """Where its manifest lies in the commit; empty: at the top."""
    is_read: bool = False
    """Whether the manifest was looked for in the mirror, so that what follows is known."""
    build_requires: tuple[str, ...] | None = None
    """As of a `SourceDirectory`."""
    channels: tuple[str, ...] = ()
    """As of a `SourceDirectory`."""
    indexes: tuple[str, ...] = ()
    """As of a `SourceDirectory`."""
    archive: str = ""
    """As of a `SourceDirectory`."""
