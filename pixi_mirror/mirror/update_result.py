"""What a user requests of an update, and what it found and did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pixi_mirror.errors import PixiMirrorError
from pixi_mirror.mirror.plan import Plan
from pixi_mirror.mirror.subscriptions import SourceSelection
from pixi_mirror.model.packages import PackageFile
from pixi_mirror.model.policy import PolicyVerdict
from pixi_mirror.model.values import Json, MirrorPath

if TYPE_CHECKING:  # a run with nothing to fetch must not pay for it
    from pixi_mirror.cache.batch import FailedPackage
    from pixi_mirror.policy.files import PolicyFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRequest:
    """What the user requests of an update."""

    mirror: Path
    names_mirror: bool = False
    """Whether the user names the directory; if not, it is the default one."""
    selection: SourceSelection
    flat: bool
    defer: bool
    """Whether absent packages are to come only when a client asks for them."""
    dry_run: bool
    fork: bool = False
    """Whether a mirror that imports fill is to become one of its own."""
    policy: PolicyFiles | None = None
    """What the packages must keep from now on; None: what the mirror records."""
    drops_policy: bool = False
    """Whether the policy that the mirror records is to hold no longer."""
    question: Mapping[str, Json]
    """Every option and every input outside the mirror, for the memo of a complete update."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateResult:
    """What an update found and did."""

    mirror: Path
    dry_run: bool
    plan: Plan
    """As found before the run."""
    indexes: tuple[MirrorPath, ...]
    """Index files written; in a dry run those that would be written."""
    fetched: tuple[MirrorPath, ...]
    fetched_size: int
    """Bytes of these."""
    failed: tuple[FailedPackage, ...]
    error: PixiMirrorError | None
    """Why the run was no success; None: it was one."""
    policy: PolicyVerdict | None = None
    """What was found against the policy; None: there is none."""


def result_of(
    request: UpdateRequest,
    plan: Plan,
    *,
    indexes: tuple[MirrorPath, ...] = (),
    stored: Mapping[MirrorPath, PackageFile] = MappingProxyType({}),
    failed: tuple[FailedPackage, ...] = (),
    error: PixiMirrorError | None,
    policy: PolicyVerdict | None = None,
) -> UpdateResult:
    """The result of an update with a plan."""
    return UpdateResult(
        mirror=request.mirror,
        dry_run=request.dry_run,
        plan=plan,
        indexes=indexes,
        fetched=tuple(sorted(stored)),
        fetched_size=sum(each.size for each in stored.values()),
        failed=failed,
        error=error,
        policy=policy,
    )
