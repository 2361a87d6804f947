"""Locks of every version, small and hand-made: what is derived, how references resolve, what is refused."""

import re
import sys

import pytest

from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.entries import CondaBinary, CondaSource, PypiEntry
from pixi_mirror.lockfile.reader import read_lock

SHA = "1dd3fffd892081df9726d7eb7e0dea6198962ba775bd88842135a4ddb4deb3c9"
MD5 = "a9f577daf3de00bca7c3c76c0ecbd1de"
FORGE = "https://conda.anaconda.org/conda-forge"
GOOD = f"{FORGE}/linux-64/a-1-0.conda"


def lock_6(packages: str, references: str, platform: str = "linux-64") -> bytes:
    return (
        f"version: 6\nenvironments:\n  default:\n    channels:\n    - url: {FORGE}/\n    packages:\n      {platform}:\n"
        + "".join(f"        {line}\n" for line in references.splitlines())
        + ("packages: " if packages == "[]\n" else "packages:\n")
        + packages
    ).encode()


def lock_7(packages: str, references: str, platform: str = "linux-64", platforms: str = "- name: linux-64\n") -> bytes:
    body = lock_6(packages, references, platform).decode().removeprefix("version: 6\n")
    return f"version: 7\nplatforms:\n{platforms}{body}".encode()


def only(data: bytes, platform: str = "linux-64") -> CondaBinary:
    (entry,) = read_lock(data, name="pixi.lock").environments["default"].packages[platform]
    assert isinstance(entry, CondaBinary)
    return entry


def one_conda(location: str, *fields: str, version: int = 6) -> CondaBinary:
    text = f"- conda: {location}\n" + "".join(f"  {field}\n" for field in fields)
    return only((lock_6 if version == 6 else lock_7)(text, f"- conda: {location}"))


def test_what_the_lock_omits_is_derived_from_the_location():
    entry = one_conda(f"{FORGE}/linux-64/_openmp_mutex-4.5-20_gnu.conda")
    assert entry.record == {
        "name": "_openmp_mutex", "version": "4.5", "build": "20_gnu", "build_number": 0, "subdir": "linux-64",
        "arch": "x86_64", "platform": "linux", "depends": [],
    }  # fmt: skip
    assert (entry.channel, entry.subdir) == (FORGE, "linux-64")
    assert entry.file_name == "_openmp_mutex-4.5-20_gnu.conda"


def test_what_the_lock_says_wins_and_numbers_are_numbers():
    fields = [
        "build_number: 20", f"sha256: {SHA}", f"md5: {MD5}", "noarch: generic", "depends:", "- a >=1", "constrains:",
        "- b <2", "track_features:", "- x", "- y", "flags: []", "license: None", "purls: []", "run_exports: {}",
        "size: 28948", "timestamp: 1770939786096", "python_site_packages_path: lib/python3.14/site-packages",
        "extra_depends:", "  z:", "  - w", "indexed_timestamp: 1770939786097", "surely_unknown: 12", "features: f",
    ]  # fmt: skip
    record = one_conda(f"{FORGE}/linux-64/a-1!2.0+x-20_gnu.tar.bz2", *fields, version=7).record
    assert record == {
        "name": "a", "version": "1!2.0+x", "build": "20_gnu", "build_number": 20, "subdir": "linux-64",
        "arch": "x86_64", "platform": "linux", "sha256": SHA, "md5": MD5, "noarch": "generic", "depends": ["a >=1"],
        "constrains": ["b <2"], "track_features": "x y", "license": "None", "purls": [], "run_exports": {},
        "size": 28948, "timestamp": 1770939786096, "extra_depends": {"z": ["w"]}, "features": "f",
        "python_site_packages_path": "lib/python3.14/site-packages", "indexed_timestamp": 1770939786097,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("build", "number", "noarch"),
    [("py_3", 3, "python"), ("foo_12", 12, "generic"), ("foo", 0, "generic"), ("0_x86_64", 64, "generic"),
     ("hp_3", 3, "generic"), ("2", 2, "generic"), ("h_99999999999999999999", 0, "generic")],
)  # fmt: skip
def test_build_number_and_noarch_are_told_from_the_build(build, number, noarch):
    record = one_conda(f"{FORGE}/noarch/a-1-{build}.conda").record
    assert (record["build_number"], record["noarch"], "arch" in record) == (number, noarch, False)


@pytest.mark.parametrize(("said", "found"), [("python", "python"), ("'true'", True), ("false", None), ("''", None)])
def test_noarch_in_its_old_spellings(said, found):
    assert one_conda(f"{FORGE}/noarch/a-1-0.conda", f"noarch: {said}").record.get("noarch") == found


