"""What holds for every format of a lock beside `pixi.lock`: each one passes the same tests."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from harness.examples import part

from pixi_mirror.commands.update import _LOCK_FORMATS
from pixi_mirror.errors import PixiMirrorError, WorkspaceError
from pixi_mirror.lockfile.formats.detection import FORMATS, format_of
from pixi_mirror.lockfile.source import LockSource
from pixi_mirror.lockfile.yaml_reader import SIZE_LIMIT
from pixi_mirror.mirror.inventory_text import dump
from pixi_mirror.model.packages import Inventory
from pixi_mirror.model.request import Request
from pixi_mirror.pypi.simple import FileLink
from pixi_mirror.pypi.upstream_pages import PageContent

CANARY = "cAnArY7"
SHA = "ab" * 32
ALL = Request(environments=None, platforms=(), allow_unhashed=True, skip_unmirrorable=True)


def toml(value: Any) -> str:
    """A value as TOML, tables inline; a top-level table has a line a key."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def toml_lines(document: dict[str, Any]) -> str:
    return "".join(f"{key} = {toml(value)}\n" for key, value in document.items())


def yaml_text(document: dict[str, Any]) -> str:
    """A document as YAML; what stands under a key is JSON, which is YAML, too."""
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in document.items())


def pylock(host: str, name: str = "a", sha256: str = SHA) -> dict[str, Any]:
    """A wheel and an sdist of an index, an archive, a commit, a directory and a file of this machine."""
    hashes = {"hashes": {"sha256": sha256}}
    wheel = {"url": f"https://{host}/f/{name}-1.0-py3-none-any.whl?sig={CANARY}", **hashes}
    archive = {"url": f"https://{host}/d/d-1.0.tar.gz#subdirectory=x", **hashes}
    return {
        "lock-version": "1.0",
        "created-by": "hand",
        "requires-python": ">=3.11",
        "environments": ["sys_platform == 'linux'"],
        "extras": ["more"],
        "dependency-groups": ["dev"],
        "packages": [
            {"name": "a", "version": "1.0", "index": f"https://{host}/simple", "wheels": [wheel]},
            {"name": "d", "marker": "'more' in extras", "archive": archive},
            {"name": "g", "vcs": {"type": "git", "url": f"https://{host}/g.git", "commit-id": "c" * 40}},
            {"name": "h", "marker": "'dev' in dependency_groups", "directory": {"path": "h", "editable": True}},
            {"name": "i", "version": "2.0", "sdist": {"path": "i-2.0.tar.gz", **hashes}},
        ],
    }


def uv(host: str, name: str = "a", sha256: str = SHA) -> dict[str, Any]:
    """The same as uv has it."""
    digest = f"sha256:{sha256}"
    wheel = {"url": f"https://{host}/f/{name}-1.0-py3-none-any.whl?sig={CANARY}", "hash": digest}
    direct = f"https://{host}/d/d-1.0.tar.gz"
    return {
        "version": 1,
        "revision": 5,
        "requires-python": ">=3.11",
        "supported-markers": ["sys_platform == 'linux'"],
        "package": [
            {
                "name": "proj",
                "version": "0.1",
                "source": {"virtual": "."},
                "dependencies": [{"name": "a"}, {"name": "g"}, {"name": "i", "marker": "sys_platform == 'linux'"}],
                "optional-dependencies": {"more": [{"name": "d", "extra": ["deep"]}]},
                "dev-dependencies": {"dev": [{"name": "h"}]},
            },
            {"name": "a", "version": "1.0", "source": {"registry": f"https://{host}/simple"}, "wheels": [wheel]},
            {
                "name": "d",
                "version": "1.0",
                "source": {"url": direct},
                "sdist": {"hash": digest},
                "optional-dependencies": {"deep": [{"name": "a"}]},
            },
            {"name": "g", "version": "1.0", "source": {"git": f"https://{host}/g.git?rev=main#{'c' * 40}"}},
            {"name": "h", "source": {"editable": "h"}},
            {"name": "i", "version": "2.0", "source": {"path": "i-2.0.tar.gz"}, "sdist": {"hash": digest}},
        ],
    }


