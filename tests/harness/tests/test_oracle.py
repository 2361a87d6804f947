"""The oracle finds each kind of fault that is planted in a small mirror made by hand, and nothing in a true one."""

import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys

import pytest
from harness import oracle

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.packages import build_package, zstd_frame

TOOL = build_package(name="tool", subdir="linux-64", depends=["base"])
NEWER = build_package(name="tool", version="2.0", subdir="linux-64", depends=["base"])
OLD = build_package(name="old-thing", subdir="linux-64", extension="tar.bz2")
BASE = build_package(name="base")
WHEEL = build_wheel(name="thing", version="2.0").data
METADATA = build_wheel(name="thing", version="2.0").metadata
FILE = "files.pypi.example/packages/aa/thing-2.0-py3-none-any.whl"
PAGES = "pypi.example/simple/thing", "simple/thing"
LINUX, NOARCH = "conda-forge/linux-64", "conda-forge/noarch"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def packed(value):  # noqa: PLR0911 - one a kind, as in the specification
    """The msgpack of what shards hold."""
    match value:
        case None:
            return b"\xc0"
        case bool():
            return b"\xc3" if value else b"\xc2"
        case int() if 0 <= value < 128:
            return bytes([value])
        case int():
            return b"\xd3" + struct.pack(">q", value)
        case str():
            return b"\xda" + struct.pack(">H", len(value.encode())) + value.encode()
        case bytes():
            return b"\xc4" + bytes([len(value)]) + value
        case list():
            return b"\xdc" + struct.pack(">H", len(value)) + b"".join(map(packed, value))
        case dict():
            pairs = b"".join(packed(key) + packed(each) for key, each in value.items())
            return b"\xde" + struct.pack(">H", len(value)) + pairs


def repodata(subdir, packages):
    document = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": {}, "repodata_version": 1}
    for package in packages:
        part = "packages.conda" if package.file_name.endswith(".conda") else "packages"
        document[part][package.file_name] = dict(package.record)
    return document


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else json.dumps(data, sort_keys=True).encode())


def write_sidecars(place, document, *, shard_name=None):
    write(place / oracle.ZST, zstd_frame(json.dumps(document, sort_keys=True).encode()))
    names = {}
    for part in ("packages", "packages.conda"):
        for file, record in document[part].items():
            shard = names.setdefault(shard_name or record["name"], {"packages": {}, "packages.conda": {}})
            binary = {key: bytes.fromhex(record[key]) for key in ("sha256", "md5")}
            shard[part][file] = record | binary
    hashes = {}
    for name, shard in names.items():
        data = zstd_frame(packed(shard))
        hashes[name] = hashlib.sha256(data).digest()
        write(place / "shards" / f"{hashes[name].hex()}.msgpack.zst", data)
    info = {"subdir": place.name, "base_url": "./", "shards_base_url": "./shards/", "created_at": "2026-01-01"}
    write(place / oracle.SHARDS, zstd_frame(packed({"version": 1, "info": info, "shards": hashes})))


def write_index(place, packages):
    document = repodata(place.name, packages)
    write(place / oracle.JSON, document)
    write_sidecars(place, document)


def html(link, name="thing-2.0-py3-none-any.whl", digest=""):
    digest, metadata = digest or sha256(WHEEL), sha256(METADATA)
    told = f'data-core-metadata="sha256={metadata}" data-size="{len(WHEEL)}"'
    return f'<a href="{link}#sha256={digest}" {told}>{name}</a>'.encode()


def page(link, **changes):
    entry = {
        "filename": FILE.rsplit("/", 1)[1],
        "url": link,
        "hashes": {"sha256": sha256(WHEEL)},
        "core-metadata": {"sha256": sha256(METADATA)},
        "size": len(WHEEL),
    }
    return {"meta": {"api-version": "1.1"}, "name": "thing", "files": [entry | changes], "versions": ["2.0"]}


@pytest.fixture
def mirror(tmp_path):
    """A true mirror with an index of every format."""
    root = tmp_path / "mirror"
    for package in (TOOL, OLD, BASE):
        write(root / "conda-forge" / package.record["subdir"] / package.file_name, package.data)
    write_index(root / LINUX, [TOOL, OLD])
    write_index(root / NOARCH, [BASE])
    write(root / FILE, WHEEL)
    write(root / (FILE + ".metadata"), METADATA)
    for place, link in zip(PAGES, (f"https://{FILE}", f"../../{FILE}"), strict=True):
        write(root / place / oracle.HTML, html(link))
        write(root / place / oracle.PEP691, page(link))
        write(root / place / ".." / oracle.HTML, b'<a href="thing/">thing</a>')
        write(root / place / ".." / oracle.PEP691, {"meta": {"api-version": "1.1"}, "projects": [{"name": "Thing"}]})
    write(root / oracle.PRIVATE / "half.part", b"half")
    write(root / "pixi-mirror.json", {})
    return root


