#!/bin/sh
# Guess: spdx-tools takes any URL as the download location of a package, as SPDX 2.3 (7.7: a URI) does.
# Truth: its validator wants a host with a dot and letters behind the last one. A server that is named by an IP address, or
#   by one word as in many local networks, makes the whole document invalid, and `write_file` refuses to write it
#   unless it is told not to validate. `NOASSERTION` passes.
# Seen with spdx-tools 0.8.5, 2026-11-30.
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 exec python3 - <<'FINDING'
"""Validate one package with download locations on several hosts."""

import tempfile
from pathlib import Path

from pinned import compare, install, run

ASK = """
from spdx_tools.spdx.model import Package, SpdxNoAssertion
from spdx_tools.spdx.validation.package_validator import validate_package

locations = [
    "https://packages.example/noarch/a-1.0-0.conda",
    "https://packages.internal:8443/noarch/a-1.0-0.conda",
    "http://10.0.0.7/noarch/a-1.0-0.conda",
    "http://mirror/noarch/a-1.0-0.conda",
    SpdxNoAssertion(),
]
for location in locations:
    package = Package("SPDXRef-a", "a", location, files_analyzed=False)
    verdict = "refused" if validate_package(package, "SPDX-2.3") else "valid"
    print(f"{str(location):52} {verdict}")
"""

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    programs = install(folder, "spdx-tools==0.8.5")
    done = run(programs / "python", "-c", ASK, folder=folder)

compare(
    done.stdout.splitlines(),
    [
        "https://packages.example/noarch/a-1.0-0.conda        valid",
        "https://packages.internal:8443/noarch/a-1.0-0.conda  valid",
        "http://10.0.0.7/noarch/a-1.0-0.conda                 refused",
        "http://mirror/noarch/a-1.0-0.conda                   refused",
        "NOASSERTION                                          valid",
    ],
)
FINDING
