"""Make values of the rows of an inventory: packages, listings, files, the stamp; every name and hash is admitted."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import get_args

from pixi_mirror.model.packages import GeneratedFile, Kind, Listing, Package, PackageFile, Stamp
from pixi_mirror.model.values import Json, MirrorPath, Url, admit_md5, admit_path, admit_sha256
from pixi_mirror.pypi.requirements import without_secrets

_MIRROR = re.compile(r"[0-9a-f]{32}")


def stamp_of(row: Mapping[str, Json]) -> Stamp:
    """The generation that a row names.

    Raises:
        ValueError: it is none.
    """
    if not _MIRROR.fullmatch(row["mirror"]) or not 1 <= row["number"] <= row["last"]:
        raise ValueError(f"{str(row)[:60]!r} is no generation of a mirror")
    return Stamp(
        mirror=row["mirror"],
        number=row["number"],
        last=row["last"],
        fingerprint=admit_sha256(row["fingerprint"]),
        content=admit_sha256(row["content"]),
        imported=row.get("imported", False),
    )


def package_of(row: Json, admitted: Mapping[str, MirrorPath]) -> Package:
    """The package of a row; `admitted` has its path.

    Raises:
        ValueError: a hash is none, or its kind is unknown.
    """
    return Package(
        path=admitted[row["path"]],
        url=Url(row["url"]),
        sha256=None if row["sha256"] is None else admit_sha256(row["sha256"]),
        md5=None if row["md5"] is None else admit_md5(row["md5"]),
        size=row["size"],
        kind=one_of(row["kind"], Kind),
        name=row["name"],
        version=row["version"],
        build=row["build"],
        subdir=row["subdir"],
        record=MappingProxyType(row["record"]),
    )


def require_segment(raw: str) -> None:
    """Refuse what is not one part of a path.

    Raises:
        ValueError: it is not.
    """
    if "/" in admit_path(raw):
        raise ValueError(f"{raw!r} is not one part of a path")


def one_of(raw: str, alternatives: Json) -> Json:
    """The word `raw`, if it is one of the literals `alternatives`.

    Raises:
        ValueError: it is none of them.
    """
    if raw not in get_args(alternatives):
        raise ValueError(f"{raw!r} is none of {', '.join(get_args(alternatives))}")
    return raw


def listing_of(row: Mapping[str, Json]) -> Listing:
    """What a row says of a PyPI file, or of a hosted one.

    Raises:
        ValueError: a hash is none.
    """
    metadata, needs = row["metadata"], row["build_requires"]
    return Listing(
        **{
            **row,
            "metadata": None if metadata is None else admit_sha256(metadata),
            # Earlier builds stored what a pyproject.toml has, user and password of a URL included.
            "build_requires": None if needs is None else tuple(map(without_secrets, needs)),
        }
    )


def content_of(row: Json) -> PackageFile | GeneratedFile:
    """The file of the tree that a row describes.

    Raises:
        ValueError: a hash is none.
    """
    if "recipe" in row:
        return GeneratedFile(recipe=admit_sha256(row["recipe"]))
    return PackageFile(sha256=admit_sha256(row["sha256"]), size=row["size"])
