"""A policy as a mirror records it, so that it is judged again wherever the mirror is, and what is found against it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from pixi_mirror.model.values import Json, MirrorPath

Severity: TypeAlias = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRecord:
    """The policy of a mirror."""

    name: str
    """The name of its file, for people."""
    rules: Mapping[str, Json]
    """The table `[mirror]` of our own file, with dates as texts; empty: there is none."""
    program: str | None
    """The policy of pixi-policy, with all that it extends; None: there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFinding:
    """One rule that is not kept."""

    rule: str
    """As `mirror.age`; other rules are those of pixi-policy."""
    severity: Severity
    package: str | None
    """None: it is about no package."""
    version: str | None
    message: str
    help: str
    """What to do; empty: nothing is advised."""
    paths: tuple[MirrorPath, ...] = ()
    """The files that it is about; pixi-policy names none."""
    where: tuple[str, ...] = ()
    """The environments, as WORKSPACE/ENVIRONMENT/PLATFORM; empty: the workspace as a whole, or nobody wants it."""

    @property
    def text(self) -> str:
        """One line for people."""
        about = " ".join(filter(None, [self.package, self.version]))
        more = f" and {len(self.where) - 1} more" if len(self.where) > 1 else ""
        place = f" ({self.where[0]}{more})" if self.where else ""
        return f"{self.rule}: {about}{' ' if about else ''}{self.message}{place}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVerdict:
    """What was found against a policy."""

    policy: PolicyRecord
    findings: tuple[PolicyFinding, ...] = ()
    """Of the severity `error`."""
    warnings: tuple[PolicyFinding, ...] = ()
    waived: tuple[PolicyFinding, ...] = ()
    """What would be findings or warnings without waivers that still hold; the message ends with the reason."""
    unavailable: tuple[str, ...] = ()
    """Data out of reach: what could not be judged, and why."""
    notes: tuple[str, ...] = ()
    """What else could not be judged, and is no fault."""


def policy_row(policy: PolicyRecord) -> Mapping[str, Json]:
    """A policy as it is written into records."""
    return {"name": policy.name, "rules": dict(policy.rules), "program": policy.program}


def read_policy_row(row: Mapping[str, Json]) -> PolicyRecord:
    """The policy of a row whose values have the right kinds."""
    return PolicyRecord(name=row["name"], rules=MappingProxyType(dict(row["rules"])), program=row["program"])
