"""On which conda platforms a Python requirement holds, and which files of it are for them; pure.

A lock of Python packages knows no conda platforms. It has markers (PEP 508), which are evaluated here for CPython of
every minor version that the lock accepts, and wheels with tags (PEP 425).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from types import MappingProxyType

from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag

from pixi_mirror.lockfile.entries import PypiEntry
from pixi_mirror.lockfile.fields import Malformed, shortened
from pixi_mirror.pypi.names import file_name_of, wheel_name
from pixi_mirror.pypi.wheel_tags import is_for_platform

_SYSTEMS: Mapping[str, Mapping[str, str]] = {
    "linux": {"os_name": "posix", "sys_platform": "linux", "platform_system": "Linux"},
    "osx": {"os_name": "posix", "sys_platform": "darwin", "platform_system": "Darwin"},
    "win": {"os_name": "nt", "sys_platform": "win32", "platform_system": "Windows"},
}
_MACHINES = {
    "linux-64": "x86_64",
    "linux-aarch64": "aarch64",
    "osx-64": "x86_64",
    "osx-arm64": "arm64",
    "win-64": "AMD64",
    "linux-ppc64le": "ppc64le",
    "linux-s390x": "s390x",
    "linux-riscv64": "riscv64",
    "linux-armv7l": "armv7l",
    "linux-32": "i686",
    "win-32": "x86",
    "win-arm64": "ARM64",
}
"""Conda platform -> `platform_machine` of Python there."""
USUAL_PLATFORMS = ("linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64")
"""The platforms that a lock of Python packages is mirrored for, as far as it has files for them."""
OTHER_PLATFORMS = tuple(platform for platform in _MACHINES if platform not in USUAL_PLATFORMS)
"""They count for a lock that is complete on none of the usual ones."""
_MINORS = range(8, 20)
"""Minor versions of Python 3 for which markers are evaluated."""
_CPYTHON = {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
_UNKNOWN = {"platform_release": "", "platform_version": ""}
_LONGEST_MARKER = 20_000
"""Characters; longer ones are refused, because evaluating them takes time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonFiles:
    """The files of one version of a project, of which each platform needs some."""

    wheels: tuple[PypiEntry, ...]
    others: tuple[PypiEntry, ...]
    """What serves every platform that has no wheel: the sdist, or a source."""

    def __post_init__(self) -> None:
        """Refuse a wheel whose file name is not that of a wheel.

        Raises:
            Malformed: there is one.
        """
        for wheel in self.wheels:
            try:
                _tags(wheel.location)
            except ValueError as error:
                raise Malformed(f"the package {shortened(wheel.name)}: {error}") from None

    def on(self, platform: str) -> tuple[PypiEntry, ...]:
        """The wheels for a platform, of every Python; the others if there is none. Empty: it cannot be had there."""
        fitting = tuple(wheel for wheel in self.wheels if is_for_platform(_tags(wheel.location), platform))
        return fitting or self.others


@lru_cache(maxsize=4096)
def _tags(location: str) -> frozenset[Tag]:
    return wheel_name(file_name_of(location)).tags


def python_environments(python: str | None) -> tuple[str, ...]:
    """The full versions of Python that markers are evaluated for: the first and the last of each accepted minor one.

    Args:
        python: which versions the lock accepts (PEP 440); None: any.

    Raises:
        Malformed: it cannot be read.
    """
    try:
        accepted = SpecifierSet(python or "")
    except InvalidSpecifier:
        raise Malformed(f"requires-python is {shortened(python or '')!r}, which is no set of versions") from None
    versions = [f"3.{minor}.{patch}" for minor in _MINORS for patch in (0, 99)]
    return tuple(filter(accepted.contains, versions)) or tuple(versions)


def marker_evaluator(pythons: Iterable[str]) -> Callable[[str, str, tuple[tuple[str, object], ...]], bool]:
    """Return a function that says whether a marker can hold on a platform, for any of the versions of Python.

    The function takes the marker, the platform, and the further variables with their values. It raises `Malformed`
    where the marker cannot be evaluated.
    """
    pythons = tuple(pythons)

    @cache
    def holds(marker: str, platform: str, variables: tuple[tuple[str, object], ...]) -> bool:
        if len(marker) > _LONGEST_MARKER:
            raise Malformed(f"a marker is longer than {_LONGEST_MARKER} characters")
        try:
            parsed = Marker(marker)
            return any(_evaluate(parsed, platform, python, dict(variables)) for python in pythons)
        except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName, RecursionError, TypeError):
            raise Malformed(f"the marker {shortened(marker)!r} cannot be evaluated") from None

    return holds


def _evaluate(marker: Marker, platform: str, python: str, variables: dict[str, object]) -> bool:
    environment = {
        **_CPYTHON,
        **_UNKNOWN,
        **_SYSTEMS[platform.partition("-")[0]],
        "platform_machine": _MACHINES[platform],
        "python_version": python.rpartition(".")[0],
        "python_full_version": python,
        "implementation_version": python,
        **variables,
    }
    context = "lock_file" if "extras" in variables else "metadata"
    return marker.evaluate(environment, context=context)  # type: ignore[arg-type] # it takes sets, too


def packages_by_platform(
    wanted: Callable[[str], Iterable[PythonFiles]], *, accepts: Callable[[str], bool]
) -> Mapping[str, tuple[PypiEntry, ...]]:
    """What an environment installs on each platform for which all of it can be had.

    If it can be had as a whole on no usual platform, the other ones are tried.

    Args:
        wanted: the versions that the environment wants on a platform.
        accepts: whether the lock is for a platform at all.
    """
    for candidates in (USUAL_PLATFORMS, OTHER_PLATFORMS):
        found = {}
        for platform in filter(accepts, candidates):
            chosen = [files.on(platform) for files in wanted(platform)]
            if all(chosen):
                found[platform] = tuple(dict.fromkeys(entry for entries in chosen for entry in entries))
        if found:
            return MappingProxyType(found)
    return MappingProxyType({})
