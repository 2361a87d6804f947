"""Build small, valid wheels and sdists in memory, the same bytes on every machine; no disk, no network."""

import base64
import csv
import hashlib
import io
import json
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

SdistExtension: TypeAlias = Literal["tar.gz", "zip"]

_NO_ENTRY_POINTS: Mapping[str, Mapping[str, str]] = MappingProxyType({})
_EPOCH_OF_ZIP = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_REGULAR = 0o100000
_LARGEST_DEFLATE_BLOCK = 0xFFFF
_BACKEND_FOLDER = "build_backend"

_BACKEND = '''\
"""A PEP 517 backend that needs nothing but the standard library: it zips the modules beside PKG-INFO."""

import base64
import email.parser
import hashlib
import os
import re
import zipfile


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    with open("PKG-INFO", "rb") as file:
        metadata = file.read()
    described = email.parser.BytesParser().parsebytes(metadata)
    stem = re.sub(r"[-_.]+", "_", described["Name"]).lower() + "-" + described["Version"].replace("-", "_")
    modules = sorted(name for name in os.listdir(".") if name.endswith(".py") and name != "setup.py")
    members = {}
    for name in modules:
        with open(name, "rb") as file:
            members[name] = file.read()
    info = stem + ".dist-info"
    members[info + "/METADATA"] = metadata
    members[info + "/WHEEL"] = (
        b"Wheel-Version: 1.0\\nGenerator: pixi-mirror-demo\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    )
    record = ""
    for name, data in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += "%s,sha256=%s,%d\\n" % (name, digest, len(data))
    members[info + "/RECORD"] = (record + info + "/RECORD,,\\n").encode()
    wheel = stem + "-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, wheel), "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return wheel
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltDistribution:
    """A wheel or an sdist, with what an index shows of it."""

    file_name: str
    data: bytes
    sha256: str
    """Of `data`, in lower-case hexadecimal digits."""
    metadata: bytes
    """The core metadata inside: `METADATA` of a wheel, `PKG-INFO` of an sdist."""


def build_wheel(
    *,
    name: str,
    version: str,
    requires_dist: Sequence[str] = (),
    requires_python: str | None = None,
    build: str | None = None,
    tag: str = "py3-none-any",
    files: Mapping[str, bytes] | None = None,
    entry_points: Mapping[str, Mapping[str, str]] = _NO_ENTRY_POINTS,
    extra_metadata: Sequence[str] = (),
    payload_size: int = 0,
) -> BuiltDistribution:
    """The wheel that the arguments describe (PEP 427).

    Args:
        name: As the metadata spell it; the file name and the directory inside escape it.
        version: As the metadata spell it.
        requires_dist: Requirements (PEP 508).
        requires_python: A specifier of versions (PEP 345); None: of any.
        build: The build tag; it begins with a digit.
        tag: Compressed tags are fine: `py2.py3-none-any`.
        files: Path in `site-packages` -> content; None: one module that knows its `__version__`.
        entry_points: Group -> name -> object reference, such as `console_scripts` -> `hello` -> `hello:main`.
        extra_metadata: More header lines, such as `Provides-Extra: test`.
        payload_size: Bytes of incompressible content to add as `<module>_payload.bin`.
    """
    stem = f"{_escaped(name)}-{version.replace('-', '_')}"
    metadata = _metadata(name, version, requires_dist, requires_python, extra_metadata)
    content = dict(_module(name, version) if files is None else files)
    if payload_size:
        seed = f"{stem}-{build}-{tag}".encode()
        content[f"{_escaped(name)}_payload.bin"] = hashlib.shake_256(seed).digest(payload_size)
    info = f"{stem}.dist-info"
    members = dict(sorted(content.items()))
    members[f"{info}/METADATA"] = metadata
    members[f"{info}/WHEEL"] = _wheel(tag, build)
    if entry_points:
        members[f"{info}/entry_points.txt"] = _ini(entry_points)
    members[f"{info}/RECORD"] = _record(members, f"{info}/RECORD")
    file_name = "-".join([stem, *([build] if build else []), tag]) + ".whl"
    return _built(file_name, _zip(members), metadata)


def build_sdist(
    *,
    name: str,
    version: str,
    build_requires: Sequence[str] = ("setuptools",),
    build_backend: str | None = None,
    requires_dist: Sequence[str] = (),
    requires_python: str | None = None,
    with_pyproject: bool = True,
    extension: SdistExtension = "tar.gz",
) -> BuiltDistribution:
    """The sdist that the arguments describe (PEP 625, PEP 517), with one module that knows its `__version__`.

    Args:
        name: As the metadata spell it; the file name and the top folder escape it.
        version: As the metadata spell it.
        build_requires: What `build-system.requires` lists.
        build_backend: What builds it; None: a backend of its own inside the sdist, which needs nothing.
        requires_dist: Requirements (PEP 508).
        requires_python: A specifier of versions (PEP 345); None: of any.
        with_pyproject: False: a `setup.py` for setuptools takes its place.
        extension: Which of the two archive formats.
    """
    metadata = _metadata(name, version, requires_dist, requires_python, ())
    members = {"PKG-INFO": metadata, **_module(name, version)}
    if not with_pyproject:
        members["setup.py"] = _setup(name, version, requires_dist, requires_python)
    else:
        project = _project(name, version, requires_dist, requires_python) if build_backend else b""
        members["pyproject.toml"] = _build_system(build_requires, build_backend) + project
        if build_backend is None:
            members[f"{_BACKEND_FOLDER}/demo_backend.py"] = _BACKEND.encode()
    top = f"{_escaped(name)}-{version.replace('-', '_')}"
    placed = {f"{top}/{path}": data for path, data in sorted(members.items())}
    data = _zip(placed) if extension == "zip" else _gzip(_tar(placed))
    return _built(f"{top}.{extension}", data, metadata)


def _built(file_name: str, data: bytes, metadata: bytes) -> BuiltDistribution:
    sha256 = hashlib.sha256(data).hexdigest()
    return BuiltDistribution(file_name=file_name, data=data, sha256=sha256, metadata=metadata)


def _escaped(name: str) -> str:
    """As PyPA's *Binary distribution format* has it: normalised after PEP 503, then `-` replaced by `_`."""
    return re.sub(r"[-_.]+", "_", name).lower()


def _module(name: str, version: str) -> dict[str, bytes]:
    return {f"{_escaped(name)}.py": f'"""Made by pixi-mirror."""\n\n__version__ = {json.dumps(version)}\n'.encode()}


def _metadata(
    name: str, version: str, requires_dist: Sequence[str], requires_python: str | None, extra: Sequence[str]
) -> bytes:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += ["Summary: made by pixi-mirror"]
    lines += [f"Requires-Python: {requires_python}"] if requires_python else []
    lines += [f"Requires-Dist: {requirement}" for requirement in requires_dist]
    return "".join(f"{line}\n" for line in [*lines, *extra]).encode()


def _wheel(tag: str, build: str | None) -> bytes:
    pythons, abis, platforms = (part.split(".") for part in tag.split("-"))
    lines = ["Wheel-Version: 1.0", "Generator: pixi-mirror-demo"]
    lines += [f"Root-Is-Purelib: {str(platforms == ['any']).lower()}"]
    lines += [f"Tag: {python}-{abi}-{platform}" for python in pythons for abi in abis for platform in platforms]
    lines += [f"Build: {build}"] if build else []
    return "".join(f"{line}\n" for line in lines).encode()


def _ini(groups: Mapping[str, Mapping[str, str]]) -> bytes:
    lines = []
    for group, references in sorted(groups.items()):
        lines += [f"[{group}]", *(f"{name} = {reference}" for name, reference in sorted(references.items())), ""]
    return "\n".join(lines).encode()


def _record(members: Mapping[str, bytes], itself: str) -> bytes:
    """PEP 427: "RECORD is a list of (almost) all the files in the wheel and their secure hashes"."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    for path, data in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.writerow([path, f"sha256={digest}", len(data)])
    rows.writerow([itself, "", ""])
    return text.getvalue().encode()


def _build_system(requires: Sequence[str], backend: str | None) -> bytes:
    lines = ["[build-system]", f"requires = {json.dumps(list(requires))}"]
    if backend is None:
        lines += ['build-backend = "demo_backend"', f'backend-path = ["{_BACKEND_FOLDER}"]']
    else:
        lines += [f"build-backend = {json.dumps(backend)}"]
    return "".join(f"{line}\n" for line in lines).encode()


def _project(name: str, version: str, requires_dist: Sequence[str], requires_python: str | None) -> bytes:
    lines = ["", "[project]", f"name = {json.dumps(name)}", f"version = {json.dumps(version)}"]
    lines += ['description = "made by pixi-mirror"', f"dependencies = {json.dumps(list(requires_dist))}"]
    lines += [f"requires-python = {json.dumps(requires_python)}"] if requires_python else []
    # Without it setuptools would look for packages; other backends do not read it.
    lines += ["", "[tool.setuptools]", f"py-modules = {json.dumps([_escaped(name)])}"]
    return "".join(f"{line}\n" for line in lines).encode()


def _setup(name: str, version: str, requires_dist: Sequence[str], requires_python: str | None) -> bytes:
    arguments = {
        "name": name,
        "version": version,
        "py_modules": [_escaped(name)],
        "install_requires": list(requires_dist),
        **({"python_requires": requires_python} if requires_python else {}),
    }
    shown = "".join(f"    {key}={value!r},\n" for key, value in arguments.items())
    return f"from setuptools import setup\n\nsetup(\n{shown})\n".encode()


def _mode(path: str) -> int:
    # `<stem>.data/scripts/`: what an installer puts on PATH.
    return 0o755 if ".data/scripts/" in path else 0o644


def _zip(members: Mapping[str, bytes]) -> bytes:
    """A zip of stored files in the given order: what deflate makes differs between versions of zlib."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path, data in members.items():
            entry = zipfile.ZipInfo(path, _EPOCH_OF_ZIP)
            entry.create_system = _UNIX  # else Windows writes other bytes
            entry.external_attr = (_REGULAR | _mode(path)) << 16
            archive.writestr(entry, data)
    return buffer.getvalue()


def _tar(members: Mapping[str, bytes]) -> bytes:
    """A tar of regular files, without owner or clock."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, data in members.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            entry.mode = _mode(path)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _gzip(data: bytes) -> bytes:
    """A gzip member (RFC 1952) of stored blocks (RFC 1951): no compression, so the same bytes everywhere."""
    pieces = [b"\x1f\x8b\x08\0\0\0\0\0\0\xff"]
    for start in range(0, len(data) or 1, _LARGEST_DEFLATE_BLOCK):
        block = data[start : start + _LARGEST_DEFLATE_BLOCK]
        last = start + _LARGEST_DEFLATE_BLOCK >= len(data)
        pieces += [struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF), block]
    return b"".join([*pieces, struct.pack("<LL", zlib.crc32(data), len(data) & 0xFFFFFFFF)])
