"""Compare builds with the pattern of a match spec, in time that grows linearly with the build; pure.

A pattern of a stranger could keep a backtracking matcher busy for ever. Here a pattern becomes an
automaton (Thompson, 1968) that reads each character of the build once. What the automaton cannot express, such as
lookahead and references to groups, is refused: the spec is then not judged.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from pixi_mirror.conda.regex_syntax import (
    AnyOf,
    Assertion,
    Character,
    Concatenation,
    RegexNode,
    Repeat,
    parse_glob,
    parse_regex,
)

LONGEST_PATTERN = 4_000
"""Characters, as many as a whole spec may have. A list of all microarchitectures of a kind has some hundred."""
MOST_STATES = 5_000
MOST_STEPS = 400_000
"""States times characters that one comparison may take: a tenth of a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPattern:
    """What a match spec says about the build: a text, a glob, or a regular expression between `^` and `$`."""

    text: str
    _automaton: "_Automaton | None" = field(repr=False, compare=False)
    """None: the text is the build itself, or a glob in which only `*` is special."""

    def matches(self, build: str) -> bool:
        """Whether a build fits. CEP 29: upper and lower case are the same.

        Raises:
            ValueError: the comparison would take too long.
        """
        if self._automaton is not None:
            return self._automaton.matches(build)
        return _fits_stars(self.text.lower().split("*"), build.lower())


def read_build_pattern(text: str) -> BuildPattern:
    """Return the pattern that `text` spells.

    Raises:
        ValueError: it is no regular expression, is too long, or is one that is not judged here.
    """
    if len(text) > LONGEST_PATTERN:
        raise ValueError(f"its build is {len(text)} characters long")
    if text.startswith("^") and text.endswith("$"):
        return BuildPattern(text=text, _automaton=_Automaton(parse_regex(text), is_search=True))
    if "*" in text and ("?" in text or "[" in text):
        return BuildPattern(text=text, _automaton=_Automaton(parse_glob(text), is_search=False))
    return BuildPattern(text=text, _automaton=None)


def _fits_stars(pieces: list[str], build: str) -> bool:
    """Whether a build consists of the pieces, in their order, with any text between them."""
    if len(pieces) == 1:
        return build == pieces[0]
    first, *others, last = pieces
    position, end = len(first), len(build) - len(last)
    if position > end or not build.startswith(first) or not build.endswith(last):
        return False
    for piece in others:
        found = build.find(piece, position, end)
        if found < 0:
            return False
        position = found + len(piece)
    return True


@dataclass(slots=True)
class _State:
    """One state: it reads a character, checks the place in the build, goes on to others, or is the end."""

    kind: Literal["read", "assert", "go", "end"]
    test: Callable[[str], bool] | None = None
    is_start: bool = False
    """Of an assertion: it requires the start of the build, else its end."""
    after: tuple[int, ...] = ()


class _Automaton:
    """A pattern as states. All states that the build can have reached are followed at once."""

    def __init__(self, node: RegexNode, *, is_search: bool) -> None:
        """With `is_search` the pattern may begin and end anywhere, else it is the whole build."""
        self._is_search = is_search
        self._states: list[_State] = []
        self._added = 0
        self._start = self._add(node, self._new(_State(kind="end")))

    def matches(self, build: str) -> bool:
        """Whether the build fits.

        Raises:
            ValueError: it would take too long.
        """
        if len(self._states) * (len(build) + 1) > MOST_STEPS:
            raise ValueError(f"a comparison with a build of {len(build)} characters would take too long")
        reached: set[int] = set()
        for position in range(len(build) + 1):
            if self._is_search or not position:
                self._reach(self._start, reached, position, len(build))
            if self._has_ended(reached) and (self._is_search or position == len(build)):
                return True
            if position == len(build):
                break
            character, following = build[position], set[int]()
            for number in reached:
                state = self._states[number]
                if state.test is not None and state.test(character):
                    self._reach(state.after[0], following, position + 1, len(build))
            reached = following
        return False

    def _has_ended(self, reached: set[int]) -> bool:
        return any(self._states[number].kind == "end" for number in reached)

    def _reach(self, number: int, reached: set[int], position: int, length: int) -> None:
        """Add a state, and those that it goes on to without a character."""
        waiting = [number]
        while waiting:
            number = waiting.pop()
            if number in reached:
                continue
            reached.add(number)
            state = self._states[number]
            if state.kind == "go" or (state.kind == "assert" and position == (0 if state.is_start else length)):
                waiting += state.after

    def _new(self, state: _State) -> int:
        self._states.append(state)
        return len(self._states) - 1

    def _add(self, node: RegexNode, after: int) -> int:
        """Add the states of a node that goes on to the state `after`; return the first of them."""
        self._added += 1  # a node without a state may be repeated, too
        if self._added > MOST_STATES:
            raise ValueError("its build pattern has too many repetitions to be judged")
        match node:
            case Character():
                return self._new(_State(kind="read", test=node.test, after=(after,)))
            case Assertion():
                return self._new(_State(kind="assert", is_start=node.place == "start", after=(after,)))
            case Concatenation(parts):
                for part in reversed(parts):
                    after = self._add(part, after)
                return after
            case AnyOf(parts):
                return self._new(_State(kind="go", after=tuple(self._add(part, after) for part in parts)))
            case Repeat():
                return self._add_repeat(node, after)

    def _add_repeat(self, node: Repeat, after: int) -> int:
        if node.most is None:
            loop = self._new(_State(kind="go"))
            self._states[loop].after = (self._add(node.part, loop), after)
            after = loop
        else:
            end = after
            for _ in range(node.most - node.least):
                after = self._new(_State(kind="go", after=(self._add(node.part, after), end)))
        for _ in range(node.least):
            after = self._add(node.part, after)
        return after
