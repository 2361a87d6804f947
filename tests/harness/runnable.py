"""A conda channel whose Python runs, made without a network of what this machine has installed.

The running interpreter becomes the package `python`, relocated; installed distributions become packages of their own,
with their dependencies. Nothing is compiled and nothing is fetched.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pixi_mirror.demo.packages import BuiltPackage, build_package

SUBDIR = "linux-64"
_SERIES = f"{sys.version_info[0]}.{sys.version_info[1]}"
_VERSION = ".".join(map(str, sys.version_info[:3]))
_SITE_PACKAGES = f"lib/python{_SERIES}/site-packages"
_LEFT_OUT = {"__pycache__", "dist-packages", "ensurepip", "idlelib", "site-packages", "test", "tests", "tkinter"}
"""Folders of the standard library that nobody here imports; site-packages is what packages bring."""


def python_package() -> BuiltPackage:
    """The running CPython as a package that works in whatever prefix it is installed."""
    base = Path(sys.base_prefix).resolve()
    program = _relocated((base / f"bin/python{_SERIES}").read_bytes(), base, "$ORIGIN/../lib")
    files = {f"bin/{name}": program for name in ("python", "python3", f"python{_SERIES}")}
    for library in base.glob(f"lib/libpython{_SERIES}.so.*"):
        files[f"lib/{library.name}"] = _relocated(library.read_bytes(), base, "$ORIGIN")
    for path in _standard_library(base / f"lib/python{_SERIES}"):
        files[path.relative_to(base).as_posix()] = _relocated(path.read_bytes(), base, "$ORIGIN/../..")
    files[f"{_SITE_PACKAGES}/README.txt"] = b"What packages bring.\n"
    return build_package(
        name="python",
        version=_VERSION,
        build="0_cpython",
        subdir=SUBDIR,
        license="Python-2.0",
        files=files,
        extra={"python_site_packages_path": _SITE_PACKAGES},
    )


def _standard_library(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(each for each in folders if each not in _LEFT_OUT and not each.startswith("config-"))
        yield from (Path(folder, name) for name in sorted(names) if not name.endswith((".pyc", ".a")))


def _relocated(data: bytes, base: Path, runpath: str) -> bytes:
    """The file with its ELF run path turned from the place where it was built into one relative to itself."""
    old, new = f"{base}/lib".encode() + b"\0", runpath.encode() + b"\0"
    if not data.startswith(b"\x7fELF") or len(new) > len(old):
        return data
    return data.replace(old, new.ljust(len(old), b"\0"))


_CONDA_NAMES = {"backports-zstd": "backports.zstd"}
"""What conda-forge calls otherwise than by the normalised name of its distribution."""


def packages_of_installed(names: Iterable[str]) -> Iterator[BuiltPackage]:
    """A package for each installed distribution of the names, and for each that these need."""
    waiting, seen = list(names), set()
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in seen:
            continue
        seen.add(name)
        found = distribution(name)
        needs = [each for each in map(Requirement, found.requires or []) if _applies(each)]
        waiting += [each.name for each in needs]
        yield _package_of(found, needs)


def _applies(requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})


def _package_of(found: Distribution, needs: Iterable[Requirement]) -> BuiltPackage:
    pure = "Root-Is-Purelib: true" in (found.read_text("WHEEL") or "")
    prefix = "site-packages" if pure else _SITE_PACKAGES
    files = {
        f"{prefix}/{file.as_posix()}": Path(str(file.locate())).read_bytes()
        for file in found.files or []
        # Scripts name the interpreter that they were installed for: `_commands` makes others.
        if ".." not in file.parts and file.suffix != ".pyc" and file.name != "direct_url.json"
    } | dict(_commands(found))
    python = f"python {(found.metadata['Requires-Python'] or '').replace(' ', '')}".strip()
    return build_package(
        name=_CONDA_NAMES.get(name := canonicalize_name(found.metadata["Name"]), name),
        version=found.version,
        build="py_0" if pure else f"py{_SERIES.replace('.', '')}_0",
        subdir="noarch" if pure else SUBDIR,
        noarch="python" if pure else None,
        depends=[python if pure else f"python {_SERIES}.*", *map(_conda_spec, needs)],
        files=files,
    )


def _commands(found: Distribution) -> Iterator[tuple[str, bytes]]:
    """The distribution's commands as scripts that run the Python beside them."""
    for command in found.entry_points.select(group="console_scripts"):
        module, _, function = command.value.partition(" ")[0].partition(":")
        code = f"import sys; from {module} import {function}; sys.exit({function}())"
        yield f"bin/{command.name}", f'#!/bin/sh\nexec "${{0%/*}}/python" -c "{code}" "$@"\n'.encode()


def _conda_spec(requirement: Requirement) -> str:
    versions = ",".join(sorted(map(str, requirement.specifier)))
    return f"{canonicalize_name(requirement.name)} {versions}".strip()


def rattler_index_package() -> BuiltPackage:
    """The real rattler-index, where this machine has it; else a stand-in that only tells a version."""
    built = Path.home() / ".cache/pixi-mirror-ci/cargo/bin/rattler-index"
    program = shutil.which("rattler-index") or (str(built) if built.exists() else None)
    if program is None:
        data, version = b"#!/bin/sh\necho rattler-index 0.28.1\n", "0.28.1"
    else:
        data = Path(program).read_bytes()
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
        version = said.split()[-1]
    return build_package(name="rattler-index", version=version, subdir=SUBDIR, files={"bin/rattler-index": data})


def write_channel(directory: Path, packages: Iterable[BuiltPackage]) -> None:
    """Lay packages out as a channel, still without an index."""
    for subdir in ("noarch", SUBDIR):
        (directory / subdir).mkdir(parents=True)
    for package in packages:
        (directory / str(package.record["subdir"]) / package.file_name).write_bytes(package.data)
