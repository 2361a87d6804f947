"""Say how severe a vulnerability is, from what an advisory gives: CVSS vectors, or a word of its database; pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pixi_mirror.advisories.cvss3 import base_score_3
from pixi_mirror.advisories.cvss4 import base_score_4
from pixi_mirror.model.values import Json

Level: TypeAlias = Literal["none", "low", "medium", "high", "critical", "unknown"]
_LEVELS: tuple[Level, ...] = ("none", "low", "medium", "high", "critical", "unknown")
"""In rising order. What is not known may be anything, so it stands above all."""
FAIL_LEVELS: tuple[Level, ...] = ("low", "medium", "high", "critical")
"""What `--fail-on` takes."""
_FROM: tuple[tuple[float, Level], ...] = (
    (9.0, "critical"),
    (7.0, "high"),
    (4.0, "medium"),
    (0.1, "low"),
    (0.0, "none"),
)
"""The qualitative scale of CVSS 3.1 (table 14) and 4.0 (table 22): each level from this score on."""
_WORDS: dict[str, Level] = {
    "LOW": "low",
    "MODERATE": "medium",
    "MEDIUM": "medium",
    "HIGH": "high",
    "CRITICAL": "critical",
}
"""What databases write into `database_specific.severity`."""
_SCORES = {"CVSS:3.0": base_score_3, "CVSS:3.1": base_score_3, "CVSS:4.0": base_score_4}


@dataclass(frozen=True, slots=True)
class Severity:
    """How severe a vulnerability is, as far as it is said."""

    level: Level
    score: float | None
    """The highest CVSS base score; None: no vector was given that is understood."""

    @property
    def rank(self) -> int:
        """A number that is higher for what is worse."""
        return _LEVELS.index(self.level)

    def reaches(self, level: Level) -> bool:
        """Whether it is as bad as a level; what is not known reaches every level."""
        return self.rank >= _LEVELS.index(level)


UNKNOWN = Severity("unknown", None)


def severity_of(vectors: Json, database: Json) -> Severity:
    """The severity that the fields `severity` and `database_specific` of an advisory give.

    The highest of all that are given counts. CVSS 2 and scores of distributions are passed over.
    """
    entries = vectors if isinstance(vectors, list) else []
    texts = [each.get("score") for each in entries if isinstance(each, dict)]
    found = [_of_score(score) for text in texts if isinstance(text, str) and (score := base_score(text)) is not None]
    word = database.get("severity") if isinstance(database, dict) else None
    if isinstance(word, str) and word.upper() in _WORDS:
        found.append(Severity(_WORDS[word.upper()], None))
    return highest(found)


def highest(severities: Iterable[Severity]) -> Severity:
    """The worst of those that are known; unknown, if none is."""
    known = [each for each in severities if each.level != "unknown"]
    if not known:
        return UNKNOWN
    worst = max(known, key=lambda each: each.rank)
    scores = [each.score for each in known if each.score is not None]
    return Severity(worst.level, max(scores, default=None))


def base_score(vector: str) -> float | None:
    """The base score of a CVSS vector of version 3.0, 3.1 or 4.0; None: it is none, or lacks a base metric."""
    version, *parts = vector.strip().rstrip("/").split("/")
    score = _SCORES.get(version)
    metrics = dict(_pairs(parts))
    if score is None or len(metrics) != len(parts):
        return None
    try:
        return score(metrics)
    except KeyError:
        return None


def _pairs(parts: Iterable[str]) -> Iterator[tuple[str, str]]:
    for part in parts:
        name, colon, value = part.partition(":")
        if colon:
            yield name, value


def _of_score(score: float) -> Severity:
    return Severity(next(level for least, level in _FROM if score >= least), score)
