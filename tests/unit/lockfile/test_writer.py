"""The locks that we write say to others what we meant, in the words pixi would have used."""

import json
import re
import tomllib

import pytest
import yaml
from harness.corpus import LOCKS

from pixi_mirror.demo.packages import build_package
from pixi_mirror.demo.scene import manifest_text
from pixi_mirror.lockfile.writer import (
    CondaLockEntry,
    LockDescription,
    LockEnvironment,
    LockPlatform,
    PypiLockEntry,
    lock_text,
)

CHANNEL = "https://conda.anaconda.org/conda-forge/"
WHEEL = PypiLockEntry(
    url="https://files.pypi.example/packages/aa/bb/thing-2.0-py3-none-any.whl",
    name="thing",
    version="2.0",
    sha256="ab" * 32,
    requires_dist=("other>=1 ; extra == 'more'",),
    requires_python=">=3.9",
)


def entry(**description):
    package = build_package(**description)
    return CondaLockEntry(url=f"{CHANNEL}{package.record['subdir']}/{package.file_name}", record=package.record)


BASE = entry(name="base", version="2024.1", build="pyh1_3", build_number=3, noarch="python")
TOOL = entry(
    name="tool",
    subdir="linux-64",
    build="12_3",
    build_number=7,
    depends=["base >=2024,<2025.0a0", "__glibc >=2.17,<3.0.a0", "*"],
    track_features=["vc14"],
    extra={"purls": [], "run_exports": {"weak": ["tool >=1.0,<2"]}, "license_family": "BSD"},
)
OLD = entry(name="old-thing", version="1!0.5", build="0", subdir="linux-64", extension="tar.bz2")
HOTFIXED = TOOL.hotfixed(depends=["base >=2024"], constrains=["other <1"])


def described(version):
    return LockDescription(
        version=version,
        platforms=(LockPlatform(name="gpu", subdir="linux-64", virtual_packages=("__cuda=12", "__unix=0=0")),)
        if version == 7
        else (),
        environments={
            "default": LockEnvironment(
                channels=(CHANNEL,),
                indexes=("https://pypi.example/simple",),
                packages={
                    "linux-64" if version == 6 else "gpu": (HOTFIXED, OLD, BASE, WHEEL),
                    "osx-arm64": (BASE,),
                },
            ),
            "prod": LockEnvironment(channels=(CHANNEL,), packages={"osx-arm64": (BASE,)}),
        },
    )


def pool(version):
    return {
        next(iter(each.values())): each
        for each in yaml.load(lock_text(described(version)), yaml.BaseLoader)["packages"]
    }


@pytest.mark.parametrize("version", [6, 7])
def test_what_a_reader_derives_is_left_out(version):
    assert pool(version)[BASE.url].keys() == {"conda", "sha256", "md5", "license", "size", "timestamp"}
    assert pool(version)[HOTFIXED.url].keys() - {"run_exports"} == {
        "conda", "build_number", "sha256", "md5", "depends", "constrains", "track_features", "license",
        "license_family", "purls", "size", "timestamp",
    }  # fmt: skip


def test_run_exports_came_with_version_seven():
    assert "run_exports" in pool(7)[HOTFIXED.url]
    assert "run_exports" not in pool(6)[HOTFIXED.url]


def test_what_is_not_derivable_from_a_local_path_is_written():
    local = CondaLockEntry(url="/channel/linux-64/" + OLD.url.rsplit("/")[-1], record=OLD.record)
    environment = LockEnvironment(channels=("file:///channel",), packages={"linux-64": (local,)})
    text = lock_text(LockDescription(environments={"default": environment}))
    assert "  subdir: linux-64\n" in text


def test_a_hotfixed_record_keeps_the_hash_of_the_archive():
    assert HOTFIXED.record["sha256"] == TOOL.record["sha256"]
    assert pool(7)[HOTFIXED.url]["depends"] == ["base >=2024"]


@pytest.mark.parametrize("version", [6, 7])
def test_a_text_that_looks_like_another_type_is_quoted(version):
    record = {"sha256": "0" * 64, "md5": "1e" + "1" * 30, "license": "null", "depends": ["a", "3.10", "*", "a: b"]}
    odd = CondaLockEntry(url=CHANNEL + "noarch/odd-1-0.conda", record={"name": "odd", "noarch": "generic", **record})
    environment = LockEnvironment(channels=(CHANNEL,), packages={"linux-64": (odd,)})
    text = lock_text(LockDescription(version=version, environments={"default": environment}))
    (read,) = yaml.safe_load(text)["packages"]
    assert {key: read[key] for key in record} == record


