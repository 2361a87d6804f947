"""Every lock of the corpus of real locks, alone and against py-rattler."""

import json
from collections import Counter

import pytest
from harness.corpus import ROWS, lock_path, needs_corpus, sample_of, sampled

from pixi_mirror.conda.names import split_file_name
from pixi_mirror.conda.repodata import read_repodata, repodata
from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.conda_package import conda_package
from pixi_mirror.lockfile.entries import CondaBinary, CondaSource, PypiEntry
from pixi_mirror.lockfile.reader import read_lock
from pixi_mirror.paths import url_path

pytestmark = needs_corpus

REFUSED = {
    "ami-iit__jaxsim__root": "git lfs pull",
    "prefix-dev__pixi__root__at-2b47aeb6": "unresolved merge conflict at line 1352",
    "prefix-dev__pixi__root__at-b87e7c1a": "environment default: platform linux-64: https.* has no entry",
    "Deltares__Ribasim__root__at-f7b9cee3": "environment default: platform linux-64: https.* has no entry",
}
OLD = {slug for slug, row in ROWS.items() if row["lock_version"] in ("1", "2", "3")}
READ = sorted(set(ROWS) - set(REFUSED) - OLD)


def data_of(slug: str) -> bytes:
    return lock_path(slug).read_bytes()


def entries_of(slug: str):
    for environment in read_lock(data_of(slug), name=slug).environments.values():
        for packages in (*environment.packages.values(), *environment.build_packages.values()):
            yield from packages


@pytest.mark.parametrize("slug", sorted(REFUSED))
def test_a_damaged_real_lock_is_refused_naming_line_or_entry(slug):
    with pytest.raises(WorkspaceError, match=REFUSED[slug]) as caught:
        read_lock(data_of(slug), name="pixi.lock")
    assert caught.value.status == 3


@pytest.mark.parametrize("slug", sampled(READ))
def test_a_real_lock_is_read_and_counts_as_the_index_says(slug):
    lock = read_lock(data_of(slug), name=slug)
    row = ROWS[slug]
    assert (lock.version, len(lock.environments)) == (int(row["lock_version"]), int(row["environments"]))
    conda = {entry.location for entry in entries_of(slug) if isinstance(entry, CondaBinary)}
    # What no environment and no source package refers to is in the lock and in no answer.
    assert len(conda) <= int(row["conda"])
    if row["source"] == "0":
        assert len(conda) == int(row["conda"])


@pytest.mark.parametrize("slugs", [sample_of(READ), pytest.param(READ, marks=pytest.mark.slow)], ids=["some", "all"])
def test_every_conda_file_name_and_url_of_the_corpus_is_admitted(slugs):
    every = {entry.location: entry for slug in slugs for entry in entries_of(slug) if isinstance(entry, CondaBinary)}
    for entry in every.values():
        split_file_name(entry.file_name)
        package = conda_package(entry, layout="channels", base="file:///here/")
        assert package.path.endswith(f"/{package.subdir}/{entry.file_name}")
        if entry.location.startswith("https:"):
            assert package.path == url_path(entry.location)
    assert len({entry.file_name for entry in every.values()}) > (10_000 if slugs == READ else 500)
    assert slugs != READ or "s3" in {entry.location.partition(":")[0] for entry in every.values()}


@pytest.mark.parametrize("slug", ["prefix-dev__pixi__root", "nerfstudio-project__nerfstudio__root"])
def test_records_of_a_real_lock_survive_repodata(slug):
    records = {e.file_name: e.record for e in entries_of(slug) if isinstance(e, CondaBinary) and e.subdir == "linux-64"}
    assert read_repodata(repodata("linux-64", records)) == ("linux-64", records)


def in_milliseconds(record: dict) -> dict:
    stamp = record.get("timestamp")
    return {**record, "timestamp": stamp * 1000} if stamp and stamp < 253_402_300_800 else record


def as_rattler_has_it(package) -> tuple:
    kind = type(package).__name__
    if kind == "CondaLockedBinaryPackage":
        record = json.loads(package.repo_data_record().to_json())
        del record["fn"]  # old locks may have a whole URL there
        return ("conda", record.pop("url"), (record.pop("channel") or "").rstrip("/"), in_milliseconds(record))
    if kind == "CondaLockedSourcePackage":
        return ("source", str(package.location), str(package.name))
    version = str(package.version)
    if version == "<dynamic>":
        return ("directory", str(package.location), str(package.name))
    try:
        hashes = [digest.hex() if digest else None for digest in (package.hashes.sha256, package.hashes.md5)]
    except AttributeError:
        hashes = [None, None]
    return ("pypi", str(package.location), str(package.name), version, *hashes)


def as_we_have_it(entry, like: tuple) -> tuple:
    match entry:
        case CondaBinary():
            return ("conda", entry.location, entry.channel or "", in_milliseconds(dict(entry.record)))
        case CondaSource():
            return ("source", entry.location, entry.name)
        case PypiEntry() if like[0] == "directory":  # rattler drops version and hash of a directory
            return ("directory", entry.location, entry.name)
        case PypiEntry():
            return ("pypi", entry.location, entry.name, entry.version, entry.sha256, entry.md5)


@pytest.mark.rattler
@pytest.mark.parametrize("slug", sorted(set(ROWS) - set(REFUSED)))
def test_every_environment_and_platform_is_what_py_rattler_reads(slug):
    from rattler import LockFile

    lock = read_lock(data_of(slug), name=slug)
    theirs = dict(LockFile.from_path(lock_path(slug)).environments())
    assert set(theirs) == set(lock.environments)
    for name, environment in theirs.items():
        ours = lock.environments[name]
        assert [str(channel).rstrip("/") for channel in environment.channels()] == [
            channel.rstrip("/") for channel in ours.channels
        ]
        assert {platform.name for platform in environment.platforms()} == set(ours.packages)
        for platform in environment.platforms():
            assert str(platform.subdir) == lock.platforms[platform.name].subdir
            assert tuple(platform.virtual_packages) == lock.platforms[platform.name].virtual_packages
            wanted = sorted((as_rattler_has_it(p) for p in environment.packages(platform) or ()), key=lambda e: e[:3])
            found = sorted(ours.packages[platform.name], key=lambda e: e.location)
            assert Counter(e[1] for e in wanted) == Counter(e.location for e in found)
            kinds = {e[1]: e for e in wanted}
            assert wanted == sorted((as_we_have_it(e, kinds[e.location]) for e in found), key=lambda e: e[:3])


@pytest.mark.rattler
@pytest.mark.parametrize("slug", sorted(REFUSED))
def test_py_rattler_refuses_what_we_refuse(slug):
    from rattler import LockFile

    with pytest.raises(Exception, match=r"."):
        LockFile.from_path(lock_path(slug))
