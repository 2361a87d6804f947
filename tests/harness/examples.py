"""How much a run tries of what has no end: a quarter, or all with `pytest --hypothesis-profile default`, as in CI."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings

Case = TypeVar("Case")

_ALL = 100
"""What hypothesis tries if nobody says anything."""


_UNTIMED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
"""No test fails because its machine is slow."""


def load_sample() -> None:
    """Try a quarter, unless the command line names another profile."""
    settings.register_profile("default", max_examples=_ALL, **_UNTIMED)
    settings.register_profile("sample", max_examples=_ALL // 4, **_UNTIMED)
    settings.load_profile("sample")


def examples(number: int) -> int:
    """So many, or the part of them that this run tries."""
    return max(10, number * settings().max_examples // _ALL)


def part(cases: Sequence[Case], turn: int) -> Sequence[Case]:
    """The cases that this run tries: all, or every fourth; with another `turn`, others are left out."""
    step = max(1, _ALL // settings().max_examples)
    return cases[turn % step :: step]


def first(number: int, cases: Iterable) -> list:
    """The parameters of a test, of which the unmarked run takes the first so many; the others have the mark `slow`."""
    found = []
    for position, case in enumerate(cases):
        marks = () if position < number else (pytest.mark.slow,)
        if isinstance(case, type(pytest.param())):
            found.append(pytest.param(*case.values, marks=(*case.marks, *marks), id=case.id))
        else:
            found.append(pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=marks))
    return found
