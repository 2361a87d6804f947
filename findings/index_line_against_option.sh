#!/bin/sh
# Guess: an option on the command line counts more than a line in a file, so that `--index-url MIRROR` leads any
#   requirements file to a mirror.
# Truth: for pip a line `--index-url` in the file replaces the option, and the mirror is never asked; for uv the option
#   replaces the line. Tools write such a line by themselves (pip-compile) or when told (`uv export --emit-index-url`).
# Seen with uv 0.13.9 and pip 26.3, 2026-11-30.
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 exec python3 - <<'FINDING'
"""Name one index in a requirements file and another on the command line, and see which version each client takes."""

import re
import tempfile
from pathlib import Path

from pinned import compare, install, run
from simple_index import html_page, served

PAGE = "/simple/thing/"

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    programs = install(folder, "uv==0.13.9", "pip==26.3")
    seen = []
    with served({PAGE: html_page("1.0")}) as in_file, served({PAGE: html_page("2.0")}) as on_line:
        for title, line in (("no line", ""), ("a line", f"--index-url {in_file}/simple/\n")):
            (folder / "wanted.txt").write_text(f"{line}thing\n")
            uv = (programs / "uv", "pip", "install", "--dry-run", "--python", programs / "python", "-r", "wanted.txt")
            pip = (programs / "python", "-m", "pip", "install", "--dry-run", "--no-cache-dir", "-r", "wanted.txt")
            by_uv = run(*uv, "--cache-dir", folder / title, "--default-index", f"{on_line}/simple/", folder=folder)
            by_pip = run(*pip, "--index-url", f"{on_line}/simple/", folder=folder)
            texts = [f"{done.stdout}{done.stderr}" for done in (by_uv, by_pip)]
            took = [re.findall(r"thing(?:==|-)([\d.]+\d)\b", text)[-1] for text in texts]
            places = [{"1.0": "the file", "2.0": "the option"}[version] for version in took]
            seen.append(f"{title:7} in the file: uv takes the index of {places[0]}, pip that of {places[1]}")

compare(
    seen,
    [
        "no line in the file: uv takes the index of the option, pip that of the option",
        "a line  in the file: uv takes the index of the option, pip that of the file",
    ],
)
FINDING
