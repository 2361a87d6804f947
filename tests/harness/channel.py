"""A whole channel at the upstream: packages with the indexes that a solver reads, and a user who is led to it."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from harness.world import CHANNEL, World

from pixi_mirror.archives.compression import zstd_library
from pixi_mirror.demo.packages import BuiltPackage, build_package

PLATFORMS = ("linux-64", "osx-arm64")
BLIND = (
    "import importlib.util as u\nfind = u.find_spec\n"
    "u.find_spec = lambda name, package=None: None if name == 'rattler' else find(name, package)\n"
)
"""A `sitecustomize.py` with which Python finds no py-rattler."""


def lab_packages() -> list[BuiltPackage]:
    """python, numpy and what they need, in two versions, for two platforms; and rattler-index."""
    found = [build_package(name="tzdata", version="2025b", build="h1_0", noarch="generic")]
    for subdir in PLATFORMS:
        system = "__glibc >=2.17,<3.0.a0" if subdir == "linux-64" else "__osx >=11.0"
        for version in ("3.12.11", "3.13.5"):
            found.append(
                build_package(
                    name="python", version=version, build="h1_0", subdir=subdir, depends=["tzdata", system],
                    files={"lib/python.txt": version.encode()},
                )
            )  # fmt: skip
            minor = version.rpartition(".")[0]
            depends = [f"python >={minor},<{minor[:2]}{int(minor[2:]) + 1}.0a0", system]
            build = f"py{minor.replace('.', '')}h1_0"
            found.append(build_package(name="numpy", version="2.3.1", build=build, subdir=subdir, depends=depends))
        newest = "__glibc >=2.34" if subdir == "linux-64" else "__osx >=14.0"
        for version, needs in (("1.0", system), ("2.0", newest)):
            found.append(build_package(name="modern", version=version, subdir=subdir, depends=[needs]))
        found.append(build_package(name="rattler-index", version="0.28.1", build="h1_0", subdir=subdir))
    return found


def publish_channel(
    world: World,
    packages: Iterable[BuiltPackage],
    *,
    channel: str = CHANNEL,
    form: Literal["json", "zst"] = "json",
    base_url: str | None = None,
) -> Path:
    """Lay packages out at the upstream with a `repodata.json` or `.zst` of each subdir; the channel's directory."""
    records: dict[str, dict[str, object]] = {"noarch": {}}
    for package in packages:
        world.publish(package, channel=channel)
        records.setdefault(package.record["subdir"], {})[package.file_name] = dict(package.record)
    directory = world.root / channel
    for subdir, listed in records.items():
        info = {"subdir": subdir, **({"base_url": base_url} if base_url else {})}
        sections = {
            key: {name: record for name, record in listed.items() if name.endswith(suffix)}
            for key, suffix in (("packages", ".tar.bz2"), ("packages.conda", ".conda"))
        }
        data = json.dumps({"info": info, **sections, "repodata_version": 1}).encode()
        (directory / subdir).mkdir(parents=True, exist_ok=True)
        if form == "zst":
            (directory / subdir / "repodata.json.zst").write_bytes(zstd_library().compress(data))
        else:
            (directory / subdir / "repodata.json").write_bytes(data)
    return directory


def led_to_upstream(world: World) -> dict[str, str]:
    """The variables of a user whose `[mirrors]` lead conda-forge, and everything of its host, to the upstream."""
    config = world.directory / "pixi-config.toml"
    config.write_text(f'[mirrors]\n"https://conda.anaconda.org" = ["{world.upstream.url}"]\n', encoding="utf-8")
    return {"PIXI_CONFIG_FILE": str(config)}


def without_rattler(world: World) -> dict[str, str]:
    """The variables of a user whose Python has no py-rattler."""
    folder = world.directory / "blind"
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(BLIND, encoding="utf-8")
    return {"PYTHONPATH": f"{folder}:{world.environment['PYTHONPATH']}"}
