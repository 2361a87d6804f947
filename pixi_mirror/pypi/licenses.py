"""Read what packages say of their licence: as an SPDX expression where it is one, else as it was found; pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

_NO_STATEMENT = frozenset({"", "none", "noassertion", "unknown"})
"""What stands for no statement. The first two words are those of SPDX 2.3, clause 7.15."""
_IDENTIFIER = re.compile(r"(?!LicenseRef-)[A-Za-z0-9.-]+")
_OWN = re.compile(r"LicenseRef-[A-Za-z0-9.-]+")
_LONGEST = 200
"""Characters of a licence; what is longer is the text of one, not its name."""
_CLASSIFIER = "License :: "


@dataclass(frozen=True, slots=True)
class License:
    """What a package says of its licence."""

    text: str
    """As found, on one line."""
    expression: str | None
    """The SPDX expression that the text is, with identifiers in the case of the SPDX list; None: it is none."""

    @property
    def identifier(self) -> str | None:
        """The identifier of the SPDX list that the expression is; None: it is none, or more than one."""
        found = self.expression
        return found if found is not None and _IDENTIFIER.fullmatch(found) else None

    @property
    def own_references(self) -> tuple[str, ...]:
        """The `LicenseRef-` names in the expression: licences that the SPDX list does not have."""
        return tuple(sorted(set(_OWN.findall(self.expression or ""))))


@lru_cache(maxsize=4096)
def read_license(text: object) -> License | None:
    """What the field `license` of a record or of core metadata says; None: nothing.

    The library `packaging` judges expressions, by the rules of PEP 639 and its copy of the SPDX list.
    """
    if not isinstance(text, str):
        return None
    line = " ".join(text.split())
    if line.lower() in _NO_STATEMENT:
        return None
    if len(line) > _LONGEST:
        return License(f"{line[:_LONGEST].rstrip()}...", None)
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        return License(line, str(canonicalize_license_expression(line)))
    except (InvalidLicenseExpression, ValueError, RecursionError):
        return License(line, None)


def license_of_metadata(expression: str | None, text: str | None, classifiers: Iterable[str]) -> License | None:
    """The licence that core metadata name: `License-Expression`, else `License`, else the classifiers.

    A `License` that is the text of a licence says less than a classifier does, so it comes last.
    """
    short = text if text is not None and len(text) <= _LONGEST else None
    if (named := read_license(expression) or read_license(short)) is not None:
        return named
    last_words = {each.rpartition(" :: ")[2] for each in classifiers if each.startswith(_CLASSIFIER)}
    found = sorted(last_words - {"OSI Approved"})
    return License(", ".join(found), None) if len(found) > 1 else read_license(found[0] if found else text)
