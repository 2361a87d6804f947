"""Commands that make something beside a mirror, each to be stopped anywhere: scenarios as those of `scenario.py`."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from harness import program, scenario
from harness.looking import contents
from harness.scenario import Place, Scenario
from harness.world import World, small_packages

from pixi_mirror.demo.packages import build_package

_REVISION_BYTES = 8
_PLACES = re.compile(rb"/(?:seed|copy-\d+)\b")


def prime(world: World) -> Scenario:
    """A prime that adds entries to a package cache and replaces one that was made of another archive."""
    updating = scenario.first_update(world)
    assert updating.run(updating.seed).status == 0
    priming = Scenario(
        world=world,
        args=lambda mirror: ["prime", mirror, "-p", "linux-64", "--pixi-cache-dir", _pkgs(mirror.parent).parent],
        products=entries,
        litter=left_in_cache,
    )
    assert priming.run(priming.seed).status == 0
    pkgs = _pkgs(priming.seed.directory)
    lock = pkgs / "base-2024.1-0.lock"
    lock.write_bytes(lock.read_bytes()[:_REVISION_BYTES] + bytes(32))
    (pkgs / "base-2024.1-0/share/base.txt").write_bytes(b"of another archive\n")
    scenario.locked(world, more=[build_package(name="added", subdir="linux-64", files={"share/added": b"added\n"})])
    assert updating.run(updating.seed).status == 0
    return priming


def entries(place: Place) -> Mapping[str, object]:
    """What pixi would install from of the package cache of a copy: name -> sha256 of its archive, and its files."""
    pkgs = _pkgs(place.directory)
    folders = [path for path in (pkgs.iterdir() if pkgs.is_dir() else ()) if path.is_dir() and path.name[0] != "."]
    found: dict[str, object] = {
        path.name: (Path(f"{path}.lock").read_bytes()[_REVISION_BYTES:].hex(), contents(path)) for path in folders
    }
    return found


def left_in_cache(place: Place) -> set[str]:
    """What no finished prime leaves in a package cache."""
    return {path.name for path in _pkgs(place.directory).glob(".pixi-mirror-*")}


def _pkgs(directory: Path) -> Path:
    return directory / "pixi-cache" / "pkgs"


def pack(world: World) -> Scenario:
    """A pack, as one file, in the place of an older one."""
    return _packing(world, "environment.tar")


def pack_folder(world: World) -> Scenario:
    """A pack, as a folder, in the place of an older one."""
    return _packing(world, "environment", "--directory-only")


def _packing(world: World, name: str, *more: str) -> Scenario:
    workspace = _workspace(world, "1.0")

    def products(place: Place) -> Mapping[str, object]:
        path = place.directory / name
        return {name: contents(path) if path.is_dir() else path.read_bytes()} if path.exists() else {}

    packing = Scenario(
        world=world,
        args=lambda mirror: ["pack", workspace, "-p", "linux-64", *more, "-o", mirror.parent / name],
        products=products,
        rewritten=frozenset({name}),
        litter=left_beside,
    )
    packing.seed.directory.mkdir()
    done = packing.run(packing.seed)
    assert done.status == 0, done.stderr
    _workspace(world, "2.0")
    return packing


def unpack(world: World) -> Scenario:
    """An unpack where an older pack was unpacked before."""
    workspace, file = _workspace(world, "1.0"), world.directory / "environment.tar"
    making = Scenario(world=world, args=lambda _mirror: ["pack", workspace, "-p", "linux-64", "-o", file])
    unpacking = Scenario(
        world=world,
        args=lambda mirror: ["unpack", file, "--platform", "linux-64", "-s", "bash", "-o", mirror.parent],
        products=unpacked,
        rewritten=frozenset({"activate.sh"}),
        litter=left_beside,
    )
    making.seed.directory.mkdir()
    for scene, version in ((making, "1.0"), (unpacking, ""), (making, "2.0")):
        if version:
            _workspace(world, version)
        done = scene.run(scene.seed)
        assert done.status == 0, done.stderr
    return unpacking


def unpacked(place: Place) -> Mapping[str, object]:
    """The environment and its script, as if all copies were one place."""
    found: dict[str, object] = {}
    if (place.directory / "env").exists():
        files = contents(place.directory / "env")
        found["env"] = {path: _PLACES.sub(b"/place", data) for path, data in files.items()}
    if (script := place.directory / "activate.sh").exists():
        found["activate.sh"] = _PLACES.sub(b"/place", script.read_bytes())
    return found


def left_beside(place: Place) -> set[str]:
    """What no finished run leaves beside what it makes."""
    return {path.name for path in place.directory.glob(".*")}


def export(world: World) -> Scenario:
    """An export in two volumes for a receiver."""
    updating = scenario.update(world)
    assert updating.run(updating.seed).status == 0

    def products(place: Place) -> Mapping[str, object]:
        found: dict[str, object] = {path.name: path.read_bytes() for path in _usb(place).glob("*.tar")}
        ledger = place.mirror / ".pixi-mirror/ledger.json"
        offers = json.loads(ledger.read_bytes())["receivers"]["site"]["offers"] if ledger.exists() else []
        assert not offers or len(found) > 1, "the ledger has an export that is not there"
        return found | ({"offers": offers} if offers else {})

    return Scenario(
        world=world,
        args=lambda mirror: ["export", mirror, "--to", "site", "--volume-size", "340k", "-o", mirror.parent / "usb"],
        has_jobs=False,
        products=products,
        rewritten=frozenset({"usb"}),
        litter=lambda place: {path.name for path in _usb(place).glob(".*")},
    )


def _usb(place: Place) -> Path:
    return place.directory / "usb"


def import_archives(world: World) -> Scenario:
    """An import of a second generation, with which a package comes, one goes and one has another record."""
    usb = world.directory / "usb"
    near, updating = world.directory / "near", scenario.first_update(world)

    def carry() -> None:
        done = program.run(["--lock", "workspace/pixi.lock", "-o", near], **updating.surroundings(updating.seed))
        assert done.status == 0, done.stderr
        shutil.rmtree(usb, ignore_errors=True)
        done = program.run(["export", near, "--full", "-o", usb], **updating.surroundings(updating.seed))
        assert done.status == 0, done.stderr

    importing = Scenario(world=world, args=lambda mirror: ["import", usb, "-o", mirror], has_jobs=False)
    carry()
    assert importing.run(importing.seed).status == 0
    scenario.locked(
        world,
        hotfixed=True,
        without="pure",
        more=[build_package(name="added", subdir="linux-64", payload_size=300_000)],
    )
    carry()
    return importing


def acknowledge(world: World) -> Scenario:
    """A receipt that is recorded."""
    exporting = export(world)
    assert exporting.run(exporting.seed).status == 0
    receipt = world.directory / "receipt.json"
    said = program.run(["receipt", exporting.seed.mirror, "--to", "site"], **exporting.surroundings(exporting.seed))
    receipt.write_text(said.stdout)

    def products(place: Place) -> Mapping[str, object]:
        return {"ledger": json.loads((place.mirror / ".pixi-mirror/ledger.json").read_bytes())}

    return Scenario(world=world, args=lambda mirror: ["ack", receipt, "-o", mirror], has_jobs=False, products=products)


def _workspace(world: World, version: str) -> Path:
    """A workspace that locks one package that stays, another that changes and, later, one more."""
    packages = [
        small_packages()["base"],
        build_package(name="changing", version=version, subdir="linux-64", files={"share/changing": version.encode()}),
        *([] if version == "1.0" else [build_package(name="added", files={"share/added": b"added\n"})]),
    ]
    cell = [world.publish(package) for package in packages]
    return world.lock("workspace", environments={"default": {"linux-64": cell}}).parent
