"""`init` without pixi: py-rattler solves, and the lock is the one that pixi would have read and written."""

import json
import shutil
import sys
import tomllib

import pytest
from harness import kill, oracle, program
from harness.channel import PLATFORMS, lab_packages, led_to_upstream, publish_channel
from harness.child import run_python
from harness.serving import served
from harness.upstream import answer, demand_basic, status

from pixi_mirror.demo.packages import build_package

pytestmark = [pytest.mark.rattler, pytest.mark.skipif(sys.platform == "win32", reason="paths of POSIX")]

CONDA_FORGE = "https://conda.anaconda.org/conda-forge"

READ_BACK = """
import json, os, sys
import rattler
lock = rattler.LockFile.from_path(sys.argv[1])
lock.to_path(sys.argv[1] + ".again")
found = {}
for name, environment in lock.environments():
    for platform in environment.platforms():
        records = environment.conda_repodata_records_for_platform(platform) or []
        found[f"{name} {platform.name}"] = {record.url: json.loads(record.to_json()) for record in records}
print(json.dumps(found))
sys.stdout.flush()
os._exit(0)
"""

INSTALL = """
import asyncio, json, os, sys, traceback
import rattler
from rattler.networking import Client, MirrorMiddleware

async def main(lock, mirrors, prefix, cache):
    environment = rattler.LockFile.from_path(lock).environment("default")
    (platform,) = [each for each in environment.platforms() if each.name == "linux-64"]
    await rattler.install(
        environment.conda_repodata_records_for_platform(platform), target_prefix=prefix, cache_dir=cache,
        show_progress=False, client=Client([MirrorMiddleware(json.loads(mirrors))]),
        platform=rattler.Subdir("linux-64"),
    )

status = 0
try:
    asyncio.run(main(*sys.argv[1:]))
except BaseException:
    traceback.print_exc()
    status = 1
sys.stderr.flush()
os._exit(status)
"""

SHARDS = """
import asyncio, os, sys
from rattler.index import index_fs
asyncio.run(index_fs(sys.argv[1], write_zst=False, write_shards=True))
os._exit(0)
"""


def init(world, *words, env=None, status=0):
    done = world.run("init", "lab", *words, env=led_to_upstream(world) | (env or {}))
    assert done.status == status, f"{done.stdout}\n{done.stderr}"
    return done


def read_back(world, lock):
    done = run_python("-c", READ_BACK, lock, env=world.environment, cwd=world.directory)
    assert done.status == 0, done.stderr
    return done.json


def names(records):
    return sorted(f"{each['name']} {each['version']}" for each in records.values())


def make_shards(world):
    """Let rattler-index's library make the indexes of the channel, and leave the shards alone."""
    channel = world.root / "conda-forge"
    done = run_python("-c", SHARDS, channel, env=world.environment, cwd=world.directory)
    assert done.status == 0, done.stderr
    for path in channel.rglob("repodata.json*"):
        path.unlink()
    assert len([*channel.rglob("shards/*")]) > 5


def test_names_become_a_mirror_and_py_rattler_reads_and_writes_the_lock_as_its_own(world):
    packages = lab_packages()
    publish_channel(world, packages)
    done = init(world, "python=3.12", "numpy", "-p", "linux-64", "-p", "osx-arm64")
    lab = world.directory / "lab"
    assert done.stdout.startswith("locked by py-rattler: lab/pixi.lock (linux-64, osx-arm64)\nbrought 5 files")
    locked = read_back(world, lab / "pixi.lock")
    assert (lab / "pixi.lock").read_bytes() == (lab / "pixi.lock.again").read_bytes()
    wanted = ["numpy 2.3.1", "python 3.12.11", "tzdata 2025b"]
    assert {place: names(records) for place, records in locked.items()} == {
        **{f"default {platform}": wanted for platform in PLATFORMS},
        **{f"mirror {platform}": ["rattler-index 0.28.1"] for platform in PLATFORMS},
    }
    published = {package.file_name + package.record["subdir"]: package.record for package in packages}
    for url, record in locked["default linux-64"].items():
        assert url == f"{CONDA_FORGE}/{record['subdir']}/{record['fn']}"
        true = published[record["fn"] + record["subdir"]]
        assert {key: record.get(key) for key in true} == {**true}
    (lab / "pixi.lock.again").unlink()
    assert oracle.problems(lab / "mirror") == []
    assert world.run("verify", "--solve", lab / "mirror").status == 0
    again = init(world, "python=3.12", "numpy", "-p", "linux-64", "-p", "osx-arm64")
    assert again.stdout.startswith("locked before: lab/pixi.lock (linux-64, osx-arm64)\nnothing to do: ")


