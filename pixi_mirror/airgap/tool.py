"""Make this program one file that runs where nothing but Python is: for a machine on which an export arrives first."""

import io
import zipfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path, PurePosixPath

from pixi_mirror.errors import MachineError

TOOL = "pixi-mirror.pyz"
"""The name of the file. `python3 pixi-mirror.pyz` runs it, from Python 3.11 on."""

_SHEBANG = b"#!/usr/bin/env python3\n"
_MAIN = b"from pixi_mirror.commands.program import main\n\nmain()\n"
_LIBRARIES = (
    "PyYAML",
    "certifi",
    "charset-normalizer",
    "idna",
    "packaging",
    "platformdirs",
    "requests",
    "tqdm",
    "urllib3",
)
"""What the program depends on, and what these do, as far as it is Python alone. `backports.zstd` is not: without it the
file reads no `.conda` package below Python 3.14, which an import does not."""
_ENDINGS = (".py", ".pem", ".typed")
_DATE = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip can have, so that the same program is the same file."""


def build_tool() -> bytes:
    """The program as one file, from the modules that run now.

    Raises:
        MachineError: a module cannot be read.
    """
    import pixi_mirror

    made = io.BytesIO(_SHEBANG)
    made.seek(0, io.SEEK_END)
    contents = {"__main__.py": _MAIN, **_package(Path(pixi_mirror.__path__[0]))}
    for library in _LIBRARIES:
        contents |= _library(library)
    with zipfile.ZipFile(made, "a") as archive:
        for name, data in sorted(contents.items()):
            info = zipfile.ZipInfo(name, _DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, data, compresslevel=9)
    return made.getvalue()


def _package(folder: Path) -> Mapping[str, bytes]:
    """The modules of a package that lies in a folder."""
    try:
        return {
            f"{folder.name}/{path.relative_to(folder).as_posix()}": path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.suffix in _ENDINGS
        }
    except OSError as error:
        raise _unreadable(str(folder)) from error


def _library(name: str) -> Mapping[str, bytes]:
    """The modules of an installed library."""
    try:
        return dict(_installed(metadata.distribution(name)))
    except (metadata.PackageNotFoundError, OSError) as error:
        raise _unreadable(name) from error


def _installed(distribution: metadata.Distribution) -> Iterator[tuple[str, bytes]]:
    for each in distribution.files or ():
        path = PurePosixPath(each)
        if path.suffix in _ENDINGS and ".." not in path.parts and not path.parts[0].endswith(".dist-info"):
            yield str(path), Path(str(each.locate())).read_bytes()


def _unreadable(what: str) -> MachineError:
    return MachineError(
        f"--with-tool: {what} cannot be read as files, so that no program can be made of it. Install pixi-mirror with "
        "pip, or leave --with-tool out and carry the wheels."
    )
