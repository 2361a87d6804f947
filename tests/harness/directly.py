"""Call the verbs in this process, as the command line would with a user who has configured nothing.

    mirror = Directly(world)
    mirror.update("workspace/pixi.lock")
    assert mirror.prune(apply=True, grace_days=0).removed

A start of Python costs more than most runs, so whatever needs many runs, and is about what verbs do and not about how
that is told, goes this way.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.world import World

from pixi_mirror.context import Context
from pixi_mirror.mirror.forget import ForgetResult, forget
from pixi_mirror.mirror.index_programs import ProgramEnvironment
from pixi_mirror.mirror.prune import PruneResult, prune
from pixi_mirror.mirror.sidecars import ChannelSidecars
from pixi_mirror.mirror.subscriptions import SourceSelection
from pixi_mirror.mirror.update import update
from pixi_mirror.mirror.update_result import UpdateRequest, UpdateResult
from pixi_mirror.mirror.verify import VerifyResult, verify
from pixi_mirror.model.request import Request
from pixi_mirror.progress import NoProgress
from pixi_mirror.settings.read import NetworkOptions, read_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Directly:
    """One mirror of a world, and whoever runs the verbs on it."""

    world: World
    place: Path | None = None
    """Of the mirror; None: the world's."""
    retries: int = 0

    @property
    def mirror(self) -> Path:
        return self.place or self.world.mirror

    @property
    def cache(self) -> Path:
        return self.world.home / "cache"

    @property
    def context(self) -> Context:
        return Context(
            cache_directory=lambda: self.cache,
            settings=lambda workspace: read_settings(
                environ={},
                workspace=workspace or self.world.directory,
                home=self.world.home,
                options=NetworkOptions(retries=self.retries),
            ),
            progress=NoProgress(),
            environ=self.world.environment,
            directory=lambda: self.world.directory,
            sidecar_maker=self._sidecar_maker,
        )

    def _sidecar_maker(self, _locks: Iterable[str]) -> ChannelSidecars:
        surroundings = ProgramEnvironment(
            environ=self.world.environment, python=Path(sys.executable), prefix=Path(sys.prefix), workspaces=()
        )
        return ChannelSidecars(surroundings, NoProgress(), choice="json", shards="never")

    def update(self, *locks: Path | str, environments: Iterable[str] | None = None) -> UpdateResult:
        """Follow these locks, all their environments by default; none named: refresh what is followed."""
        names = None if environments is None else tuple(environments)
        chosen = SourceSelection(
            locks=tuple(self.world.directory / lock for lock in locks),
            request=Request(environments=names, platforms=()) if locks else None,
        )
        asked = UpdateRequest(mirror=self.mirror, selection=chosen, flat=False, defer=False, dry_run=False, question={})
        return update(asked, self.context, announce=lambda plan: None)

    def forget(self, lock: Path | str, *, environments: Iterable[str] = ()) -> ForgetResult:
        return forget(
            self.mirror,
            lock=self.world.directory / lock,
            name=None,
            environments=tuple(environments),
            context=self.context,
        )

    def prune(self, *, apply: bool, grace_days: float = 0, force: bool = True) -> PruneResult:
        return prune(self.mirror, apply=apply, grace_days=grace_days, force=force, context=self.context)

    def verify(self, *, repair: bool = False, quick: bool = False) -> VerifyResult:
        return verify(self.mirror, repair=repair, quick=quick, context=self.context)