def test_py_rattler_installs_the_lock_from_the_mirror_alone(world):
    publish_channel(world, lab_packages())
    init(world, "python=3.13", "-p", "linux-64")
    lab = world.directory / "lab"
    world.upstream.script("*", status(503))
    with served(lab / "mirror", env=world.environment) as url:
        config = world.run("config", lab / "mirror", "--url", url).stdout
        mirrors = json.dumps(tomllib.loads(config)["mirrors"])
        prefix, cache = world.directory / "prefix", world.directory / "pkgs"
        words = ("-c", INSTALL, lab / "pixi.lock", mirrors, prefix, cache)
        done = run_python(*words, env=world.environment, cwd=world.directory)
    assert done.status == 0, done.stderr
    assert (prefix / "lib" / "python.txt").read_text() == "3.13.5"


def test_it_is_solved_for_the_virtual_packages_that_pixi_assumes(world):
    """modern 2.0 needs a glibc and a macOS that are newer than those."""
    publish_channel(world, lab_packages())
    init(world, "modern", "-p", "linux-64", "-p", "osx-arm64")
    locked = read_back(world, world.directory / "lab" / "pixi.lock")
    assert names(locked["default linux-64"]) == names(locked["default osx-arm64"]) == ["modern 1.0"]


@pytest.mark.parametrize("form", ["zst", "shards", "json beside shards of another channel"])
def test_every_form_of_an_index_gives_the_same_lock(world, form):
    publish_channel(world, lab_packages())
    words = ["numpy", "-p", "linux-64", "-c", "conda-forge"]
    init(world, *words)
    first = (world.directory / "lab" / "pixi.lock").read_bytes()
    shutil.rmtree(world.directory / "lab")
    if form == "zst":
        shutil.rmtree(world.root / "conda-forge")
        publish_channel(world, lab_packages(), form="zst")
    else:
        make_shards(world)
    if form.startswith("json"):
        publish_channel(world, [build_package(name="team", depends=["numpy"])], channel="team")
        init(world, *words, "-c", "team", "team::team")
        locked = read_back(world, world.directory / "lab" / "pixi.lock")
        assert names(locked["default linux-64"]) == ["numpy 2.3.1", "python 3.13.5", "team 1.0", "tzdata 2025b"]
    else:
        init(world, *words)
        assert (world.directory / "lab" / "pixi.lock").read_bytes() == first


def test_of_shards_only_those_that_may_be_needed_are_fetched(world):
    publish_channel(world, lab_packages())
    make_shards(world)
    world.upstream.forget_requests()
    init(world, "tzdata", "-p", "linux-64")
    shards = [request.path for request in world.requests if "/shards/" in request.path]
    assert len(shards) == 2  # tzdata, and rattler-index for the tasks


def test_a_shard_with_other_bytes_is_refused(world):
    publish_channel(world, lab_packages())
    make_shards(world)
    for path in (world.root / "conda-forge" / "noarch" / "shards").iterdir():
        world.upstream.script(f"/{path.relative_to(world.root)}", answer(b"other bytes"))
    done = init(world, "tzdata", "-p", "linux-64", status=6)
    assert "its sha256 is another" in done.stderr
    assert not (world.directory / "lab").exists()


