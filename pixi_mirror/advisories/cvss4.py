"""The base score of a CVSS vector of version 4.0; pure.

FIRST, "Common Vulnerability Scoring System v4.0: Specification Document", 8.2. A vector belongs to a set of equals, its
MacroVector, which experts have given a score; from that, as much is taken as the vector is less severe than the worst
of its set. Threat and environmental metrics, which an advisory cannot know, are not read: the score is CVSS-B.
"""

from collections.abc import Mapping, Sequence

_STEPS: Mapping[str, str] = {
    "AV": "NALP", "PR": "NLH", "UI": "NPA", "AC": "LH", "AT": "NP", "VC": "HLN", "VI": "HLN", "VA": "HLN",
    "SC": "HLN", "SI": "HLN", "SA": "HLN",
}  # fmt: skip
"""The values of each base metric, the worst first; a step further is 0.1 less severe."""

_SCORES: Mapping[str, tuple[float, float, float, float, float]] = {
    "001": (10.0, 9.6, 9.3, 9.2, 7.9),
    "002": (9.3, 9.0, 8.8, 8.0, 6.9),
    "011": (9.5, 9.1, 9.2, 8.2, 7.1),
    "012": (9.2, 8.1, 8.4, 7.0, 6.3),
    "101": (9.4, 8.9, 8.6, 7.6, 6.5),
    "102": (8.7, 7.5, 7.2, 5.7, 5.3),
    "111": (9.0, 7.7, 7.4, 5.9, 5.8),
    "112": (7.7, 6.6, 6.1, 5.2, 2.3),
    "201": (8.6, 7.4, 7.2, 5.7, 4.7),
    "202": (7.0, 5.4, 5.3, 3.6, 2.4),
    "211": (7.3, 5.5, 6.1, 5.1, 2.4),
    "212": (5.4, 4.3, 4.6, 1.8, 1.0),
}
"""What the specification gives for the MacroVectors that base metrics can have, and for those next to them: the digits
of EQ1, EQ2 and EQ4 -> a score for each pair of EQ3 and EQ6 in `_PAIRS`, with EQ5 0."""
_PAIRS = ("00", "01", "10", "11", "21")
_LOWER_PAIRS: Mapping[str, tuple[str, ...]] = {"00": ("01", "10"), "10": ("11",), "21": ()}
"""Which pairs come next below a pair that base metrics can have."""

_WORST: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "AV PR UI": {"0": ("NNN",), "1": ("ANN", "NLN", "NNP"), "2": ("PNN", "ALP")},
    "AC AT": {"0": ("LN",), "1": ("HN", "LP")},
    "VC VI VA": {"00": ("HHH",), "10": ("LHH", "HLH"), "21": ("LLL",)},
    "SC SI SA": {"1": ("HHH",), "2": ("LLL",)},
}
"""The worst vectors of each set of equals, in the order of EQ1, EQ2, EQ3 with EQ6, EQ4."""
_DEPTHS: tuple[Mapping[str, int], ...] = (
    {"0": 1, "1": 4, "2": 5},
    {"0": 1, "1": 2},
    {"00": 7, "10": 8, "21": 10},
    {"1": 5, "2": 4},
)
"""How many steps each set of equals is deep."""


def base_score_4(metrics: Mapping[str, str]) -> float:
    """The score, from 0.0 to 10.0, of the metrics of a vector, as `{"AV": "N", …}`.

    Raises:
        KeyError: one of the eleven base metrics is missing, or has a value that it cannot have.
    """
    for name, values in _STEPS.items():
        if metrics[name] not in values:
            raise KeyError(name)
    if all(metrics[name] == "N" for name in ("VC", "VI", "VA", "SC", "SI", "SA")):
        return 0.0
    digits = _digits(metrics)
    score = _score(*digits)
    distances = [
        _distance(names.split(), worst[digit], metrics)
        for (names, worst), digit in zip(_WORST.items(), digits, strict=True)
    ]
    lower = [_next_lower(digits, position) for position in range(len(digits))]
    steps = [
        (score - below) * distance / depth[digit]
        for below, distance, depth, digit in zip(lower, distances, _DEPTHS, digits, strict=True)
        if below is not None
    ]
    # EQ5 counts in the mean, though nothing is taken for it: exploits are assumed.
    return _rounded(score - sum(steps) / (len(steps) + 1))


def _digits(metrics: Mapping[str, str]) -> tuple[str, str, str, str]:
    """EQ1, EQ2, EQ3 with EQ6, EQ4."""
    reach = [metrics[name] == "N" for name in ("AV", "PR", "UI")]
    first = "0" if all(reach) else "1" if any(reach) and metrics["AV"] != "P" else "2"
    second = "0" if (metrics["AC"], metrics["AT"]) == ("L", "N") else "1"
    high = [metrics[name] == "H" for name in ("VC", "VI", "VA")]
    pair = "00" if high[0] and high[1] else "10" if any(high) else "21"
    fourth = "1" if any(metrics[name] == "H" for name in ("SC", "SI", "SA")) else "2"
    return first, second, pair, fourth


def _score(first: str, second: str, pair: str, fourth: str) -> float:
    return _SCORES[first + second + fourth][_PAIRS.index(pair)]


def _next_lower(digits: tuple[str, str, str, str], position: int) -> float | None:
    """The highest score of the sets of equals next below in one of the four; None: there is none."""
    digit = digits[position]
    below = _LOWER_PAIRS[digit] if len(digit) > 1 else (str(int(digit) + 1),)
    found = [
        _score(*(*digits[:position], each, *digits[position + 1 :]))
        for each in below
        if len(digit) > 1 or each in [*_WORST.values()][position]
    ]
    return max(found, default=None)


def _distance(names: Sequence[str], worst: Sequence[str], metrics: Mapping[str, str]) -> int:
    """Steps from the first of the worst vectors that is nowhere less severe."""
    for vector in worst:
        steps = [
            _STEPS[name].index(metrics[name]) - _STEPS[name].index(value)
            for name, value in zip(names, vector, strict=True)
        ]
        if min(steps) >= 0:
            return sum(steps)
    raise AssertionError(f"{metrics} is less severe than none of its set")


def _rounded(score: float) -> float:
    return int(min(max(score, 0.0), 10.0) * 10 + 0.5 + 1e-6) / 10
