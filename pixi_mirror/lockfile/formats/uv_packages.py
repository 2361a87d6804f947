"""The packages of a `uv.lock`: where the files of each one are, and what it depends on; pure."""

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from packaging.version import Version

from pixi_mirror.lockfile.entries import PypiEntry
from pixi_mirror.lockfile.fields import Malformed, mapping, optional_text, sequence, shortened, text, texts
from pixi_mirror.lockfile.formats.python_platforms import PythonFiles
from pixi_mirror.model.values import Json, Md5, Sha256, admit_md5, admit_sha256

_KINDS = ("registry", "url", "git", "path", "directory", "editable", "virtual")
"""Where a package can come from."""
_REMOTE = ("http://", "https://")
_REPOSITORY = re.compile(r"(?:https?|ssh|git|file)://\S+\Z", re.IGNORECASE)
_REMOTE_FILE = re.compile(r"https?://[^/\s]+/\S", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class UvPackage:
    """One entry under `package`."""

    name: str
    version: str | None
    """None: the lock does not say, as for a source directory."""
    source: Mapping[str, Json]
    """As the lock has it: dependencies name the same."""
    files: PythonFiles | None
    """None: nothing of it is installed."""
    markers: tuple[str, ...]
    """On which platforms it is the one of several versions; empty: on all."""
    dependencies: tuple[Mapping[str, Json], ...]
    extras: Mapping[str, tuple[Mapping[str, Json], ...]]
    groups: Mapping[str, tuple[Mapping[str, Json], ...]]

    @property
    def is_root(self) -> bool:
        """Whether it is the project that the lock is of."""
        return "." in (self.source.get("virtual"), self.source.get("editable"))


def read_packages(raw: Json) -> Iterable[UvPackage]:
    """The entries under `package`.

    Raises:
        Malformed: one of them is not what the format says.
    """
    for item in sequence(raw, "package"):
        entry = mapping(item, "an entry of package")
        name = text(entry.get("name"), "the name of a package")
        try:
            yield _package(entry, name)
        except ValueError as error:
            raise Malformed(f"the package {name}: {error}") from None


def _package(entry: dict[str, Json], name: str) -> UvPackage:
    source = mapping(entry.get("source"), "source")
    version = optional_text(entry.get("version"), "version")
    if version is not None:
        Version(version)
    return UvPackage(
        name=name,
        version=version,
        source=source,
        files=_files(entry, source, name, version),
        markers=texts(entry.get("resolution-markers"), "resolution-markers"),
        dependencies=edges(entry.get("dependencies"), "dependencies"),
        extras=_groups(entry, "optional-dependencies"),
        groups=_groups(entry, "dev-dependencies"),
    )


def edges(raw: Json, what: str) -> tuple[Mapping[str, Json], ...]:
    """The entries of a list of dependencies.

    Raises:
        Malformed: it is no list of mappings.
    """
    return tuple(mapping(item, f"an entry of {what}") for item in sequence(raw, what))


def _groups(entry: dict[str, Json], key: str) -> Mapping[str, tuple[Mapping[str, Json], ...]]:
    return {name: edges(raw, f"{key}.{name}") for name, raw in mapping(entry.get(key), key).items()}


def _files(entry: dict[str, Json], source: dict[str, Json], name: str, version: str | None) -> PythonFiles | None:
    kind = next((kind for kind in _KINDS if kind in source), None)
    if kind is None:
        raise Malformed(f"its source is none of {', '.join(_KINDS)}")
    place = text(source[kind], f"source.{kind}")
    if kind == "virtual":
        return None
    index = place if kind == "registry" and place.lower().startswith(_REMOTE) else None

    def made(location: str, digest: str | None = None) -> PypiEntry:
        sha256, md5 = _hashes(digest)
        return PypiEntry(
            name=name,
            version=version,
            location=location,
            sha256=sha256,
            md5=md5,
            index=index,
            requires_dist=(),
            requires_python=None,
            editable=kind == "editable",
        )

    if kind in ("editable", "directory", "path") and "://" in place:
        raise Malformed(f"its source.{kind} is a URL where a path is expected")
    if kind in ("editable", "directory"):
        return PythonFiles(wheels=(), others=(made(place),))
    if kind == "git":
        if not _REPOSITORY.match(place):
            raise Malformed("its source is no URL of a git repository")
        return PythonFiles(wheels=(), others=(made(f"git+{place}"),))
    raw_wheels = [mapping(raw, "an entry of wheels") for raw in sequence(entry.get("wheels"), "wheels")]
    raw_sdists = [mapping(entry["sdist"], "sdist")] if "sdist" in entry else []
    wheels = tuple(made(_location(raw, kind, place), _digest(raw)) for raw in raw_wheels)
    sdists = tuple(made(_location(raw, kind, place), _digest(raw)) for raw in raw_sdists)
    return PythonFiles(wheels=wheels, others=sdists)


def _digest(raw: dict[str, Json]) -> str | None:
    return optional_text(raw.get("hash"), "hash")


def _location(raw: dict[str, Json], kind: str, place: str) -> str:
    if kind == "path":
        return place
    url, path = optional_text(raw.get("url"), "url"), optional_text(raw.get("path"), "path")
    if kind == "url":
        if not _REMOTE_FILE.match(url or place):
            raise Malformed("its URL is not that of a file by http or https")
        # Of an sdist the lock has the URL of the source alone.
        return f"direct+{(url or place).partition('#')[0]}"
    if path is not None:
        return path if posixpath.isabs(path) else f"{place.rstrip('/')}/{path}"
    if url is None or not _REMOTE_FILE.match(url):
        raise Malformed("the URL of one of its files is not that of a file by http or https")
    return url


def _hashes(digest: str | None) -> tuple[Sha256 | None, Md5 | None]:
    """The sha256 and the md5 that a hash of the lock is; neither of them for a sha512, which a mirror does not keep."""
    if digest is None:
        return None, None
    algorithm, _, digits = digest.partition(":")
    match algorithm:
        case "sha256":
            return admit_sha256(digits), None
        case "md5":
            return None, admit_md5(digits)
        case "sha384" | "sha512" | "blake2b":
            return None, None
        case _:
            raise Malformed(f"the hash {shortened(digest)!r} is of an unknown algorithm")