def test_a_true_mirror_has_no_problem(mirror):
    expected = {
        f"{LINUX}/{TOOL.file_name}": TOOL.record["sha256"],
        f"{LINUX}/{OLD.file_name}": OLD.record["sha256"],
        f"{NOARCH}/{BASE.file_name}": BASE.record["sha256"],
        FILE: sha256(WHEEL),
    }
    assert oracle.problems(mirror, expected=expected) == []
    assert len(oracle.listing(mirror).indexes) == 2 * 3 + 2 * 4


@pytest.mark.parametrize("name", ["absent", "empty"])
def test_no_mirror_is_a_true_mirror(tmp_path, name):
    (tmp_path / "empty").mkdir()
    assert oracle.problems(tmp_path / name) == []


def edit(path, change):
    document = json.loads(path.read_bytes())
    change(document)
    write(path, document)


def edited_everywhere(place, change):
    """Change `repodata.json` and both its sidecars alike."""
    document = json.loads((place / oracle.JSON).read_bytes())
    change(document)
    write(place / oracle.JSON, document)
    write_sidecars(place, document)


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def swap_parts(document):
    document["packages"], document["packages.conda"] = document["packages.conda"], document["packages"]


def other_hash(document):
    document["packages.conda"][TOOL.file_name]["sha256"] = "0" * 64


def no_hash(document):
    record = document["packages.conda"][TOOL.file_name]
    del record["sha256"], record["md5"]


PAGE = PAGES[0]
FAULTS = {
    "is not there": lambda m: (m / LINUX / TOOL.file_name).unlink(),
    f"lists {LINUX}/{TOOL.file_name} with sha256": lambda m: flip(m / LINUX / TOOL.file_name),
    f"lists {FILE} with sha256": lambda m: flip(m / FILE),
    f"lists {FILE}.metadata with sha256": lambda m: flip(m / (FILE + ".metadata")),
    f"lists {FILE}.metadata, which is not there": lambda m: (m / (FILE + ".metadata")).unlink(),
    "noarch/repodata.json: is missing": lambda m: shutil.rmtree(m / NOARCH),
    "says it is the subdir 'osx-64'": lambda m: edit(
        m / LINUX / oracle.JSON, lambda d: d["info"].update(subdir="osx-64")
    ),
    "base_url is 'https://conda.example/'": lambda m: edit(
        m / LINUX / oracle.JSON, lambda d: d["info"].update(base_url="https://conda.example/")
    ),
    f"has {TOOL.file_name} under 'packages'": lambda m: edit(m / LINUX / oracle.JSON, swap_parts),
    f"lists {TOOL.file_name} without a hash": lambda m: edit(m / LINUX / oracle.JSON, no_hash),
    "repodata.json: cannot be read": lambda m: write(m / LINUX / oracle.JSON, b'{"info"'),
    "repodata.json: cannot be read: TypeError": lambda m: write(m / LINUX / oracle.JSON, b"[]"),
    "repodata.json.zst: cannot be read": lambda m: write(m / LINUX / oracle.ZST, b""),
    "repodata.json.zst: differs": lambda m: write(
        m / LINUX / oracle.ZST, zstd_frame(json.dumps(repodata("linux-64", [TOOL])).encode())
    ),
    f"repodata.json.zst: lacks {LINUX}/{OLD.file_name}": lambda m: write(
        m / LINUX / oracle.ZST, zstd_frame(json.dumps(repodata("linux-64", [TOOL])).encode())
    ),
    "repodata.json.zst: stands without": lambda m: (m / LINUX / oracle.JSON).unlink(),
    f"msgpack.zst: lacks {LINUX}/{OLD.file_name}": lambda m: write_sidecars(
        m / LINUX, repodata("linux-64", [TOOL])
    ),
    f"msgpack.zst: lists {LINUX}/{OLD.file_name}, unlike repodata.json": lambda m: edit(
        m / LINUX / oracle.JSON, lambda d: d["packages"].clear()
    ),
    "msgpack.zst: cannot be read": lambda m: write(m / LINUX / oracle.SHARDS, zstd_frame(b"\xdc\x00\x05")),
    "is not what it says": lambda m: flip(next((m / LINUX / "shards").iterdir())),
    "the shard of": lambda m: shutil.rmtree(m / LINUX / "shards"),
    "the shard of stranger holds tool": lambda m: write_sidecars(
        m / LINUX, repodata("linux-64", [TOOL]), shard_name="stranger"
    ),
    "but repodata.json as": lambda m: edit(
        m / LINUX / oracle.JSON, lambda d: d["packages.conda"][TOOL.file_name].update(size=1)
    ),
    f"{TOOL.file_name} with sha256 {'0' * 64}": lambda m: edited_everywhere(m / LINUX, other_hash),
    "leads out of the mirror": lambda m: write(m / PAGE / oracle.HTML, html("../../../../thing.whl")),
    "neither relative nor": lambda m: write(m / PAGE / oracle.HTML, html("/packages/thing.whl")),
    "index.html: lacks": lambda m: write(m / PAGE / oracle.HTML, b"<html></html>"),
    "index.html: lists files.pypi.example": lambda m: write(
        m / PAGE / oracle.PEP691, {"meta": {"api-version": "1.1"}, "files": []}
    ),
    "but index.v1_json as": lambda m: write(m / PAGE / oracle.HTML, html(f"https://{FILE}", digest="1" * 64)),
    "lists files.pypi.example_8080/x.whl, which is not there": lambda m: write(
        m / PAGE / oracle.HTML, html("http://FILES.pypi.example:8080/x.whl", name="x.whl")
    ),
    "calls": lambda m: write(m / PAGE / oracle.HTML, html(f"https://{FILE}", name="other.whl")),
    "without a sha256": lambda m: write(m / PAGE / oracle.PEP691, page(f"https://{FILE}", hashes={"md5": "0" * 32})),
    "API version": lambda m: edit(m / PAGE / oracle.PEP691, lambda d: d["meta"].update({"api-version": "2.0"})),
    "links to simple/thing/, which has no page": lambda m: shutil.rmtree(m / "simple/thing"),
    ".hidden: is temporary": lambda m: write(m / LINUX / ".hidden", b""),
    "x.part: is temporary": lambda m: write(m / "x.part", b""),
    "x.conda.tmp: is temporary": lambda m: write(m / LINUX / "x.conda.tmp", b""),
    ".tmp: is temporary": lambda m: (m / LINUX / ".tmp").mkdir(),
    "deep/.pixi-mirror: is temporary": lambda m: write(m / "deep" / oracle.PRIVATE / "state.json", b""),
}  # fmt: skip


