"""No message about a lock, and nothing that is kept of it, holds a secret of a URL in it."""

import copy
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from harness.examples import part

from pixi_mirror.errors import PixiMirrorError
from pixi_mirror.lockfile.reader import read_lock
from pixi_mirror.lockfile.source import LockSource
from pixi_mirror.mirror.inventory_text import dump
from pixi_mirror.model.packages import Inventory
from pixi_mirror.model.request import Request

CANARY = "cAnArY7"
SHA = "ab" * 32
USER = f"user:p%40{CANARY}@"
SECRETS = {
    "password": f"user:{CANARY}@h.example",
    "user alone": f"{CANARY}@h.example",
    "odd characters": f"us'er:{CANARY}\"%20{CANARY}@h.example",
    "token": f"h.example/t/{CANARY}",
}


def document(host: str, version: int, query: str) -> dict[str, Any]:
    """A lock with every kind of entry, each URL of which has the secret."""
    conda = f"https://{host}/c/linux-64/a-1.0-0.conda"
    direct = f"https://{host}/files/b-1.0-0.conda{query}"
    wheel = f"https://{host}/w/demo-1.0-py3-none-any.whl{query}"
    packages: list[dict[str, Any]] = [
        {"conda": conda, "sha256": SHA, "depends": ["x"], "size": "12"},
        {"conda": direct, "sha256": SHA, "name": "b", "version": "1.0", "build": "0", "subdir": "linux-64"},
        {"conda": f"gcs://{host}/c/linux-64/c-1.0-0.conda", "subdir": "linux-64"},
        {"pypi": wheel, "name": "demo", "version": "1.0", "sha256": SHA, "index": f"https://{host}/simple"},
        {"pypi": f"direct+https://{host}/d/one-1.0.tar.gz{query}", "name": "one", "version": "1.0", "md5": "cd" * 16},
        {"pypi": f"git+https://{host}/r.git?rev=x#{'c' * 40}", "name": "two", "version": "1.0"},
        {"pypi": f"ftp://{host}/three-1.0.tar.gz", "name": "three", "version": "1.0"},
        {"pypi": f"https://{host}/four{query}", "name": "four", "version": "1.0"},
    ]  # fmt: skip
    source = f"git+https://{host}/s.git?branch=main#{'d' * 40}"
    if version == 7:
        packages.append({"conda_source": f"s[0a1b] @ {source}", "build_packages": [{"conda": conda}]})
    else:
        packages.append({"conda": source, "name": "s", "version": "1.0", "build": "0", "subdir": "linux-64"})
    references = [{key: each[key] for key in ("conda", "pypi", "conda_source") if key in each} for each in packages]
    environment = {
        "channels": [{"url": f"https://{host}/c/"}, {"url": f"gcs://{host}/d"}],
        "indexes": [f"https://{host}/simple"],
        "find-links": [{"url": f"https://{host}/links.html{query}"}],
        "packages": {"linux-64": references},
    }
    platforms = {"platforms": [{"name": "linux-64"}]} if version == 7 else {}
    return {"version": str(version), **platforms, "environments": {"default": environment}, "packages": packages}


WORDS: tuple[Any, ...] = (
    None, "", [], {}, ["x"], {"x": "y"}, "x", f"https://user:{CANARY}@h.example", f"x @ https://u:{CANARY}@h.example/s",
    f"https://{'u' * 60}:{CANARY}@h.example/{'x' * 200}", [f"https://{CANARY}@h.example"],
    {"url": f"https://u:{CANARY}@h"}, f"https://u:{CANARY}@h.example/../x/linux-64/a-1.0-0.conda",
    f"https://u:{CANARY}@h.example:99999/c/linux-64/a-1.0-0.conda", f"https://h.example/t/{CANARY}",
    f"https://h.example/t/{CANARY}/t/{CANARY}/linux-64/a-1.0-0.conda", f"https://u:{CANARY}@h.example/c/linux-64",
    f"s3://u:{CANARY}@b/k/linux-64/a-1.0-0.conda", f"https://u:{CANARY}@h\\@e/c/linux-64/a-1.0-0.conda",
    f"https://u:{CANARY}@h.example/c/linux-64/other-1.0-0.conda?{CANARY}#{CANARY}", f"file://u:{CANARY}@h/x/a-1.0-0.conda",
    f"git+https://u:{CANARY}@h.example/x.git", f"git+ssh://git:{CANARY}@h.example/x.git#main",
    f"https://u:{CANARY}@h.example/w/other-1.0-py3-none-any.whl", f"https://u:{CANARY}@h.example/w/demo%20-1.0.tar.gz",
)  # fmt: skip
"""What takes the place of each value of a lock."""


