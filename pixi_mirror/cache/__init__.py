"""Turn packages into verified local files, many at once; it alone keeps the store and starts threads."""

from pixi_mirror.cache.batch import Batch, Failed, Obtained, Outcome
from pixi_mirror.cache.single import obtain_one
from pixi_mirror.cache.store import Blob, Store

__all__ = ["Batch", "Blob", "Failed", "Obtained", "Outcome", "Store", "obtain_one"]
