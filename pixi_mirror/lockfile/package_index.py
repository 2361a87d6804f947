"""The entries under `packages` of a lock, and how the references of environments find them; pure.

The rules are those of rattler_lock/src/parse/deserialize.rs.
"""

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from pixi_mirror.lockfile.entries import CondaBinary, CondaSource, Entry, PypiEntry
from pixi_mirror.lockfile.fields import Malformed, mapping, optional_text, sequence, shortened, text, texts
from pixi_mirror.lockfile.records import conda_binary, is_path, location_parts, source_name, timestamp_ms
from pixi_mirror.lockfile.versions import LockVersion
from pixi_mirror.model.values import Json, admit_md5, admit_sha256

Key: TypeAlias = tuple[str, ...]
"""What distinguishes an entry from all others."""
_KINDS = ("conda", "conda_source", "pypi")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageIndex:
    """Every entry under `packages` of a lock."""

    find: Callable[[Json, str], tuple[Key, Entry]]
    """Reference and platform name -> the entry; it raises Malformed if the reference leads to none."""
    needs: Mapping[Key, tuple[Json, ...]] = field(default_factory=dict)
    """Entry -> references to what building it takes; entries that take nothing are left out."""
    newest_timestamp: int
    """Milliseconds, of any record; 0: none has one."""


def index_packages(packages: Json, version: LockVersion) -> PackageIndex:
    """Read the entries under `packages`.

    Raises:
        Malformed: an entry is not what the format says.
    """
    return (_index_by_location if version.locations_are_unique else _index_by_selector)(packages, version)


def _index_by_location(packages: Json, version: LockVersion) -> PackageIndex:
    """Read the entries of a lock in which a location is one entry.

    Raises:
        Malformed: an entry is not what the format says.
    """
    entries: dict[Key, Entry] = {}
    needs: dict[Key, tuple[Json, ...]] = {}
    share: dict[tuple[str, ...], list[str]] = {}
    newest = 0
    for raw in sequence(packages, "packages"):
        key = _reference(raw)
        kind, location = key
        found: Entry
        try:
            match kind:
                case "conda":
                    found = conda_binary(raw, location, version, share)
                    newest = max(newest, timestamp_ms(found.record))
                case "conda_source":
                    name, place = source_name(raw)
                    found = CondaSource(name=name, location=place, origin=_origin(raw.get("source")))
                case _:
                    found = _pypi(raw, location)
            wanted = (*sequence(raw.get("build_packages"), "build_packages"),
                      *sequence(raw.get("host_packages"), "host_packages"))  # fmt: skip
        except Malformed as error:
            raise Malformed(f"the entry {location} under packages is damaged: {error}") from None
        # Of several entries the first counts; a lock with two has never been seen.
        if key not in entries:
            entries[key] = found
            if wanted:
                needs[key] = wanted

    def find(reference: Json, _platform: str) -> tuple[Key, Entry]:
        key = _reference(reference)
        if key not in entries:
            raise Malformed(f"{key[1]} has no entry under packages")
        return key, entries[key]

    return PackageIndex(find=find, needs=needs, newest_timestamp=newest)


def _origin(raw: Json) -> Mapping[str, str]:
    """Where the source of a package comes from, if that is not where its manifest is."""
    return {} if raw is None else {key: value for key, value in mapping(raw, "source").items() if type(value) is str}


def _reference(raw: Json) -> Key:
    """Kind and location of an entry or of a reference to one."""
    found = mapping(raw, "an entry of packages")
    for kind in _KINDS:
        if kind in found:
            return kind, text(found[kind], kind)
    raise Malformed(f"an entry of packages has none of {', '.join(_KINDS)}: {shortened(str(found), most=120)}")


