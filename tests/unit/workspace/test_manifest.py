"""The manifest of a new workspace: what a user named, an environment for the tasks, and nothing of the machine."""

import tomllib

import pytest

from pixi_mirror.workspace.manifest import WorkspaceDescription, workspace_manifest
from pixi_mirror.workspace.specs import read_package, read_pypi_package


def described(**changes):
    base = {
        "name": "lab",
        "channels": ("conda-forge",),
        "platforms": ("linux-64", "linux-ppc64le"),
        "packages": (read_package("python=3.12"), read_package("bioconda::samtools=1.20=h*")),
    }
    return WorkspaceDescription(**(base | changes))


def test_it_is_what_was_named():
    requirement = read_pypi_package("rich[jupyter]>=13")
    manifest = tomllib.loads(workspace_manifest(described(pypi=(requirement,), pypi_on={"linux-64": (requirement,)})))
    rich = {"rich": {"version": ">=13", "extras": ["jupyter"]}}
    assert manifest["workspace"] == {
        "name": "lab",
        "channels": ["conda-forge"],
        "platforms": ["linux-64", "linux-ppc64le"],
        "requires-pixi": ">=0.68",
    }
    samtools = {"version": "==1.20", "build": "h*", "channel": "bioconda"}
    assert manifest["dependencies"] == {"python": "3.12.*", "samtools": samtools}
    assert manifest["pypi-dependencies"] == rich
    assert manifest["target"] == {"linux-64": {"pypi-dependencies": rich}}


@pytest.mark.parametrize("platforms", [(), ("linux-64",), ("linux-64", "linux-ppc64le")])
def test_the_tasks_have_an_environment_of_their_own_whose_tool_is_there_where_the_channel_has_it(platforms):
    manifest = tomllib.loads(workspace_manifest(described(tool_platforms=platforms)))
    feature = manifest["feature"]["mirror"]
    assert list(feature["tasks"]) == ["mirror-update", "mirror-index", "mirror-serve"]
    assert ("dependencies" in feature) == bool(platforms)
    assert feature.get("platforms") == (["linux-64"] if len(platforms) == 1 else None)
    assert manifest["environments"] == {"mirror": {"features": ["mirror"], "no-default-feature": True}}
    assert "rattler-index" not in manifest["dependencies"]


@pytest.mark.parametrize("name", ['la"b', "é\\", "a\nb", "\x7f", "tab\t"])
def test_any_name_is_valid_toml(name):
    assert tomllib.loads(workspace_manifest(described(name=name)))["workspace"]["name"] == name
