"""The one rule for what of a lock can be mirrored or packed, and how messages name an entry; pure.

`update` and `pack` both follow it. Besides, a mirror needs a place for the URL's path, and a pack takes no sdists.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pixi_mirror.lockfile.entries import CondaBinary, CondaSource, Entry, PypiEntry
from pixi_mirror.model.packages import Package
from pixi_mirror.model.values import Url
from pixi_mirror.paths import is_local
from pixi_mirror.pypi.names import ARCHIVES, Form, file_name_of, form_of

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_CONDA_SCHEMES = frozenset({"http", "https", "s3", "oci"})
_LONGEST_SHOWN = 200
"""Characters of a location in a message: about two lines."""
_WITHOUT_ARCHIVE: Mapping[Form, str] = {
    "git": "it is built from a git repository where it is installed, so there is no archive to mirror",
    "directory": "it is a source directory, built where it is installed, so there is no archive to mirror",
    "unsupported": "only http, https and local files are supported",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingHash:
    """What a lock lacks to check an archive by."""

    reason: str
    """What the lock has instead, to stand after "the lock has"."""
    option: str
    """The option that accepts it."""
    accepts: str
    """What the option does; to stand after its name."""


ONLY_MD5 = MissingHash(reason="only an md5", option="--allow-md5", accepts="accepts that")
NO_HASH = MissingHash(reason="no hash", option="--allow-unhashed", accepts="pins what comes first")


def missing_archive(entry: Entry) -> str | None:
    """Why an entry has no archive that can be fetched, as half a sentence; None: it has one."""
    match entry:
        case CondaSource():
            return "it is a source package, built at install time: there is no archive to mirror"
        case CondaBinary(file_name=file_name) if file_name.endswith(".whl"):
            return (
                "it is a wheel in a conda channel (repodata v3), and of channels only .conda and .tar.bz2 are mirrored "
                "so far. Lock it as a PyPI dependency, or leave its environment out"
            )
        case CondaBinary(location=location):
            scheme = _SCHEME.match(location)
            if is_local(location) or scheme is None or scheme[1].lower() in _CONDA_SCHEMES:
                return None
            return (
                f"{scheme[1].lower()} URLs are not supported yet, only http, https, s3, oci and local files. Lock it "
                "from another channel, or leave its environment out."
            )
        case PypiEntry(location=location):
            return _WITHOUT_ARCHIVE.get(form_of(location)) or _unknown_archive(location)


def missing_hash(package: Package) -> MissingHash | None:
    """What the lock lacks to check a package by; None: it has the sha256."""
    if package.sha256 is not None:
        return None
    return NO_HASH if package.md5 is None else ONLY_MD5


def entry_title(entry: Entry) -> str:
    """How a message names an entry: without the secrets of its URL, and no longer than about two lines."""
    if isinstance(entry, CondaBinary):
        return shown_location(entry.location)
    return f"{entry.name} @ {shown_location(entry.location)}"


def shown_location(location: str) -> str:
    """A location of a lock for people: the secrets of a URL are masked, and it is cut after 200 characters."""
    shown = str(Url(location))
    return shown if len(shown) <= _LONGEST_SHOWN else shown[:_LONGEST_SHOWN] + "..."


def _unknown_archive(location: str) -> str | None:
    try:
        name = file_name_of(location)
    except ValueError:
        return None  # the file's name is refused where it is read
    if name.lower().endswith(ARCHIVES):
        return None
    return f"{name!r} is no archive by its name ({', '.join(ARCHIVES)})"
