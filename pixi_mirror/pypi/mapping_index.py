"""Write the conda-to-PyPI mapping that pixi requests from its own host, from the purls of the locks; pure.

pixi requests it while it solves an environment with PyPI dependencies, even for records that carry their purls.
"""

from collections.abc import Callable, Iterable, Mapping

from pixi_mirror.model.hosted import is_hosted_url
from pixi_mirror.model.indexes import Contents, IndexFile
from pixi_mirror.model.packages import Package
from pixi_mirror.model.values import Json, MirrorPath, admit_path, canonical
from pixi_mirror.paths import MAPPING_HOST
from pixi_mirror.pypi.names import projects_in_purls

_BY_HASH = f"{MAPPING_HOST}/hash-v0"
MAPPING_BY_NAME = f"{MAPPING_HOST}/compressed-v0/compressed_mapping.json"
"""The file of all names."""


class MappingIndex:
    """Makes `hash-v0/<sha256>` for each conda package whose purls are known, and one file with all names."""

    def files(self, contents: Contents) -> Mapping[MirrorPath, IndexFile]:
        """Every file, that of all names last; none for a mirror without packages.

        A package without purls has no file: pixi takes a missing file (404) for "not known", and goes on. The file of
        all names is always there, `{}` where no lock has purls, because pixi cannot lock without it.
        """
        # What is hosted is nobody's business but its readers', and the mapping is everybody's.
        packages = tuple(package for package in contents.packages if not is_hosted_url(package.url.raw))
        if not packages:
            return {}
        known = {package.path: package for package in packages if _is_known(package)}
        files = {f"{_BY_HASH}/{package.sha256}": _of_package(package) for package in known.values()}
        files[MAPPING_BY_NAME] = _of_names(known.values())
        return {admit_path(path): _made(value) for path, value in files.items()}

    def problem(
        self,
        path: MirrorPath,
        data: bytes,  # noqa: ARG002 - that it is not what the inventory gives is known
        contents: Contents,  # noqa: ARG002
        *,
        read: Callable[[MirrorPath], bytes | None],  # noqa: ARG002 - these files refer to nothing
    ) -> str | None:
        """What is wrong with a file of the mapping."""
        if path == MAPPING_BY_NAME or path.startswith(f"{_BY_HASH}/"):
            return "it is not what the purls of the locks say"
        return None


def _is_known(package: Package) -> bool:
    return package.kind == "conda" and package.sha256 is not None and package.record.get("purls") is not None


def _of_package(package: Package) -> Json:
    return {
        # null: it is known not to be on PyPI.
        "pypi_normalized_names": projects_in_purls(package.record["purls"]) or None,
        "versions": None,
        "conda_name": package.name,
        "package_name": package.path.rpartition("/")[2],
        "direct_url": None,
    }


def _of_names(packages: Iterable[Package]) -> Json:
    projects: dict[str, set[str]] = {}
    for package in packages:
        projects.setdefault(package.name, set()).update(projects_in_purls(package.record["purls"]))
    return {name: _one_or_many(sorted(names)) for name, names in sorted(projects.items())}


def _one_or_many(names: list[str]) -> Json:
    return names if len(names) > 1 else next(iter(names), None)


def _made(value: Json) -> IndexFile:
    return IndexFile.of(canonical(value))
