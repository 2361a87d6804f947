#!/bin/sh
# Guess: the two forms of the simple API say the same. A file that was yanked without a reason has the reason "" in
#   both.
# Truth: for pip `data-yanked=""` in HTML is yanked, since the attribute is there, and `"yanked": ""` in JSON is not,
#   since an empty string is not true. uv takes both for yanked. Who writes pages writes `true` where there is no
#   reason.
# Seen with pip 26.3 and uv 0.13.9, 2026-11-30.
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 exec python3 - <<'FINDING'
"""Install a file that is yanked without a reason, from HTML and from JSON; a yanked file is not taken."""

import tempfile
from pathlib import Path

from pinned import compare, install, run
from simple_index import html_page, json_page, served

PAGES = {
    "HTML": html_page("1.0"),
    "JSON": json_page("1.0"),
    'HTML, data-yanked=""': html_page("1.0", attributes=' data-yanked=""'),
    'JSON, "yanked": ""': json_page("1.0", yanked=""),
    'JSON, "yanked": true': json_page("1.0", yanked=True),
}

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    programs = install(folder, "uv==0.13.9", "pip==26.3")
    (folder / "wanted.txt").write_text("thing\n")
    seen = []
    for title, page in PAGES.items():
        with served({"/simple/thing/": page}) as url:
            pip = (programs / "python", "-m", "pip", "install", "-q", "--dry-run", "--no-cache-dir", "thing")
            uv = (programs / "uv", "pip", "compile", "-q", "--no-cache", "--python", programs / "python", "wanted.txt")
            by_pip = run(*pip, "--index-url", f"{url}/simple/", folder=folder)
            by_uv = run(*uv, "--default-index", f"{url}/simple/", folder=folder)
            takes = ["leaves" if done.returncode else "takes" for done in (by_pip, by_uv)]
            seen.append(f"{title:20}: pip {takes[0]} it, uv {takes[1]} it")

compare(
    seen,
    [
        "HTML                : pip takes it, uv takes it",
        "JSON                : pip takes it, uv takes it",
        'HTML, data-yanked="": pip leaves it, uv leaves it',
        'JSON, "yanked": ""  : pip takes it, uv leaves it',
        'JSON, "yanked": true: pip leaves it, uv leaves it',
    ],
)
FINDING
