"""Know where things belong in an environment, and make in it what is written anew: patched files and commands."""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from pixi_mirror.pack.unpacker.packs import Package
from pixi_mirror.pack.unpacker.refusal import Refusal, plain

_COMMAND = re.compile(r"\s*([^=/\\\s][^=/\\]*?)\s*=\s*([\w.]+)\s*:\s*([\w.]+)\s*(?:\[.*\]\s*)?")
_SHEBANG = re.compile(rb"#! *(/(?:\\ |[^ \n\r\t])*)(.*)", re.DOTALL)
_PYTHON_NAME = re.compile(rb"python(?:\d+(?:\.\d+)?)?")
_LONGEST_SHEBANG = {"linux": 127, "osx": 512}
"""Bytes; a kernel cuts a longer one."""


class Python(NamedTuple):
    """The Python of an environment, by its record."""

    series: str
    """Such as `3.11`."""
    site_packages: str
    """Relative to the environment, as the next two."""
    program: str
    commands: str
    """Where commands belong."""


class Site(NamedTuple):
    """The environment that is being made."""

    here: Path
    """Where it is made; no links in it."""
    prefix: str
    """Where it will be."""
    platform: str
    """The subdir that it is for."""
    python: Python | None
    """None: the pack holds none."""
    owners: dict[str, str]
    """Path -> package, of the files that are there."""
    links: list[str]
    """Paths of the softlinks among them."""
    notes: list[str]
    """What the user may want to know."""

    @property
    def is_windows(self) -> bool:
        """Whether it is for Windows."""
        return self.platform.startswith("win-")


def python_of(packages: list[Package], platform: str) -> Python | None:
    """The Python among packages; None: there is none."""
    record = next((each.record for each in packages if each.record["name"] == "python"), None)
    if record is None:
        return None
    series = ".".join(str(record["version"]).split(".")[:2])
    told = plain(str(record.get("python_site_packages_path") or ""), "the record of python")
    if platform.startswith("win-"):
        return Python(series, told or "Lib/site-packages", "python.exe", "Scripts")
    return Python(series, told or f"lib/python{series}/site-packages", f"bin/python{series}", "bin")


def target(site: Site, path: str, owner: str) -> Path:
    """Where a file is to be made, now that its folder is there and nothing else is in its place.

    Raises:
        Refusal: it would lie outside, or a folder is there.
    """
    name = plain(path, owner)
    if not name:
        raise Refusal(f"{owner} wants to be the environment's own folder")
    place = make_folder(site, posixpath.dirname(name), owner) / posixpath.basename(name)
    if os.path.lexists(place):
        if place.is_dir() and not place.is_symlink():
            raise Refusal(f"{owner} wants to make {path!r}, which is a folder of another package")
        site.notes.append(f"{path} is brought by {site.owners.get(name, 'several')} and {owner}: the latter's stays")
        place.unlink()
    site.owners[name] = owner
    return place


def make_folder(site: Site, path: str, owner: str) -> Path:
    """A folder of the environment, made if need be.

    Raises:
        Refusal: it would lie outside.
    """
    place = site.here / plain(path, owner)
    # A link that another package brought may stand in the way.
    if not _is_inside(site, place):
        raise Refusal(f"{owner} wants to make {path!r}, which leads outside of the environment")
    place.mkdir(parents=True, exist_ok=True)
    return place


def leads_inside(path: str, leads_to: str) -> bool:
    """Whether a link at a path of the environment says one that is in it."""
    end = posixpath.normpath(posixpath.join(posixpath.dirname(path), leads_to))
    return not posixpath.isabs(leads_to) and end != ".." and not end.startswith("../")


def refuse_links_out(site: Site) -> None:
    """Look where all links lead, now that all are there: one may lead through others.

    Raises:
        Refusal: one leads out of the environment.
    """
    for path in site.links:
        if not _is_inside(site, site.here / path):
            raise Refusal(f"{site.owners.get(path)} has a link {path}, which leads outside of the environment")


def _is_inside(site: Site, place: Path) -> bool:
    root = str(site.here)
    return os.path.commonpath([root, os.path.realpath(place)]) == root


def patched(data: bytes, placeholder: str, site: Site, *, is_text: bool, where: str) -> bytes:
    """A file that names the place where it was built, now naming where it will be.

    Raises:
        Refusal: the environment's path is too long for it.
    """
    old, new = placeholder.encode(), os.fsencode(site.prefix)
    if site.is_windows:
        # Its programs are not patched: they find their libraries by themselves.
        return data.replace(old, new.replace(b"\\", b"/")) if is_text else data
    if is_text:
        first, end, rest = data.partition(b"\n")
        if data.startswith(b"#!"):
            return _shebang(first, old, new, site.platform) + end + rest.replace(old, new)
        return data.replace(old, new)
    if len(new) > len(old) and old in data:
        raise Refusal(
            f"{where} has room for a path of {len(old)} bytes, and {site.prefix} has more. Choose a shorter -o"
        )
    # A text in a program ends with a NUL, and whatever is behind it has to stay where it is.
    return re.sub(
        re.escape(old) + rb"[^\0]*", lambda found: found[0].replace(old, new).ljust(len(found[0]), b"\0"), data
    )


