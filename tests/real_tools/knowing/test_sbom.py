"""Bills of materials are read by the libraries of both formats, and compared with the program pixi-sbom."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from harness.corpus import ROWS, lock_path, needs_corpus
from harness.python_index import PythonIndex

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.packages import build_package
from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.source import LockSource
from pixi_mirror.model.packages import Inventory, PackageFile
from pixi_mirror.model.request import Request
from pixi_mirror.pypi.licenses import read_license
from pixi_mirror.sbom.components import list_components

pytestmark = pytest.mark.sbom_tools

ALL = Request(environments=None, platforms=(), skip_unmirrorable=True)
LICENSES = [
    "MIT",
    "GPL-2.0",
    "GPL-2.0+",
    "LGPL-2.1-or-later WITH GCC-exception-3.1",
    "LicenseRef-Own",
    "Apache 2.0",
    "",
]


@pytest.fixture
def mirrored(world):
    index = PythonIndex(world)
    entries = [
        world.publish(build_package(name=f"p{number}", version="1!2.0+l_1", license=text, depends=["p0"]))
        for number, text in enumerate(LICENSES)
    ]
    built = build_wheel(name="My.Thing", version="1.0+cpu", requires_dist=["p0"])
    entries.append(index.publish(built, name="my-thing", version="1.0+cpu"))
    world.lock("work space", environments={"default": {"linux-64": entries}}, indexes=[index.url], version=7)
    assert world.run("--lock", "work space/pixi.lock").status == 0
    return world


def document(world, form, *words):
    done = world.run("sbom", "--format", form, *words)
    assert done.status == 0, done.stderr
    return done.stdout


def test_cyclonedx_is_valid_by_its_schema_and_read_by_its_library(mirrored):
    bom = pytest.importorskip("cyclonedx.model.bom")
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = document(mirrored, "cyclonedx")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    read = bom.Bom.from_json(json.loads(text))
    assert len(read.components) == len(LICENSES) + 1
    assert read.validate()
    first = next(each for each in read.components if each.name == "p0")
    depends = {str(each.ref.value): {str(other.ref.value) for other in each.dependencies} for each in read.dependencies}
    other = next(each for each in read.components if each.name == "p1")
    assert depends[other.bom_ref.value] == {first.bom_ref.value}


def test_the_validator_would_have_seen_a_fault(mirrored):
    pytest.importorskip("cyclonedx")
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    broken = json.loads(document(mirrored, "cyclonedx"))
    broken["components"][0]["licenses"] = [{"license": {"id": "LicenseRef-Own"}}]
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(broken)) is not None


def test_every_identifier_that_packaging_knows_is_one_of_the_schema():
    """Else a licence would be written as an identifier that the schema refuses."""
    cyclonedx = pytest.importorskip("cyclonedx")
    from packaging.licenses import _spdx

    schema = Path(cyclonedx.__file__).parent / "schema" / "_res" / "spdx.SNAPSHOT.schema.json"
    known = set(json.loads(schema.read_text(encoding="utf-8"))["enum"])
    written = {read_license(each["id"]).identifier for each in _spdx.LICENSES.values()} - {None}
    assert len(written) > 500
    assert written <= known


def test_spdx_is_valid_by_its_library(mirrored, tmp_path):
    parse = pytest.importorskip("spdx_tools.spdx.parser.parse_anything")
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    # The library takes no address of IP for the host of a download location.
    text = document(mirrored, "spdx").replace(mirrored.upstream.authority, "conda.example")
    (tmp_path / "mirror.spdx.json").write_text(text, encoding="utf-8")
    read = parse.parse_file(str(tmp_path / "mirror.spdx.json"))
    assert validate_full_spdx_document(read) == []
    assert len(read.packages) == len(LICENSES) + 1
    declared = {each.name: str(each.license_declared) for each in read.packages}
    assert declared["p0"] == "MIT"
    assert declared["p4"] == "LicenseRef-Own"
    assert declared["p5"].startswith("LicenseRef-pixi-mirror-")
    assert {each.extracted_text for each in read.extracted_licensing_info} == {"LicenseRef-Own", "Apache 2.0"}


def test_purls_are_those_that_the_reference_library_writes(mirrored):
    packageurl = pytest.importorskip("packageurl")
    found = [each["purl"] for each in json.loads(document(mirrored, "cyclonedx"))["components"]]
    assert len(found) == len(LICENSES) + 1
    for purl in found:
        assert packageurl.PackageURL.from_string(purl).to_string() == purl
    read = {each.name: each for each in map(packageurl.PackageURL.from_string, found)}
    assert read["p0"].version == "1!2.0+l_1"
    assert read["my-thing"].version == "1.0+cpu"


SAMPLE = ["prefix-dev__pixi__root", "conda__rattler__root", "Quantco__pixi-pack__examples-pypi-wheel-packages"]


def components_of_pixi_sbom(lock, directory):
    """The components that pixi-sbom finds in a lock, by name and sha256."""
    program = shutil.which("pixi-sbom") or str(Path(sys.executable).parent / "pixi-sbom")
    if not Path(program).exists():
        pytest.skip("needs pixi-sbom: the extra `sbom-tools`")
    call = [program, "--lockfile", str(lock), "--all-environments", "--all-platforms", "--output", str(directory)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in directory.rglob("*.json")]
    assert documents, done.stderr
    return {(each["name"], sha256(each)): each for document in documents for each in document.get("components", [])}


def sha256(component):
    return next((each["content"] for each in component.get("hashes", []) if each["alg"] == "SHA-256"), None)


def their_license(component):
    found = [each.get("expression") or each["license"].get("id") or each["license"]["name"] for each in component]
    return read_license(found[0]) if found else None


def compare(slug, directory):
    """Every difference has one of the reasons that docs/sbom.md names."""
    answer = LockSource(lock_path(slug)).select((ALL,), subscription="s", workspace="w", layout="channels")
    tree = {each.path: PackageFile(sha256=each.sha256, size=1) for each in answer.snapshot.wanted}
    bill = list_components(Inventory(layout="channels", snapshots=(answer.snapshot,), kept={}, tree=tree), no_file)
    ours = {(each.package.name, each.sha256): each for each in bill.components if each.package.kind != "git"}
    theirs = components_of_pixi_sbom(lock_path(slug), directory)
    # We list what a lock has only for building, too.
    assert not [key for key in ours.keys() - theirs.keys() if ours[key].is_installed]
    # They list source directories and what cannot be mirrored, too, and git sources by their version.
    refused = {refusal.entry for refusal in answer.snapshot.refused}
    for name, digest in theirs.keys() - ours.keys():
        assert digest is None or any(name in entry for entry in refused), name
    both = ours.keys() & theirs.keys()
    for key in both:
        license_, other = ours[key].license, their_license(theirs[key].get("licenses", []))
        # They turn short names into identifiers, and write exceptions that SPDX lacks as AdditionRef.
        if license_ is not None and license_.expression is not None:
            assert other is not None, key
            assert license_.expression == other.expression, key
        assert theirs[key].get("version") == ours[key].package.version
    return len(both)


@needs_corpus
@pytest.mark.parametrize("slug", SAMPLE)
def test_the_packages_of_a_lock_are_those_that_pixi_sbom_finds(slug, tmp_path):
    assert compare(slug, tmp_path) > 50


@needs_corpus
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_packages_of_all_locks_are_those_that_pixi_sbom_finds(tmp_path):
    compared = 0
    for number, slug in enumerate(sorted(ROWS)):
        try:
            LockSource(lock_path(slug)).read()
        except WorkspaceError:
            continue  # damaged on purpose
        if slug not in EMPTY:
            (tmp_path / str(number)).mkdir()
            compared += compare(slug, tmp_path / str(number))
    assert compared > 15_000


EMPTY = {"prefix-dev__pixi__examples-tasks"}
"""Locks without any package, of which pixi-sbom makes no document."""


def no_file(_path):
    return None
