"""A mirror follows locks of other tools as it follows a `pixi.lock`."""

import json

import pytest
from harness.looking import archives, repodata
from harness.python_index import PythonIndex
from harness.world import small_packages

from pixi_mirror.demo.distributions import build_sdist, build_wheel

ONE = build_wheel(name="one", version="1.0")
TWO = build_wheel(name="two", version="2.0")
SDIST = build_sdist(name="three", version="3.0")


@pytest.fixture
def index(world):
    return PythonIndex(world)


def uv_lock(index, *built, extra=()):
    """A uv.lock whose project needs what was built, and with the extra `more` the others."""
    lines = ["version = 1", "[[package]]", 'name = "proj"', 'source = { virtual = "." }']
    lines.append("dependencies = [" + ", ".join(f"{{name={json.dumps(name_of(each)[0])}}}" for each in built) + "]")
    lines += ["[package.optional-dependencies]"]
    lines.append("more = [" + ", ".join(f"{{name={json.dumps(name_of(each)[0])}}}" for each in extra) + "]")
    for each in (*built, *extra):
        name, version = name_of(each)
        entry = index.publish(each, name=name, version=version)
        file = f'{{ url = "{entry.url}", hash = "sha256:{each.sha256}" }}'
        lines += [
            "[[package]]",
            f'name = "{name}"',
            f'version = "{version}"',
            f'source = {{ registry = "{index.url}" }}',
        ]
        lines.append(f"wheels = [{file}]" if each.file_name.endswith(".whl") else f"sdist = {file}")
    return "\n".join(lines) + "\n"


def name_of(built):
    name, version = built.file_name.removesuffix(".tar.gz").split("-")[:2]
    return name, version


def write(world, text, name="uv.lock"):
    place = world.directory / "project" / name
    place.parent.mkdir(exist_ok=True)
    place.write_text(text, encoding="utf-8")


def held(world):
    files = world.mirror / world.authority_path / "files"
    return {path.name for path in files.rglob("*") if path.is_file() and not path.name.endswith(".metadata")}


def run(world, *args, status=0):
    done = world.run(*args)
    assert done.status == status, f"{done.status}\n{done.stdout}\n{done.stderr}"
    return done


def test_a_uv_lock_is_followed_refreshed_and_forgotten(world, index):
    write(world, uv_lock(index, ONE, extra=[SDIST]))
    run(world, "--lock", "project/uv.lock")
    assert held(world) == {ONE.file_name}
    assert "nothing to do" in run(world).stdout
    write(world, uv_lock(index, ONE, TWO, extra=[SDIST]))
    (row,) = world.run_json("status")["subscriptions"]
    assert (row["state"], row["environments"]) == ("changed", ["default"])
    run(world, "--lock", "project/uv.lock", "-e", "extra:more", "-p", "linux-64")
    assert held(world) == {ONE.file_name, TWO.file_name, SDIST.file_name}
    run(world, "verify")
    (row,) = world.run_json("status")["subscriptions"]
    assert row["state"] == "current"
    write(world, "version = 1\n[[package]]\n")
    (row,) = world.run_json("status")["subscriptions"]
    assert row["state"] == "unreadable"
    assert "no longer follows default" in run(world, "forget", "--lock", "project/uv.lock", "-e", "default").stdout
    run(world, "forget", "--lock", "project/uv.lock")
    assert world.run_json("status")["subscriptions"] == []


def test_the_format_that_the_user_says_is_kept_for_refreshes(world, index):
    write(world, "# no name or first line tells what it is\nrevision = 5\n" + uv_lock(index, ONE), name="odd.txt")
    done = run(world, "--lock", "project/odd.txt", status=3)
    assert "odd.txt" in done.stderr
    run(world, "--lock", "project/odd.txt", "--lock-format", "uv")
    assert held(world) == {ONE.file_name}
    write(world, "revision = 5\n" + uv_lock(index, ONE, TWO), name="odd.txt")
    run(world)
    assert held(world) == {ONE.file_name, TWO.file_name}
    (row,) = world.run_json("status")["subscriptions"]
    assert row["state"] == "current"


