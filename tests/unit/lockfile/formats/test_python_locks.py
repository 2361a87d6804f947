"""How markers, wheels, versions and conflicts of Python locks become environments and platforms."""

import json
from pathlib import Path

import pytest

from pixi_mirror.lockfile.entries import Lock
from pixi_mirror.lockfile.formats.pylock import read_pylock
from pixi_mirror.lockfile.formats.uv import read_uv_lock

SHA = "ab" * 32
INDEX = "https://h.example/simple"


def package(name, *files, version="1.0", **more):
    """An entry of uv.lock; each file is what follows the version in its name."""
    urls = {file: f"https://f.example/{name.replace('-', '_')}-{version}{file}" for file in files}
    made = {file: {"url": url, "hash": f"sha256:{SHA}"} for file, url in urls.items()}
    wheels = [each for file, each in made.items() if file.endswith(".whl")]
    sdists = [each for file, each in made.items() if not file.endswith(".whl")]
    entry = {"name": name, "version": version, "source": {"registry": INDEX}, "wheels": wheels, **more}
    return entry | ({"sdist": sdists[0]} if sdists else {})


def project(*dependencies, name="proj", **more):
    return {"name": name, "source": {"editable": "."}, "dependencies": list(dependencies), **more}


def uv_lock(*packages, **more) -> Lock:
    def spelled(value):
        if isinstance(value, dict):
            return "{" + ", ".join(f"{json.dumps(key)} = {spelled(each)}" for key, each in value.items()) + "}"
        return "[" + ", ".join(map(spelled, value)) + "]" if isinstance(value, list) else json.dumps(value)

    document = {"version": 1, "requires-python": ">=3.11", **more, "package": list(packages)}
    return read_uv_lock(
        "\n".join(f"{key} = {spelled(each)}" for key, each in document.items()).encode(), name="uv.lock"
    )


def files(lock, environment="default", platform="linux-64"):
    """The names of the files there; what is a directory counts by its place."""
    return {Path(entry.location).name or "." for entry in lock.environments[environment].packages[platform]} - {"."}


ANY = "-py3-none-any.whl"


def test_each_platform_has_its_wheels_and_the_sdist_only_without_one():
    linux, musl = "-cp312-cp312-manylinux_2_17_x86_64.whl", "-cp312-cp312-musllinux_1_2_x86_64.whl"
    mac, pypy = "-cp311-cp311-macosx_11_0_arm64.whl", "-pp310-pypy310_pp73-win_amd64.whl"
    lock = uv_lock(project({"name": "a"}), package("a", linux, musl, mac, pypy, ".tar.gz"))
    assert files(lock) == {f"a-1.0{linux}"}
    assert files(lock, platform="osx-arm64") == {f"a-1.0{mac}"}
    assert files(lock, platform="win-64") == files(lock, platform="osx-64") == {"a-1.0.tar.gz"}


def test_a_platform_without_everything_is_none_of_the_environment():
    linux = "-cp312-cp312-manylinux_2_17_x86_64.whl"
    lock = uv_lock(project({"name": "a"}, **{"optional-dependencies": {"x": []}}), package("a", linux))
    assert {*lock.environments["default"].packages} == {*lock.platforms} == {"linux-64"}
    rare = uv_lock(project({"name": "a"}), package("a", "-cp312-cp312-manylinux_2_17_ppc64le.whl"))
    assert {*rare.platforms} == {"linux-ppc64le"}


@pytest.mark.parametrize(
    ("marker", "platforms"),
    [
        ("sys_platform == 'win32'", {"win-64"}),
        ("sys_platform == 'darwin' and platform_machine == 'arm64'", {"osx-arm64"}),
        ("platform_python_implementation == 'PyPy'", set()),
        ("python_full_version < '3.11'", set()),
        ("python_full_version < '3.12' and sys_platform == 'linux'", {"linux-64", "linux-aarch64"}),
        ("python_version >= '3.13' and os_name == 'nt'", {"win-64"}),
    ],
)
def test_a_marker_counts_where_it_can_hold_for_an_accepted_python(marker, platforms):
    lock = uv_lock(
        project({"name": "a", "marker": marker}), package("a", ANY, dependencies=[{"name": "b"}]), package("b", ANY)
    )
    both = {f"a-1.0{ANY}", f"b-1.0{ANY}"}
    assert {
        platform for platform in lock.environments["default"].packages if files(lock, platform=platform) == both
    } == platforms


