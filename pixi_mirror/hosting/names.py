"""Which names a mirror hosts, and which it may come to host."""

import re
from dataclasses import dataclass

from pixi_mirror.errors import UnmirrorableError
from pixi_mirror.mirror.tree_view import TreeView
from pixi_mirror.model.packages import HostedKinds, Inventory, Snapshot
from pixi_mirror.model.segments import is_portable
from pixi_mirror.paths import is_free_at_root
from pixi_mirror.progress import counted
from pixi_mirror.suggest import suggested

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?")
_LONGEST = 64
_OF_THE_SERVER = frozenset({"all", "api", "t"})
"""`serve --hosted all`, and the first segments of paths that uploaders and `/t/TOKEN/` have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedName:
    """A name under which a mirror takes uploads: `NAME/` is a channel, or `NAME/simple/` an index, or both."""

    name: str
    conda: bool
    pypi: bool
    files: int
    """What was uploaded and is still there, what was yanked included."""
    size: int
    """Bytes of these."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Of `conda` and `pypi` those that it takes."""
        return tuple(kind for kind, takes in (("conda", self.conda), ("pypi", self.pypi)) if takes)


def hosted_names(tree: TreeView) -> tuple[HostedName, ...]:
    """The hosted names of a mirror, ordered by name."""
    found = (_described(snapshot, snapshot.hosted) for snapshot in tree.inventory.hosted if snapshot.hosted is not None)
    return tuple(sorted(found, key=lambda each: each.name))


def _described(snapshot: Snapshot, kinds: HostedKinds) -> HostedName:
    return HostedName(
        name=snapshot.workspace,
        conda=kinds.conda,
        pypi=kinds.pypi,
        files=len(snapshot.packages),
        size=sum(package.size or 0 for package in snapshot.packages),
    )


def hosted_snapshot(inventory: Inventory, name: str) -> Snapshot | None:
    """What was uploaded to a hosted name; None: the mirror hosts no such name."""
    return next((each for each in inventory.hosted if each.workspace == name), None)


def require_hosted(tree: TreeView, name: str) -> Snapshot:
    """What was uploaded to a hosted name.

    Raises:
        UnmirrorableError: the mirror hosts no such name.
    """
    found = hosted_snapshot(tree.inventory, name)
    if found is None:
        known = suggested(name, {each.workspace for each in tree.inventory.hosted})
        raise UnmirrorableError(
            f"{tree.root} hosts nothing named {name!r}{known}. `pixi-mirror host add {name}` makes such a name."
        )
    return found


def refuse_taken_name(tree: TreeView, name: str) -> None:
    """Refuse a name that no hosted channel or index can have in this mirror.

    Raises:
        UnmirrorableError: it is no name, it is reserved, or something else of the mirror is called so.
    """
    if len(name) > _LONGEST or not _NAME.fullmatch(name) or not is_portable(name):
        raise UnmirrorableError(
            f"{name[:80]!r} can be no hosted name: it has up to {_LONGEST} of a-z, 0-9, - and _, and begins and ends "
            "with a letter or digit."
        )
    if not is_free_at_root(name) or name in _OF_THE_SERVER:
        raise UnmirrorableError(
            f"{name!r} can be no hosted name, since mirrors use it for something else. Choose another one."
        )
    if tree.inventory.layout == "flat":
        raise UnmirrorableError(
            f"{tree.root} is one merged channel (--flat), so it can host no other. Host {name!r} in another mirror."
        )
    if hosted_snapshot(tree.inventory, name) is not None:
        raise UnmirrorableError(f"{tree.root} hosts {name!r} already; nothing was changed.")
    top = f"{name}/"
    taken = [path for path in tree.inventory.tree if path.casefold().startswith(top)]
    channels = [
        channel.url
        for snapshot in tree.inventory.snapshots
        for cell in snapshot.cells
        for channel in cell.channels
        if channel.path is not None and f"{channel.path}/".startswith(top)
    ]
    if taken or channels:
        what = f"the channel {channels[0]}" if channels else f"{counted(len(taken), 'file')}, such as {taken[0]}"
        raise UnmirrorableError(f"{tree.root} has {what} in {top} already. Choose another name than {name!r}.")
