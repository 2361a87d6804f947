"""CVSS base scores are those of the library `cvss`, for every vector of version 3 and a sample of version 4."""

import itertools
import random

import pytest

from pixi_mirror.advisories.severity import base_score

pytestmark = pytest.mark.sbom_tools

V3 = {"AV": "NALP", "AC": "LH", "PR": "NLH", "UI": "NR", "S": "UC", "C": "HLN", "I": "HLN", "A": "HLN"}
V4 = {"AV": "NALP", "AC": "LH", "AT": "NP", "PR": "NLH", "UI": "NPA"}
V4 |= dict.fromkeys(("VC", "VI", "VA", "SC", "SI", "SA"), "HLN")


def vectors(version, metrics):
    names = "/".join(f"{name}:%s" for name in metrics)
    return [f"CVSS:{version}/{names % values}" for values in itertools.product(*metrics.values())]


@pytest.mark.parametrize("version", ["3.0", "3.1"])
def test_every_vector_of_version_3(version):
    library = pytest.importorskip("cvss")
    found = {vector: base_score(vector) for vector in vectors(version, V3)}
    assert len(found) == 2592
    assert found == {vector: float(library.CVSS3(vector).scores()[0]) for vector in found}


@pytest.mark.parametrize("number", [2000, pytest.param(104_976, marks=pytest.mark.slow)])
def test_vectors_of_version_4(number):
    library = pytest.importorskip("cvss")
    chosen = random.Random(4).sample(vectors("4.0", V4), number)
    found = {vector: base_score(vector) for vector in chosen}
    assert found == {vector: float(library.CVSS4(vector).scores()[0]) for vector in chosen}