def conda_lock(host: str, name: str = "a", sha256: str = SHA) -> dict[str, Any]:
    """Two platforms and a category, a noarch package, a package without md5, and a wheel."""

    def entry(called: str, place: str, platform: str, **more: Any) -> dict[str, Any]:
        url = f"https://{host}/t/{CANARY}/chan/{place}"
        common = {"version": "1.0", "manager": "conda", "hash": {"md5": "", "sha256": sha256}, "category": "main"}
        return {"name": called, "url": url, "platform": platform, "dependencies": {}, **common, **more}

    wheel = f"https://{host}/f/w-1.0-py3-none-any.whl?sig={CANARY}"
    return {
        "version": "1",
        "metadata": {
            "channels": [{"url": f"https://{host}/other"}, {"url": f"https://{host}/t/{CANARY}/chan"}],
            "platforms": ["linux-64", "osx-arm64"],
        },
        "package": [
            entry("a", f"linux-64/{name}-1.0-0.conda", "linux-64", dependencies={"b": ">=1", "c": "*"}),
            entry("b", "noarch/b-1.0-pyh0_1.conda", "linux-64"),
            entry("b", "noarch/b-1.0-pyh0_1.conda", "osx-arm64"),
            entry("c", "linux-64/c-1%21.0-0.tar.bz2", "linux-64", category="dev", version="1!.0"),
            entry("w", "x", "osx-arm64", manager="pip", url=wheel),
        ],
    }


def explicit(host: str, name: str = "a", sha256: str = SHA) -> dict[str, Any]:
    """A comment with the platform, and one line with each kind of hash."""
    return {
        "comment": "# platform: linux-64",
        "mark": "@EXPLICIT",
        "lines": [
            f"https://{host}/t/{CANARY}/chan/linux-64/{name}-1.0-0.conda#{sha256}",
            f"https://{host}/chan/noarch/b-1.0-pyh0_1.conda#{'cd' * 16}",
            f"https://{host}/t/*****/chan/linux-64/c-1%21.0-0.tar.bz2",
            f"d/linux-64/d-1.0-0.conda#sha256:{SHA}",
        ],
    }


def requirements(host: str, name: str = "a", sha256: str = SHA) -> dict[str, Any]:
    """Files of an index, a URL, a commit, a directory and a file of this machine."""
    return {
        "index": f"--index-url https://{host}/simple",
        "lines": [
            f"a==1.0 ; sys_platform == 'linux' --hash=sha256:{sha256}",
            f"k==1.0 --hash=md5:{'cd' * 16} --hash=sha256:{SHA}",
            f"d @ https://{host}/d/d-1.0.tar.gz?sig={CANARY} --hash=sha256:{SHA}",
            f"g @ git+https://{host}/g.git@{'c' * 40}",
            "-e ./h",
            f"./i-2.0.tar.gz --hash=sha256:{SHA}",
            f"https://{host}/f/{name}-1.0-py3-none-any.whl?sig={CANARY} --hash=sha256:{SHA}",
        ],
    }


def requirement_lines(document: dict[str, Any]) -> str:
    lines = document.get("lines", [])
    lines = lines if isinstance(lines, list) else [lines]
    return "\n".join(map(str, [document.get("index", ""), *lines, ""]))


class Pages:
    """Index pages of two projects; both list one wheel."""

    configured = ()

    def read(self, addresses):
        return {address: PageContent(self._links(address.project), None, is_passing=False) for address in addresses}

    @staticmethod
    def _links(project):
        names = {"a": "a-1.0-py3-none-any.whl", "k": "k-1.0-cp311-cp311-manylinux_2_17_x86_64.whl"}
        if project not in names:
            return {}
        return {
            names[project]: [
                FileLink(
                    file_name=names[project],
                    url=f"https://{CANARY}@h.example/f/{names[project]}?sig={CANARY}",
                    sha256=SHA,
                    version=None,
                    size=None,
                    requires_python=None,
                    yanked=None,
                    upload_time=None,
                    core_metadata=None,
                )
            ]
        }


