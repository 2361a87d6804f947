"""The sidecars of `repodata.json`: `.zst` and shards, made by rattler-index and published only if they say the same.

`repodata.json` itself is always our own. A client that finds a sidecar never looks at it, so a sidecar is there either
with the same records or not at all.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from pixi_mirror.conda.repodata import lists_nothing
from pixi_mirror.errors import ProgramError
from pixi_mirror.mirror.indexers.programs import Choice, Programs, Surroundings
from pixi_mirror.model.indexes import Beside, Made, Makings, Role
from pixi_mirror.model.values import MirrorPath, Sha256, admit_path, admit_sha256, canonical
from pixi_mirror.progress import Progress

__all__ = ["SHARDS_FROM", "Choice", "Shards", "Sidecars", "Surroundings"]

Shards: TypeAlias = Literal["auto", "always", "never"]

SHARDS_FROM = 6_000_000
"""Bytes of `repodata.json` from which shards pay; measured, see `docs/indexes.md`."""

_RULES = 1
"""Raised whenever the same index would get other sidecars."""
_JSON = "repodata.json"
_ZST = "repodata.json.zst"
_SHARD_INDEX = "repodata_shards.msgpack.zst"
_FOLDER, _SUFFIX = "shards", ".msgpack.zst"


class Sidecars:
    """Companion of every `repodata.json` that lists something."""

    def __init__(
        self, surroundings: Surroundings, progress: Progress, *, choice: Choice | None, shards: Shards = "auto"
    ) -> None:
        """Make them with the program `choice`; None: keep up to date what there is, and begin nothing."""
        self._programs = Programs(surroundings, choice or "auto")
        self._progress = progress
        self._choice = choice
        self._shards = shards

    def recipes(self, made: Mapping[MirrorPath, Made], standing: Collection[MirrorPath]) -> Mapping[MirrorPath, Sha256]:
        """The recipe of the sidecars of each index file that is to have some."""
        if self._choice == "json":
            return {}
        roles = [role for path in standing if (role := self.role(path)) is not None]
        kept = {role.main for role in roles}
        sharded = {role.main for role in roles if role.is_part}
        found = {}
        for path, file in made.items():
            if path.rpartition("/")[2] != _JSON or (self._choice is None and path not in kept):
                continue
            data = file.content()
            if not lists_nothing(data):
                with_shards = path in sharded if self._choice is None else self._pays(data)
                found[path] = _recipe(file, with_shards=with_shards)
        return found

    def _pays(self, data: bytes) -> bool:
        return self._shards == "always" or (self._shards == "auto" and len(data) >= SHARDS_FROM)

    def mark(self) -> str:
        """What would make them.

        Raises:
            ProgramError: what was asked for by name is not there.
        """
        return self._programs.chosen().mark

    def make(self, made: Mapping[MirrorPath, Made], recipes: Mapping[MirrorPath, Sha256], workshop: Path) -> Makings:
        """Make the sidecars whose recipes are given by index file, in the empty private directory `workshop`."""
        program = self._programs.chosen()
        if program.run is None:
            self._progress.note(f"the indexes are plain repodata.json: {program.why}")
            return Makings()
        from pixi_mirror.mirror.indexers.work import Order, worked

        files: dict[MirrorPath, Beside] = {}
        for channel, mains in _by_channel(recipes).items():
            orders = [
                Order(
                    main=main,
                    data=made[main].content(),
                    shards=recipes[main] == _recipe(made[main], with_shards=True),
                )
                for main in mains
            ]
            try:
                files |= worked(orders, program.run, workshop, warn=self._progress.warn)
            except ProgramError as error:
                if self._choice not in ("auto", None):
                    return Makings(files=files, error=error)
                self._progress.warn(f"{channel or 'the channel'} has plain repodata.json only: {error}")
        return Makings(files=files)

    def role(self, path: MirrorPath) -> Role | None:
        """What a derived file is to another; None: it is no sidecar."""
        place, _, name = path.rpartition("/")
        if name == _SHARD_INDEX:
            return Role(main=_main(place), rank=0, is_part=False)
        if name == _ZST:
            return Role(main=_main(place), rank=1, is_part=False)
        if name.endswith(_SUFFIX) and place.endswith(f"/{_FOLDER}"):
            return Role(main=_main(place.removesuffix(f"/{_FOLDER}")), rank=0, is_part=True)
        return None


def _main(place: str) -> MirrorPath:
    return admit_path(f"{place}/{_JSON}")


def _recipe(file: Made, *, with_shards: bool) -> Sha256:
    return admit_sha256(hashlib.sha256(canonical([_RULES, file.recipe, with_shards])).hexdigest())


def _by_channel(mains: Iterable[MirrorPath]) -> Mapping[str, list[MirrorPath]]:
    found: dict[str, list[MirrorPath]] = {}
    for main in mains:
        subdir = main.rpartition("/")[0]
        found.setdefault(subdir.rpartition("/")[0], []).append(main)
    return found