def test_packages_elsewhere_are_locked_where_the_channel_says(world):
    """CEP 15: `base_url`."""
    channel = publish_channel(world, [build_package(name="a")], channel="team", base_url="../../files/")
    (world.root / "files").mkdir()
    (channel / "noarch" / "a-1.0-0.conda").rename(world.root / "files" / "a-1.0-0.conda")
    init(world, "a", "-c", f"{world.upstream.url}/team", "-p", "linux-64")
    lab = world.directory / "lab"
    locked = read_back(world, lab / "pixi.lock")["default linux-64"]
    ((url, record),) = locked.items()
    assert url == f"{world.upstream.url}/files/a-1.0-0.conda"
    assert record["channel"].rstrip("/") == f"{world.upstream.url}/team"
    assert (lab / "pixi.lock").read_bytes() == (lab / "pixi.lock.again").read_bytes()


def test_a_channel_of_this_machine_is_locked_by_path(world):
    channel = publish_channel(world, [build_package(name="a", depends=["b"]), build_package(name="b", build="py_0")])
    init(world, "a", "-c", f"./{channel.relative_to(world.directory)}", "-p", "linux-64")
    lab = world.directory / "lab"
    lock = (lab / "pixi.lock").read_text()
    assert f"- conda: {channel}/noarch/a-1.0-0.conda\n" in lock
    read_back(world, lab / "pixi.lock")
    assert (lab / "pixi.lock.again").read_text() == lock
    (lab / "pixi.lock.again").unlink()
    assert sorted(path.name for path in (lab / "mirror").rglob("*.conda")) == ["a-1.0-0.conda", "b-1.0-py_0.conda"]
    assert "rattler-index" not in lock


def test_the_first_channel_that_has_a_name_is_the_only_one_for_it(world):
    publish_channel(world, [build_package(name="a", version="2.0")], channel="second")
    publish_channel(world, [build_package(name="a", version="1.0")], channel="first")
    init(world, "a", "-c", "first", "-c", "second", "-p", "linux-64")
    assert names(read_back(world, world.directory / "lab" / "pixi.lock")["default linux-64"]) == ["a 1.0"]
    shutil.rmtree(world.directory / "lab")
    init(world, "second::a", "-c", "first", "-c", "second", "-p", "linux-64")
    assert names(read_back(world, world.directory / "lab" / "pixi.lock")["default linux-64"]) == ["a 2.0"]


def test_credentials_come_from_pixis_stores(world):
    publish_channel(world, [build_package(name="a")], channel="team")
    world.upstream.script("*", demand_basic("ada", "secret"))
    channel = f"{world.upstream.url}/team"
    done = init(world, "a", "-c", channel, "-p", "linux-64", status=5)
    assert "401" in done.stderr
    store = world.directory / "auth.json"
    store.write_text(json.dumps({"127.0.0.1": {"BasicHTTP": {"username": "ada", "password": "secret"}}}))
    init(world, "a", "-c", channel, "-p", "linux-64", env={"RATTLER_AUTH_FILE": str(store)})
    lab = world.directory / "lab"
    assert not [path for path in lab.rglob("*") if path.is_file() and b"secret" in path.read_bytes()]


@pytest.mark.parametrize(
    ("words", "ends", "said"),
    [
        (["nunpy", "pyton=3.12"], 3, "'nunpy', perhaps 'numpy' was meant; 'pyton', perhaps 'python' was meant."),
        (["python=2.7"], 3, "no set of packages fits for linux-64"),
        (["numpy", "-c", "conda-froge"], 5, "there is no channel at https://conda.anaconda.org/conda-froge"),
        (["numpy", "-p", "win-64"], 3, "no package for win-64 that is called 'numpy'"),
    ],
)
def test_what_cannot_be_solved_is_said_in_a_sentence_and_nothing_is_written(world, words, ends, said):
    publish_channel(world, lab_packages())
    done = init(world, "-p", "linux-64", *words, status=ends)
    assert said in done.stderr
    assert str(world.directory) not in done.stderr.replace(str(world.upstream.url), "")
    assert done.stderr.splitlines()[-1].startswith("pixi-mirror: ")
    assert not (world.directory / "lab").exists()


