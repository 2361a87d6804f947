"""Make the sidecars of `repodata.json`, `.zst` and shards: ourselves, or with a program if they then say the same.

`repodata.json` itself is always our own. A client that finds a sidecar does not read it, so a sidecar has the same
records, or it does not exist.

A program, rattler-index, works in a private directory with empty files named like the packages. It opens no package
whose record is in `repodata.json`, and is never given --force. If it lost that file, it would fail at the first empty
file, and not index what the archives say in place of what the channel says.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal, TypeAlias

from pixi_mirror.conda.index_files import (
    REPODATA,
    REPODATA_ZST,
    SHARD_INDEX,
    SHARD_SUFFIX,
    SHARDS,
    repodata_path,
    shard_path,
)
from pixi_mirror.conda.repodata import lists_nothing, read_relations, read_with_relations
from pixi_mirror.errors import ProgramError
from pixi_mirror.mirror.index_programs import Choice, IndexPrograms, ProgramEnvironment, Runner
from pixi_mirror.mirror.run_indexer import SidecarOrder, run_indexer
from pixi_mirror.model.attestations import is_current_attestations
from pixi_mirror.model.indexes import IndexFile, SidecarFiles, SidecarResult, SidecarRole, StandingFiles
from pixi_mirror.model.values import MirrorPath, Sha256, canonical, sha256_of
from pixi_mirror.progress import Progress

Shards: TypeAlias = Literal["auto", "always", "never"]

SHARDS_FROM = 6_000_000
"""Bytes of `repodata.json` from which shards pay; measured, see `docs/indexes.md`."""

_RULES = 1
"""Goes up whenever the same index would get other sidecars."""


class ChannelSidecars:
    """Makes the sidecars of every `repodata.json` that lists something."""

    def __init__(
        self, environment: ProgramEnvironment, progress: Progress, *, choice: Choice | None, shards: Shards = "auto"
    ) -> None:
        """Make them as `choice` says; None: keep those that exist up to date, and begin no new ones."""
        self._programs = IndexPrograms(environment, choice or "auto")
        self._progress = progress
        self._choice = choice
        self._shards = shards

    @property
    def is_named(self) -> bool:
        """Whether the user named the program to use, so that a missing program is an error."""
        return self._choice not in (None, "auto", "own", "json")

    def recipes(
        self, files: Mapping[MirrorPath, IndexFile], sidecars: Collection[MirrorPath]
    ) -> Mapping[MirrorPath, Sha256]:
        """The recipe of the sidecars of each index file that should have some."""
        if self._choice == "json":
            return {}
        roles = [role for path in sidecars if (role := self.role(path)) is not None]
        kept = {role.main for role in roles}
        sharded = {role.main for role in roles if role.is_part}
        found = {}
        for path, file in files.items():
            if path.rpartition("/")[2] != REPODATA or (self._choice is None and path not in kept):
                continue
            data = file.content()
            if not lists_nothing(data):
                with_shards = path in sharded if self._choice is None else self._pays(data)
                found[path] = _recipe(file, with_shards=with_shards)
        return found

    def _pays(self, data: bytes) -> bool:
        return self._shards == "always" or (self._shards == "auto" and len(data) >= SHARDS_FROM)

    def mark(self) -> str:
        """What would make them, and its version.

        Raises:
            ProgramError: the program that the user named does not exist.
        """
        return self._programs.chosen().mark

    def make(
        self,
        files: Mapping[MirrorPath, IndexFile],
        recipes: Mapping[MirrorPath, Sha256],
        *,
        standing: StandingFiles,
        directory: Callable[[], AbstractContextManager[Path]],
    ) -> SidecarResult:
        """Make the sidecars whose recipes are given by index file.

        What a program that the user did not name fails to make, we make ourselves.
        """
        run = self._programs.chosen().run
        orders = [
            SidecarOrder(
                main=main,
                data=(data := files[main].content()),
                relations=read_relations(data),
                attestations=_attestations_beside(main, files),
                shards=recipe == _recipe(files[main], with_shards=True),
            )
            for main, recipe in recipes.items()
        ]
        made = SidecarResult() if run is None else self._run(run, orders, directory)
        if self.is_named:
            return made
        from pixi_mirror.mirror.own_sidecars import own_sidecars

        left = [order for order in orders if order.main not in made.files]
        return SidecarResult(files={**made.files, **own_sidecars(left, standing, warn=self._progress.warn)})

    def _run(
        self, run: Runner, orders: Iterable[SidecarOrder], directory: Callable[[], AbstractContextManager[Path]]
    ) -> SidecarResult:
        """Have a program make them, one channel after the other."""
        made: dict[MirrorPath, SidecarFiles] = {}
        with directory() as private:
            for channel, some in _by_channel(orders):
                try:
                    made |= run_indexer(some, run, private, warn=self._progress.warn)
                except ProgramError as error:
                    if self.is_named:
                        return SidecarResult(files=made, error=error)
                    self._progress.warn(f"pixi-mirror writes the index of {channel or 'the channel'} itself: {error}")
        return SidecarResult(files=made)

    def role(self, path: MirrorPath) -> SidecarRole | None:
        """What a generated file is to an index file; None: it is no sidecar."""
        return sidecar_role(path)


def sidecar_role(path: MirrorPath) -> SidecarRole | None:
    """What a generated file is to a `repodata.json`; None: it is no sidecar."""
    place, _, name = path.rpartition("/")
    if name == SHARD_INDEX:
        return SidecarRole(main=repodata_path(place), rank=0, is_part=False)
    if name == REPODATA_ZST:
        return SidecarRole(main=repodata_path(place), rank=1, is_part=False)
    if name.endswith(SHARD_SUFFIX) and place.endswith(f"/{SHARDS}"):
        return SidecarRole(main=repodata_path(place.removesuffix(f"/{SHARDS}")), rank=0, is_part=True)
    return None


def is_intact(path: MirrorPath, read: Callable[[MirrorPath], bytes | None]) -> bool:
    """Whether a file is a sidecar that says the same as its `repodata.json`.

    A shard is intact if its name is the sha256 of its bytes (CEP 16).

    Args:
        path: of the file.
        read: gives the bytes of a file of the mirror; None: it does not exist, or is not to be believed.
    """
    from pixi_mirror.conda.sidecars import shard_problem, shards_problem, zst_problem

    role, data = sidecar_role(path), read(path)
    if role is None or data is None:
        return False
    folder, _, name = path.rpartition("/")
    if role.is_part:
        return shard_problem(data, name.removesuffix(SHARD_SUFFIX)) is None
    main = read(role.main)
    if main is None:
        return False
    subdir, records, relations = read_with_relations(main)
    if name == REPODATA_ZST:
        return zst_problem(data, subdir, records, relations=relations) is None
    found = shards_problem(data, subdir, records, lambda sha256: read(shard_path(folder, sha256)), relations=relations)
    return found is None


def _by_channel(orders: Iterable[SidecarOrder]) -> Iterable[tuple[str, list[SidecarOrder]]]:
    """The orders that one run of the program can do: those of a channel with the same `channel_relations`."""
    found: dict[tuple[str, bytes], list[SidecarOrder]] = {}
    for order in orders:
        found.setdefault((order.channel, canonical(dict(order.relations))), []).append(order)
    return ((channel, some) for (channel, _), some in found.items())


def _attestations_beside(main: MirrorPath, files: Mapping[MirrorPath, IndexFile]) -> Mapping[str, bytes]:
    lead = f"{main.rpartition('/')[0]}/"
    found = (path for path in files if path.startswith(lead) and is_current_attestations(path))
    return {path.removeprefix(lead): files[path].content() for path in found}


def _recipe(file: IndexFile, *, with_shards: bool) -> Sha256:
    return sha256_of(canonical([_RULES, file.recipe, with_shards]))
