"""What holds for every format of a lock beside `pixi.lock`: each one passes the same tests."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from pixi_mirror.errors import PixiMirrorError, WorkspaceError
from pixi_mirror.lockfile.formats.detection import FORMATS, format_of
from pixi_mirror.lockfile.source import LockSource
from pixi_mirror.lockfile.yaml_reader import SIZE_LIMIT
from pixi_mirror.mirror.inventory_file import dump
from pixi_mirror.model.packages import Inventory, Request

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
}
each_format = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def selected(directory, case, text, request=ALL):
    path = directory / case.file_name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return LockSource(path).select((request,), subscription="s", workspace="w", layout="channels")


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
    assert {"pixi", *CASES} == {*FORMATS}


@each_format
def test_environments_and_platforms_are_as_documented(tmp_path, case):
    result = selected(tmp_path, case, case.text())
    cells = {(cell.environment, cell.platform): cell for cell in result.snapshot.cells}
    environments = {"default", "extra:more", "group:dev"}
    assert {*cells} == {(name, each) for name in environments for each in ("linux-64", "linux-aarch64")}
    assert any("/d-1.0.tar.gz" in path for path in cells["extra:more", "linux-64"].packages)
    assert not any("/d-1.0.tar.gz" in path for path in cells["default", "linux-64"].packages)
    assert [each.path for each in result.snapshot.directories] == ["h"]
    assert {package.kind for package in result.snapshot.packages} == {"pypi", "git"}


@each_format
def test_a_lock_is_known_by_name_by_content_and_by_what_the_user_says(tmp_path, case):
    (name,) = (name for name, each in CASES.items() if each is case)
    assert format_of(case.file_name, b"") == name
    assert format_of("other.txt", b"# made by hand\n" + case.text().encode()) == name
    assert format_of("pixi.lock", case.text().encode()) == "pixi"
    path = tmp_path / "pixi.lock"
    path.write_text(case.text())
    assert LockSource(path, lock_format=name).read() == LockSource(path, lock_format=name).read()
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
    for path in places(whole):
        for word in WORDS:
            found = kept_of(tmp_path, case, case.spell(changed(whole, path, word)))
            seen.add(found[:80])
            assert CANARY not in found, (path, word, found[:600])
    assert len(seen) > 10, "many different messages"


@each_format
def test_nothing_that_is_kept_holds_a_secret(tmp_path, case):
    text = case.text(f"user:{CANARY}@h.example")
    assert text.count(CANARY) > 4
    found = kept_of(tmp_path, case, text)
    assert "a-1.0-py3-none-any.whl" in found
    assert CANARY not in found


@each_format
def test_a_refusal_of_a_name_leads_nowhere_outside(tmp_path, case):
    for name in ("../a", "..%2fa", "..%5ca", "%2e%2e/a", "a%00", "nul", "%252e%252e%252fa", "a%0a", "b"):
        with pytest.raises(WorkspaceError):
            selected(tmp_path, case, case.text(name=name))


@each_format
@pytest.mark.parametrize("digest", ["", "ab", "zz" * 32, "ab" * 31, f"https://u:{CANARY}@h/"])
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
    with pytest.raises(WorkspaceError, match=r"has no environment 'extra:moer'.*extra:more"):
        selected(tmp_path, case, case.text(), Request(environments=("extra:moer",), platforms=()))
    result = selected(tmp_path, case, case.text(), Request(environments=("default",), platforms=("win-64",)))
    assert [(each.environment, each.platform) for each in result.missing_platforms] == [("default", "win-64")]


@each_format
def test_a_merge_conflict_is_called_one(tmp_path, case):
    text = case.text() + "<<<<<<< ours\nx\n=======\ny\n>>>>>>> theirs\n"
    with pytest.raises(WorkspaceError, match="unresolved merge conflict at line"):
        selected(tmp_path, case, text)
