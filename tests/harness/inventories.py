"""Small packages, snapshots and inventories for the tests of the mirror's parts."""

import hashlib

from pixi_mirror.model.packages import Cell, Channel, Inventory, Package, Snapshot
from pixi_mirror.model.request import Request
from pixi_mirror.model.values import Url, admit_path, admit_sha256

CHANNEL = Channel(url="https://conda.anaconda.org/conda-forge", path=admit_path("conda-forge"))
INDEX = "https://pypi.example/simple"


def digest(data):
    data = data if isinstance(data, bytes) else str(data).encode()
    return admit_sha256(hashlib.sha256(data).hexdigest())


def conda(name, *, data=None, subdir="noarch", has_hash=True, **record):
    """A conda package whose bytes are `data`, or made up."""
    data = name.encode() if data is None else data
    sha256, size = (digest(data), len(data)) if has_hash else (None, None)
    known = {"name": name, "version": "1.0", "build": "0", "build_number": 0, "subdir": subdir, "depends": []}
    path = f"conda-forge/{subdir}/{name}-1.0-0.conda"
    return Package(
        path=admit_path(path), url=Url(f"https://conda.anaconda.org/{path}"), sha256=sha256, md5=None, size=size,
        kind="conda", name=name, version="1.0", build="0", subdir=subdir, record=known | record,
    )  # fmt: skip


def sdist(name):
    path = f"files.pypi.example/{name}-1.0.tar.gz"
    return Package(
        path=admit_path(path), url=Url(f"https://{path}"), sha256=digest(name), md5=None, size=None, kind="pypi",
        name=name, version="1.0", build=None, subdir=None, record={"indexes": [INDEX], "find-links": []},
    )  # fmt: skip


def snapshot(*packages, name="shop", newest=0, request=None):
    """A subscription that wants these packages in one environment."""
    cell = Cell(
        environment="default", platform="linux-64", subdir="linux-64", channels=(CHANNEL,),
        packages=tuple(sorted(package.path for package in packages)),
    )  # fmt: skip
    return Snapshot(
        id=f"name:{name}", workspace=name, source_sha256=digest(name), newest_timestamp=newest,
        requests=(request or Request(environments=("default",), platforms=()),), cells=(cell,),
        packages=tuple(sorted(packages, key=lambda package: package.path)), refused=(),
    )  # fmt: skip


def inventory(*snapshots, tree, **rest):
    return Inventory(layout="channels", snapshots=snapshots, **({"kept": {}} | rest), tree=tree)