def _index_by_selector(packages: Json, version: LockVersion) -> PackageIndex:
    """Read the entries of a lock in which several entries may have one location.

    Raises:
        Malformed: an entry is not what the format says.
    """
    conda: dict[str, list[_Candidate]] = {}
    pypi: dict[str, PypiEntry] = {}
    share: dict[tuple[str, ...], list[str]] = {}
    newest = 0
    for raw in sequence(packages, "packages"):
        kind, location = _reference(raw) if version.names_kinds else _reference_with_kind(raw)
        try:
            if kind == "pypi":
                pypi[_same(location)] = _pypi(raw, location)
            else:
                candidate = _candidate(raw, location, version, share)
                conda.setdefault(_same(location), []).append(candidate)
                newest = max(newest, candidate.timestamp)
        except Malformed as error:
            raise Malformed(f"the entry {location} under packages is damaged: {error}") from None
    choose = _selected if version.references_select else _merged
    chosen: dict[Key, tuple[Key, Entry]] = {}

    def find(reference: Json, platform: str) -> tuple[Key, Entry]:
        kind, location = _reference(reference)
        same = _same(location)
        found: Entry | None
        if kind == "pypi":
            found = pypi.get(same)
            if found is None:
                raise Malformed(f"{location} has no entry under packages")
            return (kind, same), found
        selector = tuple(optional_text(reference.get(key), key) or "" for key in ("name", "version", "build", "subdir"))
        wanted = (kind, same, platform, *selector)
        if wanted not in chosen:
            found = choose(conda.get(same, []), selector, platform)
            if found is None:
                raise Malformed(f"{location} has no entry under packages")
            chosen[wanted] = wanted, found
        return chosen[wanted]

    return PackageIndex(find=find, newest_timestamp=newest)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    entry: CondaBinary | CondaSource
    identity: tuple[str, ...]
    """Name, version, build, subdir."""
    timestamp: int


def _reference_with_kind(raw: Json) -> Key:
    found = mapping(raw, "an entry of packages")
    kind = found.get("kind")
    if kind not in ("conda", "pypi"):
        raise Malformed(f"an entry of packages is of neither kind conda nor pypi: {shortened(str(found), most=120)}")
    return kind, text(found.get("url") or found.get("path"), "url")


def _same(location: str) -> str:
    """One spelling for all that rattler takes for the same location (url_or_path.rs)."""
    if location.startswith("file://"):
        from urllib.parse import unquote

        return posixpath.normpath(unquote(location.removeprefix("file://")))
    return posixpath.normpath(location) if is_path(location) else location


def _candidate(
    raw: dict[str, Json], location: str, version: LockVersion, share: dict[tuple[str, ...], list[str]]
) -> _Candidate:
    # Only the end of the location tells a source package from a binary one.
    if version.names_kinds and location_parts(location).parts is None:
        identity = tuple(optional_text(raw.get(key), key) or "" for key in ("name", "version", "build", "subdir"))
        name = text(raw.get("name"), "name")
        return _Candidate(
            entry=CondaSource(name=name, location=location, origin=_origin(raw.get("package_build_source"))),
            identity=identity,
            timestamp=0,
        )
    binary = conda_binary(raw, location, version, share)
    record = binary.record
    identity = (record["name"], record["version"], record["build"], record["subdir"])
    return _Candidate(entry=binary, identity=identity, timestamp=timestamp_ms(record))


def _selected(candidates: list[_Candidate], selector: tuple[str, ...], _platform: str) -> Entry | None:
    """Return the first entry that agrees with the selector; an empty part of the selector agrees with all."""
    for candidate in candidates:
        if all(not wanted or wanted == have for wanted, have in zip(selector, candidate.identity, strict=True)):
            return candidate.entry
    return None


def _merged(candidates: list[_Candidate], _selector: tuple[str, ...], platform: str) -> Entry | None:
    """Merge the entries of one location, as rattler does: the first one, with what only later ones say.

    Entries with the subdir of the platform are merged where there are any; else all are.
    """
    alike = [candidate for candidate in candidates if candidate.identity[3] == platform] or candidates
    if not alike:
        return None
    first = alike[0].entry
    record = dict(first.record) if isinstance(first, CondaBinary) else {}
    missing = [key for key in ("purls", "md5", "sha256") if key not in record]
    for other in alike[1:]:
        for key in missing:
            if isinstance(other.entry, CondaBinary) and key not in record and key in other.entry.record:
                record[key] = other.entry.record[key]
    if not isinstance(first, CondaBinary) or record == first.record:
        return first
    return CondaBinary(
        location=first.location,
        channel=first.channel,
        subdir=first.subdir,
        file_name=first.file_name,
        record=record,
    )


def _pypi(raw: dict[str, Json], location: str) -> PypiEntry:
    sha256 = optional_text(raw.get("sha256"), "sha256")
    md5 = optional_text(raw.get("md5"), "md5")
    try:
        return PypiEntry(
            name=text(raw.get("name"), "name"),
            version=optional_text(raw.get("version"), "version"),
            location=location,
            sha256=admit_sha256(sha256) if sha256 is not None else None,
            md5=admit_md5(md5) if md5 is not None else None,
            index=optional_text(raw.get("index"), "index"),
            requires_dist=texts(raw.get("requires_dist"), "requires_dist"),
            requires_python=optional_text(raw.get("requires_python"), "requires_python"),
            editable=raw.get("editable") == "true",
        )
    except Malformed:
        raise
    except ValueError as error:
        raise Malformed(str(error)) from None
