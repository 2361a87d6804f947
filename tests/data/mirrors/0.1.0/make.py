"""Make the kept mirror of version 0.1.0 with the program of commit 8e3cadc: `README.md` has the commands.

    python make.py PIXI-MIRROR DIRECTORY

`DIRECTORY` must not exist; its path stands in the mirror's private state, so it should be one of no machine's own. This
script imports the builders of that commit, too.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from pixi_mirror.demo.distributions import build_sdist, build_wheel
from pixi_mirror.demo.packages import build_package
from pixi_mirror.demo.scene import manifest_text
from pixi_mirror.demo.upstream import Upstream
from pixi_mirror.lockfile.writer import CondaEntry, Entry, Environment, LockDescription, Platform, PypiEntry, lock_text

FORGE, TEAM = "https://conda.anaconda.org/conda-forge", "https://conda.example/team"
INDEX, FILES = "https://pypi.example/simple", "https://files.pypi.example"
HOSTS = ("https://conda.anaconda.org", "https://conda.example", FILES, "https://pypi.example")

served: dict[str, bytes] = {}
"""All that the upstream has: path without leading slash -> bytes."""


def conda(channel: str, name: str, **described) -> CondaEntry:
    package = build_package(name=name, **described)
    place = f"{package.record['subdir']}/{package.file_name}"
    served[f"{channel.rpartition('/')[2]}/{place}"] = package.data
    return CondaEntry(url=f"{channel}/{place}", record=package.record)


def python(built, name: str, version: str, **told) -> PypiEntry:
    place = f"packages/{built.sha256[:2]}/{built.file_name}"
    served[place] = built.data
    row = {"filename": built.file_name, "url": f"{FILES}/{place}", "hashes": {"sha256": built.sha256}}
    row |= {"size": len(built.data), **told}
    page = {"meta": {"api-version": "1.1"}, "name": name, "versions": [version], "files": [row]}
    served[f"simple/{name}/"] = json.dumps(page).encode()
    return PypiEntry(url=f"{FILES}/{place}", name=name, version=version, sha256=built.sha256)


data = conda(FORGE, "kept-data", version="2024.1", extension="tar.bz2", payload_size=500)
lib = {
    subdir: conda(
        FORGE,
        "kept-lib",
        version="2.3",
        subdir=subdir,
        depends=["kept-data >=2024"],
        constrains=["kept-old <1"],
        extension=extension,
        payload_size=500,
    ).hotfixed(depends=["kept-data >=2024,<2025"])
    for subdir, extension in (("linux-64", "conda"), ("osx-arm64", "tar.bz2"))
}
app = {each: conda(TEAM, "kept-app", version=each, depends=["kept-lib >=2.3"]) for each in ("1.0", "1.1")}
tool = {
    each: conda(TEAM, "kept-tool", version=each, subdir="linux-64", extension="tar.bz2", payload_size=500)
    for each in ("0.8", "0.9", "1.0")
}
old = conda(
    FORGE,
    "kept-old",
    version="1!0.5",
    build="py312_1",
    build_number=1,
    subdir="linux-64",
    extension="tar.bz2",
    track_features=("kept",),
    extra={"license_family": "BSD", "purls": ["pkg:pypi/kept-old@0.5"]},
)
docs = conda(FORGE, "kept-docs", depends=["kept-data"])
text = python(
    build_wheel(name="kept-text", version="1.0", requires_python=">=3.8", requires_dist=["kept-src>=2"]),
    "kept-text",
    "1.0",
    **{"upload-time": "2024-06-07T18:52:13Z", "requires-python": ">=3.8"},
)
source = python(build_sdist(name="kept-src", version="2.0"), "kept-src", "2.0", yanked="made by mistake")
late = python(build_wheel(name="kept-late", version="3.0"), "kept-late", "3.0")


def first(tool_version: str, app_version: str = "1.0") -> LockDescription:
    """Of version 7, with two channels and a platform with a name of its own."""
    common = (app[app_version], data, text)
    cells = {
        "prod": {
            "machine": (*common, lib["linux-64"], tool[tool_version]),
            "osx-arm64": (*common, lib["osx-arm64"]),
        },
        "default": {"machine": (data,)},
    }
    machine = Platform(name="machine", subdir="linux-64", virtual_packages=("__glibc=2.28",))
    return described(7, cells, channels=(TEAM, FORGE), platforms=(machine,))


def second() -> LockDescription:
    """Of version 6."""
    cells = {"default": {"linux-64": (data, old, text, source)}, "dev": {"linux-64": (data, docs, late)}}
    return described(6, cells, channels=(FORGE,))


def described(
    version, cells: dict[str, dict[str, tuple[Entry, ...]]], *, channels: Iterable[str], platforms=()
) -> LockDescription:
    environments = {
        name: Environment(channels=tuple(f"{each}/" for each in channels), indexes=(INDEX,), packages=of)
        for name, of in cells.items()
    }
    return LockDescription(version=version, environments=environments, platforms=platforms)


def write(path: Path, data: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)


def workspace(directory: Path, description: LockDescription) -> None:
    write(directory / "pixi.lock", lock_text(description))
    write(directory / "pixi.toml", manifest_text(description, name=directory.name))


def config(upstream: str) -> str:
    return "[mirrors]\n" + "".join(f'"{host}" = ["{upstream}"]\n' for host in HOSTS)


def main(program: str, target: str) -> None:
    here = Path(target)
    here.mkdir(parents=True)
    home = here / "home"
    environment = {"PATH": os.defpath, "HOME": str(home), "PIXI_MIRROR_CACHE_DIR": str(home / "cache")}

    def run(*words: str, status: int = 0) -> None:
        print("$ pixi-mirror", *words, flush=True)
        done = subprocess.run([program, *words], cwd=here, env=environment, check=False)
        assert done.returncode == status, done.returncode

    with Upstream(served) as upstream:
        write(home / "config.toml", config(upstream.url))
        environment["PIXI_MIRROR_CONFIG_FILE"] = str(home / "config.toml")
        follow_first = ("--lock", "first/pixi.lock", "--name", "first", "-e", "prod", "--index", "json")
        workspace(here / "first", first("0.8"))
        run(*follow_first)
        workspace(here / "first", first("0.9"))
        run(*follow_first)
        run("prune", "--apply")  # 0.8 is listed no more, and waits
        workspace(here / "first", first("1.0"))
        run(*follow_first)  # 0.9 is wanted no more, and still listed
        workspace(here / "second", second())
        follow_second = ("--lock", "second/pixi.lock", "--name", "second")
        run(*follow_second, "--index", "json")
        run(*follow_second, "-e", "dev", "--defer", "--index", "rattler-index", "--shards", "always")
        run("verify")
        run("status")
        run("prune", "--grace", "0", status=1)
    write(here / "first-changed" / "pixi.lock", lock_text(first("1.0", "1.1")))
    write(here / "config.toml", config("http://upstream.example"))
    for entry in (docs, late, app["1.1"]):
        (path,) = (path for path in served if path.endswith(entry.url.rpartition("/")[2]))
        write(here / "upstream" / path, served[path])


main(*sys.argv[1:])
