"""What the last generation changed in each environment, by the record of that generation alone.

`history/diff.py` compares any two generations as wholes. This reads one file, which is as long as the change, so that a
server can say it of a large mirror at once.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from pixi_mirror.mirror.generations import Generations
from pixi_mirror.model.values import Json, MirrorPath

_IN, _PACKAGE = '["in",', '["package",'

CellKey: TypeAlias = tuple[str, str, str]
"""The id of a subscription, an environment and a platform."""


class FileFacts(NamedTuple):
    """What is said of a file of which only a generation may know."""

    kind: str
    name: str
    version: str
    size: int
    """Bytes; 0: not known."""


class ChangedFact(NamedTuple):
    """One package of an environment, before and after."""

    before: FileFacts | None
    """None: it was not there."""
    after: FileFacts | None

    @property
    def name(self) -> str:
        """Of the package."""
        found = self.after or self.before
        return "" if found is None else found.name


@dataclass(frozen=True, slots=True, kw_only=True)
class LastChange:
    """What the last generation changed."""

    number: int
    base: int | None
    """The generation that it was made from; None: it is the first."""
    made_at: int
    """Seconds since 1970."""
    environments: Mapping[CellKey, tuple[ChangedFact, ...]]
    """Those in which packages changed, by name; empty for the first generation."""


def last_change(generations: Generations, number: int, known: Callable[[MirrorPath], FileFacts | None]) -> LastChange:
    """What a generation changed.

    Args:
        generations: of the mirror.
        number: of the generation.
        known: says what a file is that is still in the mirror; None: it is not there.

    Raises:
        MachineError: its file cannot be read, or is not what it says.
    """
    head = generations.generation(number)
    came, went = generations.changes(number) if head.base is not None else (frozenset[str](), frozenset[str]())
    gone = _packages(went)

    def facts(path: MirrorPath) -> FileFacts:
        return known(path) or gone.get(path) or FileFacts("", path.rpartition("/")[2], "", 0)

    before, after = _paths(went), _paths(came)
    return LastChange(
        number=number,
        base=head.base,
        made_at=head.made_at,
        environments={
            key: _paired(map(facts, before.get(key, ())), map(facts, after.get(key, ())))
            for key in sorted({*before, *after})
        },
    )


def _paths(rows: Iterable[str]) -> Mapping[CellKey, list[MirrorPath]]:
    found: dict[CellKey, list[MirrorPath]] = {}
    for row in rows:
        if row.startswith(_IN):
            _, subscription, environment, platform, path = json.loads(row)
            found.setdefault((subscription, environment, platform), []).append(path)
    return found


def _packages(rows: Iterable[str]) -> Mapping[MirrorPath, FileFacts]:
    return {
        package["path"]: _facts(package)
        for row in rows
        if row.startswith(_PACKAGE)
        for _, _, package in [json.loads(row)]
    }


def _facts(package: Mapping[str, Json]) -> FileFacts:
    return FileFacts(package["kind"], package["name"], package["version"], package["size"] or 0)


def _paired(before: Iterable[FileFacts], after: Iterable[FileFacts]) -> tuple[ChangedFact, ...]:
    """Files of one name are one package that changed."""
    went: dict[tuple[str, str], list[FileFacts]] = {}
    for each in sorted(before):
        went.setdefault((each.kind, each.name), []).append(each)
    found = []
    for each in sorted(after):
        old = went.get((each.kind, each.name))
        found.append(ChangedFact(old.pop(0) if old else None, each))
    found += [ChangedFact(each, None) for left in went.values() for each in left]
    return tuple(sorted(found, key=lambda change: change.name))
