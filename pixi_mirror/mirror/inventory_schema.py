"""What a mirror's records must look like before they are believed: kinds of values, all the way down; pure.

A mirror may come from somebody else, so its records are checked before they are used.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pixi_mirror.errors import MachineError
from pixi_mirror.model.values import Json

_SHOWN = 60


class NewerFormatError(ValueError):
    """A record was written by a newer program; it is not damaged."""

    def about(self, path: Path) -> MachineError:
        """The error for people of the record at a path."""
        return MachineError(
            f"{path} was written by a newer pixi-mirror: {self}. Nothing was changed. Upgrade pixi-mirror on this "
            "machine."
        )


def require_format(found: Json, *, newest: int) -> None:
    """Refuse a record of another format than this program reads, which are all from 1 to the newest.

    Raises:
        NewerFormatError: a later program has written it.
        ValueError: it is no number of a format.
    """
    if type(found) is not int or found < 1:
        raise ValueError(f"it has format {found!r}, which is none")
    if found > newest:
        known = f"1 to {newest}" if newest > 1 else "1"
        raise NewerFormatError(f"it has format {found}, and the one here reads {known}")


class Each(NamedTuple):
    """An object with any keys, and the shape of each of its values."""

    shape: Any


_SOME_TEXT = (str, type(None))
_SOME_NUMBER = (int, type(None))
_WORDS = ([str], str)
_CONDA = {
    "name": str, "version": str, "build": str, "depends?": [str], "constrains?": [str], "timestamp?": _SOME_NUMBER,
    "extra_depends?": Each([str]), "run_exports?": Each([str]), "features?": _WORDS, "track_features?": _WORDS,
    "purls?": ([str], type(None)),
}  # fmt: skip
_PYPI = {"indexes": [str], "find-links?": [str]}
_GIT = {"references?": [str], "has_user?": bool}
_RECORDS = {"conda": _CONDA, "pypi": _PYPI, "git": _GIT, "attestations": {}}
_PACKAGE = {
    "path": str, "url": str, "sha256": _SOME_TEXT, "md5": _SOME_TEXT, "size": _SOME_NUMBER, "kind": str, "name": str,
    "version": str, "build": _SOME_TEXT, "subdir": _SOME_TEXT, "record": dict,
}  # fmt: skip
_REQUEST = {"environments": ([str], type(None)), "platforms": [str], "build_requires": [str]}
_CELL = {
    "environment": str, "platform": str, "subdir": str,
    "channels": [{"url": str, "path": _SOME_TEXT, "has_token?": bool}], "packages": [int],
    "build_packages?": [int], "virtual_packages?": [str],
}  # fmt: skip
_DIRECTORY = {
    "entry": str, "path": str, "kind": str, "is_inside": bool, "build_requires": ([str], type(None)),
    "channels?": [str], "indexes?": [str], "archive?": str,
}  # fmt: skip
_COMMIT = {
    "entry": str, "path": str, "kind": str, "subdirectory": str, "is_read": bool,
    "build_requires": ([str], type(None)), "channels?": [str], "indexes?": [str], "archive?": str,
}  # fmt: skip
_SUBSCRIPTION = {
    "id": str, "workspace": str, "source_sha256": str, "newest_timestamp": int, "requests": [_REQUEST],
    "refused": [{"entry": str, "reason": str}], "packages": [int], "tools": [int], "tools_for": _SOME_TEXT,
    "cells": [_CELL], "directories?": [_DIRECTORY], "commits?": [_COMMIT], "hosted?": {"conda": bool, "pypi": bool},
}  # fmt: skip
_LISTING = {
    "index": _SOME_TEXT, "is_settled": bool, "requires_python": _SOME_TEXT, "yanked": _SOME_TEXT,
    "upload_time": _SOME_TEXT, "metadata": _SOME_TEXT, "build_requires": ([str], type(None)), "size?": _SOME_NUMBER,
    "status?": _SOME_TEXT,
}  # fmt: skip
_ADVISORIES = {"name": str, "source": str, "advisories": int, "newest": str}
_POLICY = {"name": str, "rules": dict, "program": _SOME_TEXT}
_STAMP = {"mirror": str, "number": int, "last": int, "fingerprint": str, "content": str, "imported?": bool}
_FILE = {"sha256?": str, "recipe?": str, "size?": int}
_INVENTORY = {
    "layout": str, "packages": [_PACKAGE], "subscriptions": [_SUBSCRIPTION], "kept": [int], "deferred?": [str],
    "tree": Each(_FILE), "listings": Each(_LISTING),
    "relations?": Each(Each(str)), "advisories?": Each(_ADVISORIES), "policy?": _POLICY, "generation?": _STAMP,
}  # fmt: skip

_CHANGE = {
    "host": str, "package?": _PACKAGE, "gone?": str, "tree": Each(_FILE),
    "listings": Each(_LISTING), "removed": [str], "generation": _STAMP,
}  # fmt: skip


_usual_kinds: dict[int, "_UsualKinds"] = {}
"""By the `id` of a shape; shapes are constants of this module."""


def require_inventory(raw: Json) -> None:
    """Refuse what cannot be an inventory.

    Raises:
        ValueError: a value is of another kind than it must be; the text says which.
    """
    _require(raw, _INVENTORY, "")
    for number, row in enumerate(raw["packages"]):
        _require(row["record"], _RECORDS.get(row["kind"], _PYPI), f"packages.{number}.record")


def require_change(raw: Json) -> None:
    """Refuse what cannot be a change of an inventory.

    Raises:
        ValueError: a value is of another kind than it must be; the text says which.
    """
    _require(raw, _CHANGE, "")
    if "package" in raw:
        _require(raw["package"]["record"], _RECORDS.get(raw["package"]["kind"], _PYPI), "package.record")


def _require(value: Json, shape: Any, where: str) -> None:  # noqa: ANN401 - kinds, lists and objects of shapes
    match shape:
        case type():
            fits = type(value) is shape  # not `isinstance`: True is no number
        case tuple():
            if isinstance(shape, Each):
                _require_each(value, shape.shape, where)
                return
            fits = any(type(value) is (list if isinstance(kind, list) else kind) for kind in shape)
            if type(value) is list and fits:
                _require(value, shape[0], where)
        case list():
            fits = type(value) is list
            if fits and any(kind is not shape[0] for kind in {*map(type, value)}):  # what most lists hold is plain
                for number, item in enumerate(value):
                    _require(item, shape[0], f"{where}.{number}")
        case _:
            _require_keys(value, shape, where)
            return
    if not fits:
        raise ValueError(f"{where.strip('.')} is {str(value)[:_SHOWN]!r}")


def _require_each(value: Json, shape: Json, where: str) -> None:
    if type(value) is not dict:
        raise ValueError(f"{where.strip('.')} is no object")
    for name, item in value.items():
        _require(item, shape, f"{where}.{name[:_SHOWN]}")


class _UsualKinds:
    """What kinds the values of objects of one shape had that fitted: most objects are like one that was seen before."""

    def __init__(self, shape: Mapping[str, Json]) -> None:
        self.keys = tuple(name.removesuffix("?") for name in shape)
        self.deep = tuple((name.removesuffix("?"), of) for name, of in shape.items() if not _is_flat(of))
        self.seen: set[tuple[type, ...]] = set()


class _Absent:
    """Stands for the value of a key that is not there."""


def _is_flat(shape: Json) -> bool:
    """Whether the kind of a value alone tells that it fits."""
    return isinstance(shape, type) or (
        isinstance(shape, tuple) and not isinstance(shape, Each) and all(isinstance(kind, type) for kind in shape)
    )


def _require_keys(value: Json, shape: Mapping[str, Json], where: str) -> None:
    if type(value) is not dict:
        raise ValueError(f"{where.strip('.') or 'it'} is no object")
    usual = _usual_kinds.get(id(shape))
    if usual is None:
        usual = _usual_kinds[id(shape)] = _UsualKinds(shape)
    kinds = tuple([type(value[key]) if key in value else _Absent for key in usual.keys])
    if kinds in usual.seen:
        for key, of in usual.deep:
            if key in value:
                _require(value[key], of, f"{where}.{key}")
        return
    _require_each_key(value, shape, where)
    usual.seen.add(kinds)


def _require_each_key(value: Mapping[str, Json], shape: Mapping[str, Json], where: str) -> None:
    for name, of in shape.items():
        key = name.removesuffix("?")
        if key in value:
            if type(value[key]) is not of:
                _require(value[key], of, f"{where}.{key}")
        elif key == name:
            raise ValueError(f"{where.strip('.') or 'it'} lacks {key!r}")
