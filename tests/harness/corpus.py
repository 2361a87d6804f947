"""Real locks, and what pixi answered about them: they stand beside the repository, or where `PIXI_MIRROR_CORPUS` says.

Tests that need them are skipped where they are not. A relative `PIXI_MIRROR_CORPUS` is seen from the repository.
"""

import csv
import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from harness.child import ROOT

CORPUS = Path(os.path.normpath(ROOT / os.environ.get("PIXI_MIRROR_CORPUS", "../shared")))
LOCKS = CORPUS / "locks"
"""A folder for each lock."""
_INDEX = LOCKS / "INDEX.tsv"
_LINES = _INDEX.read_text(encoding="utf-8").splitlines() if _INDEX.is_file() else []
ROWS = {row["slug"]: row for row in csv.DictReader(_LINES, delimiter="\t")}
"""What is known of each lock, by the name of its folder; empty: they are not here."""
_SAMPLE, _SMALL = 6, 400_000
"""How many locks the default run takes, none of them larger than so many bytes."""
needs_corpus = pytest.mark.skipif(not ROWS, reason="no corpus of real locks (PIXI_MIRROR_CORPUS)")


def lock_path(slug: str) -> Path:
    """The lock in a folder."""
    return LOCKS / slug / "pixi.lock"


def sample_of(slugs: Iterable[str]) -> list[str]:
    """Some of these locks, which take no time."""
    small = [slug for slug in sorted(slugs) if lock_path(slug).stat().st_size <= _SMALL]
    return small[:: max(1, len(small) // _SAMPLE)]


def sampled(slugs: Iterable[str]) -> list:
    """The parameters of a test that takes each of these locks: all but a sample of them have the mark `slow`."""
    slugs = sorted(slugs)
    sample = set(sample_of(slugs))
    return [pytest.param(slug, marks=() if slug in sample else pytest.mark.slow) for slug in slugs]
