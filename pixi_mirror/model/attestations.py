"""Name the attestation file of a conda package, which its channel has beside it (CEP 50)."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import MappingProxyType

from pixi_mirror.model.packages import Package
from pixi_mirror.model.values import MirrorPath, Url, admit_path, admit_sha256

ATTESTATIONS = ".sigs"
"""What stands behind the name of a package; the file whose bytes never change has its sha256 behind that."""
FIELD = "attestations_sha256"
"""The field of a record that says that there is such a file, and its sha256."""

_ENDING = re.compile(r"\.(?:conda|tar\.bz2)\.sigs(?P<digest>\.[0-9a-f]{64})?\Z")


def attestations_of(package: Package) -> Package | None:
    """The attestation file that the record of a conda package promises, under the name that has its sha256.

    None: the record promises none, or the package is no file of a channel.
    """
    digest = package.record.get(FIELD) if package.kind == "conda" else None
    if digest is None or package.path.split("/")[-2:-1] != [package.subdir]:
        return None
    sha256 = admit_sha256(digest)
    ending = f"{ATTESTATIONS}.{sha256}"
    # A query or a fragment stands behind the path of a URL.
    url = re.sub(r"(?=[?#]|\Z)", ending, package.url.raw, count=1)
    return replace(
        package,
        path=admit_path(package.path + ending),
        url=Url(url),
        sha256=sha256,
        md5=None,
        size=None,
        kind="attestations",
        record=MappingProxyType({}),
    )


def with_attestations(packages: Iterable[Package]) -> Iterator[Package]:
    """The packages, each with the attestation file that its record promises."""
    for package in packages:
        yield package
        if (found := attestations_of(package)) is not None:
            yield found


def attested_path(path: MirrorPath) -> MirrorPath:
    """The path of the package that an attestation file is about."""
    return MirrorPath(path.rpartition(f"{ATTESTATIONS}.")[0])


def is_attestations(path: str) -> bool:
    """Whether a path is that of an attestation file, with or without a sha256 in its name."""
    return _ENDING.search(path) is not None


def is_current_attestations(path: str) -> bool:
    """Whether it is the one without a sha256, whose bytes may change."""
    found = _ENDING.search(path)
    return found is not None and found["digest"] is None
