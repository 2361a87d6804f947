"""Show a tree over HTTP, read-only: to a client it is the channels and indexes that were mirrored.

It alone is a server (but for the demo's stand-in for the outside world).
"""

from pixi_mirror.serve.conversation import Log
from pixi_mirror.serve.log import Access
from pixi_mirror.serve.server import Server, Tls
from pixi_mirror.serve.shelf import Absent, Unobtainable
from pixi_mirror.serve.wire import Patience

__all__ = ["Absent", "Access", "Log", "Patience", "Server", "Tls", "Unobtainable"]