def test_a_path_has_no_channel_unless_the_lock_names_one():
    path = "/srv/chan/noarch/foo-1.0-0.conda"
    assert one_conda(path, "subdir: noarch").channel is None
    entry = one_conda(path, "subdir: noarch", "channel: file:///srv/chan")
    assert (entry.channel, entry.subdir, entry.record["noarch"]) == ("file:///srv/chan", "noarch", "generic")


def test_a_file_outside_every_subdir_lies_in_none():
    assert one_conda("https://example.com/files/bar-1.0-h123_7.conda", "subdir: linux-64").subdir is None


def test_a_folder_that_is_no_known_platform_counts_if_the_record_names_it():
    assert one_conda("https://example.com/c/plan9-68k/bar-1.0-0.conda", "subdir: plan9-68k").subdir == "plan9-68k"


LOCK_5 = f"""\
version: 5
environments:
  default:
    channels:
    - url: {FORGE}/
    packages:
      linux-64:
      - conda: {FORGE}/noarch/a-1-0_x86_64.conda
      osx-64:
      - conda: {FORGE}/noarch/a-1-0_x86_64.conda
      - pypi: .
packages:
- kind: conda
  name: a
  version: 7.3_22
  build: 0_x86_64
  build_number: 0
  subdir: linux-64
  noarch: python
  url: {FORGE}/noarch/a-1-0_x86_64.conda
  md5: {MD5}
  depends: [from-linux]
- kind: conda
  name: a
  version: 7.3_22
  build: 0_x86_64
  subdir: osx-64
  url: {FORGE}/noarch/a-1-0_x86_64.conda
  depends: [from-osx]
- kind: conda
  name: a
  version: 7.3_22
  build: 0_x86_64
  subdir: linux-64
  url: {FORGE}/noarch/a-1-0_x86_64.conda
  sha256: {SHA}
  purls: []
  timestamp: 1750274211
- kind: pypi
  name: here
  version: '1'
  path: ./
  editable: true
"""


def test_below_version_6_entries_of_one_location_are_chosen_by_subdir_and_merged():
    packages = read_lock(LOCK_5.encode(), name="x").environments["default"].packages
    (linux,) = packages["linux-64"]
    osx, here = packages["osx-64"]
    assert (linux.record["depends"], linux.record["sha256"], linux.record["md5"]) == (["from-linux"], SHA, MD5)
    assert linux.record["purls"] == []
    assert (osx.record["depends"], "sha256" in osx.record) == (["from-osx"], False)
    assert (here.location, here.editable, here.version) == ("./", True, "1")


def test_below_version_6_the_field_is_kept_and_the_folder_comes_from_the_url():
    (linux,) = read_lock(LOCK_5.encode(), name="x").environments["default"].packages["linux-64"]
    assert (linux.subdir, linux.record["subdir"], linux.record["noarch"]) == ("noarch", "linux-64", "python")
    assert (linux.record["version"], linux.record["build_number"]) == ("7.3_22", 64)


def test_the_newest_timestamp_is_in_milliseconds_and_the_record_keeps_its_own():
    lock = read_lock(LOCK_5.encode(), name="x")
    assert lock.newest_timestamp == 1750274211000
    assert lock.platforms["linux-64"].subdir == "linux-64"


def test_in_version_6_a_reference_picks_the_first_entry_that_it_describes():
    location = f"{FORGE}/linux-64/a-1-0.conda"
    pool = "".join(
        f"- conda: {location}\n  subdir: {subdir}\n  license: {subdir}\n" for subdir in ("win-64", "linux-64")
    )
    assert only(lock_6(pool, f"- conda: {location}")).record["license"] == "win-64"
    assert only(lock_6(pool, f"- conda: {location}\n  subdir: linux-64")).record["license"] == "linux-64"
    with pytest.raises(WorkspaceError, match=r"environment default: platform linux-64: .*a-1-0\.conda has no entry"):
        read_lock(lock_6(pool, f"- conda: {location}\n  subdir: osx-64"), name="x")


def test_in_version_7_the_first_of_two_entries_stays():
    pool = f"- conda: {GOOD}\n  license: first\n- conda: {GOOD}\n  license: second\n"
    assert only(lock_7(pool, f"- conda: {GOOD}")).record["license"] == "first"


def test_in_version_6_source_packages_are_told_by_the_end_of_the_location():
    pool = "- conda: ./pkg\n  name: mine\n  version: 1.0\n  subdir: noarch\n"
    (entry,) = read_lock(lock_6(pool, "- conda: pkg/"), name="x").environments["default"].packages["linux-64"]
    assert entry == CondaSource(name="mine", location="./pkg")


