"""Read the files in which people list packages: environment.yml, requirements.txt, pyproject.toml."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.disk.files import explain_errors
from pixi_mirror.errors import UsageError, WorkspaceError
from pixi_mirror.lockfile.formats.toml_reader import load_toml
from pixi_mirror.lockfile.yaml_reader import SIZE_LIMIT, load_yaml
from pixi_mirror.model.values import Json, mask_secrets
from pixi_mirror.pypi.requirements import RequirementParts
from pixi_mirror.workspace.specs import PackageSpec, read_package, read_pypi_package

_DEFAULTS = ("main", "r", "msys2")
"""What `defaults` stands for, as in pixi."""
_HASHES = re.compile(r"\s+--hash[= ]\S+")
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_PYTHON = "python"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageList:
    """What a file lists."""

    channels: tuple[str, ...] = ()
    packages: tuple[PackageSpec, ...] = ()
    pypi: tuple[RequirementParts, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences about what was left out."""


def read_package_list(file: Path) -> PackageList:
    """Read a file by its name: `.yml` and `.yaml`, `.toml`, and everything else as a requirements file.

    Raises:
        UsageError: it lists something that cannot be in a new workspace.
        WorkspaceError: it is not there, or is no such file.
        MachineError: it cannot be read.
    """
    with explain_errors("read", file):
        try:
            with file.open("rb") as opened:
                data = opened.read(SIZE_LIMIT + 1)
        except (FileNotFoundError, IsADirectoryError):
            raise WorkspaceError(f"--from: there is no file {file}; name a file that lists packages.") from None
    try:
        if file.suffix in (".yml", ".yaml"):
            return _environment(load_yaml(data, name=str(file), command="conda env export"), file)
        if file.suffix == ".toml":
            return _project(load_toml(data, name=str(file), advice="correct it"), file)
        return _requirements(data, file)
    except UsageError as error:
        raise UsageError(f"{file}: {error}") from None


def _environment(document: Json, file: Path) -> PackageList:
    """An `environment.yml` of conda."""
    table = document if isinstance(document, dict) else {}
    listed = table.get("dependencies")
    if not isinstance(listed, list):
        raise WorkspaceError(f"{file} has no list `dependencies`, as an environment.yml has: name another file.")
    packages: list[PackageSpec] = []
    pypi: list[RequirementParts] = []
    notes: list[str] = []
    for row in listed:
        if isinstance(row, str):
            packages.append(read_package(row.strip()))
        elif isinstance(row, dict) and row.keys() == {"pip"} and isinstance(row["pip"] or [], list):
            pypi += _lines((str(line) for line in row["pip"] or []), notes, file)
        else:
            raise UsageError(f"{str(row)[:80]!r} is no package; `dependencies` lists packages, and `pip:` with a list.")
    channels = [name for name in table.get("channels") or [] if isinstance(name, str) and name != "nodefaults"]
    named = [word for name in channels for word in (_DEFAULTS if name == "defaults" else (name,))]
    notes += [f"{file}: `{key}` is left out: set it in pixi.toml" for key in ("variables",) if table.get(key)]
    return PackageList(
        channels=tuple(dict.fromkeys(named)), packages=tuple(packages), pypi=tuple(pypi), notes=tuple(notes)
    )


def _requirements(data: bytes, file: Path) -> PackageList:
    """A requirements file of pip."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WorkspaceError(f"{file} is not UTF-8 (byte {error.start}); save it as UTF-8.") from None
    notes: list[str] = []
    joined = re.sub(r"\\\r?\n", " ", text)
    return PackageList(pypi=tuple(_lines(joined.splitlines(), notes, file)), notes=tuple(notes))


def _lines(lines: Iterator[str] | list[str], notes: list[str], file: Path) -> Iterator[RequirementParts]:
    for line in lines:
        bare = _HASHES.sub("", _COMMENT.sub("", line)).strip()
        if not bare:
            continue
        if bare.startswith("-"):
            _note_option(bare, notes, file)
            continue
        yield read_pypi_package(bare)


_INDEXES = ("-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--no-index", "--trusted-host")


def _note_option(line: str, notes: list[str], file: Path) -> None:
    """Say what is left out of a file, or refuse it where packages would be missing."""
    option = re.split(r"[\s=]", line, maxsplit=1)[0]
    if option in _INDEXES:
        notes.append(f"{file}: {mask_secrets(line)} is left out: set the index in [pypi-options] of pixi.toml")
        return
    if option in ("-r", "--requirement", "-c", "--constraint", "-e", "--editable"):
        raise UsageError(
            f"{mask_secrets(line)!r} leads to another file or directory, which `init` does not follow: name that with "
            "--from as well, or put its lines here."
        )
    notes.append(f"{file}: {option} is left out, an option of pip")


def _project(document: dict[str, Json], file: Path) -> PackageList:
    """The dependencies of a `pyproject.toml` (PEP 621)."""
    tool = document.get("tool")
    if isinstance(tool, dict) and "pixi" in tool:
        raise WorkspaceError(
            f"{file} is the manifest of a pixi workspace already: mirror that with `pixi-mirror -m {file}`, and add "
            "the tasks with `pixi-mirror init` in its directory."
        )
    project = document.get("project")
    if not isinstance(project, dict):
        raise WorkspaceError(f"{file} has no table [project] (PEP 621), which lists dependencies: name another file.")
    listed = project.get("dependencies") or []
    if not isinstance(listed, list) or not all(isinstance(line, str) for line in listed):
        raise WorkspaceError(f"{file}: `dependencies` in [project] is no list of texts.")
    python = project.get("requires-python")
    spec = [read_package(f"{_PYTHON}{python}".replace(" ", ""))] if isinstance(python, str) and python else []
    notes = [
        f"{file}: `{key}` is left out; --pypi adds what you want of it"
        for key in ("optional-dependencies", "dynamic")
        if project.get(key)
    ]
    return PackageList(packages=tuple(spec), pypi=tuple(read_pypi_package(line) for line in listed), notes=tuple(notes))