def damaged(value: Any, path: tuple = ()) -> Iterator[tuple[tuple, Any]]:
    """Every place in a document."""
    yield path, value
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from damaged(child, (*path, key))


def changed(whole: dict, path: tuple, word: Any, *, drop: bool = False) -> dict:
    result = copy.deepcopy(whole)
    here = result
    for key in path[:-1]:
        here = here[key]
    if drop:
        del here[path[-1]]
    else:
        here[path[-1]] = word
    return result


def kept_of(text: str, directory) -> str:
    """All that a lock leads to: the message of its failure, or refusals and what the inventory says of it."""
    (directory / "pixi.lock").write_text(text)
    request = Request(environments=None, platforms=(), allow_unhashed=True, skip_unmirrorable=True)
    try:
        source = LockSource(directory)
        result = source.select((request,), subscription="s", workspace="w", layout="channels")
    except PixiMirrorError as error:
        return f"{error}\n{error.items}"
    inventory = Inventory(layout="channels", snapshots=(result.snapshot,), kept={}, tree={})
    messages = f"{result.refusals} {result.missing_platforms} {result.snapshot!r}"
    return messages + dump(inventory).decode()


@pytest.mark.parametrize("version", [6, 7])
@pytest.mark.parametrize("secret", SECRETS)
def test_nothing_that_is_kept_of_any_kind_of_entry_holds_a_secret(tmp_path, version, secret):
    whole = document(SECRETS[secret], version, f"?sig={CANARY}")
    text = json.dumps(whole)
    assert text.count(CANARY) > 10
    kept = kept_of(text, tmp_path)
    assert "a-1.0-0.conda" in kept
    assert CANARY not in kept, [line for line in kept.split(",") if CANARY in line]
    assert quote(CANARY) not in kept


@pytest.mark.parametrize("version", [pytest.param(6, marks=pytest.mark.slow), 7])
def test_no_message_about_a_damaged_lock_holds_a_secret(tmp_path, version):
    """Every value of a lock is taken away, or replaced by others, secret URLs among them."""
    whole = document(SECRETS["password"], version, f"?sig={CANARY}")
    seen = set()
    for turn, (path, _) in enumerate(damaged(whole)):
        if not path:
            continue
        for number, word in part([*enumerate((None, *WORDS))], turn):
            # For the index of a Python package `/t/` is a folder like any other; a record's own words are no URLs.
            is_folder = "/t/" in str(word) and not {"index", "indexes", "find-links"}.isdisjoint(path)
            if is_folder or (CANARY in str(word) and not {"depends", "name", "build", "version"}.isdisjoint(path[1:])):
                continue
            text = json.dumps(changed(whole, path, word, drop=number == 0))
            said = kept_of(text, tmp_path)
            seen.add(said[:60])
            assert CANARY not in said, (path, word, said[:500])
    assert len(seen) > 40, "many different messages"


@pytest.mark.parametrize(
    "text",
    [
        f"version: 6\nhttps://u:{CANARY}@h: &anchor x\n",
        f"version: 6\nx: *https://u:{CANARY}@h\n",
        f"version: 6\n? [https://u:{CANARY}@h]\n: x\n",
        f"version: 6\nhttps://u:{CANARY}@h/x: 1\nhttps://u:{CANARY}@h/x: 2\n",
        f"version: 6\nx: !<https://u:{CANARY}@h> y\n",
        f"version: 6\nx: &https://u:{CANARY}@h y\n",
        f"version: 6\nx: 'https://u:{CANARY}@h\n",
        f"version: 6\nx: https://u:{CANARY}@h: y\n",
        f"version: 6\n- https://u:{CANARY}@h\n",
        f"https://u:{CANARY}@h",
        f"version: https://u:{CANARY}@h\n",
        f"version: 99\nx: https://u:{CANARY}@h\n",
        f"version: 3\nx: https://u:{CANARY}@h\n",
        f"<<<<<<< https://u:{CANARY}@h\nversion: 6\n",
        f'version: 6\nx: "https://u:{CANARY}@h\\q"\n',
        f"version: 6\nx: https://u:{CANARY}@h\0\n",
        f"version: 5\nenvironments: {{}}\npackages:\n- kind: https://u:{CANARY}@h\n",
        f"version: 5\nenvironments: {{}}\npackages:\n- kind: conda\n  url: https://u:{CANARY}@h/x\n",
        f"version: 4\nenvironments: {{}}\npackages:\n- kind: pypi\n  url: https://u:{CANARY}@h/x\n  sha256: https://u:{CANARY}@h\n",
    ],
    ids=range(19),
)  # fmt: skip
def test_no_message_about_what_is_no_lock_holds_a_secret(text):
    with pytest.raises(PixiMirrorError) as caught:
        read_lock(text.encode(), name="pixi.lock")
    assert CANARY not in str(caught.value)
