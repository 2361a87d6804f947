"""An inventory out of nothing: as large, and with names as hostile, as a test wants."""

from pixi_mirror.model.packages import Cell, GeneratedFile, Inventory, Package, PackageFile, Snapshot
from pixi_mirror.model.values import MirrorPath, Url
from pixi_mirror.paths import channel

FORGE = "https://conda.anaconda.org/conda-forge"
INDEX = "https://pypi.example/simple"


def conda(name, version="1.0", build="0", *, subdir="linux-64", number=0, **record):
    """A conda package; its path is safe whatever its name is."""
    return Package(
        path=MirrorPath(f"conda-forge/{subdir}/c{number}-{build}.conda"), url=Url(f"{FORGE}/{subdir}/c{number}.conda"),
        sha256=None, md5=None, size=None, kind="conda", name=name, version=version, build=build, subdir=subdir,
        record={"name": name, "version": version, "build": build, **record},
    )  # fmt: skip


def wheel(name, version="1.0", *, number=0, indexes=(INDEX,)):
    """A wheel; its path is safe whatever its name is."""
    return Package(
        path=MirrorPath(f"files.pypi.example/w{number}.whl"), url=Url(f"https://files.pypi.example/w{number}.whl"),
        sha256=None, md5=None, size=None, kind="pypi", name=name, version=version, build=None, subdir=None,
        record={"indexes": list(indexes), "find-links": []},
    )  # fmt: skip


def inventory(*packages, workspace="demo", environment="default", platform="linux-64", sizes=1000, derived=(), **more):
    """A mirror that one subscription fills; `sizes` bytes are in every file."""
    cell = Cell(
        environment=environment, platform=platform, subdir="linux-64", channels=(channel(FORGE, "channels"),),
        packages=tuple(each.path for each in packages),
    )  # fmt: skip
    snapshot = Snapshot(
        id="one", workspace=workspace, source_sha256="0" * 64, newest_timestamp=0, requests=(), cells=(cell,),
        packages=packages, refused=(),
    )  # fmt: skip
    deferred = more.get("deferred", frozenset())
    tree = {each.path: PackageFile(sha256="0" * 64, size=sizes) for each in packages if each.path not in deferred}
    tree |= {MirrorPath(path): GeneratedFile(recipe="0" * 64) for path in derived}
    return Inventory(layout="channels", snapshots=(snapshot,), kept={}, tree=tree, **more)


def realistic(count):
    """A mirror of about `count` packages, two thirds of them conda's."""
    stems = ("numpy", "openssl", "python-dateutil", "libcurl", "zlib", "xz", "tzdata", "pandas", "ruff", "scipy")
    names = [stems[i] if i < len(stems) else f"{stems[i % len(stems)]}-{i}" for i in range(count)]
    packages = [
        wheel(name, f"2.{i % 9}.{i % 5}", number=i) if i % 3 == 2 else conda(name, f"1.{i % 30}.0", number=i)
        for i, name in enumerate(names)
    ]
    pages = [f"simple/{each.name}/index.html" for each in packages if each.kind == "pypi"]
    indexes = ("conda-forge/linux-64/repodata.json", "simple/index.html")
    return inventory(*packages, sizes=1_234_567, derived=(*indexes, *pages))
