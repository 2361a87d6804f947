"""Write a bill of materials as SPDX 2.3 in JSON (ISO/IEC 5962); pure, the same bytes for the same mirror."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import chain

from pixi_mirror import __version__
from pixi_mirror.model.values import Json, sha256_of
from pixi_mirror.pypi.licenses import License
from pixi_mirror.sbom.components import Bill, Component
from pixi_mirror.sbom.documents import (
    PRODUCER,
    document_name,
    document_uuid,
    download_url,
    facts,
    join_document,
    rows_of,
)

ENDING = ".spdx.json"
"""How the name of a file in this format ends."""

_NO_STATEMENT = "NOASSERTION"
_DIGITS = 16
"""Of the digest that tells one element from the others."""
_NO_IDENTIFIER = re.compile(r"[^A-Za-z0-9.-]+")


def write_spdx(bill: Bill, *, created: datetime | None = None) -> bytes:
    """The document.

    Args:
        bill: what it lists.
        created: what it gives as its date, in UTC, for the format wants one; None: that of the newest package.
    """
    names = {component.reference: _identifier(component) for component in bill.components}
    packages = rows_of(_package(component, names) for component in bill.components)
    described = (_relation("SPDXRef-DOCUMENT", "DESCRIBES", name) for name in names.values())
    depends = (
        _relation(names[component.reference], "DEPENDS_ON", names[other])
        for component in bill.components
        for other in component.depends
    )
    relations = rows_of(chain(described, depends))
    found = [component.license for component in bill.components if component.license is not None]
    licenses = {name: text for each in found for name, text in _own_licenses(each).items()}
    moment = created or datetime.fromtimestamp(bill.newest_timestamp / 1000, tz=UTC)
    head = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": document_name(bill),
        "documentNamespace": f"https://spdx.org/spdxdocs/{PRODUCER}-{document_uuid('spdx', packages, relations)}",
        "creationInfo": {
            "created": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "creators": [f"Tool: {PRODUCER}-{__version__}"],
        },
        "hasExtractedLicensingInfos": [
            {"licenseId": name, "name": text, "extractedText": text} for name, text in sorted(licenses.items())
        ],
    }
    return join_document(head, {"packages": packages, "relationships": relations})


def _package(component: Component, names: Mapping[str, str]) -> Json:
    package = component.package
    digests = (("SHA256", component.sha256), ("MD5", package.md5))
    purl = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": component.purl}
    return {
        "SPDXID": names[component.reference],
        "name": package.name,
        "versionInfo": package.version,
        "packageFileName": package.path.rpartition("/")[2],
        "downloadLocation": download_url(package) or _NO_STATEMENT,
        "filesAnalyzed": False,
        "supplier": _NO_STATEMENT,
        "licenseConcluded": _NO_STATEMENT,
        "licenseDeclared": _declared(component.license),
        "copyrightText": _NO_STATEMENT,
        "checksums": [{"algorithm": name, "checksumValue": digest} for name, digest in digests if digest is not None],
        "externalRefs": [purl],
        "comment": "; ".join(f"{name}: {value}" for name, value in facts(component)),
    }


def _identifier(component: Component) -> str:
    readable = _NO_IDENTIFIER.sub("-", f"{component.package.name}-{component.package.version}")
    return f"SPDXRef-{readable}-{sha256_of(component.reference.encode())[:_DIGITS]}"


def _relation(element: str, kind: str, other: str) -> Json:
    return {"spdxElementId": element, "relationshipType": kind, "relatedSpdxElement": other}


def _declared(license_: License | None) -> str:
    if license_ is None:
        return _NO_STATEMENT
    return license_.expression or next(iter(_own_licenses(license_)))


def _own_licenses(license_: License) -> Mapping[str, str]:
    """The licences that the SPDX list lacks: `LicenseRef-` name -> what was found."""
    if license_.expression is not None:
        return {name: name for name in license_.own_references}
    return {f"LicenseRef-{PRODUCER}-{sha256_of(license_.text.encode())[:_DIGITS]}": license_.text}
