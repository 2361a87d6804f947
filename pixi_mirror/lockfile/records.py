"""Complete the record of one conda entry: what the lock leaves out is derived exactly as rattler derives it; pure.

The rules are those of rattler_lock/src/utils/derived_fields.rs and parse/models/{v5,v6,v7}/conda_package_data.rs.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pixi_mirror.conda.names import SUBDIRS, split_stem
from pixi_mirror.conda.repodata import to_milliseconds
from pixi_mirror.lockfile.entries import CondaBinary
from pixi_mirror.lockfile.fields import Malformed, mapping, number, shortened, text, texts
from pixi_mirror.lockfile.versions import LockVersion
from pixi_mirror.model.values import Json, admit_md5, admit_sha256

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_LAST_DIGITS = re.compile(r"[0-9]*\Z")
_LARGEST_BUILD_NUMBER = 2**64 - 1
_BEFORE_PATH = 3
"""Pieces of a URL between slashes before its path: the scheme, nothing, and the host."""


class LocationParts(NamedTuple):
    """What a location alone says of a package; None: it does not say it."""

    file_name: str
    parts: tuple[str, str, str, str] | None
    """Name, version, build, extension."""
    parent: str | None
    channel: str | None


def is_path(location: str) -> bool:
    """Whether a location of a lock is a path; `C:` is a drive and no scheme."""
    return _SCHEME.match(location) is None


def location_parts(location: str) -> LocationParts:
    """What `location`, a URL or a path, says of the package that lies there."""
    if is_path(location):
        segments = re.split(r"[/\\]", location)
        least, channel = 1, None
    else:
        segments = location.partition("#")[0].partition("?")[0].split("/")
        least, channel = 5, "/".join(segments[:-2])
    # What stands before the path of a URL is no file name: it may hold a password.
    file_name = segments[-1] if is_path(location) or len(segments) > _BEFORE_PATH else ""
    if "%" in file_name and not is_path(location):
        from urllib.parse import unquote

        file_name = unquote(file_name)
    parent = segments[-2] if len(segments) > least else None
    parts = split_stem(file_name) or _wheel_parts(file_name)
    return LocationParts(file_name, parts, parent, channel if len(segments) >= least else None)


def _wheel_parts(file_name: str) -> tuple[str, str, str, str] | None:
    """The same of a wheel, which a channel may have since CEP 48; it has no build. None: it is no wheel."""
    if not file_name.endswith(".whl"):
        return None
    from pixi_mirror.pypi.names import wheel_name

    try:
        found = wheel_name(file_name)
    except ValueError:
        return None
    return (found.name, found.version, "", "whl")


def _words(value: Json, what: str) -> list[str]:
    return list(texts(value, what))


def _joined(value: Json, what: str) -> str:
    """`track_features` is a list in a lock and one string in repodata."""
    return " ".join(texts(value, what))


def _groups(value: Json, what: str) -> dict[str, list[str]]:
    return {key: _words(words, f"{what}.{key}") for key, words in mapping(value, what).items()}


def _sha256(value: Json, what: str) -> str:
    return _admitted(admit_sha256, value, what)


def _md5(value: Json, what: str) -> str:
    return _admitted(admit_md5, value, what)


def _admitted(admit: Callable[[str], str], value: Json, what: str) -> str:
    try:
        return admit(text(value, what))
    except Malformed:
        raise
    except ValueError as error:
        raise Malformed(f"{what}: {error}") from None


def _plain(value: Json, what: str) -> str:
    if not isinstance(value, str):
        return text(value, what)
    return value


def _noarch(value: Json, what: str) -> str | bool:
    """`python` or `generic`; True is the oldest spelling of generic, and False says that it is not noarch."""
    old = {"true": True, "false": False, "": False}
    found = old.get(value, value) if isinstance(value, str) else None
    if not isinstance(found, bool) and found not in ("python", "generic"):
        raise Malformed(f"{what} is neither python nor generic")
    return found


_FIELDS: Mapping[str, Callable[[Any, str], Json]] = {
    "name": text,
    "version": text,
    "build": _plain,
    "build_number": number,
    "subdir": _plain,
    "noarch": _noarch,
    "sha256": _sha256,
    "md5": _md5,
    "legacy_bz2_md5": _md5,
    "depends": _words,
    "constrains": _words,
    "extra_depends": _groups,
    "features": _plain,
    "flags": _words,
    "track_features": _joined,
    "license": _plain,
    "license_family": _plain,
    "purls": _words,
    "size": number,
    "legacy_bz2_size": number,
    "timestamp": number,
    "python_site_packages_path": _plain,
}
"""Field of a lock's entry -> how it becomes the field of the record. What is not here is not repodata."""
_WRITTEN_FIELDS = {**_FIELDS, "arch": _plain, "platform": _plain}
_FIELDS_WITH_RUN_EXPORTS = {
    **_FIELDS,
    "run_exports": _groups,
    "indexed_timestamp": number,
    "attestations_sha256": _sha256,
}
_OMITTED_WHEN_EMPTY = ("constrains", "extra_depends", "flags", "track_features")


