"""The base score of a CVSS vector of version 3.0 or 3.1; pure.

FIRST, "Common Vulnerability Scoring System v3.1: Specification Document", 7.1 and appendix A. The two versions
differ in how they round and in environmental metrics, which are not read here.
"""

import math
from collections.abc import Mapping

_WEIGHTS: Mapping[str, Mapping[str, float]] = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "UI": {"N": 0.85, "R": 0.62},
    "C": {"H": 0.56, "L": 0.22, "N": 0.0},
    "I": {"H": 0.56, "L": 0.22, "N": 0.0},
    "A": {"H": 0.56, "L": 0.22, "N": 0.0},
}
_PRIVILEGES: Mapping[str, Mapping[str, float]] = {
    "U": {"N": 0.85, "L": 0.62, "H": 0.27},
    "C": {"N": 0.85, "L": 0.68, "H": 0.5},
}
"""By the scope: unchanged, changed."""


def base_score_3(metrics: Mapping[str, str]) -> float:
    """The score, from 0.0 to 10.0, of the metrics of a vector, as `{"AV": "N", …}`.

    Raises:
        KeyError: one of the eight base metrics is missing, or has a value that it cannot have.
    """
    weight = {name: values[metrics[name]] for name, values in _WEIGHTS.items()}
    is_changed = {"U": False, "C": True}[metrics["S"]]
    privileges = _PRIVILEGES[metrics["S"]][metrics["PR"]]
    inner = 1 - (1 - weight["C"]) * (1 - weight["I"]) * (1 - weight["A"])
    impact = 7.52 * (inner - 0.029) - 3.25 * math.pow(inner - 0.02, 15) if is_changed else 6.42 * inner
    if impact <= 0:
        return 0.0
    exploitability = 8.22 * weight["AV"] * weight["AC"] * privileges * weight["UI"]
    return _rounded_up(min((1.08 if is_changed else 1.0) * (impact + exploitability), 10.0))


def _rounded_up(score: float) -> float:
    """To one decimal (appendix A of 3.1)."""
    hundred_thousandths = round(score * 100_000)
    if hundred_thousandths % 10_000 == 0:
        return hundred_thousandths / 100_000
    return (hundred_thousandths // 10_000 + 1) / 10