def test_pypi_entries_are_kept_as_written():
    pool = (
        "- pypi: https://files.pypi.example/x/a_b-1.0%2Bcpu-py3-none-any.whl\n  name: a-b\n  version: 1.0+cpu\n"
        f"  sha256: {SHA.upper()}\n  index: https://pypi.example/simple\n  requires_dist:\n  - c ; extra == 'd'\n"
        "  requires_python: '>=3.9'\n"
    )
    data = lock_7(pool, "- pypi: https://files.pypi.example/x/a_b-1.0%2Bcpu-py3-none-any.whl")
    (entry,) = read_lock(data, name="x").environments["default"].packages["linux-64"]
    assert entry == PypiEntry(
        name="a-b", version="1.0+cpu", location="https://files.pypi.example/x/a_b-1.0%2Bcpu-py3-none-any.whl",
        sha256=SHA, md5=None, index="https://pypi.example/simple", requires_dist=("c ; extra == 'd'",),
        requires_python=">=3.9", editable=False,
    )  # fmt: skip


def test_aliases_share_a_subdir_and_indexes_and_links_are_kept():
    data = f"""\
version: 7
platforms:
- name: p1
  subdir: linux-64
  virtual-packages: [__cuda=12, __glibc=2.28]
- name: linux-64
environments:
  default:
    channels: [{{url: s3://b/c, used_env_vars: []}}, {{url: {FORGE}}}]
    indexes: ['https://pypi.example/simple']
    find-links: [{{path: ./links}}, {{url: 'https://example.com/links'}}]
    options: {{strategy: lowest-version}}
    packages: {{p1: [], linux-64: [{{conda: '{FORGE}/linux-64/a-1-0.conda'}}]}}
packages: [{{conda: '{FORGE}/linux-64/a-1-0.conda'}}]
"""
    lock = read_lock(data.encode(), name="x")
    environment = lock.environments["default"]
    assert [(p.name, p.subdir, p.virtual_packages) for p in lock.platforms.values()] == [
        ("p1", "linux-64", ("__cuda=12", "__glibc=2.28")),
        ("linux-64", "linux-64", ()),
    ]
    assert environment.channels == ("s3://b/c", FORGE)
    assert environment.indexes == ("https://pypi.example/simple",)
    assert environment.find_links == ("./links", "https://example.com/links")
    assert [len(packages) for packages in environment.packages.values()] == [0, 1]


SOURCES = f"""\
- conda: {FORGE}/linux-64/cmake-1-0.conda
- conda: {FORGE}/linux-64/gcc-1-0.conda
- conda: {FORGE}/linux-64/python-1-0.conda
- conda: {FORGE}/linux-64/stray-1-0.conda
- conda_source: mine[1a2b3c4d] @ ./mine
  build_packages:
  - conda: {FORGE}/linux-64/gcc-1-0.conda
  host_packages:
  - conda: {FORGE}/linux-64/python-1-0.conda
  - conda_source: tool[9f3c2a7b] @ git+https://example.com/tool@main
- conda_source: tool[9f3c2a7b] @ git+https://example.com/tool@main
  build_packages:
  - conda: {FORGE}/linux-64/cmake-1-0.conda
  - conda: {FORGE}/linux-64/gcc-1-0.conda
  - conda_source: mine[1a2b3c4d] @ ./mine
"""
SOURCES_WANTED = f"- conda: {FORGE}/linux-64/python-1-0.conda\n- conda_source: mine[1a2b3c4d] @ ./mine"


def test_what_building_takes_is_followed_through_sources_and_cycles_each_once():
    lock = read_lock(lock_7(SOURCES, SOURCES_WANTED), name="x")
    environment = lock.environments["default"]
    assert CondaSource(name="mine", location="./mine") in environment.packages["linux-64"]
    names = [getattr(e, "name", None) or e.record["name"] for e in environment.build_packages["linux-64"]]
    assert names == ["gcc", "tool", "cmake"]


def test_a_missing_build_package_is_named_with_what_it_would_build():
    broken = SOURCES.replace(f"- conda: {FORGE}/linux-64/cmake-1-0.conda\n", "", 1)
    with pytest.raises(WorkspaceError, match=r"platform linux-64: to build tool\[.*cmake-1-0.conda has no entry"):
        read_lock(lock_7(broken, SOURCES_WANTED), name="x")


