"""Compare what is wanted with what is held, by path and digest; pure."""

import posixpath
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate

from pixi_mirror.model.packages import GeneratedFile, PackageFile
from pixi_mirror.model.values import MirrorPath, Sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeDifference:
    """How what is held differs from what is wanted; each tuple is sorted."""

    missing: tuple[MirrorPath, ...]
    """Wanted and not held."""
    changed: tuple[MirrorPath, ...]
    """Held with another content than is wanted."""
    surplus: tuple[MirrorPath, ...]
    """Held and not wanted."""


def compare(wanted: Mapping[MirrorPath, Sha256 | None], held: Mapping[MirrorPath, Sha256 | None]) -> TreeDifference:
    """The difference between what is wanted and what is held: path -> sha256 of the bytes, or recipe.

    A wanted None takes any bytes. A held None is a damaged file, which never is what is wanted.
    """
    missing = [path for path in wanted if path not in held]
    changed = [path for path in wanted if path in held and not _suffices(held[path], wanted[path])]
    surplus = [path for path in held if path not in wanted]
    return TreeDifference(
        missing=tuple(sorted(missing)), changed=tuple(sorted(changed)), surplus=tuple(sorted(surplus))
    )


def twin(paths: Iterable[str]) -> tuple[str, str] | None:
    """The first two of these paths, or of the folders above them, that differ only in case; None: there are none."""
    names: dict[str, str] = {}
    for path in sorted(paths):
        for name in accumulate(path.split("/"), posixpath.join):
            other = names.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
            if other != name:
                return other, name
    return None


def _suffices(held: Sha256 | None, wanted: Sha256 | None) -> bool:
    return held is not None and wanted in (None, held)


def promised(content: PackageFile | GeneratedFile) -> Sha256:
    """What a file of the tree is known by: the sha256 of a package, the recipe of a generated file."""
    return content.sha256 if isinstance(content, PackageFile) else content.recipe
