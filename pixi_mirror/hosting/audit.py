"""Who changed what of the hosted names, from where and when: a line in a private file before each change happens."""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from pixi_mirror.disk.files import explain_errors
from pixi_mirror.mirror.tree import Tree, open_mirror
from pixi_mirror.mirror.tree_view import PRIVATE
from pixi_mirror.model.values import Json, canonical_text

AUDIT = "hosted.log"
"""Its name in the private part of a mirror."""

Action: TypeAlias = Literal["add", "remove", "upload", "yank", "unyank", "delete"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One change of a hosted name."""

    at: str
    """RFC 3339, in UTC."""
    action: Action
    name: str
    """The hosted name."""
    path: str
    """Of the file in the mirror; empty: the whole name."""
    sha256: str
    """Of the file; empty: it is about no file."""
    user: str
    address: str
    """An IP address; empty: this machine."""
    reason: str
    """Why a file was yanked."""


def record_audit(
    tree: Tree,
    *,
    action: Action,
    name: str,
    user: str,
    path: str = "",
    sha256: str = "",
    address: str = "",
    reason: str = "",
) -> None:
    """Note a change that is about to happen, inside `Tree.writing`.

    It stands there before the change does, so that none is ever missing. After a crash one may stand there twice.

    Raises:
        MachineError: the disk refuses.
        BusyError: another process may have begun to write the mirror.
    """
    entry = AuditEntry(
        at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        action=action,
        name=name,
        path=path,
        sha256=sha256,
        user=user,
        address=address,
        reason=reason,
    )
    tree.append_private(AUDIT, canonical_text(asdict(entry)))


def read_audit(mirror: Path) -> tuple[AuditEntry, ...]:
    """All changes of the hosted names of a mirror, the oldest first.

    Raises:
        MachineError: there is no mirror, or its log cannot be read by this user.
    """
    tree = open_mirror(mirror)
    where = tree.root / PRIVATE / AUDIT
    with explain_errors("read", where):
        try:
            data = where.read_bytes()
        except FileNotFoundError:
            return ()
    return tuple(_entries(data))


def _entries(data: bytes) -> Iterator[AuditEntry]:
    for line in data.splitlines():
        try:
            row: Json = json.loads(line)
            if row["action"] in get_args(Action):
                yield AuditEntry(**{key: str(value) for key, value in row.items()})  # type: ignore[arg-type]
        except (ValueError, KeyError, TypeError, RecursionError):
            continue  # what a killed writer left of a line