@pytest.mark.parametrize("version", [6, 7])
def test_the_manifest_asks_for_what_nothing_else_needs(version):
    manifest = tomllib.loads(manifest_text(described(version), name="world"))
    assert manifest["workspace"]["platforms"] == ["linux-64", "osx-arm64"]
    assert manifest["workspace"]["channels"] == [CHANNEL]
    assert manifest["target"]["linux-64"]["dependencies"] == {"tool": "*", "old-thing": "*"}
    assert manifest["feature"]["prod"]["target"]["osx-arm64"]["dependencies"] == {"base": "*"}
    assert manifest["environments"]["prod"] == {"features": ["prod"], "no-default-feature": True}


@pytest.mark.rattler
@pytest.mark.parametrize("version", [6, 7])
def test_rattler_reads_the_records_that_were_meant(tmp_path, version):
    rattler = pytest.importorskip("rattler")
    path = tmp_path / "pixi.lock"
    path.write_text(lock_text(described(version)), encoding="utf-8")
    environments = dict(rattler.LockFile.from_path(path).environments())
    assert environments.keys() == {"default", "prod"}
    cells = {platform.name: packages for platform, packages in environments["default"].packages_by_platform().items()}
    packages = cells["linux-64" if version == 6 else "gpu"]
    read = {}
    for package in packages:
        if isinstance(package, rattler.lock.CondaLockedBinaryPackage):
            read[package.location] = json.loads(package.repo_data_record().to_json())
    assert read.keys() == {HOTFIXED.url, OLD.url, BASE.url}
    for meant in (HOTFIXED, OLD, BASE):
        record = read[meant.url]
        expected = {key: value for key, value in meant.record.items() if version == 7 or key != "run_exports"}
        if "track_features" in expected and isinstance(record["track_features"], list):
            record["track_features"] = " ".join(record["track_features"])
        assert {key: record.get(key) for key in expected} == expected
        assert record["url"] == meant.url
        assert record["channel"] == CHANNEL
    (wheel,) = (package for package in packages if isinstance(package, rattler.lock.PypiLockedPackage))
    assert (wheel.name, str(wheel.version), wheel.location) == (WHEEL.name, WHEEL.version, WHEEL.url)
    assert wheel.hashes.sha256.hex() == WHEEL.sha256
    assert wheel.requires_dist == list(WHEEL.requires_dist)


NUMBERS = ("build_number", "size", "timestamp", "legacy_bz2_size")


BEYOND_THE_WRITER = re.compile(r"<<<<<<<|arch:|conda_source:|find-links:|options:|editable:|(?:pypi|conda): (?:git|\.)")
LARGEST = 500_000


def real_locks():
    """Small locks of version 6 and 7 that hold nothing but conda archives and hashed PyPI files."""
    for path in sorted(LOCKS.glob("*/pixi.lock")):
        text = path.read_text(encoding="utf-8") if path.stat().st_size <= LARGEST else ""
        if text.startswith(("version: 6\n", "version: 7\n")) and not BEYOND_THE_WRITER.search(text):
            yield pytest.param(text, id=path.parent.name)


def real_entry(raw):
    """The entry that a pool entry of a real lock spells."""
    if "conda" in raw:
        numbers = {key: int(raw[key]) for key in NUMBERS if key in raw}
        url = raw["conda"]
        return CondaLockEntry(url=url, record={"name": url.rsplit("/", 1)[1].rsplit("-", 2)[0]} | raw | numbers)
    fields = {key: raw.get(key) for key in ("name", "version", "sha256", "index", "requires_python")}
    return PypiLockEntry(url=raw["pypi"], requires_dist=tuple(raw.get("requires_dist", ())), **fields)


def blocks(text):
    """The pool entries of a lock, as pieces of text, in no order."""
    return sorted(("\n" + text.partition("\npackages:")[2].rstrip("\n")).split("\n- "))


@pytest.mark.parametrize("text", list(real_locks()))
def test_a_real_lock_described_and_written_again_is_the_same_text(text):
    document = yaml.load(text, yaml.CBaseLoader)
    entries = {next(iter(raw.values())): real_entry(raw) for raw in document["packages"]}
    environments = {
        name: LockEnvironment(
            channels=tuple(channel["url"] for channel in raw["channels"]),
            indexes=tuple(raw.get("indexes", ())),
            packages={
                platform: tuple(entries[next(iter(each.values()))] for each in cell)
                for platform, cell in raw["packages"].items()
            },
        )
        for name, raw in document["environments"].items()
    }
    platforms = tuple(
        LockPlatform(
            name=raw["name"],
            subdir=raw.get("subdir", raw["name"]),
            virtual_packages=tuple(raw.get("virtual-packages", ())),
        )
        for raw in document.get("platforms", ())
    )
    version = int(document["version"])
    written = lock_text(LockDescription(version=version, platforms=platforms, environments=environments))
    assert blocks(written) == blocks(text)
    assert sorted(written.splitlines()) == sorted(text.splitlines())
    if version == 7:
        assert written == text
