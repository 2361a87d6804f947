"""What an upload adds to the state of a mirror, one line each, so that the state need not be written for it; pure.

The lines count until the state is written as a whole: they say what is being placed, what was unlisted since, and how
the files look that were placed. A line that a killed writer left half-written has not happened.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from pixi_mirror.disk.files import FileIdentity
from pixi_mirror.mirror.state_file import State
from pixi_mirror.model.values import Json, MirrorPath, admit_path, canonical_text

FILE = "state.notes"
"""Its name in the private part of a mirror."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateNotes:
    """What was noted since the state was written."""

    placing: tuple[MirrorPath, ...] = ()
    """Files that an upload placed, wrote or was about to remove."""
    unlisted: Mapping[MirrorPath, float] = field(default_factory=dict)
    """When parts of sidecars were unlisted, in seconds since 1970."""
    identities: Mapping[MirrorPath, FileIdentity] = field(default_factory=dict)
    is_settled: bool = True
    """Whether the last upload has ended; else some of its index files may be new, and nothing has recorded them."""

    def followed_by(self, later: "StateNotes") -> "StateNotes":
        """These notes and later ones."""
        return StateNotes(
            placing=(*self.placing, *later.placing),
            unlisted={**self.unlisted, **later.unlisted},
            identities={**self.identities, **later.identities},
            is_settled=later.is_settled,
        )

    def added_to(self, state: State) -> State:
        """The state with these notes."""
        if not (self.placing or self.unlisted or self.identities):
            return state
        return replace(
            state,
            placing=tuple(sorted({*state.placing, *self.placing})),
            unlisted=MappingProxyType({**state.unlisted, **self.unlisted}),
            identities=MappingProxyType({**state.identities, **self.identities}),
        )


def note_text(
    *,
    placing: tuple[MirrorPath, ...] = (),
    unlisted: Mapping[MirrorPath, float] = MappingProxyType({}),
    identities: Mapping[MirrorPath, FileIdentity] = MappingProxyType({}),
) -> str:
    """The line with which an upload begins, which says what it is placing, or ends, which says none."""
    return canonical_text(
        {"placing": list(placing), "unlisted": dict(unlisted), "identities": {k: [*v] for k, v in identities.items()}}
    )


def parse_notes(data: bytes) -> StateNotes:
    """The notes that some lines spell; from the first line on that is none, there are no others."""
    placing: dict[MirrorPath, None] = {}
    unlisted: dict[MirrorPath, float] = {}
    identities: dict[MirrorPath, FileIdentity] = {}
    is_settled = True
    for line in data.splitlines():
        try:
            raw: Json = json.loads(line)
            begins = [admit_path(path) for path in raw["placing"]]
            since = {admit_path(path): float(at) for path, at in raw["unlisted"].items()}
            found = {admit_path(path): FileIdentity(*row) for path, row in raw["identities"].items()}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            is_settled = False
            break
        placing.update(dict.fromkeys(begins))
        unlisted |= since
        identities |= found
        is_settled = not begins
    return StateNotes(placing=tuple(placing), unlisted=unlisted, identities=identities, is_settled=is_settled)
