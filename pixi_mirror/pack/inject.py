"""Take packages into a pack that no lock names, and refuse those that the rest of it cannot live with."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pixi_mirror.conda.closure import unjudged, unmet
from pixi_mirror.conda.names import SUFFIXES
from pixi_mirror.conda.records import read_record
from pixi_mirror.disk.files import explain_errors, hash_file
from pixi_mirror.errors import MachineError, UnmirrorableError, UsageError
from pixi_mirror.model.packages import Package
from pixi_mirror.model.values import Json, MirrorPath, Url, admit_path, admit_sha256
from pixi_mirror.pack.obtain import ReadyFile
from pixi_mirror.pypi.metadata import read_metadata
from pixi_mirror.pypi.names import canonical_name, projects_in_purls, wheel_name
from pixi_mirror.pypi.requirements import accepts, is_conditional, required_name
from pixi_mirror.pypi.wheel import read_wheel_metadata
from pixi_mirror.pypi.wheel_tags import fits

_WHEEL = ".whl"


def read_injected(paths: Iterable[Path]) -> tuple[ReadyFile, ...]:
    """The packages in these files, conda first, each kind in the order given.

    Raises:
        UsageError: a file is neither a conda package nor a wheel.
        MachineError: it cannot be read, or is damaged, or not what its name says.
        ProgramError: there is no library to read it.
    """
    found = [_injected(path) for path in paths]
    return tuple(sorted(found, key=lambda each: each.package.kind == "pypi"))


def names_of(files: Iterable[ReadyFile]) -> frozenset[tuple[str, str]]:
    """Kind and name of each."""
    return frozenset((each.package.kind, each.package.name) for each in files)


def refuse_doubles(locked: Iterable[Package], given: Iterable[ReadyFile]) -> None:
    """Refuse what is injected beside a locked package of its name, unless it is the same file.

    Raises:
        UnmirrorableError: there is such a package; it names them all.
    """
    named: dict[tuple[str, str], ReadyFile] = {(each.package.kind, each.package.name): each for each in given}
    doubles = [
        f"{_label(mine.package)} ({mine.path}) would stand beside {_label(package)}, which is locked"
        for package in locked
        for mine in (named.get((package.kind, package.name)), *_wheels_of(package, named))
        if mine is not None and mine.sha256 != package.sha256
    ]
    if doubles:
        _refuse("an environment holds one package of a name; --replace puts what is injected in its place", doubles)


def _wheels_of(package: Package, given: Mapping[tuple[str, str], ReadyFile]) -> Iterator[ReadyFile | None]:
    """The wheels whose project a locked conda package holds: they would be installed over its files."""
    if package.kind == "conda":
        yield from (given.get(("pypi", project)) for project in projects_of(package.record))


def refuse_misfits(
    locked: Iterable[Package], given: Sequence[ReadyFile], *, subdir: str, warn: Callable[[str], None]
) -> None:
    """Refuse what is `given` beside the locked packages if it, or any of them, then lacks something.

    Of conda packages everything is judged that any of them asks for, as pixi-pack does and in its words; of wheels
    their tags, and the requirements that hold everywhere.

    Raises:
        UnmirrorableError: something does not fit, or lacks what it needs; it names it all.
        MachineError: a wheel cannot be read, or is damaged.
    """
    packages = [*locked, *(each.package for each in given)]
    wrong = [
        f"package '{_label(each.package)}' is for {each.package.subdir}, and the pack for {subdir}"
        for each in given
        if each.package.subdir not in (None, "noarch", subdir)
    ]
    if any(each.package.kind == "conda" for each in given):
        records = [each.record for each in packages if each.kind == "conda"]
        wrong += [each.text for each in unmet(records)]
        for left_open in unjudged(records):
            warn(left_open.text)
    held = _held(packages)
    python = next((each.version for each in packages if each.kind == "conda" and each.name == "python"), None)
    for each in given:
        if each.package.kind == "pypi":
            wrong += _of_wheel(each, held, python=python, subdir=subdir)
    if wrong:
        _refuse("what is injected does not fit", wrong)


def _refuse(why: str, wrong: Sequence[str]) -> None:
    raise UnmirrorableError("\n  ".join([f"{why}:", *wrong]), items=wrong)


def _injected(path: Path) -> ReadyFile:
    name = path.name
    if not name.endswith((*SUFFIXES, _WHEEL)):
        raise UsageError(f"--inject {path}: its name ends in neither {', '.join(SUFFIXES)} nor {_WHEEL}.")
    with explain_errors("read the package", path):
        real = path.resolve(strict=True)
    try:
        return _wheel(real, name) if name.endswith(_WHEEL) else _conda(real, name)
    except ValueError as error:
        raise MachineError(f"--inject {path}: {error}. Build or download it again.") from None


def _conda(path: Path, name: str) -> ReadyFile:
    record = read_record(path, file_name=name)
    package = Package.of_record(record, path=_place(record["sha256"], name), url=Url(path.as_uri()))
    return ReadyFile(package=package, path=path, sha256=admit_sha256(record["sha256"]), size=record["size"])


def _wheel(path: Path, name: str) -> ReadyFile:
    parts = wheel_name(name)
    with explain_errors("read the package", path):
        sha256, status = hash_file(path)
    package = Package(
        path=_place(sha256, name),
        url=Url(path.as_uri()),
        sha256=sha256,
        md5=None,
        size=status.st_size,
        kind="pypi",
        name=parts.name,
        version=parts.version,
        build=None,
        subdir=None,
        record={},
    )
    return ReadyFile(package=package, path=path, sha256=sha256, size=status.st_size)


def _place(sha256: str, name: str) -> MirrorPath:
    return admit_path(f"local/{sha256}/{name}")


def _label(package: Package) -> str:
    """As pixi-pack names a package."""
    if package.kind == "pypi":
        return f"{package.name}=={package.version}"
    return f"{package.name}={package.version}={package.build}"


def _held(packages: Iterable[Package]) -> Mapping[str, str]:
    """Python project -> version, of the wheels and of the conda packages that stand for a project."""
    held: dict[str, str] = {}
    for each in packages:
        if each.kind == "pypi":
            held[each.name] = each.version
        else:
            for project in projects_of(each.record):
                held.setdefault(project, each.version)
    return held


def projects_of(record: Mapping[str, Json]) -> list[str]:
    """The Python projects that a conda package stands for, by its purls, else by its name."""
    purls = record.get("purls")
    if purls is None:  # nobody has looked it up: the names mostly agree
        return [canonical_name(record["name"])]
    return projects_in_purls(purls)


def _of_wheel(ready: ReadyFile, held: Mapping[str, str], *, python: str | None, subdir: str) -> Iterator[str]:
    label = _label(ready.package)
    if python is None:
        yield f"package '{label}' is a wheel, and there is no python in the environment"
        return
    if not fits(wheel_name(ready.file_name).tags, python=python, subdir=subdir):
        yield f"package '{label}' is {ready.file_name}, which python {python} on {subdir} does not take"
    try:
        metadata = read_metadata(read_wheel_metadata(ready.path, file_name=ready.file_name))
    except ValueError as error:
        raise MachineError(f"--inject {ready.path}: {error}. Build or download it again.") from None
    for requirement in metadata.requires_dist:
        if is_conditional(requirement):
            continue
        found = held.get(required_name(requirement))
        if found is None:
            yield f"package '{label}' has dependency '{requirement}', which is not in the environment"
        elif not accepts(requirement, found):
            yield f"package '{label}' has dependency '{requirement}', and the environment has {found}"
