"""A bill lists every package that clients are offered, with licences, dependencies and those who want it."""

from dataclasses import replace

import pytest
from harness.inventories import conda, digest, inventory, sdist, snapshot

from pixi_mirror.errors import WorkspaceError
from pixi_mirror.model.packages import PackageFile
from pixi_mirror.model.values import admit_path
from pixi_mirror.sbom.components import list_components


def held(*packages):
    return {each.path: PackageFile(sha256=each.sha256 or digest(each.name), size=1) for each in packages}


def bill(found, files=None, **chosen):
    return list_components(found, (files or {}).get, **chosen)


def names(found):
    return sorted(component.package.name for component in found.components)


def depends(found):
    name = {component.reference: component.package.name for component in found.components}
    return {name[each.reference]: [name[other] for other in each.depends] for each in found.components}


def wheel(name, *, version="1.0"):
    path = f"files.pypi.example/{name}-{version}-py3-none-any.whl"
    return replace(sdist(name), path=admit_path(path), version=version)


def metadata(name, *lines):
    head = ["Metadata-Version: 2.4", f"Name: {name}", "Version: 1.0", *lines]
    return "\n".join(head).encode()


def test_what_is_wanted_and_what_is_not_pruned_yet_is_listed():
    wanted, kept, absent, deferred = conda("wanted"), conda("kept"), conda("absent"), conda("deferred")
    found = bill(
        inventory(
            snapshot(wanted, absent, deferred), tree=held(wanted, kept), kept={kept.path: kept},
            deferred=frozenset([deferred.path]),
        )
    )  # fmt: skip
    assert names(found) == ["deferred", "kept", "wanted"]
    by_name = {component.package.name: component for component in found.components}
    assert [by_name[name].is_installed for name in ("wanted", "kept", "deferred")] == [True, False, True]
    assert [by_name[name].is_held for name in ("wanted", "kept", "deferred")] == [True, True, False]
    assert [each.environment for each in by_name["wanted"].targets] == ["default"]
    assert by_name["kept"].targets == ()


def test_a_dependency_is_one_of_the_same_environment():
    app = conda("app", depends=["lib >=1", "__glibc >=2.17", "absent", "other[version='>=1']", "app"])
    lib, other = conda("lib"), conda("other")
    elsewhere = conda("absent")
    found = bill(
        inventory(snapshot(app, lib, other), snapshot(elsewhere, name="b"), tree=held(app, lib, other, elsewhere))
    )
    assert depends(found) == {"app": ["lib", "other"], "lib": [], "other": [], "absent": []}


def test_python_dependencies_come_from_the_metadata_beside_wheels():
    app, lib, win, extra = wheel("app"), wheel("lib"), wheel("win"), wheel("extra")
    numpy = conda("py-numpy", purls=["pkg:pypi/numpy@2.0?x=1"])
    all_of_them = (app, lib, win, extra, numpy)
    lines = ["Requires-Dist: Lib>=1", "Requires-Dist: win; sys_platform == 'win32'", "Requires-Dist: numpy"]
    lines += ["Requires-Dist: extra; extra == 'x'", "Requires-Dist: absent", "License-Expression: MIT"]
    files = {f"{app.path}.metadata": metadata("app", *lines), f"{lib.path}.metadata": b"no metadata"}
    found = bill(inventory(snapshot(*all_of_them), tree=held(*all_of_them)), files)
    assert sorted(depends(found)["app"]) == ["lib", "py-numpy"]
    licenses = {component.package.name: component.license for component in found.components}
    assert licenses["app"].identifier == "MIT"
    assert licenses["lib"] is None


def test_an_environment_or_a_platform_alone():
    one, other = conda("one"), conda("other")
    first, second = snapshot(one), snapshot(other, name="b")
    second = replace(second, cells=(replace(second.cells[0], environment="prod", platform="gpu", subdir="linux-64"),))
    found = inventory(first, second, tree=held(one, other))
    assert names(bill(found)) == ["one", "other"]
    assert names(bill(found, environments=["prod"])) == ["other"]
    assert names(bill(found, platforms=["gpu"])) == ["other"]
    assert names(bill(found, platforms=["linux-64"])) == ["one", "other"]
    assert bill(found, environments=["prod"]).workspaces == ("b",)
    with pytest.raises(
        WorkspaceError, match=r"has the environment 'prd', perhaps 'prod' was meant; there are: default"
    ):
        bill(found, environments=["prd"])
    with pytest.raises(
        WorkspaceError, match=r"has the platform 'win-64', perhaps 'linux-64' was meant; there are: gpu, linux-64"
    ):
        bill(found, platforms=["win-64"])


def test_what_only_serves_to_build_is_not_installed():
    tool, app = conda("tool"), conda("app")
    cell = replace(snapshot(tool, app).cells[0], build_packages=(tool.path,))
    found = bill(inventory(replace(snapshot(tool, app), cells=(cell,)), tree=held(tool, app)))
    assert {each.package.name: each.is_installed for each in found.components} == {"app": True, "tool": False}


def test_files_with_one_purl_have_references_of_their_own():
    one = replace(sdist("thing"), path=admit_path("local/a/thing-1.0.tar.gz"), record={}, sha256=digest("a"))
    other = replace(one, path=admit_path("local/b/thing-1.0.tar.gz"), sha256=digest("b"))
    found = bill(inventory(snapshot(one, other), tree=held(one, other)))
    assert len({each.reference for each in found.components}) == 2
    assert len({each.purl for each in found.components}) == 1