@pytest.mark.broken_mirror("the fault is what the test is about")
@pytest.mark.parametrize("complaint", FAULTS)
def test_a_planted_fault_is_found(mirror, complaint):
    FAULTS[complaint](mirror)
    found = oracle.problems(mirror)
    assert any(complaint in problem for problem in found), found


def test_a_file_that_nobody_wants_and_one_that_is_lacking_are_told(mirror):
    expected = {path: listed.digest for path, listed in oracle.listing(mirror).files.items() if "forge" in path}
    expected[f"{NOARCH}/gone-1-0.conda"] = expected.pop(f"{NOARCH}/{BASE.file_name}")
    expected[f"{LINUX}/{TOOL.file_name}"] = "0" * 64
    assert oracle.problems(mirror, expected=expected) == sorted([
        f"{NOARCH}/{BASE.file_name}: is listed, and nobody wants it",
        f"{LINUX}/{TOOL.file_name}: is listed with {TOOL.record['sha256']}, wanted is {'0' * 64}",
        f"{FILE}: is listed, and nobody wants it",
        f"{NOARCH}/gone-1-0.conda: is wanted, and no index lists it",
    ])  # fmt: skip


def test_the_program_prints_the_problems_and_ends_with_one(mirror):
    program = [sys.executable, oracle.__file__, mirror]
    true = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (true.returncode, true.stderr) == (0, "")
    (mirror / LINUX / TOOL.file_name).rename(mirror / LINUX / "elsewhere.conda")
    false = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (false.returncode, false.stderr) == (1, "")
    assert f"lists {LINUX}/{TOOL.file_name}, which is not there" in false.stdout
    (mirror / LINUX / "elsewhere.conda").rename(mirror / LINUX / TOOL.file_name)


@pytest.fixture
def states(mirror):
    """The mirror before a run that exchanges a package, with what it was and what it is to become."""
    old = oracle.listing(mirror)
    write(mirror / LINUX / NEWER.file_name, NEWER.data)
    after = mirror.with_name("after")
    shutil.copytree(mirror, after)
    write_index(after / LINUX, [TOOL, OLD, NEWER])
    return old, oracle.listing(after), after