def test_without_a_network_the_status_is_5(world):
    publish_channel(world, lab_packages())
    env = led_to_upstream(world)
    world.upstream.close()
    done = world.run("init", "lab", "numpy", "-p", "linux-64", "--retries", "0", env=env)
    assert done.status == 5, done.stderr
    assert not (world.directory / "lab").exists()


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        ("noarch/repodata.json", b"<html>", "cannot be read: it is not JSON"),
        ("noarch/repodata.json", b'{"info": {"subdir": "noarch"}, "packages": 3}', "cannot be read: its `packages`"),
        ("noarch/repodata.json.zst", b"no zstd", "cannot be read: "),
        ("noarch/repodata_shards.msgpack.zst", b"no zstd", "cannot be read: "),
    ],
)
def test_an_index_that_is_none_is_refused(world, path, content, said):
    publish_channel(world, lab_packages())
    world.upstream.put(f"/conda-forge/{path}", content)
    done = init(world, "numpy", "-p", "linux-64", status=3)
    assert said in done.stderr
    assert path in done.stderr


@pytest.mark.parametrize(
    ("file_name", "changes", "ends", "said"),
    [
        ("../../evil-1.0-0.conda", {}, 3, "no set of packages fits"),
        ("evil-1.0-0?x.conda", {}, 3, "no package may be called so"),
        ("evil-1.0-0.conda", {"depends": 3}, 3, "no package for linux-64 that is called 'evil'"),
        ("evil-1.0-0.conda", {"depends": [3]}, 3, "no package for linux-64 that is called 'evil'"),
        ("evil-1.0-0.conda", {"name": None}, 3, "no package for linux-64 that is called 'evil'"),
        ("evil-1.0-0.conda", {"version": {}}, 7, "py-rattler"),
    ],
)
def test_a_hostile_record_ends_in_a_sentence(world, file_name, changes, ends, said):
    channel = publish_channel(world, [build_package(name="evil")], channel="team")
    path = channel / "noarch" / "repodata.json"
    document = json.loads(path.read_text())
    (record,) = document["packages.conda"].values()
    document["packages.conda"] = {file_name: {**record, **changes}}
    path.write_text(json.dumps(document))
    done = init(world, "evil", "-c", "team", "-p", "linux-64", status=ends)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (world.directory / "lab").exists()


def test_without_the_lock_the_same_command_solves_anew(world):
    words = ["a", "-c", "team", "-p", "linux-64"]
    publish_channel(world, [build_package(name="a", version="1.0")], channel="team")
    init(world, *words)
    publish_channel(world, [build_package(name="a", version=each) for each in ("1.0", "1.1")], channel="team")
    assert "nothing to do" in init(world, *words).stdout
    (world.directory / "lab" / "pixi.lock").unlink()
    done = init(world, *words)
    assert done.stdout.startswith("locked by py-rattler: lab/pixi.lock (linux-64)\nbrought 1 file")
    assert names(read_back(world, world.directory / "lab" / "pixi.lock")["default linux-64"]) == ["a 1.1"]


def test_a_run_that_is_killed_is_finished_by_the_next_one(world, tmp_path):
    publish_channel(world, lab_packages())
    words = ["init", "lab", "tzdata", "-p", "linux-64", "--jobs", "1"]
    env, lab = world.environment | led_to_upstream(world), world.directory / "lab"
    calls = program.mutating_calls(words, env=env, cwd=tmp_path, below=lab)
    whole = {path.name: path.read_bytes() for path in lab.glob("pixi.*")}
    shutil.rmtree(lab)
    for point in calls[:9:2]:  # up to the lock; what follows is an update's
        assert program.run(words, env=env, cwd=tmp_path, point=point, below=lab).status == kill.KILLED
        init(world, "tzdata", "-p", "linux-64", "--jobs", "1")
        assert {path.name: path.read_bytes() for path in lab.glob("pixi.*")} == whole
        shutil.rmtree(lab)
