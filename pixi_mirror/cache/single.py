"""Obtain one file in the calling thread."""

from pixi_mirror.cache.batch import Obtained
from pixi_mirror.cache.download import admit, downloaded
from pixi_mirror.cache.store import Store
from pixi_mirror.errors import FetchError
from pixi_mirror.http.fetcher import Fetcher
from pixi_mirror.model.packages import Package
from pixi_mirror.model.values import Sha256
from pixi_mirror.progress import Progress


def obtain_one(
    package: Package, sha256: Sha256, store: Store, fetcher: Fetcher, progress: Progress
) -> tuple[Obtained, bool]:
    """The package's verified bytes in the store, and whether they were fetched for it; `store` is in use.

    Raises:
        FetchError: they could not be had.
        WrongBytesError: they are not what was promised; nothing of them is kept.
        MachineError: the disk refuses.
    """
    size = store.verified(sha256, suspect=False)
    if size is not None:
        return Obtained(package, store.path(sha256), sha256, size), False
    verified = downloaded(package, store, fetcher, progress)
    if verified is not None:
        admit(verified, store)
        return Obtained(package, store.path(sha256), verified.sha256, verified.size), True
    size = store.verified(sha256, suspect=False)  # another process was quicker
    if size is None:
        raise FetchError(f"{package.url}: another process fetched it, and it is gone again; ask once more.")
    return Obtained(package, store.path(sha256), sha256, size), False