def conda_binary(
    entry: dict[str, Json], location: str, version: LockVersion, share: dict[tuple[str, ...], list[str]]
) -> CondaBinary:
    """The package that an entry describes.

    Args:
        entry: of a conda package.
        location: of the package.
        version: of the lock's format.
        share: lists of specs that were seen before, so that equal ones are one object in memory.

    Raises:
        Malformed: a field is missing or is not what the format says.
    """
    parts = location_parts(location)
    record = _explicit(entry, version)
    if version.omits_derived_fields:
        _complete(record, location, parts)
    else:
        _complete_written(record, parts)
    for key in _OMITTED_WHEN_EMPTY:
        if key in record and not record[key]:
            del record[key]
    if not record.get("noarch", True):
        del record["noarch"]
    for key in ("depends", "constrains"):
        if key in record:
            record[key] = share.setdefault(tuple(record[key]), record[key])
    known = parts.parent in SUBDIRS or parts.parent == record["subdir"]
    channel = entry.get("channel")
    return CondaBinary(
        location=location,
        channel=text(channel, "channel").rstrip("/") if channel is not None else parts.channel,
        subdir=parts.parent if known else None,
        file_name=parts.file_name,
        record=record,
    )


def _explicit(entry: dict[str, Json], version: LockVersion) -> dict[str, Json]:
    fields = _FIELDS_WITH_RUN_EXPORTS if version.has_run_exports else _FIELDS
    fields = fields if version.omits_derived_fields else _WRITTEN_FIELDS
    record = {}
    for key, convert in fields.items():
        value = entry.get(key)
        if value is not None:
            record[key] = convert(value, key)
    record.setdefault("depends", [])
    return record


def _complete_written(record: dict[str, Json], location: LocationParts) -> None:
    for key in ("name", "version"):
        if key not in record:
            raise Malformed(f"{key} is missing")
    record["build"] = record.get("build") or (location.parts[2] if location.parts else "")
    # As in rattler: zero counts as missing, so `0_x86_64` has the build number 64.
    record["build_number"] = record.get("build_number") or _build_number(record["build"])
    record.setdefault("subdir", "")
    _add_arch(record)


def _complete(record: dict[str, Json], location: str, found: LocationParts) -> None:
    parts = found.parts
    if parts is not None:
        record.setdefault("name", parts[0])
        record.setdefault("version", parts[1])
        record.setdefault("build", parts[2])
    subdir = found.parent if found.parent in SUBDIRS and location.startswith(("https:", "http:")) else None
    if subdir is not None:
        record.setdefault("subdir", subdir)
    for key in ("name", "version", "subdir"):
        if key not in record:
            raise Malformed(f"{key} is missing, and the location does not say it")
    build = record.setdefault("build", "")
    record.setdefault("build_number", _build_number(build))
    if "noarch" not in record and (subdir or record["subdir"]) == "noarch":
        record["noarch"] = "python" if "py" in (parts[2] if parts else build) else "generic"
    _add_arch(record)


def _build_number(build: str) -> int:
    digits = _LAST_DIGITS.search(build)
    found = int(digits[0][:40] or "0") if digits else 0
    return found if found <= _LARGEST_BUILD_NUMBER else 0


def _add_arch(record: dict[str, Json]) -> None:
    arch, platform = SUBDIRS.get(record["subdir"], (None, None))
    if arch is not None:
        record.setdefault("arch", arch)
    if platform is not None:
        record.setdefault("platform", platform)


def timestamp_ms(record: Mapping[str, Json]) -> int:
    """The record's timestamp in milliseconds, 0 without one. Seconds are recognised as rattler does."""
    return to_milliseconds(int(record.get("timestamp") or 0))


def source_name(entry: dict[str, Json]) -> tuple[str, str]:
    """Name and location in a `conda_source` id, `name[hash] @ location`.

    Raises:
        Malformed: it is spelled otherwise.
    """
    identifier = text(entry["conda_source"], "conda_source")
    match = re.fullmatch(r"([^\[\]@ ]+)(?:\[[^\[\]]*\])? @ (.+)", identifier)
    if match is None:
        raise Malformed(f"conda_source is {shortened(identifier)!r} where NAME[HASH] @ LOCATION is expected")
    return match[1], match[2]
