"""What is built where it is installed, as rows of the inventory: directories of workspaces, and commits."""

from collections.abc import Mapping
from dataclasses import asdict

from pixi_mirror.model.packages import Snapshot
from pixi_mirror.model.sources import SourceCommit, SourceDirectory
from pixi_mirror.model.values import Json, admit_path

_OPTIONAL = ("channels", "indexes", "archive")
"""What is written only where there is any."""


def source_rows(snapshot: Snapshot) -> Mapping[str, Json]:
    """The keys of a subscription's row; without any source there are none, as before there were such keys."""
    directories = [_row(each) for each in snapshot.directories]
    commits = [_row(each) for each in snapshot.commits]
    return {**({"directories": directories} if directories else {}), **({"commits": commits} if commits else {})}


def source_directory(row: Mapping[str, Json]) -> SourceDirectory:
    """The directory of a row that `inventory_schema` has let through."""
    return SourceDirectory(
        entry=row["entry"],
        path=row["path"],
        kind="conda" if row["kind"] == "conda" else "pypi",
        is_inside=row["is_inside"],
        build_requires=_words(row["build_requires"]),
        channels=tuple(row.get("channels", ())),
        indexes=tuple(row.get("indexes", ())),
        archive=row.get("archive", ""),
    )


def source_commit(row: Mapping[str, Json]) -> SourceCommit:
    """The commit of a row that `inventory_schema` has let through.

    Raises:
        ValueError: its path is none of a mirror.
    """
    return SourceCommit(
        entry=row["entry"],
        path=admit_path(row["path"]),
        kind="conda" if row["kind"] == "conda" else "pypi",
        subdirectory=row["subdirectory"],
        is_read=row["is_read"],
        build_requires=_words(row["build_requires"]),
        channels=tuple(row.get("channels", ())),
        indexes=tuple(row.get("indexes", ())),
        archive=row.get("archive", ""),
    )


def _row(source: SourceDirectory | SourceCommit) -> Json:
    return {name: value for name, value in asdict(source).items() if name not in _OPTIONAL or value}


def _words(raw: list[str] | None) -> tuple[str, ...] | None:
    return None if raw is None else tuple(raw)
