"""Verify the attestations of a mirror: who has built each package, by the bytes that are here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pixi_mirror.mirror.tree_view import FoundFile, TreeView
from pixi_mirror.model.attestations import attestations_of
from pixi_mirror.model.packages import Inventory, Package, home_channel
from pixi_mirror.model.values import MirrorPath
from pixi_mirror.progress import Progress
from pixi_mirror.provenance.signers import Signer, TrustedSigners
from pixi_mirror.provenance.statement import SignedStatement, read_bundles, read_statement


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestedFile:
    """A package file, and who has signed for it."""

    path: MirrorPath
    sha256: str
    signer: Signer
    statement: SignedStatement


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationFailure:
    """A package file whose attestations do not hold."""

    path: MirrorPath
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationsResult:
    """What the attestations of a mirror say."""

    root_sha256: str
    """Of the trusted root by which all was judged."""
    attested: tuple[AttestedFile, ...]
    """A file is here once for each of its attestations; ordered by path."""
    failed: tuple[AttestationFailure, ...]
    unattested: tuple[MirrorPath, ...]
    """Package files without an attestation."""


def check_attestations(
    view: TreeView, found: Mapping[MirrorPath, FoundFile], signers: TrustedSigners, progress: Progress
) -> AttestationsResult:
    """Verify the attestations of all packages that are here.

    Args:
        view: the mirror.
        found: its files as they were hashed.
        signers: who is trusted.
        progress: is informed.

    Raises:
        MachineError: a file cannot be read.
    """
    attested: list[AttestedFile] = []
    failed: list[AttestationFailure] = []
    unattested: list[MirrorPath] = []
    packages = [package for path, package in _packages(view.inventory).items() if path in found]
    progress.begin("verifying attestations", files=len(packages), size=0)
    for package in sorted(packages, key=lambda each: each.path):
        beside = attestations_of(package)
        if beside is None:
            unattested.append(package.path)
        else:
            try:
                attested += _check(package, found[package.path].sha256, view.read(beside.path), signers)
            except ValueError as error:
                failed.append(AttestationFailure(path=package.path, reason=str(error)))
        progress.advance(files=1)
    return AttestationsResult(
        root_sha256=signers.root_sha256, attested=tuple(attested), failed=tuple(failed), unattested=tuple(unattested)
    )


def _packages(inventory: Inventory) -> Mapping[MirrorPath, Package]:
    """The package files that a mirror has for clients; a record with attestations goes before one without."""
    found: dict[MirrorPath, Package] = {}
    for package in (*inventory.kept.values(), *inventory.wanted):
        if package.kind in ("conda", "pypi") and (package.path not in found or attestations_of(package) is not None):
            found[package.path] = package
    return found


def _check(package: Package, sha256: str, data: bytes | None, signers: TrustedSigners) -> Iterator[AttestedFile]:
    """Each attestation of a package; one that does not hold is a failure of the file."""
    if data is None:
        raise ValueError("its attestations are not here: `pixi-mirror verify --repair` fetches them")
    made = []
    for bundle in read_bundles(data):
        signed = signers.verify(bundle)
        file_name = package.path.rpartition("/")[2]
        statement = read_statement(signed.payload_type, signed.payload, file_name=file_name, sha256=sha256)
        _require_channel(package, statement)
        made.append(AttestedFile(path=package.path, sha256=sha256, signer=signed.signer, statement=statement))
    return iter(made)


def _require_channel(package: Package, statement: SignedStatement) -> None:
    channel = home_channel(package)
    if statement.channel is None or channel is None:
        return
    if statement.channel.rstrip("/") != channel.url.rstrip("/"):
        raise ValueError(f"it was published to {statement.channel[:200]!r}, and the lock has it from {channel.url}")
