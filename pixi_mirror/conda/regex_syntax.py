"""Parse the regular expressions and globs of match specs into a tree that an automaton can be made of; pure.

The syntax is the part that Python and the library of pixi's solver agree on. What is outside of it is refused.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

_QUANTIFIER = re.compile(r"[*+?]|\{(\d{1,4})(,(\d{0,4}))?\}", re.ASCII)
_SPECIAL = "^$.|()[*+?{"
_ESCAPED_CLASSES: dict[str, Callable[[str], bool]] = {
    "d": str.isdecimal,
    "w": lambda character: character.isalnum() or character == "_",
    "s": str.isspace,
}
_DEEPEST = 50


@dataclass(frozen=True, slots=True)
class Character:
    """One character that passes a test."""

    test: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Assertion:
    """A place in the build."""

    place: Literal["start", "end"]


@dataclass(frozen=True, slots=True)
class Concatenation:
    """One part after the other."""

    parts: "tuple[RegexNode, ...]"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One of the parts."""

    parts: "tuple[RegexNode, ...]"


@dataclass(frozen=True, slots=True)
class Repeat:
    """A part as often as is allowed."""

    part: "RegexNode"
    least: int
    most: int | None
    """None: without end."""


RegexNode: TypeAlias = Character | Assertion | Concatenation | AnyOf | Repeat


def parse_regex(text: str) -> RegexNode:
    """Return the tree of a regular expression in which case does not count.

    Raises:
        ValueError: it is none, or has something that is not judged here.
    """
    return _RegexParser(text).whole()


def parse_glob(text: str) -> RegexNode:
    """Return the tree of a glob: `*` is any text, `?` any character, `[...]` one of these; case does not count."""
    parts: list[RegexNode] = []
    position = 0
    while position < len(text):
        letter = text[position]
        end = text.find("]", position + 3 if text[position + 1 : position + 2] == "!" else position + 2)
        if letter == "[" and end > 0:
            inner = text[position + 1 : end]
            parts.append(_one_of(_ranges(inner.removeprefix("!")), is_negated=inner.startswith("!")))
            position = end + 1
            continue
        if letter == "*":
            parts.append(Repeat(_ANY, 0, None))
        else:
            parts.append(_ANY if letter == "?" else _literal(letter))
        position += 1
    return Concatenation(tuple(parts))


_ANY = Character(lambda character: character != "\n")


def _literal(letter: str) -> Character:
    lower = letter.lower()
    return Character(lambda character: character.lower() == lower)


def _ranges(inner: str) -> list[tuple[str, str]]:
    """Return the ranges of a class in a glob, which has no escapes."""
    found = []
    position = 0
    while position < len(inner):
        is_range = inner[position + 1 : position + 2] == "-" and position + 2 < len(inner)
        last = inner[position + 2] if is_range else inner[position]
        found.append((inner[position], last))
        position += 3 if is_range else 1
    return found


def _one_of(
    ranges: list[tuple[str, str]], *, is_negated: bool, tests: tuple[Callable[[str], bool], ...] = ()
) -> Character:
    def has(character: str) -> bool:
        forms = (character, character.lower(), character.upper())
        within = any(first <= form <= last for form in forms for first, last in ranges)
        return (within or any(test(character) for test in tests)) != is_negated

    return Character(has)


