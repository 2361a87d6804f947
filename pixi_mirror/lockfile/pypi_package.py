"""The package that a PyPI entry of a lock stands for. Its location alone says what it is; name and path are checked."""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from types import MappingProxyType
from urllib.parse import quote

from pixi_mirror.errors import UnmirrorableError, WorkspaceError
from pixi_mirror.lockfile.entries import PypiEntry
from pixi_mirror.lockfile.mirrorable import entry_title, missing_archive
from pixi_mirror.model.packages import Package
from pixi_mirror.model.values import MirrorPath, Sha256, Url, admit_path, admit_sha256, mask_secrets
from pixi_mirror.paths import local_url, own_path, unsafe_file_name, url_path
from pixi_mirror.pypi.names import (
    file_name_of,
    form_of,
    is_wheel_name,
    sdist_version,
    wheel_name,
)

_FRAGMENT_SHA256 = re.compile(r"#(?:.*&)?sha256=([0-9A-Fa-f]{64})(?:&|\Z)")


def pypi_package(
    entry: PypiEntry,
    *,
    indexes: Iterable[str],
    find_links: Iterable[str],
    base: str,
    sha256_of: Callable[[Url], Sha256],
    needs_place: bool = True,
) -> Package:
    """The package that `entry` stands for in an environment with these indexes and pages of links.

    Args:
        entry: the entry.
        indexes: the environment's index URLs.
        find_links: the URLs of its pages of links.
        base: the `file:///dir/` URL that relative paths start at.
        sha256_of: hashes a local archive. Locks of version 7 have no hash of it: they name the file itself.
        needs_place: whether it is refused if its URL has no path in a mirror; else it gets one of its own.

    Raises:
        UnmirrorableError: it has no archive that can be fetched.
        WorkspaceError: its name or its URL is unsafe, or contradicts the entry.
    """
    from packaging.utils import canonicalize_name

    if (problem := missing_archive(entry)) is not None:
        raise UnmirrorableError(problem)
    form = form_of(entry.location)
    is_local = form in ("local wheel", "local sdist")
    url = Url(local_url(entry.location, base) if is_local else entry.location.removeprefix("direct+"))
    file_name = _file_name(entry, url)
    sha256 = entry.sha256 or _sha256_in_fragment(entry.location)
    if is_local and sha256 is None:
        sha256 = sha256_of(url)
    of_index = form in ("wheel", "sdist")
    own_and_all = [*([entry.index] if entry.index else []), *indexes]
    record = {
        "indexes": list(index_list(own_and_all)) if of_index else [],
        "find-links": list(_urls(tuple(find_links))) if of_index else [],
    }
    return Package(
        path=admit_path(f"local/{sha256}/{file_name}")
        if is_local
        else _path(entry, url, file_name, needs_place=needs_place),
        url=url,
        sha256=sha256,
        md5=entry.md5,
        size=None,
        kind="pypi",
        name=canonicalize_name(entry.name),
        version=entry.version or _version(file_name, entry.name),
        build=None,
        subdir=None,
        record=MappingProxyType(record),
    )


def index_list(urls: Iterable[str]) -> tuple[str, ...]:
    """The URLs of indexes of a lock as a mirror records them: stripped, without slash at the end, each once."""
    return tuple(url.rstrip("/") for url in _urls(tuple(urls)))


def _sha256_in_fragment(location: str) -> Sha256 | None:
    found = _FRAGMENT_SHA256.search(location)
    return admit_sha256(found[1]) if found else None


def _file_name(entry: PypiEntry, url: Url) -> str:
    from packaging.utils import canonicalize_name

    try:
        name = file_name_of(url.raw)
    except ValueError as error:
        raise _unsafe(entry, str(error)) from None
    problem = unsafe_file_name(name)
    if problem is not None:
        raise _unsafe(entry, problem)
    if is_wheel_name(name) and wheel_name(name).name != canonicalize_name(entry.name):
        raise _unsafe(entry, f"its file is a wheel of {wheel_name(name).name!r}, which is another project")
    return name


def _path(entry: PypiEntry, url: Url, file_name: str, *, needs_place: bool) -> MirrorPath:
    try:
        return url_path(url.raw)
    except WorkspaceError as error:
        if not needs_place:
            return own_path(url.raw, file_name)
        raise _unsafe(entry, str(error)) from None


def _version(file_name: str, project: str) -> str:
    if is_wheel_name(file_name):
        return wheel_name(file_name).version
    return sdist_version(file_name, project) or ""


@lru_cache(maxsize=1 << 8)  # thousands of packages name the few indexes of their environments
def _urls(urls: tuple[str, ...]) -> tuple[str, ...]:
    """The http and https URLs, stripped. An index of this machine is left out, since nobody else has it.

    One that can have no path in a mirror stays: upstream is asked what it says, and a warning names it.
    """
    stripped = (quote(Url(url).stripped, safe="%:/@!$&'()*+,;=[]~") for url in urls)
    return tuple(dict.fromkeys(url for url in stripped if url.lower().startswith(("http://", "https://"))))


def _unsafe(entry: PypiEntry, problem: str) -> WorkspaceError:
    title = entry_title(entry)
    return WorkspaceError(
        f"the PyPI package {title!r} cannot stand in a mirror: {mask_secrets(problem)}. Nothing was written; correct "
        "the lock, most simply by locking anew."
    )
