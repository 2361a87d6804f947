"""Install wheels into the environment, as the binary distribution format says, and run nothing of them."""

from __future__ import annotations

import base64
import configparser
import csv
import hashlib
import io
import posixpath
import re
import zipfile
import zlib
from pathlib import PurePosixPath

from pixi_mirror.pack.unpacker.packs import Source
from pixi_mirror.pack.unpacker.places import Python, Site, make_command, python_shebang, target
from pixi_mirror.pack.unpacker.refusal import WRONG_BYTES, Refusal, plain

INSTALLER = "pixi-mirror"
_DIGESTS = ("sha256", "sha384", "sha512")
_UNHASHED = ("RECORD", "RECORD.jws", "RECORD.p7s")


def install_wheel(path: str, source: Source, site: Site) -> None:
    """Install one wheel, whose path in the pack is `path`.

    Raises:
        Refusal: it is damaged, or would make something outside, or the environment has no Python.
    """
    python = site.python
    if python is None:
        raise Refusal(
            "No python record found. The pack holds wheels, and no Python to install them for: add python to the "
            "dependencies of its environment, and pack it again"
        )
    try:
        with source.open() as file, zipfile.ZipFile(file) as archive:
            _Installation(archive, path, site, python).run()
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError) as error:
        raise _bad(path, error) from error
    except (configparser.Error, csv.Error) as error:
        raise _bad(path, error) from error


class _Installation:
    """One wheel on its way into the environment."""

    def __init__(self, archive: zipfile.ZipFile, where: str, site: Site, python: Python) -> None:
        self._archive, self._where, self._site, self._python = archive, where, site, python
        self._owner = PurePosixPath(where).name
        self._names = [plain(name, where) for name in archive.namelist() if not name.endswith("/")]
        infos = {name.split("/")[0] for name in self._names if name.split("/")[0].endswith(".dist-info")}
        if len(infos) != 1 or len(set(self._names)) != len(self._names):
            raise _bad(where, f"it has {len(infos)} folders *.dist-info, and needs one, or a file twice")
        self._info = infos.pop()
        self._rows: list[tuple[str, str, str]] = []

    def run(self) -> None:
        """Install it.

        Raises:
            Refusal: as `install_wheel`.
        """
        if _project(self._info) != _project(self._owner):
            raise _bad(self._where, f"its metadata are in {self._info}, which is another project's")
        told = re.search(r"(?im)^Wheel-Version:\s*(\d+)\.\d+\s*$", self._text("WHEEL"))
        if told is None or told[1] != "1":
            raise _bad(self._where, "its file WHEEL tells no version 1.x of the format")
        listed = self._listed()
        for info in self._archive.infolist():
            name = plain(info.filename, self._where)
            if not info.is_dir() and name not in (f"{self._info}/RECORD", f"{self._info}/INSTALLER"):
                self._install(info, name, listed)
        for line in self._commands():
            for path, _ in make_command(self._site, line, self._owner):
                self._write_down(path, (self._site.here / path).read_bytes())
        self._make(f"{self._python.site_packages}/{self._info}/INSTALLER", f"{INSTALLER}\n".encode())
        self._write_record()

    def _text(self, name: str) -> str:
        try:
            return self._archive.read(f"{self._info}/{name}").decode("utf-8")
        except KeyError:
            raise _bad(self._where, f"it has no {self._info}/{name}") from None

    def _listed(self) -> dict[str, str]:
        """Path -> digest of every file that RECORD lists."""
        rows = csv.reader(io.StringIO(self._text("RECORD")))
        return {plain(row[0], self._where): row[1] for row in rows if len(row) >= 2}  # noqa: PLR2004 - path and digest

    def _install(self, info: zipfile.ZipInfo, name: str, listed: dict[str, str]) -> None:
        data = self._archive.read(info)
        kind, _, expected = listed.get(name, "").partition("=")
        is_signature = posixpath.dirname(name) == self._info and posixpath.basename(name) in _UNHASHED
        if not is_signature and (kind not in _DIGESTS or _encoded(kind, data) != expected.rstrip("=")):
            raise _bad(self._where, f"{name} is not what its RECORD says")
        path = self._place(name)
        is_program = bool(info.external_attr >> 16 & 0o111)
        if path.startswith(f"{self._python.commands}/") and ".data/scripts/" in name:
            is_program, data = True, self._with_shebang(data)
        self._make(path, data, is_program=is_program)

    def _place(self, name: str) -> str:
        """Where in the environment a file of the wheel belongs."""
        first, _, rest = name.partition("/")
        if first != f"{self._info[: -len('.dist-info')]}.data":
            return f"{self._python.site_packages}/{name}"
        kind, _, rest = rest.partition("/")
        project = first.partition("-")[0]
        headers = f"Include/{project}" if self._site.is_windows else f"include/python{self._python.series}/{project}"
        places = {
            "purelib": self._python.site_packages,
            "platlib": self._python.site_packages,
            "scripts": self._python.commands,
            "headers": headers,
            "data": "",
        }
        if kind not in places or not rest:
            raise _bad(self._where, f"it has {name}, and nobody knows where that belongs")
        return posixpath.join(places[kind], rest)

    def _with_shebang(self, data: bytes) -> bytes:
        first, end, rest = data.partition(b"\n")
        if not first.startswith(b"#!python") or self._site.is_windows:
            return data
        return python_shebang(self._site, self._python) + end + rest

    def _commands(self) -> list[str]:
        if f"{self._info}/entry_points.txt" not in self._names:
            return []
        parser = _EntryPoints(delimiters=("=",), interpolation=None, strict=False)
        parser.read_string(self._text("entry_points.txt"))
        sections = [each for each in ("console_scripts", "gui_scripts") if parser.has_section(each)]
        return [f"{name} = {value}" for section in sections for name, value in parser.items(section)]

    def _make(self, path: str, data: bytes, *, is_program: bool = False) -> None:
        place = target(self._site, path, self._owner)
        with place.open("xb") as file:
            file.write(data)
        place.chmod(0o755 if is_program else 0o644)
        self._write_down(path, data)

    def _write_down(self, path: str, data: bytes) -> None:
        relative = posixpath.relpath(path, self._python.site_packages)
        self._rows.append((relative, f"sha256={_encoded('sha256', data)}", str(len(data))))

    def _write_record(self) -> None:
        record = f"{self._info}/RECORD"
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([*sorted(self._rows), (record, "", "")])
        place = target(self._site, f"{self._python.site_packages}/{record}", self._owner)
        place.write_bytes(text.getvalue().encode("utf-8", "surrogateescape"))


def _project(name: str) -> str:
    """The normalised name of the project that a wheel or its folder of metadata is of."""
    return re.sub(r"[-_.]+", "-", name.partition("-")[0]).lower()


class _EntryPoints(configparser.ConfigParser):
    """Entry points, whose names are in the case in which they are."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def _encoded(kind: str, data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.new(kind, data).digest()).decode().rstrip("=")


def _bad(where: str, why: object) -> Refusal:
    return Refusal(f"{where} is no wheel that can be installed, or a damaged one: {why}", status=WRONG_BYTES)
