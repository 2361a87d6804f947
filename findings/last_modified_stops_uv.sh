#!/bin/sh
# Guess: the more validators a web server sends with an index page, the surer a client sees that the page has changed.
# Truth: with an ETag alone uv asks each time. If Last-Modified stands beside it, as nginx, Apache and python's
#   http.server send it, and no Cache-Control, uv takes the page for fresh and does not ask for some minutes: a
#   release that was just uploaded is not there. pip asks each time. `Cache-Control: no-cache` makes uv ask, too.
# Seen with uv 0.13.9 and pip 26.3, 2026-11-30.
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 exec python3 - <<'FINDING'
"""Add a release to an index that sends one header more or less, and see which version each client takes."""

import re
import tempfile
from pathlib import Path

from pinned import compare, install, run
from simple_index import html_page, served

PAGE = "/simple/thing/"
OLD = {"Last-Modified": "Mon, 02 Nov 2026 05:00:00 GMT"}
HEADERS = {"ETag": {}, "ETag, Last-Modified": OLD, "both, and no-cache": {**OLD, "Cache-Control": "no-cache"}}

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    programs = install(folder, "uv==0.13.9", "pip==26.3")
    (folder / "wanted.txt").write_text("thing\n")
    seen = []
    for title, headers in HEADERS.items():
        pages = {PAGE: html_page("1.0")}
        with served(pages, headers=headers) as url:
            uv = (programs / "uv", "pip", "compile", "-q", "--python", programs / "python", "wanted.txt")
            uv = (*uv, "--cache-dir", folder / f"uv-{title}")
            pip = (programs / "python", "-m", "pip", "install", "--dry-run", "--cache-dir", folder / f"pip-{title}")
            for versions in (("1.0",), ("1.0", "2.0")):
                pages[PAGE] = html_page(*versions)
                by_uv = run(*uv, "--default-index", f"{url}/simple/", folder=folder)
                by_pip = run(*pip, "--index-url", f"{url}/simple/", "thing", folder=folder)
                took = [re.findall(r"thing(?:==|-)([\d.]+\d)\b", done.stdout)[-1] for done in (by_uv, by_pip)]
                seen.append(f"{title:19} the index has {' '.join(versions):7}: uv takes {took[0]}, pip {took[1]}")

compare(
    seen,
    [
        "ETag                the index has 1.0    : uv takes 1.0, pip 1.0",
        "ETag                the index has 1.0 2.0: uv takes 2.0, pip 2.0",
        "ETag, Last-Modified the index has 1.0    : uv takes 1.0, pip 1.0",
        "ETag, Last-Modified the index has 1.0 2.0: uv takes 1.0, pip 2.0",
        "both, and no-cache  the index has 1.0    : uv takes 1.0, pip 1.0",
        "both, and no-cache  the index has 1.0 2.0: uv takes 2.0, pip 2.0",
    ],
)
FINDING
