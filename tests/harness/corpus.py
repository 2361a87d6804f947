"""Real locks, and what pixi answered about them: they stand beside the repository, or where `PIXI_MIRROR_CORPUS` says.

Tests that need them are skipped where they are not. A relative `PIXI_MIRROR_CORPUS` is seen from the repository.
"""

import csv
import os
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
needs_corpus = pytest.mark.skipif(not ROWS, reason="no corpus of real locks (PIXI_MIRROR_CORPUS)")


def lock_path(slug: str) -> Path:
    """The lock in a folder."""
    return LOCKS / slug / "pixi.lock"
