"""Read `uv.lock`: the files of each package, and by walking the dependencies what each choice of extras needs."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from packaging.utils import canonicalize_name

from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.entries import Lock, LockedEnvironment
from pixi_mirror.lockfile.fields import Malformed, mapping, optional_text, text, texts
from pixi_mirror.lockfile.formats.choices import choice_environment, locked_platforms
from pixi_mirror.lockfile.formats.python_platforms import (
    PythonFiles,
    marker_evaluator,
    packages_by_platform,
    python_environments,
)
from pixi_mirror.lockfile.formats.toml_reader import load_toml
from pixi_mirror.lockfile.formats.uv_packages import UvPackage, edges, read_packages
from pixi_mirror.model.values import Json

_ADVICE = "write it anew with `uv lock`"
_VERSION = 1


def read_uv_lock(data: bytes, *, name: str) -> Lock:
    """Read a `uv.lock`, or the lock of a script.

    Args:
        data: the file.
        name: how messages name the lock.

    Raises:
        WorkspaceError: it is damaged, or of a version that cannot be read.
    """
    document = load_toml(data, name=name, advice=_ADVICE)
    version = document.get("version")
    if type(version) is not int:
        raise WorkspaceError(f"{name} is no uv.lock: it has no number as its `version`. Check the path, or {_ADVICE}.")
    if version != _VERSION:
        raise WorkspaceError(
            f"{name} has the version {version} of uv's lock format; this pixi-mirror reads {_VERSION}. Use a newer "
            "pixi-mirror."
        )
    try:
        return _UvLock(document).lock()
    except Malformed as error:
        raise WorkspaceError(f"{name} is damaged: {error}. Restore it from version control, or {_ADVICE}.") from None


class _UvLock:
    """The walk over a lock's packages."""

    def __init__(self, document: dict[str, Json]) -> None:
        self._packages: dict[str, list[UvPackage]] = {}
        for package in read_packages(document.get("package")):
            self._packages.setdefault(package.name, []).append(package)
        python = optional_text(document.get("requires-python"), "requires-python")
        self._holds = marker_evaluator(python_environments(python))
        self._supported = texts(document.get("supported-markers"), "supported-markers")
        manifest = mapping(document.get("manifest"), "manifest")
        self._members = self._roots(manifest)
        self._requirements = edges(manifest.get("requirements"), "manifest.requirements")
        groups = mapping(manifest.get("dependency-groups"), "manifest.dependency-groups")
        self._groups = {name: edges(raw, f"manifest.dependency-groups.{name}") for name, raw in groups.items()}

    def _roots(self, manifest: dict[str, Json]) -> list[UvPackage]:
        members = texts(manifest.get("members"), "manifest.members")
        for name in members:
            if name not in self._packages:
                raise Malformed(f"the member {name} of the workspace is not under package")
        if members:
            return [package for name in members for package in self._packages[name]]
        return [package for packages in self._packages.values() for package in packages if package.is_root]

    def lock(self) -> Lock:
        """The lock with one environment, `default`, and one more for each extra and each group.

        Raises:
            Malformed: a dependency leads to no package, or a marker cannot be read.
        """
        extras = sorted({extra for member in self._members for extra in member.extras})
        groups = sorted({*self._groups, *(group for member in self._members for group in member.groups)})
        environments = {
            "default": self._environment(None, None),
            **{choice_environment("extra", extra): self._environment(extra, None) for extra in extras},
            **{choice_environment("group", group): self._environment(None, group) for group in groups},
        }
        return Lock(
            version=_VERSION,
            platforms=locked_platforms(name for each in environments.values() for name in each.packages),
            environments=MappingProxyType(environments),
            newest_timestamp=0,
        )

    def _environment(self, extra: str | None, group: str | None) -> LockedEnvironment:
        packages = packages_by_platform(
            lambda platform: self._walk(platform, extra, group),
            accepts=lambda platform: (
                not self._supported
                or any(self._holds(marker, platform, (("extra", ""),)) for marker in self._supported)
            ),
        )
        entries = (entry for found in packages.values() for entry in found)
        return LockedEnvironment(
            channels=(),
            indexes=tuple(dict.fromkeys(entry.index for entry in entries if entry.index is not None)),
            find_links=(),
            packages=packages,
            build_packages=MappingProxyType({}),
        )

    def _walk(self, platform: str, extra: str | None, group: str | None) -> Iterable[PythonFiles]:
        """The files of everything that the members need on a platform; each package once."""
        chosen = tuple(self._chosen(extra, group))
        waiting = [*self._requirements, *self._groups.get(group or "", ())]
        seen: dict[int, UvPackage] = {}
        for member in self._members:
            seen[id(member)] = member
            waiting += member.dependencies
            waiting += member.extras.get(extra or "", ())
            waiting += member.groups.get(group or "", ())
        entered: set[tuple[int, str]] = set()
        for edge in waiting:  # the loop adds to it, and `entered` ends cycles
            marker = optional_text(edge.get("marker"), "a marker")
            if marker is not None and not any(self._holds(marker, platform, (("extra", each),)) for each in chosen):
                continue
            for package in self._found(edge, platform, chosen):
                if id(package) not in seen:
                    seen[id(package)] = package
                    waiting += package.dependencies
                for wanted in texts(edge.get("extra"), "the extras of a dependency"):
                    if (id(package), wanted) not in entered:
                        entered.add((id(package), wanted))
                        waiting += package.extras.get(canonicalize_name(wanted), ())
        return (package.files for package in seen.values() if package.files is not None)

    def _chosen(self, extra: str | None, group: str | None) -> Iterable[str]:
        """Yield the names under which markers know this choice of extras and groups; the empty text is always one."""
        yield ""
        for member in self._members:
            if extra is not None and extra in member.extras:
                yield f"extra-{len(member.name)}-{member.name}-{extra}"
            if group is not None and group in member.groups:
                yield f"group-{len(member.name)}-{member.name}-{group}"

    def _found(self, edge: Mapping[str, Json], platform: str, chosen: tuple[str, ...]) -> list[UvPackage]:
        name = text(edge.get("name"), "the name of a dependency")
        version, source = edge.get("version"), edge.get("source")
        found = [
            package
            for package in self._packages.get(name, ())
            if (version is None or package.version == version) and (source is None or package.source == source)
        ]
        if not found:
            raise Malformed(f"the dependency {name} is not under package")
        if len(found) == 1:
            return found
        return [
            package
            for package in found
            if not package.markers
            or any(self._holds(marker, platform, (("extra", each),)) for marker in package.markers for each in chosen)
        ]
