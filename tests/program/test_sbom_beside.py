"""`--sbom` of `pack`, `export` and `publish` writes a bill of materials beside what they write, never into it."""

import json
import tarfile

import pytest
from harness.python_index import PythonIndex

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.packages import build_package

LOCK = ("--lock", "workspace/pixi.lock")
PACK = ("pack", "workspace", "-p", "linux-64")


@pytest.fixture
def shop(world):
    index = PythonIndex(world)
    wheel = build_wheel(name="thing", version="1.0", requires_dist=["lib"])
    entries = [
        world.publish(build_package(name="app", subdir="linux-64", depends=["lib"], license="MIT")),
        world.publish(build_package(name="lib")),
        index.publish(wheel, name="thing", version="1.0"),
    ]
    world.lock("workspace", environments={"default": {"linux-64": entries}}, indexes=[index.url], version=7)
    return world


def bill(path):
    found = json.loads(path.read_text(encoding="utf-8"))
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.6")
    return found


def names(found):
    return sorted(each["name"] for each in found["components"])


def test_a_pack_has_its_bill_beside_it_and_is_the_same_without(shop):
    done = shop.run_json(*PACK, "-o", "with.tar", "--sbom")
    assert done["packs"][0]["sbom"] == "with.cdx.json"
    assert shop.run(*PACK, "-o", "without.tar").status == 0
    assert (shop.directory / "with.tar").read_bytes() == (shop.directory / "without.tar").read_bytes()
    with tarfile.open(shop.directory / "with.tar") as archive:
        assert not [name for name in archive.getnames() if "cdx" in name]
    found = bill(shop.directory / "with.cdx.json")
    assert names(found) == ["app", "lib", "thing"]
    assert found["metadata"]["component"]["name"] == "workspace"
    by_name = {each["name"]: each for each in found["components"]}
    assert by_name["app"]["licenses"] == [{"license": {"id": "MIT"}}]
    depends = {each["ref"]: each["dependsOn"] for each in found["dependencies"]}
    assert depends[by_name["thing"]["bom-ref"]] == depends[by_name["app"]["bom-ref"]] == [by_name["lib"]["bom-ref"]]
    assert not (shop.directory / "without.cdx.json").exists()
    first = (shop.directory / "with.cdx.json").read_bytes()
    (shop.directory / "with.tar").unlink()
    assert shop.run(*PACK, "-o", "with.tar", "--sbom", "-i", _extra(shop)).status == 0
    assert names(bill(shop.directory / "with.cdx.json")) == ["app", "extra", "lib", "thing"]
    assert (shop.directory / "with.cdx.json").read_bytes() != first


def _extra(world):
    built = build_package(name="extra")
    path = world.directory / built.file_name
    path.write_bytes(built.data)
    return path


def test_a_folder_has_its_bill_beside_it_and_stdout_has_none(shop):
    assert shop.run(*PACK, "-o", "env", "--directory-only", "--sbom").status == 0
    assert names(bill(shop.directory / "env.cdx.json")) == ["app", "lib", "thing"]
    assert not [*(shop.directory / "env").rglob("*.cdx.json")]
    refused = shop.run(*PACK, "-o", "-", "--sbom")
    assert (refused.status, "name the pack with -o" in refused.stderr) == (2, True)
    assert shop.run(*PACK, "-o", "dry.tar", "--sbom", "--dry-run").status == 0
    assert not (shop.directory / "dry.cdx.json").exists()


def test_an_export_has_the_bill_of_the_whole_generation_and_import_passes_it_over(shop):
    assert shop.run(*LOCK).status == 0
    done = shop.run_json("export", "--full", "-o", "usb", "--sbom")
    beside = shop.directory / done["sbom"]
    assert (beside.parent.name, beside.name.endswith(".cdx.json")) == ("usb", True)
    assert beside.read_text(encoding="utf-8").rstrip() == shop.run("sbom").stdout.rstrip()
    assert shop.run("import", "usb", "far").status == 0
    assert shop.run_json("export", "--full", "-o", "usb2")["sbom"] is None


def test_a_published_bill_is_kept_up_and_not_pruned(shop):
    assert shop.run(*LOCK).status == 0
    assert "pixi-mirror.cdx.json" in shop.run_json("publish", "site", "--sbom")["written"]
    found = shop.directory / "site" / "pixi-mirror.cdx.json"
    assert found.read_text(encoding="utf-8").rstrip() == shop.run("sbom").stdout.rstrip()
    assert shop.run_json("publish", "site")["written"] == []
    assert shop.run_json("publish", "site", "--prune", "--grace", "0")["removed"] == []
    more = [shop.publish(build_package(name=name)) for name in ("lib", "more")]
    shop.lock("workspace", environments={"default": {"linux-64": more}})
    assert shop.run(*LOCK).status == 0
    assert "pixi-mirror.cdx.json" in shop.run_json("publish", "site")["written"]
    assert "more" in names(bill(found))
    assert shop.run("publish", "plain").status == 0
    assert not (shop.directory / "plain" / "pixi-mirror.cdx.json").exists()


def test_a_registry_takes_no_bill(shop):
    assert shop.run(*LOCK).status == 0
    refused = shop.run("publish", "oci://127.0.0.1:9/team", "--sbom")
    assert (refused.status, "`pixi-mirror sbom -o FILE` writes one" in refused.stderr) == (2, True)
