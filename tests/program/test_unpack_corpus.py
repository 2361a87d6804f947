"""Both ways of unpacking make the same environment, and its conda part is the one that pixi's installer makes."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from harness.package_corpus import corpus, only_ours, wheel_corpus
from harness.packs import pack_files, write_folder
from harness.unpacking import WAYS, Bench, tree

from pixi_mirror.environments.platform import own_subdir

pytestmark = pytest.mark.skipif(own_subdir() != "linux-64", reason="the packages are for linux-64")

RATTLER = """\
import asyncio, os, sys, traceback
from pathlib import Path
import rattler

async def install(channel, prefix, cache, subdir):
    read = getattr(rattler.RepoData, "from_path", rattler.RepoData)
    records = []
    for folder in sorted(os.listdir(channel)):
        document = read(Path(channel, folder, "repodata.json"))
        records += document.into_repo_data(rattler.Channel(Path(channel).as_uri()))
    platform = (getattr(rattler, "Subdir", None) or rattler.Platform)(subdir)
    await rattler.install(
        records, target_prefix=prefix, cache_dir=Path(cache), platform=platform, execute_link_scripts=False,
        show_progress=False,
    )

status = 0
try:
    asyncio.run(install(*sys.argv[1:]))
except BaseException:
    traceback.print_exc()
    status = 1
sys.stderr.flush()
os._exit(status)
"""
"""It leaves by `os._exit`, as `harness.conda_tools` does and says why."""

_OF_RATTLER = ("url", "channel", "extracted_package_dir", "package_tarball_full_path", "link", "size")


@pytest.fixture
def bench(tmp_path):
    return Bench(folder=tmp_path)


def test_both_ways_make_the_same_environment(bench):
    files = pack_files([*corpus(), *only_ours()], wheel_corpus())
    ours, bare = (bench.made(way, files) for way in WAYS)
    assert ours.keys() == bare.keys()
    assert {path for path in ours if ours[path] != bare[path]} == set()


def with_rattler(bench, packages, *, subdir="linux-64"):
    """What py-rattler makes of packages, at the place of the environment."""
    write_folder(pack_files(packages, platform=subdir), bench.folder / "rattler")
    shutil.rmtree(bench.folder / "out", ignore_errors=True)
    words = [bench.folder / "rattler/channel", bench.env, bench.folder / "cache", subdir]
    done = subprocess.run([sys.executable, "-c", RATTLER, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tree(bench.env, times=True)


def without_folders(found):
    return {path: told for path, told in found.items() if told[0] != "folder"}


def differences(ours, theirs):
    """The paths at which two environments differ; times and the like in `conda-meta` do not count."""
    assert ours.keys() == theirs.keys() - {"CACHEDIR.TAG"}
    records = [ours[path] for path in ours if path.endswith(".json") and path.startswith("conda-meta/")]
    rows = [row for record in records for row in json.loads(record[2])["paths_data"]["paths"]]
    written = {row["_path"] for row in rows if "prefix_placeholder" in row or "entry_point" in row["path_type"]}
    for path in sorted(ours.keys() - {"conda-meta/history"}):
        if path.startswith("conda-meta/"):
            mine, his = (json.loads(each[path][2]) for each in (ours, theirs))
            for known in (mine, his):
                for key in _OF_RATTLER:
                    known.pop(key, None)
                # py-rattler 0.28 lists a file that gave way first or last, as its threads happen to run.
                known["files"].sort()
                known["paths_data"]["paths"].sort(key=lambda row: row["_path"])
            if mine != his:
                yield path, mine, his
        elif ours[path][:3] != theirs[path][:3] or (ours[path] != theirs[path] and path not in written):
            yield path, ours[path], theirs[path]


@pytest.mark.rattler
@pytest.mark.parametrize("name", ["env", "with space"])
def test_the_conda_part_is_what_py_rattler_makes(bench, name):
    bench = Bench(folder=bench.folder / name)
    bench.folder.mkdir()
    theirs = without_folders(with_rattler(bench, corpus()))
    shutil.rmtree(bench.env)
    bench.write(pack_files(corpus()))
    bench.run("unpack")
    ours = without_folders(tree(bench.env, times=True))
    assert list(differences(ours, theirs)) == []


@pytest.mark.rattler
def test_py_rattler_reads_the_records(bench):
    import rattler

    bench.write(pack_files([*corpus(), *only_ours()]))
    bench.run("unpack")
    read = [rattler.PrefixRecord.from_path(path) for path in (bench.env / "conda-meta").glob("*.json")]
    assert len(read) == len(corpus()) + len(only_ours())


def test_what_is_there_is_left_alone_the_second_time(bench):
    files = pack_files([*corpus(), *only_ours()], wheel_corpus())
    for way in WAYS:
        bench.made(way, files)
        before = {path: (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in bench.env.rglob("*")}
        for again in WAYS:
            bench.run(again)
        assert {path: (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in bench.env.rglob("*")} == before
    assert sorted(os.listdir(bench.folder / "out")) == ["activate.sh", "env"]