class _RegexParser:
    """Reads a regular expression from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._depth = 0

    def whole(self) -> RegexNode:
        found = self._alternatives()
        if self._position < len(self._text):
            raise self._wrong("a parenthesis closes nothing")
        return found

    def _next(self, size: int = 1) -> str:
        return self._text[self._position : self._position + size]

    def _wrong(self, why: str) -> ValueError:
        return ValueError(f"{self._text!r} is no regular expression: {why}")

    def _unknown(self, what: str) -> ValueError:
        return ValueError(f"the regular expression {self._text!r} has {what}, which is not judged here")

    def _alternatives(self) -> RegexNode:
        parts = [self._sequence()]
        while self._next() == "|":
            self._position += 1
            parts.append(self._sequence())
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _sequence(self) -> RegexNode:
        parts: list[RegexNode] = []
        while self._next() not in ("", "|", ")"):
            parts.append(self._quantified(self._atom()))
        return Concatenation(tuple(parts))

    def _quantified(self, atom: RegexNode) -> RegexNode:
        found = _QUANTIFIER.match(self._text, self._position)
        if found is None:
            return atom
        if isinstance(atom, Assertion):
            raise self._wrong("there is nothing to repeat")
        self._position = found.end()
        if self._next() == "+":
            raise self._unknown("a possessive quantifier")
        if self._next() == "?":  # which of the matches is taken does not count
            self._position += 1
        if _QUANTIFIER.match(self._text, self._position):
            raise self._wrong("there is nothing to repeat")
        if found[1] is None:
            least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[found[0]]
        else:
            least = int(found[1])
            most = least if found[2] is None else int(found[3]) if found[3] else None
        if most is not None and most < least:
            raise self._wrong("the most is less than the least")
        return Repeat(atom, least, most)

    def _atom(self) -> RegexNode:
        letter = self._next()
        self._position += 1
        if letter == "(":
            return self._group()
        if letter == "[":
            return self._class()
        if letter == "\\":
            ranges, tests = self._escaped()
            return _one_of(ranges, is_negated=False, tests=tests)
        if letter in "^$":
            return Assertion("start" if letter == "^" else "end")
        if letter in _SPECIAL and letter != ".":
            raise self._wrong("there is nothing to repeat")
        return _ANY if letter == "." else _literal(letter)

    def _group(self) -> RegexNode:
        if self._next() == "?":
            if self._next(2) != "?:":
                raise self._unknown(f"a group of the kind ({self._next(2)}")
            self._position += 2
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._unknown(f"more than {_DEEPEST} parentheses in each other")
        found = self._alternatives()
        if self._next() != ")":
            raise self._wrong("a parenthesis is not closed")
        self._position += 1
        self._depth -= 1
        return found

    def _class(self) -> RegexNode:
        is_negated = self._next() == "^"
        self._position += is_negated
        ranges: list[tuple[str, str]] = []
        tests: list[Callable[[str], bool]] = []
        is_first = True
        while self._next() != "]" or is_first:
            is_first = False
            more, test = self._member()
            tests += test
            if self._next() == "-" and self._next(2) not in ("-", "-]"):
                self._position += 1
                last, others = self._member()
                if not more or others or last[0][0] < more[0][0]:
                    raise self._wrong("a range of a class has no end, or a wrong one")
                more = [(more[0][0], last[0][0])]
            ranges += more
        self._position += 1
        return _one_of(ranges, is_negated=is_negated, tests=tuple(tests))

    def _member(self) -> tuple[list[tuple[str, str]], tuple[Callable[[str], bool], ...]]:
        """Read one character of a class, or an escaped one."""
        letter = self._next()
        if not letter:
            raise self._wrong("a class is not closed")
        if letter == "[" or self._next(2) in ("&&", "--", "~~", "||"):
            raise self._unknown("a class within a class")
        self._position += 1
        return self._escaped() if letter == "\\" else ([(letter, letter)], ())

    def _escaped(self) -> tuple[list[tuple[str, str]], tuple[Callable[[str], bool], ...]]:
        """Read what stands behind a backslash: the ranges, or a test for a kind of characters."""
        letter = self._next()
        self._position += 1
        test = _ESCAPED_CLASSES.get(letter.lower())
        if test is not None:
            return [], (test if letter.islower() else (lambda character: not test(character)),)
        if not letter or letter.isalnum() or not letter.isascii():
            raise self._unknown(f"\\{letter}") if letter else self._wrong("nothing follows a backslash")
        return [(letter, letter)], ()
