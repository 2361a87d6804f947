"""Put packages where the clients of this machine install from, in the form that they keep them in themselves."""

from pixi_mirror.installs.package_cache import PackageCache, Waiting, entry_name, missing

__all__ = ["PackageCache", "Waiting", "entry_name", "missing"]
