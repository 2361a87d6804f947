"""An upload as it comes, what becomes of it, and why it may be refused."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from pixi_mirror.model.values import Json, MirrorPath, Sha256

HttpStatus: TypeAlias = Literal[400, 403, 409, 413]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageUpload:
    """A file that was sent, complete on the mirror's disk, with what its sender says of it."""

    name: str
    """The hosted name that it is for."""
    filename: str
    """As the client says; nothing of it is believed before it is verified."""
    subdir: str | None
    """Of a conda package; None: the client says none, and the package's own counts."""
    path: Path
    """A complete temporary file on the mirror's disk; from now on it is the receiver's, which renames or removes it."""
    size: int
    """Bytes that were written."""
    sha256: Sha256
    """Of these, computed while they came."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """What the client claims, in hexadecimal digits, by `md5`, `sha256` and `blake2_256`."""
    attestations: tuple[Json, ...] = ()
    """PEP 740: the attestation objects that came along, parsed."""
    user: str
    """Who sends it, for the audit log: the name of a user, or `local`."""
    address: str
    """From where, for the audit log: an IP address, or empty for this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadOutcome:
    """What became of an upload that was not refused: it is in the mirror and listed."""

    path: MirrorPath
    """Where it is in the mirror."""
    is_new: bool
    """Whether it was placed now; False: the same bytes were there."""
    project: str
    """Of a distribution, normalised; the name of a conda package."""
    version: str
    sha256: Sha256


class UploadRefused(Exception):
    """An upload is not taken, and nothing of it stays.

    `status` is that of HTTP: 400 it is not what it has to be, 403 the name takes no such file, 409 other bytes have
    that name, 413 there is no room. `reason` is one short phrase, `detail` a sentence that says what to do.
    """

    def __init__(self, status: HttpStatus, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.status = status
        self.reason = reason
        self.detail = detail
