"""Yield the bytes behind a URL: retries, time-outs, resume, credentials, mirrors; alone speaks HTTP as a client."""

from pixi_mirror.fetch.document import Document
from pixi_mirror.fetch.fetcher import Fetcher
from pixi_mirror.fetch.interface import Sink

__all__ = ["Document", "Fetcher", "Sink"]