def verdict(mirror, states):
    old, new, _ = states
    return oracle.verdict(mirror, old=old, new=new)


def bring(states, mirror, name):
    """Replace one index, and the shards that it names, by the new one."""
    after = states[2] / LINUX
    if name == oracle.SHARDS:
        shutil.copytree(after / "shards", mirror / LINUX / "shards", dirs_exist_ok=True)
    os.replace(after / name, mirror / LINUX / name)


def test_what_it_was_is_old_and_what_it_becomes_is_new(mirror, states):
    assert verdict(mirror, states) == oracle.Verdict(state="OLD", reasons=())
    for name in (oracle.SHARDS, oracle.ZST):
        bring(states, mirror, name)
        assert verdict(mirror, states).state == "BETWEEN"
    bring(states, mirror, oracle.JSON)
    assert verdict(mirror, states).state == "NEW"


@pytest.mark.parametrize("name", oracle.SIDECARS)
def test_a_sidecar_may_be_absent_while_a_run_is_under_way(mirror, states, name):
    (mirror / LINUX / name).unlink()
    assert verdict(mirror, states).state == "BETWEEN"


@pytest.mark.broken_mirror("the fault is what the test is about")
@pytest.mark.parametrize(
    ("complaint", "fault"),
    {
        "is gone, and both": lambda m: (m / LINUX / oracle.JSON).unlink(),
        "neither what it was": lambda m: write(m / LINUX / oracle.JSON, repodata("linux-64", [NEWER])),
        "cannot be read": lambda m: write(m / LINUX / oracle.JSON, b""),
        "which is not there": lambda m: (m / LINUX / OLD.file_name).unlink(),
        "it has": lambda m: flip(m / LINUX / OLD.file_name),
        "is temporary": lambda m: write(m / LINUX / ".repodata.json.1", b""),
    }.items(),
)
def test_a_mirror_that_is_in_no_state_of_a_run_is_broken(mirror, states, complaint, fault):
    fault(mirror)
    found = verdict(mirror, states)
    assert found.state == "broken"
    assert any(complaint in reason for reason in found.reasons), found


@pytest.mark.broken_mirror("the fault is what the test is about")
def test_a_sidecar_of_a_third_state_is_stale(mirror, states):
    write(mirror / LINUX / oracle.ZST, zstd_frame(json.dumps(repodata("linux-64", [OLD])).encode()))
    assert verdict(mirror, states).state == "broken"


@pytest.mark.parametrize("name", ["absent", "empty"])
def test_nothing_is_a_whole_old_state(mirror, tmp_path, name):
    (tmp_path / "empty").mkdir()
    new = oracle.listing(mirror)
    assert oracle.verdict(tmp_path / name, old=oracle.Listing(), new=new).state == "OLD"
    shutil.rmtree(mirror / LINUX)
    assert oracle.verdict(mirror, old=oracle.Listing(), new=new).state == "BETWEEN"


def test_the_clock_of_a_shard_index_does_not_count(mirror):
    first = oracle.listing(mirror)
    path = mirror / LINUX / oracle.SHARDS
    path.write_bytes(path.read_bytes().replace(b"2026-01-01", b"2027-01-01"))
    assert oracle.listing(mirror) == first


RATTLER = """
import asyncio, os, pathlib, sys
import rattler
asyncio.run(rattler.index.index_fs(pathlib.Path(sys.argv[1]), write_zst=True, write_shards=True))
os._exit(0)
"""


@pytest.mark.rattler
def test_what_rattler_indexes_is_true_and_what_it_lists_is_found(tmp_path):
    pytest.importorskip("rattler")
    for package in (TOOL, OLD, BASE):
        write(tmp_path / "mirror/conda-forge" / package.record["subdir"] / package.file_name, package.data)
    subprocess.run([sys.executable, "-c", RATTLER, tmp_path / "mirror/conda-forge"], check=True)
    found = oracle.listing(tmp_path / "mirror")
    assert {path: listed.digest for path, listed in found.indexes[f"{LINUX}/{oracle.SHARDS}"].files.items()} == {
        f"{LINUX}/{package.file_name}": package.record["sha256"] for package in (TOOL, OLD)
    }
    shutil.rmtree(tmp_path / "mirror/conda-forge/.tmp", ignore_errors=True)  # its own leftovers
    assert oracle.problems(tmp_path / "mirror") == []