def test_of_several_versions_the_edge_or_the_markers_of_the_fork_decide():
    source = {"registry": INDEX}
    forks = [
        package("a", ANY, version="1.0", **{"resolution-markers": ["sys_platform == 'linux'"]}),
        package("a", ANY, version="2.0", **{"resolution-markers": ["sys_platform != 'linux'"]}),
    ]
    lock = uv_lock(project({"name": "a"}), *forks)
    assert files(lock) == {f"a-1.0{ANY}"}
    assert files(lock, platform="win-64") == {f"a-2.0{ANY}"}
    named = uv_lock(project({"name": "a", "version": "2.0", "source": source}), *forks)
    assert files(named) == {f"a-2.0{ANY}"}


def test_extras_groups_members_and_cycles_are_walked():
    more = {
        "optional-dependencies": {"x": [{"name": "b", "extra": ["deep"]}]},
        "dev-dependencies": {"dev": [{"name": "d"}]},
    }
    packages = [
        project({"name": "a"}, **more),
        {"name": "member", "source": {"editable": "member"}, "dependencies": [{"name": "e"}]},
        package("a", ANY, dependencies=[{"name": "a"}]),
        package("b", ANY, **{"optional-dependencies": {"deep": [{"name": "c"}, {"name": "b", "extra": ["deep"]}]}}),
        *(package(name, ANY) for name in "cde"),
        package("unused", ANY),
    ]
    lock = uv_lock(*packages, manifest={"members": ["proj", "member"]})
    assert files(lock) == {"member", f"a-1.0{ANY}", f"e-1.0{ANY}"}
    assert files(lock, "extra:x") - files(lock) == {f"b-1.0{ANY}", f"c-1.0{ANY}"}
    assert files(lock, "group:dev") - files(lock) == {f"d-1.0{ANY}"}


def test_a_script_begins_at_its_requirements():
    lock = uv_lock(package("a", ANY), package("b", ANY), manifest={"requirements": [{"name": "a", "specifier": ">=1"}]})
    assert files(lock) == {f"a-1.0{ANY}"}


def test_conflicting_extras_have_a_version_each():
    edges = [
        {"name": "a", "version": "1.0", "source": {"registry": INDEX}, "marker": "extra == 'extra-4-proj-old'"},
        {"name": "a", "version": "2.0", "source": {"registry": INDEX}, "marker": "extra == 'extra-4-proj-new'"},
    ]
    extras = {"old": [edges[0]], "new": [edges[1]]}
    lock = uv_lock(
        project({"name": "m"}, **{"optional-dependencies": extras}),
        package("m", ANY, dependencies=edges),
        package("a", ANY, version="1.0"),
        package("a", ANY, version="2.0"),
    )
    assert files(lock) == {f"m-1.0{ANY}"}
    assert files(lock, "extra:old") == {f"m-1.0{ANY}", f"a-1.0{ANY}"}
    assert files(lock, "extra:new") == {f"m-1.0{ANY}", f"a-2.0{ANY}"}


def test_a_pylock_of_pip_says_that_it_is_for_one_platform():
    text = f"""\
lock-version = "1.0"
created-by = "pip"
[[packages]]
name = "a"
version = "1.0"
wheels = [{{url = "https://f.example/a-1.0-cp311-cp311-win_amd64.whl", hashes = {{sha512 = "{SHA * 2}"}}}}]
"""
    lock = read_pylock(text.encode(), name="pylock.toml")
    (note,) = lock.notes
    assert "made by pip" in note
    assert "win-64" in note
    (entry,) = lock.environments["default"].packages["win-64"]
    assert (entry.sha256, entry.md5) == (None, None), "sha512 is no hash that a mirror checks"
