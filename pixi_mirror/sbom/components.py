"""The components of a mirror: its packages with licences, dependencies, and the environments that have them; pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pixi_mirror.mirror.contents import choose_cells
from pixi_mirror.mirror.merge import merge
from pixi_mirror.mirror.requirements_graph import RequirementsGraph
from pixi_mirror.model.attestations import attestations_of
from pixi_mirror.model.packages import Cell, Inventory, Package, Target
from pixi_mirror.model.values import MirrorPath, Sha256
from pixi_mirror.pypi.licenses import License, license_of_metadata, read_license
from pixi_mirror.pypi.metadata import CoreMetadata, metadata_beside
from pixi_mirror.sbom.purl import package_purl

ReadFile = Callable[[MirrorPath], bytes | None]
"""Gives the bytes of a file of the mirror; None: it is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One package file of a mirror."""

    package: Package
    reference: str
    """Its name in the document: the purl, with the sha256 behind it where several files have one purl."""
    purl: str
    sha256: Sha256 | None
    """None: it is not here yet, and the lock does not say."""
    license: License | None
    """None: nothing is said of it."""
    targets: tuple[Target, ...]
    """Who wants it; empty: nobody any more, and it is not pruned yet."""
    is_installed: bool
    """Whether an environment installs it; False: it only serves to build others, or nobody wants it."""
    is_held: bool
    """Whether the file is here; False: it is deferred."""
    attestations: str | None
    """URL of its attestation file; None: the lock knows none."""
    depends: tuple[str, ...]
    """References of the components that it depends on, in any environment that has it; sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What is in a mirror, or in some environments of it."""

    workspaces: tuple[str, ...]
    components: tuple[Component, ...]
    """Sorted by reference."""
    newest_timestamp: int
    """Milliseconds: the highest timestamp of a package of the locks; 0: none has one."""


def list_components(
    inventory: Inventory, read: ReadFile, *, environments: Sequence[str] = (), platforms: Sequence[str] = ()
) -> Bill:
    """List what a mirror holds as components.

    Args:
        inventory: of the mirror.
        read: gives the core metadata beside wheels, which say licence and dependencies.
        environments: list only these; empty: everything that the mirror holds.
        platforms: names or subdirs, likewise.

    Raises:
        WorkspaceError: no subscription has an environment or a platform of such a name.
        UnmirrorableError: the inventory wants two files at one path; no update records such a one.
    """
    chosen = choose_cells(inventory.snapshots, environments, platforms)
    names = {snapshot.id: snapshot.workspace for snapshot in inventory.snapshots}
    merged = merge(inventory.snapshots, layout=inventory.layout, names=names)
    packages = {**inventory.kept, **merged.packages}
    if environments or platforms:
        wanted = {path for _, cell in chosen for path in cell.packages}
        packages = {path: package for path, package in packages.items() if path in wanted}
    packages = {path: each for path, each in packages.items() if _is_offered(each, inventory)}
    cells = tuple(cell for _, cell in chosen)
    metadata = {
        path: found for path, each in packages.items() if each.kind == "pypi" and (found := metadata_beside(path, read))
    }
    depends = _dependencies(packages, cells, metadata)
    purls = {path: package_purl(package) for path, package in packages.items()}
    digests = {path: _sha256(package, inventory) for path, package in packages.items()}
    references = _references(purls, digests)
    installed = {path for cell in cells for path in cell.packages if path not in cell.build_packages}
    components = [
        Component(
            package=package,
            reference=references[path],
            purl=purls[path],
            sha256=digests[path],
            license=_license(package, metadata.get(path)),
            targets=merged.targets.get(path, ()),
            is_installed=path in installed,
            is_held=path in inventory.tree,
            attestations=_attestations_url(package),
            depends=tuple(sorted(references[each] for each in depends.get(path, ()))),
        )
        for path, package in packages.items()
    ]
    return Bill(
        workspaces=tuple(sorted({snapshot.workspace for snapshot, _ in chosen})),
        components=tuple(sorted(components, key=lambda component: component.reference)),
        newest_timestamp=max((snapshot.newest_timestamp for snapshot, _ in chosen), default=0),
    )


def _is_offered(package: Package, inventory: Inventory) -> bool:
    """Whether clients can have it as a package of its own."""
    is_here = package.path in inventory.tree or package.path in inventory.deferred
    return is_here and package.kind != "attestations"


def _references(
    purls: Mapping[MirrorPath, str], digests: Mapping[MirrorPath, Sha256 | None]
) -> Mapping[MirrorPath, str]:
    """A name for each component: its purl, and where several have the same one, the digest or the path, too."""
    times = Counter(purls.values())
    return {
        path: purl if times[purl] == 1 else f"{purl}#{digests[path] or path}" for path, purl in sorted(purls.items())
    }


def _sha256(package: Package, inventory: Inventory) -> Sha256 | None:
    stored = inventory.stored_at(package.path)
    return package.sha256 if stored is None else stored.sha256


def _dependencies(
    packages: Mapping[MirrorPath, Package], cells: Iterable[Cell], metadata: Mapping[MirrorPath, CoreMetadata]
) -> Mapping[MirrorPath, set[MirrorPath]]:
    """What each package depends on in any of the environments; what an environment lacks is left out."""
    requirements = {path: each.requires_dist for path, each in metadata.items()}
    found: dict[MirrorPath, set[MirrorPath]] = {}
    for cell in cells:
        here = [packages[path] for path in cell.packages if path in packages]
        graph = RequirementsGraph(here, subdir=cell.subdir, requirements=lambda path: requirements.get(path, ()))
        for needed in here:
            for dependant in graph.dependants(needed):
                found.setdefault(dependant.package.path, set()).add(needed.path)
    return found


def _license(package: Package, metadata: CoreMetadata | None) -> License | None:
    if metadata is None:
        return read_license(package.record.get("license"))
    return license_of_metadata(metadata.license_expression, metadata.license, metadata.classifiers)


def _attestations_url(package: Package) -> str | None:
    attestations = attestations_of(package)
    return None if attestations is None else attestations.url.stripped
