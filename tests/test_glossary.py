"""The glossary in docs/CONTRIBUTING.md is that of the code: its words are in names, those it rules out are in none."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
_TEXT = (ROOT / "docs" / "CONTRIBUTING.md").read_text(encoding="utf-8")
_SECTION = _TEXT.partition("\n## Words\n")[2].partition("\n## ")[0]
_ROWS = re.findall(r"^\| (`.+?) \| (.+?) \| (.*)\|$", _SECTION, flags=re.MULTILINE)
WORDS = [word for words, _, _ in _ROWS for word in re.findall(r"`(\w+)`", words)]
RULED_OUT = [word for _, _, words in _ROWS for word in re.findall(r"`(\w+)`", words)]


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.arg(arg=name) | ast.Name(id=name) | ast.Attribute(attr=name):
                yield name
            case _:
                pass


@cache
def used() -> frozenset[str]:
    """Every word in a name of the package: in `_RepodataIndex` and `repodata_index` repodata and index."""
    words: set[str] = set()
    for path in (ROOT / "pixi_mirror").rglob("*.py"):
        words.update(re.split(r"[_.]", path.stem))
        for name in _names(ast.parse(path.read_text(encoding="utf-8"))):
            words.update(word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name))
    return frozenset(words)


def test_the_glossary_has_about_thirty_words_each_once() -> None:
    assert 25 <= len(WORDS) <= 45
    assert len(set(WORDS)) == len(WORDS)
    assert RULED_OUT
    assert not set(WORDS) & set(RULED_OUT)


@pytest.mark.parametrize("word", WORDS)
def test_every_word_of_the_glossary_is_in_a_name(word: str) -> None:
    assert word in used()


@pytest.mark.parametrize("word", RULED_OUT)
def test_no_word_that_the_glossary_rules_out_is_in_a_name(word: str) -> None:
    assert word not in used()
    assert f"{word}s" not in used()