REFUSED = [
    (b"a: 1\n", "no pixi.lock: it has no `version`"),
    (b"- a\n", "no pixi.lock"),
    (b"version: x\n", "version is 'x' where a number"),
    (b"version: 1000\n", "version 1000; this pixi-mirror reads 1 to 7. Use a newer pixi-mirror"),
    (b"version: " + b"9" * 5000 + b"\n", "version is '9"),
    (b"version: 0\n", "never was"),
    (b"version: 6\nenvironments: {}\n", "no `packages`"),
    (b"version: 6\npackages: []\n", "no `environments`"),
    (b"version: 6\npackages: []\nenvironments: []\n", "environments is a list where a mapping"),
    (b"version: 6\npackages: {}\nenvironments: {}\n", "packages is a mapping where a list"),
    (b"version: 6\npackages: [x]\nenvironments: {}\n", "an entry of packages is 'x'"),
    (b"version: 6\npackages: [{x: y}]\nenvironments: {}\n", "none of conda, conda_source, pypi"),
    (b"version: 5\npackages: [{x: y}]\nenvironments: {}\n", "neither kind conda nor pypi"),
    (b"version: 6\npackages: []\nenvironments: {e: x}\n", "environment e: it is 'x'"),
    (b"version: 6\npackages: []\nenvironments: {e: {channels: []}}\n", "environment e: it has no `packages`"),
    (b"version: 6\npackages: []\nenvironments: {e: {packages: {}}}\n", "environment e: it has no `channels`"),
    (lock_6("[]\n", f"- conda: {GOOD}"), "environment default: platform linux-64: .*a-1-0.conda has no entry"),
    (lock_6("[]\n", "- pypi: ./x"), "environment default: platform linux-64: ./x has no entry"),
    (lock_6("[]\n", "- x"), "environment default: platform linux-64: an entry of packages is 'x'"),
    (lock_6("[]\n", "[]", "linux-65"), "environment default: platform linux-65 is unknown"),
    (lock_7("[]\n", "[]", "p1"), "environment default: platform p1 is not listed"),
    (lock_7("[]\n", "[]", platforms="- name: p1\n"), "platform p1 has the unknown subdir 'p1'"),
    (lock_7("[]\n", "[]", platforms="- name: win-64\n- name: win-64\n"), "platform win-64 is listed twice"),
    (lock_7("- conda_source: mine\n", "[]"), "mine under packages is damaged: conda_source is 'mine'"),
    (
        lock_7(f"- conda: {GOOD}\n  run_exports: []\n", "[]"),
        "a-1-0.conda under packages is damaged: run_exports is a list",
    ),
    (lock_6(f"- conda: {GOOD}\n  sha256: abc\n", "[]"), "a-1-0.conda under packages is damaged: sha256: 'abc'"),
    (lock_6(f"- conda: {GOOD}\n  sha256: [a]\n", "[]"), "sha256 is a list"),
    (lock_6(f"- conda: {GOOD}\n  size: -1\n", "[]"), "size is '-1' where a number"),
    (lock_6(f"- conda: {GOOD}\n  timestamp: {'9' * 5000}\n", "[]"), "timestamp is '9"),
    (lock_6(f"- conda: {GOOD}\n  depends: x\n", "[]"), "depends is 'x' where a list"),
    (lock_6(f"- conda: {GOOD}\n  depends: [[]]\n", "[]"), "depends holds a list where text"),
    (lock_6(f"- conda: {GOOD}\n  noarch: maybe\n", "[]"), "noarch is neither"),
    (lock_6("- conda: s3://b/linux-64/a-1-0.conda\n", "[]"), "subdir is missing"),
    (lock_6("- conda: ./x\n", "[]"), "./x under packages is damaged: name is missing"),
    (lock_6("- pypi: ./x\n", "[]"), "./x under packages is damaged: name is missing"),
    (lock_6("- pypi: ./x\n  name: x\n  md5: 7\n", "[]"), "./x under packages is damaged: '7' is not an md5"),
    (b"version: 5\npackages: [{kind: conda, url: 'https://x/y/a-1-0.conda'}]\nenvironments: {}\n", "name is missing"),
    (lock_6(f"- conda: {GOOD}\n", f"- conda: {GOOD}")[:-22], "truncated"),
]


@pytest.mark.parametrize(("data", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_a_damaged_lock_is_refused_in_one_paragraph(data, words):
    with pytest.raises(WorkspaceError, match=words) as caught:
        read_lock(data, name="somewhere/pixi.lock")
    assert caught.value.status == 3
    assert "somewhere/pixi.lock" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_every_cut_of_a_lock_is_read_or_refused_but_never_a_traceback():
    whole = lock_7(SOURCES, SOURCES_WANTED)
    refused = 0
    for length in range(len(whole)):
        try:
            read_lock(whole[:length], name="x")
        except WorkspaceError:
            refused += 1
    assert refused > len(whole) * 0.9


def test_an_old_lock_without_py_rattler_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "rattler", None)
    with pytest.raises(WorkspaceError, match=re.escape("pip install py-rattler")):
        read_lock(b"version: 3\npackage: []\n", name="x")


@pytest.mark.rattler
def test_an_old_lock_that_py_rattler_refuses_is_refused():
    with pytest.raises(WorkspaceError, match="py-rattler cannot read it"):
        read_lock(b"version: 3\npackage: []\n", name="x")
