"""The Dockerfiles that we print and that docs/production.md shows, as Docker's linter sees them."""

import re
import shutil
import subprocess

import pytest
from harness.child import ROOT

from pixi_mirror.clients.offer import Offer
from pixi_mirror.clients.registry import CLIENTS

PRODUCTION = ROOT / "docs" / "production.md"
URL = "http://mirror.lan"
OFFER = Offer(
    url=URL,
    channels={"https://conda.anaconda.org/conda-forge": f"{URL}/conda-forge"},
    indexes={"https://pypi.example/simple": f"{URL}/pypi.example/simple"},
    origins={"https://files.pypi.example": f"{URL}/files.pypi.example"},
    mapping={},
    environment="prod",
)


def complaints(text):
    """What hadolint says to a Dockerfile; empty: nothing."""
    linter = shutil.which("hadolint")
    if linter is None:
        pytest.skip("no hadolint on PATH: pip install '.[lint]'")
    done = subprocess.run([linter, "--no-color", "-"], input=text, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def shown():
    """The whole Dockerfile of docs/production.md."""
    blocks = re.findall(r"```dockerfile\n(.*?)```", PRODUCTION.read_text(encoding="utf-8"), flags=re.DOTALL)
    (whole,) = [block for block in blocks if "FROM" in block]
    return whole


@pytest.mark.python_tools
def test_a_linter_has_nothing_to_say_to_the_dockerfile_that_is_printed():
    assert complaints(CLIENTS["docker"].configuration(OFFER)) == ""


@pytest.mark.python_tools
def test_a_linter_has_nothing_to_say_to_the_dockerfile_for_a_build_with_no_network():
    assert complaints(shown()) == ""
    assert complaints("FROM x\nRUN cd /tmp && rn -rf 'x\n") != ""


def test_both_dockerfiles_differ_only_in_where_the_packages_come_from():
    printed, documented = (
        {line for line in text.splitlines() if line and not line.startswith("#")}
        for text in (CLIENTS["docker"].configuration(OFFER), shown())
    )
    assert documented - printed == {
        "COPY pixi-cache /pixi-cache",
        "ENV PIXI_CACHE_DIR=/pixi-cache",
        "RUN pixi install --frozen --offline --environment prod",
    }
