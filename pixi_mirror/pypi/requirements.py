"""Read requirement lines (PEP 508) and judge versions by them (PEP 440), with the library `packaging`; pure.

Lines come from foreign files, and some are older than the specifications. What `packaging` cannot read refuses nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pixi_mirror.model.values import Url

if TYPE_CHECKING:  # the library is imported where a line is read: start-up counts
    from packaging.requirements import Requirement

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_UNSAFE_IN_FILES = (" -", "$", "#", "\\")
"""Where one stands in a line, a requirements file may take the line for an option, a variable or a comment."""


class RequirementParts(NamedTuple):
    """What a requirement line says."""

    name: str
    """Normalised."""
    extras: tuple[str, ...]
    specifier: str
    """Empty: any version."""
    marker: str | None
    """None: it holds everywhere."""
    url: str | None
    """None: the project is on an index."""


def read_requirement(line: str) -> RequirementParts:
    """Read a requirement line that a person wrote.

    Raises:
        ValueError: it is none; the text says why, as part of a sentence.
    """
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    try:
        found = Requirement(line)
    except InvalidRequirement as error:
        raise ValueError(str(error).partition("\n")[0].strip().rstrip(".")) from None
    return RequirementParts(
        name=canonicalize_name(found.name),
        extras=tuple(sorted(found.extras)),
        specifier=str(found.specifier),
        marker=None if found.marker is None else str(found.marker),
        url=found.url,
    )


def without_secrets(line: str) -> str:
    """A requirement line as it may be stored and shown: its URLs are without user, token, query and fragment."""
    return _URL.sub(lambda found: Url(found[0]).stripped, line)


def required_name(line: str) -> str:
    """The normalised name of the project that a requirement line asks for; empty if there is none."""
    from packaging.utils import canonicalize_name

    name = _NAME.match(line.strip())
    return canonicalize_name(name[0]) if name else ""


def is_conditional(line: str) -> bool:
    """Whether a requirement line has a marker, such as one for an extra, and so does not hold everywhere."""
    requirement = _requirement(line)
    return ";" in line if requirement is None else requirement.marker is not None


def marker_of(line: str) -> str | None:
    """The marker of a requirement line; None: it has none, or cannot be read."""
    requirement = _requirement(line) if ";" in line else None
    return None if requirement is None or requirement.marker is None else str(requirement.marker)


def extras_of(line: str) -> frozenset[str]:
    """The normalised names of the extras that a requirement line asks for."""
    from packaging.utils import canonicalize_name

    requirement = _requirement(line)
    return frozenset() if requirement is None else frozenset(map(canonicalize_name, requirement.extras))


def accepts(line: str, version: str) -> bool:
    """Whether an installed `version` is one that a requirement line asks for.

    A pre-release that is installed counts as any other version. A line or a version that `packaging` cannot read is
    accepted, because conda packages and old sdists have versions that are none of PEP 440.
    """
    from packaging.version import InvalidVersion, Version

    requirement = _requirement(line)
    if requirement is None:
        return True
    try:
        Version(version)
    except InvalidVersion:
        return True
    return requirement.specifier.contains(version, prereleases=True)


def admit_for_resolver(line: str) -> str:
    """The canonical spelling of a requirement line that may be handed to a resolver.

    An sdist chooses these lines. A URL, or what a requirements file takes for an option (`--index-url=...`, `-e .`),
    would run programs of its choice.

    Raises:
        ValueError: the line is no requirement, names a URL, or holds characters that a requirements file interprets.
    """
    requirement = _requirement(line)
    spelling = str(requirement)
    if requirement is None or requirement.url is not None:
        raise ValueError("it is no name with versions and markers (PEP 508)")
    if not spelling.isprintable() or any(part in spelling for part in _UNSAFE_IN_FILES):
        raise ValueError("it holds characters that a requirements file takes for something else")
    return spelling


def _requirement(line: str) -> Requirement | None:
    from packaging.requirements import Requirement

    try:
        return Requirement(line)
    except (ValueError, SyntaxError, RecursionError):  # the last two: quoting or nesting that older versions trip over
        return None
