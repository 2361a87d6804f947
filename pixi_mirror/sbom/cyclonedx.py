"""Write a bill of materials as CycloneDX 1.6 in JSON (ECMA-424); pure, the same bytes for the same mirror."""

from collections.abc import Iterator
from datetime import datetime
from itertools import chain

from pixi_mirror import __version__
from pixi_mirror.model.values import Json
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

ENDING = ".cdx.json"
"""How the name of a file in this format ends."""

_ROOT = "mirror"
"""Reference of what the document is about."""


def write_cyclonedx(bill: Bill, *, created: datetime | None = None) -> bytes:
    """The document.

    Args:
        bill: what it lists.
        created: what it gives as its date, in UTC; None: it gives none, so that equal mirrors have equal documents.
    """
    components = rows_of(map(_component, bill.components))
    everything = {"ref": _ROOT, "dependsOn": [component.reference for component in bill.components]}
    others = ({"ref": component.reference, "dependsOn": component.depends} for component in bill.components)
    dependencies = rows_of(chain([everything], others))
    root = {"bom-ref": _ROOT, "name": document_name(bill), "type": "application"}
    stamp = {} if created is None else {"timestamp": created.strftime("%Y-%m-%dT%H:%M:%SZ")}
    tool = {"name": PRODUCER, "type": "application", "version": __version__}
    head = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{document_uuid('cyclonedx', rows_of([root]), components, dependencies)}",
        "version": 1,
        "metadata": {**stamp, "component": root, "tools": {"components": [tool]}},
    }
    return join_document(head, {"components": components, "dependencies": dependencies})


def _component(component: Component) -> Json:
    package = component.package
    digests = (("SHA-256", component.sha256), ("MD5", package.md5))
    hashes = [{"alg": name, "content": digest} for name, digest in digests if digest is not None]
    found: dict[str, Json] = {
        "bom-ref": component.reference,
        "name": package.name,
        "purl": component.purl,
        "scope": "required" if component.is_installed else "excluded",
        "type": "library",
        "version": package.version,
    }
    if hashes:
        found["hashes"] = hashes
    if component.license is not None:
        found["licenses"] = [_license(component)]
    if references := list(_references(component)):
        found["externalReferences"] = references
    found["properties"] = [{"name": f"{PRODUCER}:{name}", "value": value} for name, value in facts(component)]
    return found


def _license(component: Component) -> Json:
    license_ = component.license
    assert license_ is not None  # noqa: S101 - the caller has looked
    if license_.identifier is not None:
        return {"license": {"id": license_.identifier}}
    if license_.expression is not None:
        return {"expression": license_.expression}
    return {"license": {"name": license_.text}}


def _references(component: Component) -> Iterator[Json]:
    if (url := download_url(component.package)) is not None:
        yield {"type": "vcs" if component.package.kind == "git" else "distribution", "url": url}
    if component.attestations is not None:
        yield {"type": "attestation", "url": component.attestations}
