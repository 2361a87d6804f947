"""Read from an uploaded file what it is, and refuse what contradicts itself; nothing is unpacked to disk."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pixi_mirror.conda.names import SUFFIXES, split_file_name
from pixi_mirror.conda.records import read_record
from pixi_mirror.hosting.provenance import provenance_of
from pixi_mirror.hosting.upload import PackageUpload, UploadRefused
from pixi_mirror.model.hosted import SCHEME, hosted_distribution, hosted_index
from pixi_mirror.model.packages import HostedKinds, Listing, Package
from pixi_mirror.model.values import Url, admit_path
from pixi_mirror.paths import unsafe_file_name
from pixi_mirror.pypi.examine import ExaminedDistribution, examine_sdist, examine_wheel
from pixi_mirror.pypi.names import ARCHIVES, WHEEL

_CHUNK = 1 << 20
_DIGESTS = {"md5": "md5", "sha256": "sha256", "blake2_256": "blake2b"}
"""The names that clients give to digests, and those of the library; BLAKE2 with 32 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminedUpload:
    """A file that says the same as its name, as a pin."""

    package: Package
    listing: Listing | None
    """Of a distribution; None: it is a conda package."""


def examine(upload: PackageUpload, kinds: HostedKinds, *, now: datetime) -> ExaminedUpload:
    """What an uploaded file is.

    Args:
        upload: the file.
        kinds: what its hosted name takes.
        now: the time of the upload.

    Raises:
        UploadRefused: the name takes no such file (403), or it is not what it says to be (400).
        MachineError: it cannot be read.
    """
    name = upload.filename
    if (problem := unsafe_file_name(name)) is not None:
        raise UploadRefused(400, "bad file name", f"{problem}.")
    if name.endswith(SUFFIXES) and not _is_sdist(upload, kinds):
        if not kinds.conda:
            raise UploadRefused(403, "no conda channel here", f"{upload.name} is an index for Python packages alone.")
        _compare_digests(upload)
        return _examine_conda(upload)
    if not name.lower().endswith(ARCHIVES):
        raise UploadRefused(400, "not a package", f"{name} is no name of a conda package, a wheel or an sdist.")
    if not kinds.pypi:
        raise UploadRefused(403, "no Python index here", f"{upload.name} is a channel for conda packages alone.")
    _compare_digests(upload)
    return _examine_distribution(upload, now)


def _is_sdist(upload: PackageUpload, kinds: HostedKinds) -> bool:
    """Whether a `.tar.bz2` is an old sdist rather than a conda package: who sends a conda package says its subdir."""
    return upload.filename.endswith(".tar.bz2") and upload.subdir is None and kinds.pypi and not kinds.conda


def _compare_digests(upload: PackageUpload) -> None:
    """Compare what the client claims with the bytes: those that it names, and no others are asked for."""
    claimed = {name: value.lower() for name, value in upload.digests.items() if value and name in _DIGESTS}
    found: dict[str, str] = {"sha256": upload.sha256}
    if others := [name for name in claimed if name != "sha256"]:
        found |= _digests(upload, others)
    for name, value in claimed.items():
        if found[name] != value:
            raise UploadRefused(
                400, f"{name} differs", f"{upload.filename} has {name} {found[name]}, and {value[:128]} was claimed."
            )


def _digests(upload: PackageUpload, names: list[str]) -> Mapping[str, str]:
    made = {name: _new_digest(name) for name in names}
    with upload.path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            for digest in made.values():
                digest.update(chunk)
    return {name: digest.hexdigest() for name, digest in made.items()}


def _new_digest(name: str) -> "hashlib._Hash | hashlib.blake2b":
    if name == "blake2_256":
        return hashlib.blake2b(digest_size=32)
    return hashlib.new(_DIGESTS[name], usedforsecurity=False)


def _examine_conda(upload: PackageUpload) -> ExaminedUpload:
    try:
        split_file_name(upload.filename)
        record = read_record(upload.path, file_name=upload.filename)
    except ValueError as error:
        raise UploadRefused(400, "not a conda package", f"{error}.") from error
    subdir = record["subdir"]
    if upload.subdir is not None and upload.subdir != subdir:
        raise UploadRefused(
            400, "wrong subdir", f"{upload.filename} says that it is for {subdir}, and it was sent to {upload.subdir}."
        )
    path = admit_path(f"{upload.name}/{subdir}/{upload.filename}")
    package = Package.of_record(record, path=path, url=Url(f"{SCHEME}{path}"))
    return ExaminedUpload(package=package, listing=None)


def _examine_distribution(upload: PackageUpload, now: datetime) -> ExaminedUpload:
    is_wheel = upload.filename.endswith(WHEEL)
    try:
        found: ExaminedDistribution = (examine_wheel if is_wheel else examine_sdist)(
            upload.path, file_name=upload.filename
        )
    except ValueError as error:
        raise UploadRefused(400, "not a wheel" if is_wheel else "not an sdist", f"{error}.") from error
    package = hosted_distribution(
        upload.name,
        file_name=upload.filename,
        project=found.project,
        version=found.version,
        sha256=upload.sha256,
        size=upload.size,
        provenance=provenance_of(upload),
    )
    listing = Listing(
        index=hosted_index(upload.name),
        is_settled=True,
        requires_python=found.requires_python,
        yanked=None,
        upload_time=upload_time(now),
        metadata=found.metadata,
        build_requires=found.build_requires,
    )
    return ExaminedUpload(package=package, listing=listing)


def upload_time(now: datetime) -> str:
    """The time of an upload as PEP 700 has it: `yyyy-mm-ddThh:mm:ss.ffffffZ`."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
