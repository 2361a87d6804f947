"""Read `pylock.toml` (PEP 751) through the library `packaging`, and check what the library does not check."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import quote

from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.entries import Lock, LockedEnvironment, PypiEntry
from pixi_mirror.lockfile.fields import Malformed, shortened
from pixi_mirror.lockfile.formats.choices import choice_environment, locked_platforms
from pixi_mirror.lockfile.formats.python_platforms import (
    PythonFiles,
    marker_evaluator,
    packages_by_platform,
    python_environments,
)
from pixi_mirror.lockfile.formats.toml_reader import load_toml
from pixi_mirror.model.values import Json, admit_md5, admit_sha256, mask_secrets

if TYPE_CHECKING:  # packaging has it since version 26 only
    from packaging.pylock import Package as PylockPackage
    from packaging.pylock import PackageArchive, PackageSdist, PackageVcs, PackageWheel, Pylock

    File = PackageArchive | PackageSdist | PackageWheel

_ADVICE = "write it anew, with `uv export --format pylock.toml` or `pip lock`"
_REPOSITORY = re.compile(r"[a-z]+://\S+", re.IGNORECASE)
_URL = re.compile(r"(?:https?://[^/\s]+|file://[^/\s]*)/\S+", re.IGNORECASE)


def read_pylock(data: bytes, *, name: str) -> Lock:
    """Read a `pylock.toml`.

    Args:
        data: the file.
        name: how messages name the lock.

    Raises:
        WorkspaceError: it is damaged, is of a version that cannot be read, or `packaging` is too old to read it.
    """
    try:
        from packaging.pylock import Pylock, PylockUnsupportedVersionError, PylockValidationError
    except ImportError:
        raise WorkspaceError(
            f"{name} is read with the library packaging, of version 26 or later: `pip install 'packaging>=26'`."
        ) from None
    document = load_toml(data, name=name, advice=_ADVICE)
    try:
        _refuse_odd_locations(document)
        return _lock(Pylock.from_dict(document))
    except PylockUnsupportedVersionError as error:
        raise WorkspaceError(f"{name}: {mask_secrets(str(error))}. Use a newer pixi-mirror, or {_ADVICE}.") from None
    except (PylockValidationError, Malformed) as error:
        problem = shortened(str(error), most=300)
    except RecursionError:
        problem = "a marker is nested too deeply"
    raise WorkspaceError(f"{name} is damaged: {problem}. Restore it from version control, or {_ADVICE}.")


def _refuse_odd_locations(document: dict[str, Json]) -> None:
    """Refuse URLs of files without scheme, host or path, and paths that are URLs.

    Messages of the library would show what is secret in them.
    """
    for number, package in enumerate(_tables(document.get("packages"))):
        files = _tables([package.get("archive"), package.get("sdist"), *_list(package.get("wheels"))])
        for file in files:
            url = file.get("url")
            if isinstance(url, str) and not _URL.fullmatch(url):
                raise Malformed(f"a URL in packages[{number}] is not that of a file by http, https or file")
        for place in (*files, *_tables([package.get("directory"), package.get("vcs")])):
            if "://" in str(place.get("path")):
                raise Malformed(f"a path in packages[{number}] is a URL")


def _list(raw: Json) -> list[Json]:
    return raw if isinstance(raw, list) else []


def _tables(raw: Json) -> list[dict[str, Json]]:
    """The tables of a list; what is something else is left to the library, which refuses it."""
    return [item for item in _list(raw) if isinstance(item, dict)]


def _lock(lock: Pylock) -> Lock:
    python = str(lock.requires_python) if lock.requires_python is not None else None
    holds = marker_evaluator(python_environments(python))
    files = [(package, _files(package)) for package in lock.packages]
    indexes = tuple(dict.fromkeys(each.index for each in lock.packages if each.index is not None))
    environments = {}
    for name, extras, groups in _choices(lock):
        variables = (("extras", extras), ("dependency_groups", groups))
        environments[name] = LockedEnvironment(
            channels=(),
            indexes=indexes,
            find_links=(),
            packages=packages_by_platform(
                _wanted(files, holds, variables),
                accepts=lambda platform: _accepts(lock, platform, holds),
            ),
            build_packages=MappingProxyType({}),
        )
    found = {platform for environment in environments.values() for platform in environment.packages}
    return Lock(
        version=lock.lock_version.major,
        platforms=locked_platforms(found),
        environments=MappingProxyType(environments),
        newest_timestamp=0,
        notes=_notes(lock, found),
    )


def _choices(lock: Pylock) -> Iterable[tuple[str, frozenset[str], frozenset[str]]]:
    """Name, extras and groups of each environment: `default`, and one more with each extra and each group."""
    default = frozenset(lock.default_groups or ())
    yield "default", frozenset(), default
    for extra in lock.extras or ():
        yield choice_environment("extra", extra), frozenset({extra}), default
    for group in lock.dependency_groups or ():
        yield choice_environment("group", group), frozenset(), default | {group}


def _wanted(
    files: list[tuple[PylockPackage, PythonFiles]],
    holds: Callable[[str, str, tuple[tuple[str, object], ...]], bool],
    variables: tuple[tuple[str, object], ...],
) -> Callable[[str], Iterable[PythonFiles]]:
    def wanted(platform: str) -> Iterable[PythonFiles]:
        for package, found in files:
            if package.marker is None or holds(str(package.marker), platform, variables):
                yield found

    return wanted


def _accepts(lock: Pylock, platform: str, holds: Callable[[str, str, tuple[tuple[str, object], ...]], bool]) -> bool:
    return not lock.environments or any(holds(str(marker), platform, ()) for marker in lock.environments)


def _notes(lock: Pylock, platforms: Iterable[str]) -> tuple[str, ...]:
    if lock.created_by != "pip":
        return ()
    return (
        "it was made by pip, which locks for the one Python and the one platform that it runs on and does not say "
        f"which. By the tags of its wheels it can be for {', '.join(sorted(platforms)) or 'no known platform'}; what "
        "other platforms would need besides is not in it.",
    )


def _files(package: PylockPackage) -> PythonFiles:
    if package.vcs is not None:
        return PythonFiles(wheels=(), others=(_commit(package, package.vcs),))
    if package.directory is not None:
        directory = package.directory
        entry = _pypi_entry(package, directory.path, {}, editable=bool(directory.editable))
        return PythonFiles(wheels=(), others=(entry,))
    if package.archive is not None:
        return PythonFiles(wheels=(), others=(_entry(package, package.archive),))
    wheels = tuple(_entry(package, wheel) for wheel in package.wheels or ())
    return PythonFiles(wheels=wheels, others=(_entry(package, package.sdist),) if package.sdist is not None else ())


def _commit(package: PylockPackage, vcs: PackageVcs) -> PypiEntry:
    if vcs.url is None:  # a repository of this machine is a directory like any other
        return _pypi_entry(package, vcs.path or "", {}, editable=False)
    if not _REPOSITORY.fullmatch(vcs.url):
        raise Malformed(f"the package {package.name}: its vcs has no URL of a repository")
    subdirectory = f"?subdirectory={quote(vcs.subdirectory)}" if vcs.subdirectory else ""
    location = f"{vcs.type}+{vcs.url}{subdirectory}#{vcs.commit_id}"
    return _pypi_entry(package, location, {}, editable=False)


def _entry(package: PylockPackage, file: File) -> PypiEntry:
    if file.url is not None:
        location = file.url.partition("#")[0]
        if package.index is None and location.lower().startswith("http") and package.archive is not None:
            location = f"direct+{location}"
    else:
        location = file.path or ""
    return _pypi_entry(package, location, file.hashes, editable=False)


def _pypi_entry(package: PylockPackage, location: str, hashes: Mapping[str, str], *, editable: bool) -> PypiEntry:
    try:
        sha256, md5 = hashes.get("sha256"), hashes.get("md5")
        return PypiEntry(
            name=package.name,
            version=str(package.version) if package.version is not None else None,
            location=location,
            sha256=admit_sha256(sha256) if sha256 is not None else None,
            md5=admit_md5(md5) if md5 is not None else None,
            index=package.index,
            requires_dist=(),
            requires_python=str(package.requires_python) if package.requires_python is not None else None,
            editable=editable,
        )
    except ValueError as error:
        raise Malformed(f"the package {package.name}: {error}") from None
