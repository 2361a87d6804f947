"""Hash the archives of this machine that a lock names by their path, and of which it has no hash.

Such an archive is mirrored under the hash that it has now. Version 7 has no hash of Python archives.
"""

from dataclasses import replace
from types import MappingProxyType

from pixi_mirror.disk.files import hash_file
from pixi_mirror.errors import UnmirrorableError
from pixi_mirror.lockfile.entries import CondaBinary
from pixi_mirror.model.values import Sha256, Url
from pixi_mirror.paths import is_local, local_path, local_url


def with_file_hash(entry: CondaBinary, base: str) -> CondaBinary:
    """The entry; if it is a file of this machine without a hash in the lock, with the hash that the file has now.

    Args:
        entry: of a lock.
        base: the `file:///directory/` URL that relative paths start at.

    Raises:
        UnmirrorableError: the file cannot be read.
    """
    if entry.record.get("sha256") is not None or not is_local(entry.location):
        return entry
    sha256, size = hash_local_archive(Url(local_url(entry.location, base)))
    return replace(entry, record=MappingProxyType({"size": size, **entry.record, "sha256": sha256}))


def hash_local_archive(url: Url) -> tuple[Sha256, int]:
    """The sha256 of a local archive and its size in bytes.

    Raises:
        UnmirrorableError: it cannot be read.
    """
    path = local_path(url.raw)
    try:
        sha256, status = hash_file(path)
    except OSError as error:
        raise UnmirrorableError(f"the file {path} cannot be read: {error.strerror}") from None
    return sha256, status.st_size
