#!/bin/sh
# Guess: a gate of a policy ends with one status for "a package is against the policy" and with another one for "the data
#   could not be had", as other gates do, so that a pipeline can try the second again.
# Truth: pixi-policy ends with 1 for both. Data out of reach are a finding like any other, whose rule ends with
#   `.unavailable` and whose package is null: whoever acts on the status alone blames a package for a network.
# Seen with pixi-policy 0.3.0, 2026-11-30.
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 exec python3 - <<'FINDING'
"""Let pixi-policy judge one lock by a ban, and by advisories that it may not fetch; compare status and report."""

import json
import tempfile
from pathlib import Path

from pinned import compare, install, run

URL = "https://conda.anaconda.org/conda-forge/noarch/tzdata-2024b-hc8b5060_0.conda"
LOCK = f"""\
version: 6
environments:
  default:
    channels:
    - url: https://conda.anaconda.org/conda-forge/
    packages:
      linux-64:
      - conda: {URL}
packages:
- conda: {URL}
  sha256: {"0" * 64}
  license: MIT
"""
POLICIES = {
    "a package is banned": '[bans]\ndeny = [{ name = "tzdata" }]\n',
    "data out of reach": '[advisories]\nfail-on = "high"\n',
    "nothing found": '[bans]\ndeny = [{ name = "other" }]\n',
}

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    programs = install(folder, "pixi-policy==0.3.0")
    lock = folder / "pixi.lock"
    lock.write_text(LOCK, encoding="utf-8")
    seen = []
    for case, text in POLICIES.items():
        policy = folder / "policy.toml"
        policy.write_text(text, encoding="utf-8")
        words = ["--manifest-path", lock, "--policy", policy, "--format", "json"]
        done = run(programs / "pixi-policy", *words, folder=folder, env={"PIXI_POLICY_OFFLINE": "1"})
        rules = [(each["rule"], each["package"]) for each in json.loads(done.stdout)["findings"]]
        seen.append(f"{case}: status {done.returncode}, {rules}")

compare(
    seen,
    [
        "a package is banned: status 1, [('bans.deny', 'tzdata')]",
        "data out of reach: status 1, [('advisories.unavailable', None)]",
        "nothing found: status 0, []",
    ],
)
FINDING
