"""Write package URLs (purls) of the packages of a mirror, and read those of others; pure.

The types `conda`, `pypi` and `generic` of the purl specification (ECMA-427). A channel or index is written with its
whole URL, so that two channels never share a purl.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

from pixi_mirror.conda.names import SUFFIXES
from pixi_mirror.git.package import repository_url
from pixi_mirror.model.packages import Package, home_channel
from pixi_mirror.pypi.names import canonical_name

_BARE = "-._~"
"""What stays beside letters and digits (ECMA-427, 5.4)."""
_BARE_IN_VALUE = f"{_BARE}:/"
"""The reference library leaves the characters of a URL in the value of a qualifier."""


@dataclass(frozen=True, slots=True)
class Purl:
    """A package URL in its parts, of which two spellings of one purl have the same."""

    kind: str
    """Its type, as `pypi`."""
    name: str
    """With its namespace before it, if it has one; of PyPI normalised (PEP 503)."""
    version: str | None
    qualifiers: Mapping[str, str]

    def covers(self, other: "Purl") -> bool:
        """Whether another purl names the same package, or one of those that this one names: it says no less."""
        return (
            (self.kind, self.name) == (other.kind, other.name)
            and self.version in (None, other.version)
            and all(other.qualifiers.get(key) == value for key, value in self.qualifiers.items())
        )


def parse_purl(text: str) -> Purl | None:
    """The parts of a purl (ECMA-427, 5.6); None: it is none. A subpath is passed over."""
    scheme, colon, rest = text.partition(":")
    rest, _, query = rest.partition("#")[0].partition("?")
    kind, slash, path = rest.strip("/").partition("/")
    path, _, version = path.rpartition("@") if "@" in path else (path, "", "")
    name = unquote(path.strip("/"))
    if scheme.lower() != "pkg" or not colon or not slash or not name:
        return None
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    qualifiers = {key.lower(): unquote(value) for key, _, value in pairs if value}
    kind = kind.lower()
    return Purl(kind, canonical_name(name) if kind == "pypi" else name, unquote(version) or None, qualifiers)


def package_purl(package: Package) -> str:
    """The purl of the file that a package is, with everything that tells it from others of the same name."""
    match package.kind:
        case "conda":
            return _purl("conda", package.name.lower(), package.version, _conda_qualifiers(package))
        case "pypi":
            return _purl("pypi", canonical_name(package.name), package.version, _pypi_qualifiers(package))
        case _:
            place = {"vcs_url": f"git+{repository_url(package)}@{package.version}"}
            return _purl("generic", package.name, package.version, place)


def _conda_qualifiers(package: Package) -> Mapping[str, str | None]:
    channel = home_channel(package)
    return {
        "build": package.build,
        "channel": None if channel is None else channel.url,
        "download_url": _download_url(package) if channel is None else None,
        "subdir": package.subdir,
        "type": next((suffix[1:] for suffix in SUFFIXES if package.path.endswith(suffix)), None),
    }


def _pypi_qualifiers(package: Package) -> Mapping[str, str | None]:
    indexes = package.record.get("indexes") or package.record.get("find-links") or ()
    index = next(iter(indexes), None)
    return {
        "download_url": _download_url(package) if index is None else None,
        "file_name": package.path.rpartition("/")[2],
        "repository_url": index,
    }


def _download_url(package: Package) -> str | None:
    """Where a file lies that comes from no channel and no index; None: on a disk."""
    url = package.url.stripped
    return None if url.startswith("file:") else url


def _purl(kind: str, name: str, version: str, qualifiers: Mapping[str, str | None]) -> str:
    pairs = [f"{key}={quote(value, safe=_BARE_IN_VALUE)}" for key, value in sorted(qualifiers.items()) if value]
    at = f"@{quote(version, safe=_BARE)}" if version else ""
    query = f"?{'&'.join(pairs)}" if pairs else ""
    return f"pkg:{kind}/{quote(name, safe=_BARE)}{at}{query}"
