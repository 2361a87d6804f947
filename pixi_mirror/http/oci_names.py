"""How a file of a conda channel is named in an OCI registry: by the rule of rattler; pure.

The rule is that of the OCI middleware of rattler_networking 0.34, which reads what conda_oci_mirror has published. A
package is a repository with a tag for each version and build; the index files of a subdir are layers of one manifest.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from pixi_mirror.model.values import Sha256, Url

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
SHARD = "application/vnd.conda.repodata.shard.v1+msgpack+zst"
"""Media type of one shard."""
LATEST = "latest"
"""The tag of index files."""

_OCI = re.compile(r"oci://([^/?#@]*@)?(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]*)?/([^?#]+)", re.IGNORECASE)
_ARCHIVE = re.compile(r"(?P<name>.+)-(?P<version>[^-]+)-(?P<build>[^-]+)\.(?P<form>conda|tar\.bz2)")
_PACKAGE = {"conda": "application/vnd.conda.package.v2", "tar.bz2": "application/vnd.conda.package.v1"}
_INDEX = re.compile(r"repodata(?:\.json(?P<packed>\.(?:zst|gz|bz2))?|_(?P<sharded>shards)\.msgpack\.zst)")
_INDEX_TYPES = {
    None: "application/vnd.conda.repodata.v1+json",
    ".zst": "application/vnd.conda.repodata.v1+json+zst",
    ".gz": "application/vnd.conda.repodata.v1+json+gzip",
    ".bz2": "application/vnd.conda.repodata.v1+json+bz2",
}
_SHARD_INDEX = "application/vnd.conda.repodata.shards.v1+msgpack+zst"
_SHARD_FILE = re.compile(r"(?P<sha256>[0-9a-fA-F]{64})\.msgpack\.zst")
# Of a tag: letters, digits and `_.-`, at most 128 (OCI distribution 1.1, "Pulling manifests").
_REPLACED = (("+", "__p__"), ("!", "__e__"), ("=", "__eq__"))
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_LONGEST = 255
"""Characters of a repository's name, with the host, that many registries take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OciReference:
    """Where a file of a channel is in a registry."""

    repository: str
    tag: str
    media_type: str
    """Of the layer of the manifest that is the file."""
    sha256: Sha256 | None = None
    """Of the file, where its name says it."""


def place_of(url: Url) -> tuple[str, OciReference] | None:
    """The host of an `oci://` URL, and the file there; None: it is no such URL of a file of a channel.

    As in rattler the port does not count, since registries are asked on that of https.
    """
    found = _OCI.fullmatch(url.raw)
    reference = None if found is None else reference_of(unquote(found[3]))
    return None if found is None or reference is None else (found[2].lower(), reference)


def reference_of(path: str) -> OciReference | None:
    """Where the file at a path below the host is; None: no client finds such a file in a registry.

    Args:
        path: `NAMESPACE/CHANNEL/SUBDIR/FILE`, decoded.
    """
    folder, _, name = path.strip("/").rpartition("/")
    parent, _, last = folder.rpartition("/")
    if (shard := _SHARD_FILE.fullmatch(name)) and last == "shards":
        sha256 = Sha256(shard["sha256"].lower())
        repository = f"{parent}/repodata.json/shards"
        return OciReference(repository=repository, tag=sha256, media_type=SHARD, sha256=sha256)
    if (index := _INDEX.fullmatch(name)) is not None:
        kind = _SHARD_INDEX if index["sharded"] else _INDEX_TYPES[index["packed"]]
        return OciReference(repository=f"{folder}/repodata.json", tag=LATEST, media_type=kind)
    if (archive := _ARCHIVE.fullmatch(name)) is None:
        return None
    tag = f"{archive['version']}-{archive['build']}"
    for character, spelled in _REPLACED:
        tag = tag.replace(character, spelled)
    # No component begins with `_`: rattler puts `zzz` before it.
    package = f"zzz{archive['name']}" if archive["name"].startswith("_") else archive["name"]
    return OciReference(repository=f"{folder}/{package}", tag=tag, media_type=_PACKAGE[archive["form"]])


def is_same_type(found: str, wanted: str) -> bool:
    """Whether the media type of a layer is the one that is looked for; publishers have written `+zst` and `+zstd`."""
    return found.replace("+zstd", "+zst") == wanted


def naming_problem(reference: OciReference) -> str | None:
    """Why no registry can hold a file under this name (OCI distribution 1.1); None: it can."""
    for component in reference.repository.split("/"):
        if not _COMPONENT.fullmatch(component):
            return (
                f"{component!r} cannot be part of a repository's name, which has lower-case letters and digits, "
                "with . or _ or __ or any number of - between them"
            )
    if len(reference.repository) > _LONGEST:
        return f"the repository's name has {len(reference.repository)} characters, of at most {_LONGEST}"
    if not _TAG.fullmatch(reference.tag):
        return f"{reference.tag[:140]!r} cannot be a tag: letters, digits and _ . -, at most 128"
    return None