def explicit_lines(document: dict[str, Any]) -> str:
    lines = document.get("lines", [])
    lines = lines if isinstance(lines, list) else [lines]
    return "\n".join(map(str, [document.get("comment", ""), document.get("mark", ""), *lines, ""]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One format."""

    file_name: str
    document: Callable[..., dict[str, Any]]
    spell: Callable[[dict[str, Any]], str]
    list_key: str
    """Where the packages stand."""

    def text(self, host: str = "h.example", **options: str) -> str:
        return self.spell(self.document(host, **options))


CASES = {
    "pylock": Case(file_name="pylock.toml", document=pylock, spell=toml_lines, list_key="packages"),
    "uv": Case(file_name="uv.lock", document=uv, spell=toml_lines, list_key="package"),
    "conda-lock": Case(file_name="conda-lock.yml", document=conda_lock, spell=yaml_text, list_key="package"),
    "requirements": Case(
        file_name="requirements.txt", document=requirements, spell=requirement_lines, list_key="lines"
    ),
    "explicit": Case(file_name="explicit.txt", document=explicit, spell=explicit_lines, list_key="lines"),
}
each_format = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def selected(directory, case, text, request=ALL):
    path = directory / case.file_name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    source = LockSource(path, pages=lambda _: Pages())
    return source.select((request,), subscription="s", workspace="w", layout="channels")


def kept_of(directory, case, text):
    """All that a lock leads to: the message of its failure, or refusals and what the inventory says of it."""
    try:
        result = selected(directory, case, text)
    except PixiMirrorError as error:
        return f"{error}\n{error.items}"
    inventory = Inventory(layout="channels", snapshots=(result.snapshot,), kept={}, tree={})
    return f"{result.refusals} {result.notes} {result.snapshot!r}" + dump(inventory).decode()


def paths(result):
    return [package.path for package in result.snapshot.packages]


def test_every_format_is_tested():
    assert {"pixi", "prefix", *CASES} == {*FORMATS}, "of a prefix there is test_prefix.py"
    assert _LOCK_FORMATS == FORMATS, "what the option takes"


@pytest.mark.parametrize("name", ["pylock", "uv"])
def test_environments_and_platforms_are_as_documented_for_python(tmp_path, name):
    case = CASES[name]
    result = selected(tmp_path, case, case.text())
    cells = {(cell.environment, cell.platform): cell for cell in result.snapshot.cells}
    environments = {"default", "extra:more", "group:dev"}
    assert {*cells} == {(name, each) for name in environments for each in ("linux-64", "linux-aarch64")}
    assert any("/d-1.0.tar.gz" in path for path in cells["extra:more", "linux-64"].packages)
    assert not any("/d-1.0.tar.gz" in path for path in cells["default", "linux-64"].packages)
    assert [each.path for each in result.snapshot.directories] == ["h"]
    assert {package.kind for package in result.snapshot.packages} == {"pypi", "git"}


def test_a_conda_lock_has_an_environment_for_each_category(tmp_path):
    case = CASES["conda-lock"]
    result = selected(tmp_path, case, case.text())
    cells = {(cell.environment, cell.platform): cell for cell in result.snapshot.cells}
    both = {"linux-64", "osx-arm64"}
    assert {*cells} == {(name, each) for name in ("default", "category:dev") for each in both}
    assert [path.rpartition("/")[2] for path in cells["default", "linux-64"].packages] == [
        "a-1.0-0.conda",
        "b-1.0-pyh0_1.conda",
    ]
    assert "h.example/chan/linux-64/c-1!.0-0.tar.bz2" in cells["category:dev", "linux-64"].packages
    records = {package.name: package.record for package in result.snapshot.packages}
    assert records["a"]["depends"] == ["b >=1", "c"]
    assert (records["b"]["noarch"], records["b"]["build_number"], records["b"]["subdir"]) == ("python", 1, "noarch")
    assert "md5" not in records["a"]
    (note,) = result.notes
    assert "category main lacks c" in note


def test_an_explicit_list_is_one_environment_for_one_platform(tmp_path):
    case = CASES["explicit"]
    result = selected(tmp_path, case, case.text())
    (cell,) = result.snapshot.cells
    assert (cell.environment, cell.platform) == ("default", "linux-64")
    found = {package.name: package for package in result.snapshot.packages}
    assert found["a"].sha256 == SHA
    assert (found["b"].sha256, found["b"].md5) == (None, "cd" * 16)
    assert (found["c"].sha256, found["c"].md5) == (None, None)
    assert found["c"].url.raw == "https://h.example/chan/linux-64/c-1%21.0-0.tar.bz2", "nobody knows that token"
    assert "do not solve" in result.notes[0]


@pytest.mark.parametrize("fragment", ["md5:" + "ab" * 16, "md5=" + "ab" * 16, "sha256=" + SHA, "x", "ab" * 20])
def test_what_clients_of_explicit_lists_read_differently_is_refused(tmp_path, fragment):
    text = f"@EXPLICIT\nhttps://h.example/chan/linux-64/a-1.0-0.conda#{fragment}\n"
    with pytest.raises(WorkspaceError, match="line 2"):
        selected(tmp_path, CASES["explicit"], text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("@EXPLICIT\nhttps://h.example/c/noarch/a-1.0-0.conda\n", "platform"),
        (
            "@EXPLICIT\nhttps://h.example/c/linux-64/a-1.0-0.conda\nhttps://h.example/c/osx-64/b-1.0-0.conda\n",
            "several",
        ),
        ("https://h.example/c/linux-64/a-1.0-0.conda\n@EXPLICIT\n", "line 1"),
        ("# platform: nowhere\n@EXPLICIT\n", "unknown"),
    ],
)
def test_an_explicit_list_that_is_none_is_refused(tmp_path, text, problem):
    with pytest.raises(WorkspaceError, match=problem):
        selected(tmp_path, CASES["explicit"], text)


@each_format
def test_a_lock_is_known_by_name_by_content_and_by_what_the_user_says(tmp_path, case):
    (name,) = (name for name, each in CASES.items() if each is case)
    assert format_of(case.file_name, b"") == name
    assert format_of("other.txt", b"# made by hand\n" + case.text().encode()) == name
    assert format_of("pixi.lock", case.text().encode()) == "pixi"
    path = tmp_path / "pixi.lock"
    path.write_text(case.text())
    first, second = (LockSource(path, lock_format=name, pages=lambda _: Pages()).read() for _ in range(2))
    assert first == second
    with pytest.raises(WorkspaceError):
        LockSource(path).read()


@each_format
@pytest.mark.parametrize("data", [b"", b" \n\n", b"\xff\xfe", b"a\0b", b"{", b"version = 7\n", b"[[[[" * 5000])
def test_what_is_no_such_lock_is_refused_with_its_name(tmp_path, case, data):
    with pytest.raises(WorkspaceError, match=re.escape(case.file_name)) as caught:
        selected(tmp_path, case, data)
    assert "pixi lock" not in str(caught.value), "another tool writes this lock"


@each_format
def test_a_lock_that_is_missing_or_too_large_is_refused(tmp_path, case):
    path = tmp_path / case.file_name
    with pytest.raises(WorkspaceError, match="there is no lock"):
        LockSource(path).digest()
    with path.open("wb") as file:
        file.truncate(SIZE_LIMIT + 1)
    with pytest.raises(WorkspaceError, match="larger"):
        LockSource(path).digest()


@each_format
def test_a_lock_that_is_cut_off_anywhere_is_read_or_refused(tmp_path, case):
    text = case.text()
    for end in range(0, len(text), 37):
        kept_of(tmp_path, case, text[:end])


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """Every place in a document but the whole."""
    if path:
        yield path
    for key, child in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(child, (*path, key))


def changed(whole: dict, path: tuple, word: Any) -> dict:
    result = json.loads(json.dumps(whole))
    here = result
    for key in path[:-1]:
        here = here[key]
    if word is None:
        del here[path[-1]]
    else:
        here[path[-1]] = word
    return result


WORDS: tuple[Any, ...] = (
    None, "", [], {}, ["x"], {"x": "y"}, "x", 7, True, f"https://user:{CANARY}@h.example", [f"https://{CANARY}@h.example"],
    f"https://u:{CANARY}@h.example/../x/a-1.0-py3-none-any.whl", f"https://u:{CANARY}@h.example:99999/a-1.0.tar.gz",
    f"git+https://u:{CANARY}@h.example/x.git", f"x ; https://u:{CANARY}@h.example", f"ftp://u:{CANARY}@h.example/a-1.0.zip",
    {"url": f"https://u:{CANARY}@h"}, f"https://u:{CANARY}@h.example/w/demo%20-1.0.tar.gz?{CANARY}#{CANARY}",
)  # fmt: skip


@each_format
def test_whatever_stands_at_any_place_is_read_or_refused_and_no_secret_is_shown(tmp_path, case):
    whole = case.document(f"u:{CANARY}@h.example")
    seen = set()
    for turn, path in enumerate(places(whole)):
        for word in WORDS if case.file_name == "explicit.txt" else part(WORDS, turn):
            if "dependencies" in path and case.file_name == "conda-lock.yml" and CANARY in str(word):
                continue  # a record's own words are no URLs
            found = kept_of(tmp_path, case, case.spell(changed(whole, path, word)))
            seen.add(found[:80])
            assert CANARY not in found, (path, word, found[:600])
    assert len(seen) > 3, "many different messages"


@each_format
def test_nothing_that_is_kept_holds_a_secret(tmp_path, case):
    text = case.text(f"user:{CANARY}@h.example")
    assert text.count(CANARY) > 2
    found = kept_of(tmp_path, case, text)
    assert "a-1.0-" in found
    assert CANARY not in found


@each_format
def test_a_hostile_name_of_a_file_leads_nowhere_outside(tmp_path, case):
    for name in ("../a", "..%2fa", "..%5ca", "%2e%2e/a", "a%00", "%252e%252e%252fa", "a%0a"):
        with pytest.raises(WorkspaceError):
            selected(tmp_path, case, case.text(name=name))


@pytest.mark.parametrize("name", ["pylock", "uv", "conda-lock"])
def test_a_file_of_another_project_than_the_lock_says_is_refused(tmp_path, name):
    with pytest.raises(WorkspaceError):
        selected(tmp_path, CASES[name], CASES[name].text(name="other"))


@each_format
@pytest.mark.parametrize("digest", ["ab", "zz" * 32, "ab" * 31, f"https://u:{CANARY}@h/"])
def test_a_hash_that_is_none_is_refused(tmp_path, case, digest):
    with pytest.raises(WorkspaceError) as caught:
        selected(tmp_path, case, case.text(sha256=digest))
    assert CANARY not in str(caught.value)


@each_format
def test_the_order_of_the_packages_does_not_matter(tmp_path, case):
    whole = case.document("h.example")
    turned = {**whole, case.list_key: whole[case.list_key][::-1]}
    forth, back = (selected(tmp_path, case, case.spell(each)) for each in (whole, turned))
    assert paths(forth) == paths(back)
    assert [each.packages for each in forth.snapshot.cells] == [each.packages for each in back.snapshot.cells]


@each_format
def test_the_digest_changes_with_the_lock_and_with_the_format(tmp_path, case):
    path = tmp_path / case.file_name
    path.write_text(case.text())
    first = LockSource(path).digest()
    assert LockSource(path).digest() == first
    path.write_text(case.text() + "\n")
    assert LockSource(path).digest() != first


@each_format
def test_an_environment_or_platform_that_is_not_there_is_named(tmp_path, case):
    with pytest.raises(WorkspaceError, match=r"has no environment 'defualt'.*default"):
        selected(tmp_path, case, case.text(), Request(environments=("defualt",), platforms=()))
    result = selected(tmp_path, case, case.text(), Request(environments=("default",), platforms=("win-64",)))
    assert [(each.environment, each.platform) for each in result.missing_platforms] == [("default", "win-64")]


@each_format
def test_a_merge_conflict_is_called_one(tmp_path, case):
    text = case.text() + "<<<<<<< ours\nx\n=======\ny\n>>>>>>> theirs\n"
    with pytest.raises(WorkspaceError, match="unresolved merge conflict at line"):
        selected(tmp_path, case, text)
