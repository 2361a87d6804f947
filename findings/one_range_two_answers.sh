#!/bin/sh
# Guess: a plain range (`>1.7`, `<2.0`, `==1.7.*`, `>=1.0`) takes the same versions on PyPI and in conda, so a recipe
#   can take it over from a pyproject.toml as it stands.
# Truth: it does not. packaging leaves post releases out of `>1.7` and pre-releases of 2.0 out of `<2.0`, as the
#   version specifiers of PyPI say; conda's order knows no such exceptions. `==1.7.*` takes 1.7.post1 on PyPI and not
#   in py-rattler. And 1.0+cu118, a local version, is above 1.0 for packaging and below it for py-rattler, so that
#   `>=1.0` refuses it.
# Seen with packaging 26.4 and py-rattler 0.28.0, 2026-11-30.
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 exec python3 - <<'FINDING'
"""Ask packaging and py-rattler whether a range takes a version; pre-releases are allowed in both."""

import json
import tempfile
from pathlib import Path

from pinned import compare, install, run

PAIRS = [
    (">1.7", "1.7.1"),
    (">1.7", "1.7.post1"),
    ("<2.0", "2.0rc1"),
    ("==1.7.*", "1.7.post1"),
    (">=1.0", "1.0+cu118"),
    ("==1.0", "1.0+cu118"),
]
ASK = """
import json, sys
import rattler
from packaging.specifiers import SpecifierSet
for spec, version in json.loads(sys.argv[1]):
    pypi = SpecifierSet(spec).contains(version, prereleases=True)
    conda = rattler.VersionSpec(spec).matches(rattler.Version(version))
    print(f"{spec:8} {version:10} PyPI {'takes' if pypi else 'leaves'} conda {'takes' if conda else 'leaves'}")
"""

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    programs = install(folder, "packaging==26.4", "py-rattler==0.28.0")
    done = run(programs / "python", "-c", ASK, json.dumps(PAIRS), folder=folder)

compare(
    done.stdout.splitlines(),
    [
        ">1.7     1.7.1      PyPI takes conda takes",
        ">1.7     1.7.post1  PyPI leaves conda takes",
        "<2.0     2.0rc1     PyPI leaves conda takes",
        "==1.7.*  1.7.post1  PyPI takes conda leaves",
        ">=1.0    1.0+cu118  PyPI takes conda leaves",
        "==1.0    1.0+cu118  PyPI takes conda leaves",
    ],
)
FINDING