def _shebang(line: bytes, old: bytes, new: bytes, platform: str) -> bytes:
    """The first line of a script; one with a space or too long for a kernel is put in other words, as rattler does."""
    longest = _LONGEST_SHEBANG.get(platform.partition("-")[0])
    replaced = line.replace(old, new)
    has_space = old in line and len(new.split(maxsplit=1)) > 1
    if not has_space and (longest is None or len(replaced) <= longest):
        return replaced
    told = _SHEBANG.fullmatch(line)
    if told is None:
        return replaced
    path, rest = told[1].replace(old, new), told[2].replace(old, new)
    if _PYTHON_NAME.fullmatch(told[1].rpartition(b"/")[2]):
        return _through_sh(path, rest)
    return b"#!/usr/bin/env " + path.rpartition(b"/")[2] + rest


def _through_sh(path: bytes, rest: bytes = b"") -> bytes:
    """Two lines by which a shell has a Python run the script; to Python they are a comment and a text."""
    # A backslash would be no text of Python's, so what means something to the shell is put between the other quotes.
    is_special = any(sign in path for sign in b'$`"\\')
    quoted = b"'" + path.replace(b"'", b"'\"'\"'") + b"'" if is_special else b'"' + path + b'"'
    return b"#!/bin/sh\n'''exec' " + quoted + rest + b' "$0" "$@" #\'\'\''


def python_shebang(site: Site, python: Python) -> bytes:
    """The first line of a script that this environment's Python runs."""
    path = os.fsencode(f"{site.prefix}/{python.program}")
    is_plain = len(path) <= _LONGEST_SHEBANG["linux"] - len(b"#!") and len(path.split(maxsplit=1)) == 1
    return b"#!" + path if is_plain else _through_sh(path)


def make_command(site: Site, line: str, owner: str) -> list[tuple[str, str]]:
    """Make a command of a line `name = module:function`; the paths of its files, with what conda calls their kinds.

    Raises:
        Refusal: the line is none.
    """
    told = _COMMAND.fullmatch(line)
    python = site.python
    if told is None or python is None:
        raise Refusal(f"{owner} has a command {line[:200]!r}, which is not `name = module:function`, or no Python")
    name, module, function = told.groups()
    text = (
        "# -*- coding: utf-8 -*-\nimport re\nimport sys\n\n"
        f"from {module} import {function.partition('.')[0]}\n\n"
        "if __name__ == '__main__':\n"
        "\tsys.argv[0] = re.sub(r'(-script\\.pyw?|\\.exe)?$', '', sys.argv[0])\n"
        f"\tsys.exit({function}())\n"
    )
    if not site.is_windows:
        path = f"{python.commands}/{name}"
        _write_program(target(site, path, owner), python_shebang(site, python) + f"\n{text}".encode())
        return [(path, "unix_python_entry_point")]
    script = f"{python.commands}/{name}-script.py"
    _write_program(target(site, script, owner), f"\n{text}".encode())
    return [
        (script, "windows_python_entry_point_script"),
        (_launcher(site, name, owner), "windows_python_entry_point_exe"),
    ]


def _launcher(site: Site, name: str, owner: str) -> str:
    """What runs `NAME-script.py` on Windows: the launcher of setuptools where that is there, else a batch file."""
    python = site.python
    assert python is not None  # noqa: S101 - who makes a command has looked
    found = (
        site.here / python.site_packages / "setuptools" / ("cli-arm64.exe" if "arm" in site.platform else "cli-64.exe")
    )
    if found.is_file():
        path = f"{python.commands}/{name}.exe"
        shutil.copyfile(found, target(site, path, owner))
        return path
    path = f"{python.commands}/{name}.bat"
    _write_program(target(site, path, owner), f'@"%~dp0..\\python.exe" "%~dp0{name}-script.py" %*\r\n'.encode())
    return path


def _write_program(place: Path, text: bytes) -> None:
    place.write_bytes(text)
    place.chmod(0o755)


def written(site: Site, path: str, kind: str) -> dict[str, Any]:
    """What `conda-meta` says of a file that was made here."""
    data = (site.here / path).read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return {"_path": path, "path_type": kind, "sha256": digest, "size_in_bytes": len(data)}


def sign(place: Path, platform: str) -> None:
    """Sign a program that was changed, without which macOS on arm64 kills it.

    Raises:
        Refusal: it cannot be signed.
    """
    if platform != "osx-arm64" or sys.platform != "darwin":
        return
    command = ["/usr/bin/codesign", "--sign", "-", "--force", "--preserve-metadata=entitlements", str(place)]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - the system's own
    if done.returncode:
        raise Refusal(f"{place} could not be signed: {done.stderr.decode('utf-8', 'replace').strip()[:500]}")
