"""Make the bill of materials of a mirror on disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, get_args

from pixi_mirror.disk.files import explain_errors, fresh_name, write_synced
from pixi_mirror.errors import UsageError
from pixi_mirror.mirror.tree import open_mirror
from pixi_mirror.mirror.tree_view import TreeView
from pixi_mirror.model.packages import Inventory
from pixi_mirror.sbom.components import Bill, list_components
from pixi_mirror.sbom.cyclonedx import write_cyclonedx
from pixi_mirror.sbom.spdx import write_spdx

Format: TypeAlias = Literal["cyclonedx", "spdx"]
_EPOCH = "SOURCE_DATE_EPOCH"
"""The variable that fixes the dates in what programs make (reproducible-builds.org)."""
FORMATS: tuple[Format, ...] = get_args(Format)


class _Writer(Protocol):
    def __call__(self, bill: Bill, *, created: datetime | None = None) -> bytes: ...


_WRITERS: Mapping[Format, _Writer] = {"cyclonedx": write_cyclonedx, "spdx": write_spdx}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sbom:
    """A bill of materials and the document that says it."""

    bill: Bill
    document: bytes


def make_sbom(
    mirror: Path,
    form: Format,
    *,
    environments: Sequence[str] = (),
    platforms: Sequence[str] = (),
    created: datetime | None = None,
) -> Sbom:
    """Make the bill of materials of a mirror from its inventory, without any lock or network.

    Args:
        mirror: its directory.
        form: of the document.
        environments: list only these; empty: everything that the mirror holds.
        platforms: names or subdirs, likewise.
        created: the date that the document gives; None: it follows from the locks, or there is none.

    Raises:
        MachineError: there is no mirror, or it cannot be read.
        WorkspaceError: no subscription has an environment or a platform of such a name.
    """
    tree = open_mirror(mirror)
    bill = bill_of(tree.inventory, tree, environments=environments, platforms=platforms)
    return Sbom(bill=bill, document=_WRITERS[form](bill, created=created))


def bill_of(
    inventory: Inventory, tree: TreeView, *, environments: Sequence[str] = (), platforms: Sequence[str] = ()
) -> Bill:
    """What an inventory has, with what the files of a mirror say of licences and dependencies.

    Raises:
        MachineError: a file cannot be read.
        WorkspaceError: no subscription has an environment or a platform of such a name.
    """
    held = {**inventory.tree, **tree.inventory.tree}
    return list_components(
        inventory,
        lambda path: tree.read(path) if path in held else None,
        environments=environments,
        platforms=platforms,
    )


def date_of_source(environ: Mapping[str, str]) -> datetime | None:
    """The date that documents are to have, by the variable SOURCE_DATE_EPOCH; None: none is set.

    Raises:
        UsageError: it is no number of seconds.
    """
    raw = environ.get(_EPOCH, "")
    if not raw:
        return None
    try:
        return datetime.fromtimestamp(int(raw), tz=UTC)
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"{_EPOCH} is a number of seconds since 1970, not {raw!r}.") from None


def write_document(path: Path, document: bytes) -> None:
    """Write a document, whole or not at all; a file of that name is replaced.

    Raises:
        MachineError: it cannot be written.
    """
    with explain_errors("write", path):
        write_synced(path, document, temporary=path.with_name(f".{path.name}.{fresh_name()}"))
