"""Read what people have found out about vulnerabilities in their packages: documents of OpenVEX and of CycloneDX; pure.

OpenVEX 0.2 (github.com/openvex/spec) and `vulnerabilities` of CycloneDX 1.4 to 1.7. A statement takes a finding away if
it says that the package is not affected, or that it is fixed, and why.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import unquote

from pixi_mirror.model.values import Json
from pixi_mirror.sbom.purl import Purl, parse_purl

Status: TypeAlias = Literal["not_affected", "affected", "fixed", "under_investigation"]
_WAIVING: Collection[Status] = ("not_affected", "fixed")
_STATUSES: Mapping[str, Status] = {
    "not_affected": "not_affected",
    "affected": "affected",
    "fixed": "fixed",
    "under_investigation": "under_investigation",
}
_STATES: Mapping[str, Status] = {
    "not_affected": "not_affected",
    "false_positive": "not_affected",
    "resolved": "fixed",
    "resolved_with_pedigree": "fixed",
    "exploitable": "affected",
    "in_triage": "under_investigation",
}
"""Of `analysis.state` in CycloneDX."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VexStatement:
    """What a document says of one vulnerability in some packages."""

    document: str
    """The name of the file."""
    vulnerability: frozenset[str]
    """All its names."""
    products: tuple[Purl, ...]
    status: Status
    justification: str
    """Why, in the words of the document; empty: it does not say."""
    order: tuple[str, int]
    """When it was made, and its place in the document: of several about the same, the last counts."""

    @property
    def waives(self) -> bool:
        """Whether a finding needs no answer any more: it says why it does no harm, or that it is fixed."""
        return self.status == "fixed" or (self.status in _WAIVING and bool(self.justification))

    def is_about(self, names: Collection[str], packages: Iterable[Collection[Purl]]) -> bool:
        """Whether it speaks of a vulnerability with one of these names in every one of these packages.

        Each package is given by the purls that name it, any of which will do.
        """
        return not self.vulnerability.isdisjoint(names) and all(
            any(product.covers(purl) for product in self.products for purl in purls) for purls in packages
        )


def read_vex(data: bytes, document: str) -> tuple[VexStatement, ...]:
    """The statements of a document.

    Args:
        data: its bytes.
        document: how to call it.

    Raises:
        ValueError: it is neither OpenVEX nor CycloneDX with vulnerabilities, or a statement lacks what it must have.
    """
    try:
        raw = json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if isinstance(raw, dict) and raw.get("bomFormat") == "CycloneDX":
        return tuple(_of_cyclonedx(raw, document))
    if isinstance(raw, dict) and isinstance(raw.get("statements"), list):
        return tuple(_of_openvex(raw, document))
    raise ValueError("it is neither OpenVEX (an object with `statements`) nor CycloneDX (`bomFormat`)")


def _of_openvex(raw: Mapping[str, Json], document: str) -> Iterator[VexStatement]:
    for number, each in enumerate(raw["statements"]):
        if not isinstance(each, dict) or each.get("status") not in _STATUSES:
            raise ValueError(f"statement {number + 1} has no status of {', '.join(_STATUSES)}")
        names = frozenset(_openvex_names(each.get("vulnerability")))
        if not names:
            raise ValueError(f"statement {number + 1} names no vulnerability")
        reasons = (each.get(key) for key in ("justification", "impact_statement", "action_statement"))
        yield VexStatement(
            document=document,
            vulnerability=names,
            products=tuple(_openvex_products(each.get("products"))),
            status=_STATUSES[each["status"]],
            justification=next((text for text in reasons if isinstance(text, str) and text), ""),
            order=(str(each.get("timestamp") or raw.get("timestamp") or ""), number),
        )


def _openvex_names(raw: Json) -> Iterator[str]:
    if isinstance(raw, str):  # before version 0.2
        yield raw
    if isinstance(raw, dict):
        names = (raw.get("name"), raw.get("@id"), *_list(raw.get("aliases")))
        yield from (name for name in names if isinstance(name, str) and name)


def _openvex_products(raw: Json) -> Iterator[Purl]:
    """The products that are packages themselves; a package inside of another product is a case of that product."""
    for each in _list(raw):
        if isinstance(each, dict):
            if each.get("subcomponents"):
                continue
            identifiers = each.get("identifiers")
            texts = [each.get("@id"), identifiers.get("purl") if isinstance(identifiers, dict) else None]
        else:
            texts = [each]
        yield from (purl for text in texts if isinstance(text, str) and (purl := parse_purl(text)) is not None)


def _of_cyclonedx(raw: Mapping[str, Json], document: str) -> Iterator[VexStatement]:
    purls = {
        each["bom-ref"]: each.get("purl")
        for each in _list(raw.get("components"))
        if isinstance(each, dict) and isinstance(each.get("bom-ref"), str)
    }
    for number, each in enumerate(_list(raw.get("vulnerabilities"))):
        if not isinstance(each, dict) or not isinstance(each.get("id"), str):
            raise ValueError(f"vulnerability {number + 1} has no id")  # noqa: TRY004 - the document is wrong
        analysis = each.get("analysis")
        if not isinstance(analysis, dict) or analysis.get("state") not in _STATES:
            continue  # it says what there is, and not what was found out about it
        references = (member.get("id") for member in _list(each.get("references")) if isinstance(member, dict))
        reasons = (analysis.get(key) for key in ("justification", "detail"))
        yield VexStatement(
            document=document,
            vulnerability=frozenset([each["id"], *(name for name in references if isinstance(name, str))]),
            products=tuple(_cyclonedx_products(each.get("affects"), purls)),
            status=_STATES[analysis["state"]],
            justification=next((text for text in reasons if isinstance(text, str) and text), ""),
            order=(str(analysis.get("lastUpdated") or analysis.get("firstIssued") or ""), number),
        )


def _cyclonedx_products(raw: Json, purls: Mapping[str, Json]) -> Iterator[Purl]:
    """What `affects` refers to: a component of the document, a purl, or a component of another document by its link."""
    for each in _list(raw):
        reference = each.get("ref") if isinstance(each, dict) else None
        if not isinstance(reference, str):
            continue
        if reference.startswith("urn:cdx:"):
            reference = unquote(reference.partition("#")[2])
        text = purls.get(reference) or reference
        if isinstance(text, str) and (purl := parse_purl(text)) is not None:
            yield purl


def _list(raw: Json) -> list[Json]:
    return raw if isinstance(raw, list) else []
