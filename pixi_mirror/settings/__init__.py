"""What the user has told pixi and us, as values, from files and a passed `environ`.

It alone reads TOML and credential stores.
"""

from pixi_mirror.settings.locations import cache_directory
from pixi_mirror.settings.reading import Options, Settings, read_settings

__all__ = ["Options", "Settings", "cache_directory", "read_settings"]
