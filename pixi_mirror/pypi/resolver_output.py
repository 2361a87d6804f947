"""Read the files that a resolver chose from pip's installation report and from `pylock.toml` (PEP 751); pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_mirror.model.values import Json, Sha256, admit_sha256

if TYPE_CHECKING:  # versions of `packaging` before 26 lack it
    from packaging.pylock import Package as LockedPackage


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedFile:
    """One file that a resolver chose."""

    name: str
    """Normalised."""
    version: str
    url: str
    sha256: Sha256


def read_report(text: str) -> tuple[ResolvedFile, ...]:
    """The files of pip's installation report, version 1.

    Raises:
        ValueError: the text is no such report, or a file has no sha256.
    """
    try:
        rows = [(row["metadata"], row["download_info"]) for row in json.loads(text)["install"]]
        return tuple(
            _resolved_file(
                metadata["name"], metadata["version"], download["url"], download["archive_info"].get("hashes", {})
            )
            for metadata, download in rows
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is no report of pip: it lacks or misspells {error}") from None
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"it is no report of pip, but damaged JSON: {error}") from None


def read_pylock(text: str) -> tuple[ResolvedFile, ...]:
    """The wheels of a `pylock.toml`, with the reader of `packaging` 26.

    Raises:
        ValueError: the text is no such file, a package has no wheel, or a wheel has no URL or no sha256.
    """
    import tomllib

    from packaging.pylock import Pylock, PylockValidationError

    try:
        document = Pylock.from_dict(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(f"it is no pylock.toml, but damaged TOML: {error}") from None
    except PylockValidationError as error:
        raise ValueError(f"it is no pylock.toml: {error}") from None
    return tuple(file for package in document.packages for file in _wheels(package))


def _wheels(package: "LockedPackage") -> Iterator[ResolvedFile]:
    if not package.wheels:
        raise ValueError(f"{package.name} has no wheel for this platform")
    for wheel in package.wheels:
        yield _resolved_file(package.name, str(package.version), wheel.url, wheel.hashes)


def _resolved_file(name: Json, version: Json, url: Json, hashes: Mapping[str, Json]) -> ResolvedFile:
    from packaging.utils import canonicalize_name

    for key, value in (("name", name), ("version", version), ("url", url)):
        if not isinstance(value, str):
            raise ValueError(f"{name} {version} has no {key}")  # noqa: TRY004 - the document is wrong, no argument
    if "sha256" not in hashes:
        raise ValueError(f"{name} {version} has no sha256")
    return ResolvedFile(name=canonicalize_name(name), version=version, url=url, sha256=admit_sha256(hashes["sha256"]))
