"""How a mirror spells what it hosts itself: the channel, the index and the files of a hosted name; pure.

A hosted name is a folder of the mirror: `NAME/` is a channel, `NAME/simple/` an index, `NAME/files/` has its files.
Nobody knows here where the mirror is served. So the URLs of hosted files have a scheme of their own, which no client
gets to see: links to them are relative, and pages and channels lie where the URL says.
"""

from collections.abc import Iterable
from types import MappingProxyType

from pixi_mirror.model.packages import Channel, Package, Snapshot
from pixi_mirror.model.values import Json, MirrorPath, Sha256, Url, admit_path

SCHEME = "hosted://"
SUBSCRIPTION = "hosted:"
"""How the ids of the subscriptions begin that hold hosted files."""
_SIMPLE, _FILES = "simple", "files"


def hosted_id(name: str) -> str:
    """The id of the subscription that holds the files of a hosted name."""
    return f"{SUBSCRIPTION}{name}"


def is_hosted_url(url: str) -> bool:
    """Whether a URL is that of a hosted file, channel or index: no request can be made of it."""
    return url.startswith(SCHEME)


def hosted_path(url: str) -> MirrorPath:
    """Where a hosted file, channel or index lies in the mirror.

    Raises:
        ValueError: it is no such URL.
    """
    if not is_hosted_url(url):
        raise ValueError(f"{url[:80]!r} is nothing that a mirror hosts")
    return admit_path(url.removeprefix(SCHEME).rstrip("/"))


def hosted_channel(name: str) -> Channel:
    """The channel of a hosted name."""
    return Channel(url=f"{SCHEME}{name}", path=admit_path(name))


def hosted_index(name: str) -> str:
    """The URL of the index of a hosted name."""
    return f"{SCHEME}{name}/{_SIMPLE}"


def hosted_indexes(snapshots: Iterable[Snapshot]) -> tuple[MirrorPath, ...]:
    """The folders of the indexes that exist even when they are empty, sorted."""
    found = (each for each in snapshots if each.hosted is not None and each.hosted.pypi)
    return tuple(sorted(hosted_path(hosted_index(each.workspace)) for each in found))


def hosted_channels(snapshots: Iterable[Snapshot]) -> tuple[Channel, ...]:
    """The channels of all hosted names that have one, sorted by name."""
    found = (each for each in snapshots if each.hosted is not None and each.hosted.conda)
    return tuple(hosted_channel(name) for name in sorted(each.workspace for each in found))


def hosted_projects(packages: Iterable[Package]) -> frozenset[str]:
    """The normalised names of the projects that the mirror hosts: in `simple/` they hide mirrored ones."""
    return frozenset(each.name for each in packages if each.kind == "pypi" and is_hosted_url(each.url.raw))


def hosted_distribution(
    host: str, *, file_name: str, project: str, version: str, sha256: Sha256, size: int, provenance: Json = None
) -> Package:
    """A wheel or an sdist of a hosted name.

    Args:
        host: the hosted name.
        file_name: as it was sent.
        project: normalised.
        version: as its metadata spell it.
        sha256: of the file.
        size: in bytes.
        provenance: what was attested, as PEP 740 has it; None: nothing.
    """
    path = admit_path(f"{host}/{_FILES}/{file_name}")
    return Package(
        path=path,
        url=Url(f"{SCHEME}{path}"),
        sha256=sha256,
        md5=None,
        size=size,
        kind="pypi",
        name=project,
        version=version,
        build=None,
        subdir=None,
        record=MappingProxyType(
            {
                "indexes": [hosted_index(host)],
                "find-links": [],
                **({"provenance": provenance} if provenance is not None else {}),
            }
        ),
    )
