"""What a report of `verify` has besides its findings: what the mirror holds, under which licences, since when."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime

from pixi_mirror import __version__
from pixi_mirror.advisories.audit import AuditRequest, audit
from pixi_mirror.commands.database_lines import database_json
from pixi_mirror.errors import MachineError, WorkspaceError
from pixi_mirror.history.log import list_generations
from pixi_mirror.mirror.status import environments_of
from pixi_mirror.mirror.tree import Tree, open_mirror
from pixi_mirror.mirror.verify import VerifyResult
from pixi_mirror.model.values import Json, MirrorPath
from pixi_mirror.sbom.components import list_components


def evidence(found: VerifyResult) -> Mapping[str, Json]:
    """What a report has besides: evidence of what was there, and which program checked it.

    Raises:
        MachineError: the mirror cannot be read.
    """
    tree = open_mirror(found.mirror)
    return {
        "at": datetime.now(tz=UTC).isoformat(timespec="seconds"),
        "tool": f"pixi-mirror {__version__}",
        "quick": found.quick,
        "inventory_sha256": found.inventory_sha256,
        "inventory": _inventory(tree),
        "licenses": _licenses(tree),
        "generations": _generations(tree),
        "advisories": _advisories(tree),
        "files": [{"path": name, "sha256": each.sha256, "size": each.size} for name, each in found.looked.items()],
        "subscriptions": [
            {
                "workspace": snapshot.workspace,
                "requests": [asdict(request) for request in snapshot.requests],
                "left_out": [asdict(refusal) for refusal in snapshot.refused],
            }
            for snapshot in found.snapshots
        ],
    }


def _inventory(tree: Tree) -> Json:
    """What the mirror holds, in sums."""
    inventory = tree.inventory
    stored = inventory.stored
    kinds: dict[str, set[MirrorPath]] = {}
    for package in (*inventory.kept.values(), *inventory.wanted):
        if package.path in stored:
            kinds.setdefault(package.kind, set()).add(package.path)
    stamp = inventory.stamp
    return {
        "generation": None if stamp is None else stamp.number,
        "fingerprint": None if stamp is None else stamp.fingerprint,
        "kinds": {
            kind: {"files": len(paths), "bytes": sum(stored[path].size for path in paths)}
            for kind, paths in sorted(kinds.items())
        },
        "environments": [
            {
                "workspace": snapshot.workspace,
                "environment": each.environment,
                "platforms": list(each.platforms),
                "files": each.files,
                "bytes": each.size,
            }
            for snapshot in inventory.snapshots
            for each in environments_of(snapshot, stored)
        ],
    }


def _licenses(tree: Tree) -> Json:
    """How many package files have which licence, the most frequent first."""
    counts: dict[tuple[str | None, str | None], int] = {}
    for component in list_components(tree.inventory, tree.read).components:
        found = component.license
        key = (None, None) if found is None else (found.text, found.expression)
        counts[key] = counts.get(key, 0) + 1
    ordered = sorted(counts, key=lambda key: (-counts[key], key[0] or ""))
    return [{"license": key[0], "expression": key[1], "files": counts[key]} for key in ordered]


def _generations(tree: Tree) -> Json:
    """The history, the newest first; null: it is for the owner of the mirror alone, or cannot be read."""
    if tree.is_closed:
        return None
    try:
        known = list_generations(tree.root).generations
    except MachineError:
        return None
    return [
        {
            "number": each.number,
            "fingerprint": each.fingerprint,
            "at": datetime.fromtimestamp(each.made_at, UTC).isoformat(timespec="seconds"),
            "verb": each.verb,
            "files": each.files,
            "bytes": each.size,
        }
        for each in known
    ]


def _advisories(tree: Tree) -> Json:
    """What is known against the packages; null: the mirror carries no advisories."""
    try:
        found = audit(AuditRequest(mirror=tree.root))
    except WorkspaceError:
        return None
    return {
        "databases": [database_json(each.path, each.database) for each in found.databases],
        "newest": found.newest.isoformat(timespec="seconds"),
        "checked": found.checked,
        "findings": [
            {
                "id": each.names[0],
                "name": each.package,
                "version": each.version,
                "severity": each.severity.level,
                "summary": each.summary,
                "paths": [file.package.path for file in each.files],
            }
            for each in found.findings
        ],
    }
