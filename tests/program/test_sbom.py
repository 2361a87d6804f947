"""`sbom` writes what the mirror holds, from the mirror alone, the same bytes each time."""

import json
import shutil

import pytest
from harness.python_index import PythonIndex

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.packages import build_package

LOCK = ("--lock", "workspace/pixi.lock")


@pytest.fixture
def mirrored(world):
    """A mirror of conda packages and a wheel, whose workspace and upstream are gone."""
    index = PythonIndex(world)
    wheel = build_wheel(name="thing", version="1.0", requires_dist=["tool"])
    entries = [
        world.publish(build_package(name="app", subdir="linux-64", depends=["lib"], license="MIT AND Apache-2.0")),
        world.publish(build_package(name="lib", license="Some Licence, 2nd edition")),
        world.publish(build_package(name="bare", license="")),
        index.publish(wheel, name="thing", version="1.0"),
    ]
    world.lock("workspace", environments={"default": {"linux-64": entries}}, indexes=[index.url], version=7)
    assert world.run(*LOCK).status == 0
    shutil.rmtree(world.directory / "workspace")
    return world


def cyclonedx(world, *words):
    done = world.run("sbom", *words)
    assert done.status == 0, done.stderr
    return json.loads(done.stdout)


def components(document):
    return {each["name"]: each for each in document["components"]}


def test_every_package_is_a_component_with_hash_licence_and_place(mirrored):
    before = len(mirrored.requests)
    found = cyclonedx(mirrored)
    assert (found["bomFormat"], found["specVersion"], found["metadata"]["component"]["name"]) == (
        "CycloneDX", "1.6", "workspace",
    )  # fmt: skip
    assert sorted(components(found)) == ["app", "bare", "lib", "thing"]
    app, lib, bare, thing = (components(found)[name] for name in ("app", "lib", "bare", "thing"))
    assert app["licenses"] == [{"expression": "MIT AND Apache-2.0"}]
    assert lib["licenses"] == [{"license": {"name": "Some Licence, 2nd edition"}}]
    assert "licenses" not in bare
    properties = {each["name"]: each["value"] for each in app["properties"]}
    path = properties["pixi-mirror:path"]
    assert properties["pixi-mirror:environment"] == "workspace/default/linux-64"
    inventory = json.loads((mirrored.mirror / "pixi-mirror.json").read_text(encoding="utf-8"))
    assert {"alg": "SHA-256", "content": inventory["tree"][path]["sha256"]} in app["hashes"]
    assert app["purl"].startswith("pkg:conda/app@1.0?build=0&channel=http://")
    assert thing["purl"].startswith("pkg:pypi/thing@1.0?file_name=thing-1.0-")
    depends = {each["ref"]: each["dependsOn"] for each in found["dependencies"]}
    assert depends[app["bom-ref"]] == [lib["bom-ref"]]
    assert sorted(depends["mirror"]) == sorted(each["bom-ref"] for each in found["components"])
    assert len(mirrored.requests) == before


def test_the_same_mirror_gives_the_same_bytes(mirrored):
    first = mirrored.run("sbom").stdout
    shutil.copytree(mirrored.mirror, mirrored.directory / "copy", symlinks=True)
    assert mirrored.run("sbom", "copy").stdout == first
    spdx = mirrored.run("sbom", "--format", "spdx").stdout
    assert mirrored.run("sbom", "copy", "--format", "spdx").stdout == spdx
    assert json.loads(spdx)["spdxVersion"] == "SPDX-2.3"
    dated = mirrored.run("sbom", env={"SOURCE_DATE_EPOCH": "1700000000"}).stdout
    assert json.loads(dated)["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"
    assert json.loads(dated)["serialNumber"] == json.loads(first)["serialNumber"]


def test_another_content_has_another_serial_number(mirrored):
    first = cyclonedx(mirrored)["serialNumber"]
    entry = mirrored.publish(build_package(name="more"))
    mirrored.lock("other", environments={"prod": {"linux-64": [entry]}})
    assert mirrored.run("--lock", "other/pixi.lock", "-e", "prod").status == 0
    assert cyclonedx(mirrored)["serialNumber"] != first
    assert list(components(cyclonedx(mirrored, "-e", "prod"))) == ["more"]
    assert cyclonedx(mirrored)["metadata"]["component"]["name"] == "other, workspace"


def test_a_file_is_written_whole_and_described(mirrored):
    done = mirrored.run_json("sbom", "-o", "mirror.cdx.json")
    written = (mirrored.directory / "mirror.cdx.json").read_bytes()
    assert (done["components"], done["bytes"], done["format"]) == (4, len(written), "cyclonedx")
    assert [path.rpartition("/")[2] for path in done["without_license"]] == [
        "bare-1.0-0.conda",
        "thing-1.0-py3-none-any.whl",
    ]
    said = mirrored.run("sbom", "-o", "mirror.cdx.json").stdout
    assert "mirror.cdx.json: 4 components" in said
    assert "of 2 no licence is known" in said
    assert mirrored.run("sbom").stdout.encode() == written
    failed = mirrored.run("sbom", "-o", "absent/mirror.cdx.json")
    assert failed.status == 8
    assert "absent/mirror.cdx.json" in failed.stderr


def test_what_cannot_be_is_refused(mirrored):
    assert mirrored.run("sbom", "nowhere").status == 8
    wrong = mirrored.run("sbom", "-e", "prod")
    assert wrong.status == 3
    assert "has the environment 'prod'; there are: default" in wrong.stderr
    assert mirrored.run("sbom", "--json").status == 2
    assert mirrored.run("sbom", "--format", "cyclone").status == 2
    assert mirrored.run("sbom", env={"SOURCE_DATE_EPOCH": "yesterday"}).status == 2


def test_no_secret_of_a_url_is_written(world):
    package = build_package(name="app")
    entry = world.publish(package, base=world.upstream.url.replace("://", "://me:hunter2@"))
    world.lock("workspace", environments={"default": {"linux-64": [entry]}})
    assert world.run(*LOCK).status == 0
    for form in ("cyclonedx", "spdx"):
        document = world.run("sbom", "--format", form).stdout
        assert "app" in document
        assert "hunter2" not in document
