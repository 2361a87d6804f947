#!/bin/sh
# Guess: `-q` and `-v` of mkdocs change what is printed. So `mkdocs build -q --strict` is the quiet check for CI.
# Truth: --strict counts the warnings that are logged. With -q none is logged, so none is counted: a link to a page
#   that does not exist ends with status 0. With -v anchors are not looked at at all, so a link to a heading that does
#   not exist ends with status 0, too. Check with neither.
# Seen with mkdocs 1.6.1, 2026-11-30.
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 exec python3 - <<'FINDING'
"""`mkdocs build --strict` with and without -q and -v, over a page with a broken link and one with a broken anchor."""

import tempfile
from pathlib import Path

from pinned import compare, install, run

CONFIG = "site_name: x\nvalidation:\n  links:\n    anchors: warn\n"

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    programs = install(folder, "mkdocs==1.6.1")
    (folder / "mkdocs.yml").write_text(CONFIG)
    (folder / "docs").mkdir()
    (folder / "docs" / "other.md").write_text("# Other\n")
    seen = []
    for link in ("other.md", "missing.md", "other.md#missing"):
        (folder / "docs" / "index.md").write_text(f"# Start\n\nSee [there]({link}).\n")
        for option in ("", "-q", "-v"):
            done = run(programs / "mkdocs", "build", "--strict", *option.split(), folder=folder)
            seen.append(f"{link:17} {option or 'neither':8} status {done.returncode}")

compare(
    seen,
    [
        "other.md          neither  status 0",
        "other.md          -q       status 0",
        "other.md          -v       status 0",
        "missing.md        neither  status 1",
        "missing.md        -q       status 0",
        "missing.md        -v       status 1",
        "other.md#missing  neither  status 1",
        "other.md#missing  -q       status 0",
        "other.md#missing  -v       status 0",
    ],
)
FINDING
