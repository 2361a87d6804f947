"""How many examples hypothesis tries: a quarter, or all with `pytest --hypothesis-profile default`, as in CI."""

from hypothesis import settings

_ALL = 100
"""What hypothesis tries if nobody says anything."""


def load_sample() -> None:
    """Try a quarter, unless the command line names another profile."""
    settings.register_profile("sample", max_examples=_ALL // 4)
    settings.load_profile("sample")


def examples(number: int) -> int:
    """So many, or the part of them that this run tries."""
    return max(10, number * settings().max_examples // _ALL)