def test_a_format_goes_with_one_lock(world, index):
    write(world, uv_lock(index, ONE))
    done = run(world, "--lock", "project/uv.lock", "--lock", "other.lock", "--lock-format", "uv", status=2)
    assert "one --lock" in done.stderr


def test_wrong_bytes_and_missing_hashes_are_as_with_pixi(world, index):
    text = uv_lock(index, ONE)
    write(world, text.replace(ONE.sha256, "ab" * 32))
    run(world, "--lock", "project/uv.lock", status=6)
    write(world, text.replace(f', hash = "sha256:{ONE.sha256}"', ""))
    assert "--allow-unhashed" in run(world, "--lock", "project/uv.lock", status=4).stderr
    run(world, "--lock", "project/uv.lock", "--allow-unhashed")
    assert held(world) == {ONE.file_name}


def test_a_local_archive_of_a_lock_is_copied_and_looked_at_again(world, index):
    place = world.directory / "project" / "links" / ONE.file_name
    place.parent.mkdir(parents=True)
    place.write_bytes(ONE.data)
    lines = [
        "version = 1",
        "[[package]]",
        'name = "proj"',
        'source = { virtual = "." }',
        'dependencies = [{name="one"}]',
    ]
    lines += ["[[package]]", 'name = "one"', 'version = "1.0"', 'source = { registry = "links" }']
    write(world, "\n".join([*lines, f'wheels = [{{ path = "{ONE.file_name}" }}]', ""]))
    run(world, "--lock", "project/uv.lock")
    assert (world.mirror / "local" / ONE.sha256 / ONE.file_name).read_bytes() == ONE.data
    other = build_wheel(name="one", version="1.0", requires_dist=["two"])
    place.write_bytes(other.data)
    run(world)
    assert (world.mirror / "local" / other.sha256 / ONE.file_name).read_bytes() == other.data


def test_an_explicit_list_and_a_conda_lock_are_mirrored(world):
    tool, base = (world.publish(small_packages()[name]) for name in ("tool-linux", "base"))
    lines = [
        "# platform: linux-64",
        "@EXPLICIT",
        f"{tool.url}#{tool.record['md5']}",
        f"{base.url}#{base.record['sha256']}",
    ]
    write(world, "\n".join([*lines, ""]), name="list.txt")
    assert "--allow-md5" in run(world, "--lock", "project/list.txt", status=4).stderr
    done = run(world, "--lock", "project/list.txt", "--allow-md5")
    assert "do not solve" in done.stderr
    assert {path.rpartition("/")[2] for path in archives(world.mirror)} == {
        small_packages()[name].file_name for name in ("tool-linux", "base")
    }
    package = {"manager": "conda", "platform": "linux-64", "category": "main", "version": "1"}
    rows = [
        {
            **package,
            "name": each.record["name"],
            "url": each.url,
            "hash": {"md5": "", "sha256": each.record["sha256"]},
            "dependencies": {"base": ">=2024"} if each is tool else {},
        }
        for each in (tool, base)
    ]
    write(world, json.dumps({"version": 1, "metadata": {}, "package": rows}), name="conda-lock.yml")
    run(world, "--lock", "project/conda-lock.yml", "-o", "other")
    records = repodata(world.directory / "other" / world.authority_path / "conda-forge" / "linux-64")
    assert [record["depends"] for record in records.values() if record["name"] == "tool"] == [["base >=2024"]]
    run(world, "verify", "other")


def test_a_prefix_is_mirrored_and_followed(world):
    folder = world.directory / "env" / "conda-meta"
    folder.mkdir(parents=True)

    def install(name):
        entry = world.publish(small_packages()[name])
        (folder / f"{name}.json").write_text(json.dumps({**entry.record, "url": entry.url, "files": []}))

    install("old")
    run(world, "--lock", "env")
    assert {path.rpartition("/")[2] for path in archives(world.mirror)} == {small_packages()["old"].file_name}
    (row,) = world.run_json("status")["subscriptions"]
    assert (row["workspace"], row["state"], row["platforms"]) == ("env", "current", ["linux-64"])
    install("base")
    run(world)
    assert len(archives(world.mirror)) == 2
    run(world, "verify")
    run(world, "forget", "--lock", "env")
