"""The real rattler-index keeps attestations, records of the v3 section and channel relations in every index."""

import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from harness.world import small_packages

from pixi_mirror.conda.repodata import repodata
from pixi_mirror.demo.packages import build_package

pytestmark = pytest.mark.rattler_index

BUNDLES = b'[{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"}]'
SHA256 = hashlib.sha256(BUNDLES).hexdigest()
CARGO = Path(os.path.expanduser("~")) / ".cache/pixi-mirror-ci/cargo/bin"


def test_it_makes_sidecars_of_a_channel_that_has_all_of_them(world):
    program = shutil.which("rattler-index", path=f"{CARGO}{os.pathsep}{os.environ.get('PATH', os.defpath)}")
    if program is None:
        pytest.skip("no rattler-index")
    base = world.publish(small_packages()["base"])
    tool = world.publish(build_package(name="tool", subdir="linux-64", depends=["base >=2024"]), channel="tools")
    depends = ['base[version=">=2024"]', 'nowhere[when="python<3"]']
    tool = replace(tool, record={**tool.record, "depends": depends, "attestations_sha256": SHA256})
    place = world.root / "tools/linux-64"
    (place / f"tool-1.0-0.conda.sigs.{SHA256}").write_bytes(BUNDLES)
    relations = {"base": "../conda-forge"}
    (place / "repodata.json").write_bytes(repodata("linux-64", {}, relations=relations))
    channels = [tool.url.rsplit("/", 2)[0] + "/"]
    cells = {"default": {"linux-64": [tool, base]}}
    lock = world.lock("workspace", environments=cells, channels=channels, version=7)
    env = {"PATH": os.path.dirname(program)}
    done = world.run("update", "--lock", lock, "--index", "rattler-index", "--shards", "always", env=env)
    assert done.status == 0, done.stderr
    made = world.mirror / world.authority_path / "tools/linux-64"
    assert {path.name for path in made.glob("repodata*")} == {
        "repodata.json",
        "repodata.json.zst",
        "repodata_shards.msgpack.zst",
    }, done.stderr
    for text in (b'"v3":{"conda":{', SHA256.encode(), b'"channel_relations":{"base":"../conda-forge"}'):
        assert text in (made / "repodata.json").read_bytes()
    assert world.run("verify").status == 0
