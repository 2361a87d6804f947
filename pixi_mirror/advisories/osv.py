"""Read one advisory in the format OSV, as something that a stranger wrote; pure.

The format: https://ossf.github.io/osv-schema/ (1.7). Only what is said of projects of PyPI is read.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pixi_mirror.advisories.severity import Severity, severity_of
from pixi_mirror.model.values import Json
from pixi_mirror.pypi.names import canonical_name

ECOSYSTEM = "PyPI"
_EVENTS = ("introduced", "fixed", "last_affected", "limit")
_COMPARED = ("ECOSYSTEM", "SEMVER")
"""Ranges whose events are versions. Those of `GIT` are commits, which say nothing of a release."""
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_ID = re.compile(r"[\x21-\x7e]{1,200}")
_LONGEST = 300
"""Characters of a text that people are shown."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens at a version of a range."""

    kind: str
    """`introduced`, `fixed`, `last_affected` or `limit`."""
    version: str
    """As written; of `introduced` perhaps `0`, which stands before all versions; of `limit` perhaps `*`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """What an advisory says of one project."""

    project: str
    """Normalised (PEP 503)."""
    versions: tuple[str, ...]
    """Affected versions, one by one."""
    ranges: tuple[tuple[Event, ...], ...]
    severity: Severity
    """As far as it is said of this project alone."""

    @property
    def fixed(self) -> tuple[str, ...]:
        """The versions in which it is fixed, as written."""
        return tuple(dict.fromkeys(event.version for each in self.ranges for event in each if event.kind == "fixed"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisory:
    """One record of a database."""

    id: str
    aliases: tuple[str, ...]
    """Other names of the same vulnerability."""
    modified: datetime
    is_withdrawn: bool
    """Whether it holds no longer."""
    summary: str
    """One line; empty: there is none."""
    severity: Severity
    """As far as it is said of all projects."""
    affected: tuple[Affected, ...]
    """Projects of PyPI; empty: it is about others."""


def read_advisory(data: bytes) -> Advisory:
    """The advisory that the bytes of one record spell.

    Raises:
        ValueError: they are no such record.
    """
    try:
        raw = json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    return advisory_of(raw)


def advisory_of(raw: Json) -> Advisory:
    """The advisory of a record that is JSON already.

    Raises:
        ValueError: it has no `id`, no `modified`, or something in it is of another kind than the format has it.
    """
    record = _object(raw, "it")
    identifier = record.get("id")
    if not isinstance(identifier, str) or not _ID.fullmatch(identifier):
        raise ValueError(f"its id is {str(identifier)[:60]!r}")
    database = record.get("database_specific")
    try:
        return Advisory(
            id=identifier,
            aliases=tuple(each for each in _texts(record, "aliases") if _ID.fullmatch(each)),
            modified=_moment(record.get("modified")),
            is_withdrawn=record.get("withdrawn") is not None,
            summary=_line(record),
            severity=severity_of(record.get("severity"), database),
            affected=tuple(_affected(record)),
        )
    except ValueError as error:
        raise ValueError(f"{identifier}: {error}") from None


def _affected(record: Mapping[str, Json]) -> Iterator[Affected]:
    for raw in _objects(record, "affected"):
        package = _object(raw.get("package") or {}, "package")
        name, ecosystem = package.get("name"), package.get("ecosystem")
        # "PyPI:something" would be a part of PyPI ("ecosystem names may have a suffix").
        if not isinstance(ecosystem, str) or ecosystem.partition(":")[0] != ECOSYSTEM:
            continue
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(f"it names the project {str(name)[:60]!r}, which is none")
        yield Affected(
            project=canonical_name(name),
            versions=_texts(raw, "versions"),
            ranges=tuple(_events(each) for each in _objects(raw, "ranges") if each.get("type") in _COMPARED),
            severity=severity_of(raw.get("severity"), raw.get("database_specific")),
        )


def _events(raw: Mapping[str, Json]) -> tuple[Event, ...]:
    """The events of a range: an object has one each, though old records have several in one."""
    found = [(kind, each[kind]) for each in _objects(raw, "events") for kind in _EVENTS if kind in each]
    if not all(isinstance(version, str) for _, version in found):
        raise ValueError("an event of a range has no text for its version")
    return tuple(Event(kind, version) for kind, version in found)


def _line(record: Mapping[str, Json]) -> str:
    for key in ("summary", "details"):
        text = record.get(key)
        if isinstance(text, str) and (line := next(iter(text.strip().splitlines()), "").strip("# ")):
            return line if len(line) <= _LONGEST else f"{line[:_LONGEST].rstrip()}..."
    return ""


def _moment(raw: Json) -> datetime:
    if not isinstance(raw, str):
        raise ValueError("it has no `modified`")  # noqa: TRY004 - the record is wrong, no argument
    try:
        found = datetime.fromisoformat(raw)
    except ValueError:
        raise ValueError(f"`modified` is {raw[:60]!r}, which is no moment") from None
    return found.astimezone(UTC) if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _object(raw: Json, what: str) -> Mapping[str, Json]:
    if not isinstance(raw, dict):
        raise ValueError(f"{what} is no object")  # noqa: TRY004 - the record is wrong, no argument
    return raw


def _objects(raw: Mapping[str, Json], key: str) -> list[Mapping[str, Json]]:
    found = raw.get(key) or []
    if not isinstance(found, list):
        raise ValueError(f"{key} is no list")  # noqa: TRY004 - the record is wrong, no argument
    return [_object(each, f"a member of {key}") for each in found]


def _texts(raw: Mapping[str, Json], key: str) -> tuple[str, ...]:
    found = raw.get(key) or []
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise ValueError(f"{key} is no list of texts")
    return tuple(found)
