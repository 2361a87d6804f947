"""Keep what locks pin apart from what the mirror hosts: their paths, and the names of their projects; pure."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from pixi_mirror.model.hosted import hosted_projects, is_hosted_url
from pixi_mirror.model.packages import Channel, Inventory, Package, Snapshot
from pixi_mirror.model.values import MirrorPath, admit_path
from pixi_mirror.paths import DEFAULT_HOST

_HOME = f"https://{DEFAULT_HOST}/"


def beside_hosted(snapshot: Snapshot, inventory: Inventory) -> Snapshot:
    """The pins of a lock with other paths for channels of the default host that are called as a hosted name.

    Such a channel cannot leave its host out: `team` is in `conda.anaconda.org/team/`.
    """
    hosted = frozenset(each.workspace for each in inventory.hosted)
    if not hosted or snapshot.hosted is not None:
        return snapshot

    def moved(path: MirrorPath, url: str) -> MirrorPath:
        is_taken = path.partition("/")[0] in hosted and url.startswith(_HOME)
        return admit_path(f"{DEFAULT_HOST}/{path}") if is_taken else path

    packages = tuple(replace(each, path=moved(each.path, each.url.stripped)) for each in snapshot.packages)
    paths = {old.path: new.path for old, new in zip(snapshot.packages, packages, strict=True)}
    return replace(
        snapshot,
        packages=tuple(sorted(packages, key=lambda each: each.path)),
        tools=tuple(replace(each, path=moved(each.path, each.url.stripped)) for each in snapshot.tools),
        cells=tuple(
            replace(
                cell,
                channels=tuple(_moved_channel(each, moved) for each in cell.channels),
                packages=tuple(paths.get(path, path) for path in cell.packages),
                build_packages=tuple(paths.get(path, path) for path in cell.build_packages),
            )
            for cell in snapshot.cells
        ),
    )


def _moved_channel(channel: Channel, moved: Callable[[MirrorPath, str], MirrorPath]) -> Channel:
    if channel.path is None:
        return channel
    return replace(channel, path=moved(channel.path, channel.url))


def in_hosted_folders(snapshots: Iterable[Snapshot]) -> Iterator[str]:
    """A sentence for each hosted name in whose folder a lock would have something else."""
    snapshots = tuple(snapshots)
    hosted = {each.workspace for each in snapshots if each.hosted is not None}
    found: dict[str, str] = {}
    for snapshot in snapshots:
        for package in snapshot.wanted if hosted and snapshot.hosted is None else ():
            top = package.path.partition("/")[0]
            if top in hosted:
                found.setdefault(top, str(package.url))
    for name, url in sorted(found.items()):
        yield (
            f"  {url} would stand in {name}/, which this mirror hosts itself. Host it under another name (`pixi-mirror "
            "host`), or mirror the lock into another directory."
        )


def hidden_projects(packages: Iterable[Package]) -> tuple[str, ...]:
    """A sentence that names the projects that locks bring and the mirror hosts itself; empty: there are none."""
    packages = tuple(packages)
    hosted = hosted_projects(packages)
    both = sorted({each.name for each in packages if each.kind == "pypi" and not is_hosted_url(each.url.raw)} & hosted)
    if not both:
        return ()
    return (
        f"{', '.join(both)}: locks bring files of that name, and this mirror hosts its own, which alone are listed in "
        "simple/. If you do not know whose the public project is, somebody may want it to be taken for yours.",
    )
