"""Write a `pixi.lock` of version 6 or 7 as text, byte for byte as pixi does; pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal, TypeAlias
from urllib.parse import unquote, urlsplit

from pixi_mirror.model.values import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaLockEntry:
    """A conda package as a lock names it."""

    url: str
    record: Mapping[str, Json]
    """As in `repodata.json`: what the solver used, which may differ from the archive."""

    def hotfixed(self, **changes: Json) -> "CondaLockEntry":
        """The same file with other metadata, as channels patch it."""
        return replace(self, record=MappingProxyType({**self.record, **changes}))


@dataclass(frozen=True, slots=True, kw_only=True)
class PypiLockEntry:
    """A PyPI package as a lock names it."""

    url: str
    """Or a path, or a `git+` location."""
    name: str
    version: str | None = None
    """None: a source directory."""
    sha256: str | None = None
    index: str | None = None
    """None: the default index. Written in version 7 only."""
    requires_dist: tuple[str, ...] = ()
    requires_python: str | None = None
    editable: bool = False
    """Written in version 6 only."""


LockEntry: TypeAlias = CondaLockEntry | PypiLockEntry

_PLATFORM_NAMES = 7
"""The version that brought platform names, and with them `run_exports` and the `index` of a PyPI package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockPlatform:
    """A platform of a version 7 lock."""

    name: str
    subdir: str
    virtual_packages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LockEnvironment:
    """An environment of a lock."""

    channels: tuple[str, ...]
    """URLs, in the order of their priority."""
    packages: Mapping[str, tuple[LockEntry, ...]]
    """Platform name (in version 6: subdir) -> what is installed there."""
    indexes: tuple[str, ...] = ()
    """PyPI index URLs; empty: no PyPI package is meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockDescription:
    """The content of a lock, for every version of the format."""

    environments: Mapping[str, LockEnvironment]
    version: Literal[6, 7] = 7
    platforms: tuple[LockPlatform, ...] = field(default=())
    """Version 7: those that are no plain subdir, or have virtual packages; others are added by their names."""


def lock_text(description: LockDescription) -> str:
    """The text of the `pixi.lock`; what a reader derives is left out, as pixi does."""
    return "\n".join([*_lock_lines(description), ""])


def platforms_of(description: LockDescription) -> list[LockPlatform]:
    """The platforms of a lock: those that it describes, and those that packages alone name."""
    described = {platform.name: platform for platform in description.platforms}
    named = dict.fromkeys(name for env in description.environments.values() for name in env.packages)
    plain = {name: LockPlatform(name=name, subdir=name) for name in named}
    return list((described | {name: each for name, each in plain.items() if name not in described}).values())


def _lock_lines(description: LockDescription) -> Iterator[str]:
    version = description.version
    yield f"version: {version}"
    if version >= _PLATFORM_NAMES:
        yield "platforms:"
        for platform in platforms_of(description):
            yield f"- name: {_scalar(platform.name)}"
            if platform.subdir != platform.name:
                yield f"  subdir: {_scalar(platform.subdir)}"
            yield from _list("virtual-packages", platform.virtual_packages, indent="  ")
    yield "environments:"
    pool: dict[str, LockEntry] = {}
    for name, environment in description.environments.items():
        yield f"  {_scalar(name)}:"
        yield "    channels:"
        yield from (f"    - url: {_scalar(url.rstrip('/') + '/')}" for url in environment.channels)
        yield from _list("indexes", environment.indexes, indent="    ")
        yield "    packages:" + ("" if environment.packages else " {}")
        for platform_name, entries in environment.packages.items():
            yield f"      {_scalar(platform_name)}:" + ("" if entries else " []")
            for entry in sorted(entries, key=lambda each: _order(each, version)):
                pool[entry.url] = entry
                yield f"      - {_word(entry)}: {_scalar(entry.url)}"
    yield "packages:" + ("" if pool else " []")
    for entry in sorted(pool.values(), key=lambda each: _order(each, version)):
        yield from _conda_lines(entry, version) if isinstance(entry, CondaLockEntry) else _pypi_lines(entry, version)


def _word(entry: LockEntry) -> str:
    return "conda" if isinstance(entry, CondaLockEntry) else "pypi"


def _order(entry: LockEntry, version: int) -> tuple[str, str, str]:
    """By location since version 7, by name before."""
    name = entry.record["name"] if isinstance(entry, CondaLockEntry) else entry.name
    return (_word(entry), "" if version >= _PLATFORM_NAMES else name, entry.url)


# The fields in the order in which pixi writes them (rattler_lock, conda_package_data.rs).
_CONDA_FIELDS = (  # noqa: SIM905 - a column of 26 lines says less
    "name version build build_number subdir noarch sha256 md5 legacy_bz2_md5 depends constrains extra_depends channel "
    "features flags track_features file_name license license_family purls run_exports size legacy_bz2_size timestamp "
    "python_site_packages_path attestations_sha256"
).split()
_SINCE_7 = frozenset({"run_exports", "flags", "extra_depends", "attestations_sha256"})
_WRITTEN_EMPTY = frozenset({"purls", "run_exports"})
"""Where empty means known to be empty, and absent means unknown."""


def _conda_lines(entry: CondaLockEntry, version: int) -> Iterator[str]:
    derived = _derived(entry)
    record = dict(entry.record)
    if isinstance(record.get("track_features"), str):
        record["track_features"] = record["track_features"].split()  # space-joined in repodata, a list in a lock
    yield f"- conda: {_scalar(entry.url)}"
    for key in _CONDA_FIELDS:
        value = record.get(key)
        if value is None or value == derived.get(key) or (key in _SINCE_7 and version < _PLATFORM_NAMES):
            continue
        if value or value == 0 or key in _WRITTEN_EMPTY:
            yield from _field(key, value)


def _derived(entry: CondaLockEntry) -> dict[str, Json]:
    """What a reader derives where the entry is silent (rattler_lock, derived_fields.rs)."""
    url = entry.url
    *_, subdir, file_name = unquote(urlsplit(url).path).split("/")
    name, version, build = file_name.removesuffix(".conda").removesuffix(".tar.bz2").rsplit("-", 2)
    derived = {
        "name": name,
        "version": version,
        "build": build,
        "build_number": int((re.search(r"[0-9]*\Z", build) or [""])[0] or 0),
        "file_name": file_name,
    }
    if url.startswith(("http://", "https://", "file://")):
        derived |= {"subdir": subdir, "channel": url.rsplit("/", 2)[0] + "/"}
    if entry.record.get("subdir", subdir) == "noarch":
        derived["noarch"] = "python" if "py" in build else "generic"
    return derived


def _pypi_lines(entry: PypiLockEntry, version: int) -> Iterator[str]:
    yield f"- pypi: {_scalar(entry.url)}"
    yield f"  name: {_scalar(entry.name)}"
    for key, value in (
        # version 6 cannot omit it
        ("version", entry.version or ("0.0.0" if version < _PLATFORM_NAMES else None)),
        ("sha256", entry.sha256),
        ("index", entry.index if version >= _PLATFORM_NAMES else None),
        ("requires_dist", list(entry.requires_dist)),
        ("requires_python", entry.requires_python),
    ):
        if value:
            yield from _field(key, value)
    if entry.editable and version < _PLATFORM_NAMES:
        yield "  editable: true"


def _field(key: str, value: Json, indent: str = "  ") -> Iterator[str]:
    match value:
        case dict() if value:
            yield f"{indent}{key}:"
            for inner, content in value.items():
                yield from _field(_scalar(inner), content, indent + "  ")
        case list() | tuple() if value:
            yield from _list(key, value, indent=indent)
        case dict():
            yield f"{indent}{key}: {{}}"
        case list() | tuple():
            yield f"{indent}{key}: []"
        case _:
            yield f"{indent}{key}: {value if isinstance(value, int) else _scalar(value)}"


def _list(key: str, values: Iterable[str], *, indent: str) -> Iterator[str]:
    lines = [f"{indent}- {_scalar(value)}" for value in values]
    if lines:
        yield f"{indent}{key}:"
        yield from lines


# Quoted is what a YAML 1.2 reader would not take for a string; a bare `12_3` is one there (in YAML 1.1 it is not).
_NO_STRING = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|0x[0-9a-fA-F]+|0o[0-7]+|[-+]?\.(?:inf|nan)|~|"
    r"null|true|false|yes|no|on|off|y|n",
    re.IGNORECASE,
)
_NEEDS_QUOTES = re.compile(r"[\s\-?:,\[\]{}#&*!|>'\"%@`]|.*(?:: |:$| #|\s$)", re.DOTALL)


def _scalar(text: str) -> str:
    quoted = not text or _NO_STRING.fullmatch(text) or _NEEDS_QUOTES.match(text)
    return "'" + text.replace("'", "''") + "'" if quoted else text
