"""The format versions of `pixi.lock`: which can be read, and in what they differ.

To read a new version, add its row to `VERSIONS`. If it spells something in a way of its own, add a field to
`LockVersion`, and read that field in the module that it concerns: `reader` (environments and platforms),
`package_index` (how environments refer to packages), or `records` (what an entry of a conda package says).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class LockVersion:
    """In what one format version differs from others."""

    number: int
    """As the lock spells it under `version`."""
    is_read_here: bool = True
    """Whether this package reads it; else py-rattler does."""
    lists_platforms: bool = False
    """Whether it lists platforms, with names of their own; else every platform is a subdir."""
    locations_are_unique: bool = False
    """Whether a location has one entry under `packages`; else several entries may have one."""
    references_select: bool = False
    """Whether a reference says which of several entries with one location it means; else they are merged."""
    names_kinds: bool = False
    """Whether the key of an entry's location says its kind (`conda:`); else `kind:` does."""
    omits_derived_fields: bool = False
    """Whether a conda entry leaves out what its location tells; else its fields are written or absent."""
    has_run_exports: bool = False
    """Whether a conda entry may have `run_exports`, `indexed_timestamp` and `attestations_sha256`."""


VERSIONS: Mapping[int, LockVersion] = MappingProxyType(
    {
        version.number: version
        for version in (
            LockVersion(number=1, is_read_here=False),
            LockVersion(number=2, is_read_here=False),
            LockVersion(number=3, is_read_here=False),
            LockVersion(number=4),
            LockVersion(number=5),
            LockVersion(number=6, references_select=True, names_kinds=True, omits_derived_fields=True),
            LockVersion(
                number=7,
                lists_platforms=True,
                locations_are_unique=True,
                references_select=True,
                names_kinds=True,
                omits_derived_fields=True,
                has_run_exports=True,
            ),
        )
    }
)
"""Every version that can be read, by its number."""
