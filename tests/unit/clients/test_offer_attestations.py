"""Attestations lie beside their packages, so they need no line of their own in a client's configuration."""

from types import MappingProxyType

from pixi_mirror.clients.offer import offer_of
from pixi_mirror.model.attestations import attestations_of, attested_path, is_attestations, is_current_attestations
from pixi_mirror.model.packages import Inventory, Package, PackageFile
from pixi_mirror.model.values import MirrorPath, Sha256, Url

DIGEST = Sha256("a" * 64)


def package(**changes):
    values = {
        "path": MirrorPath("conda-forge/noarch/a-1-0.conda"),
        "url": Url("https://user:secret@conda.anaconda.org/conda-forge/noarch/a-1-0.conda?token=x#sha256:1"),
        "sha256": DIGEST, "md5": None, "size": 3, "kind": "conda", "name": "a", "version": "1", "build": "0",
        "subdir": "noarch", "record": MappingProxyType({"attestations_sha256": DIGEST}),
    }  # fmt: skip
    return Package(**(values | changes))


def test_the_file_is_beside_the_package_and_its_url_keeps_its_query():
    found = attestations_of(package())
    assert found is not None
    assert found.path == f"conda-forge/noarch/a-1-0.conda.sigs.{DIGEST}"
    assert found.url.stripped == f"https://conda.anaconda.org/conda-forge/noarch/a-1-0.conda.sigs.{DIGEST}"
    assert found.url.raw.endswith(f"a-1-0.conda.sigs.{DIGEST}?token=x#sha256:1")
    assert (found.sha256, found.kind) == (DIGEST, "attestations")
    assert attested_path(found.path) == package().path
    assert is_attestations(found.path)
    assert not is_current_attestations(found.path)
    assert is_current_attestations("conda-forge/noarch/a-1-0.tar.bz2.sigs")


def test_what_promises_none_or_is_in_no_channel_has_none():
    assert attestations_of(package(record=MappingProxyType({}))) is None
    assert attestations_of(package(path=MirrorPath("files.example/v1/a-1-0.conda"))) is None
    assert not is_attestations("a/b.sigs/c.conda")
    assert not is_attestations("a/b.conda.sigs.1")


def test_no_client_is_led_to_them_apart():
    found = attestations_of(package())
    assert found is not None
    both = {each.path: each for each in (package(), found)}
    tree = {path: PackageFile(sha256=DIGEST, size=3) for path in both}
    inventory = Inventory(layout="channels", snapshots=(), kept=both, tree=tree)
    offer = offer_of(inventory, "http://mirror.example")
    assert (offer.origins, list(offer.kept)) == ({}, ["https://conda.anaconda.org/conda-forge"])
