"""pip: the index in a `pip.conf`."""

import configparser
import os
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from pixi_mirror.clients.files import home, system_folders, users_config_folder
from pixi_mirror.clients.marked_lines import drop_lines, insert_lines, lines_of
from pixi_mirror.clients.offer import Offer, leads_to
from pixi_mirror.pypi.simple import SIMPLE

_HEADER = re.compile(r"\[([^\]]+)\]")
_KEY = re.compile(r"([^\s=:#;][^=:]*?)\s*[=:]")
_SECTION = "global"
_OUTWEIGH = ("index-url", "extra-index-url", "no-index", "find-links")
"""Keys that decide where pip looks."""
_OFF = ("", "0", "false", "no", "off", "n", "f")


class PipClient:
    """pip, which knows no `[mirrors]`: it uses `simple/`."""

    def configuration(self, offer: Offer) -> str:
        """A whole `pip.conf`."""
        return "\n".join([f"[{_SECTION}]", *_lines(offer), ""])

    def notes(self, offer: Offer) -> tuple[str, ...]:
        """What the lines cannot say."""
        none = () if offer.has_python else ("the mirror holds no PyPI files: pip will find nothing in it.",)
        return (*none, *offer.git_notes)

    def merge(self, text: str | None, offer: Offer) -> str:
        """The lines in the user's section `[global]` where there is one, else in one at the end."""
        before = _parse(text or "")
        own = before.get(_SECTION, {})
        lines = _lines(offer, trusted=own.get("trusted-host", "").split())
        ours = _parse("\n".join([f"[{_SECTION}]", *lines]))[_SECTION]
        rows = [row for row in _ini_lines(text or "") if row.section == _SECTION]
        if not rows:
            result = insert_lines(text, [f"[{_SECTION}]", *lines], at=None, replacing=())
        else:
            # A line that is indented more than ours would continue it.
            indent = rows[1].indent if len(rows) > 1 else ""
            gone = {row.number for row in rows if row.key in ours}
            result = insert_lines(text, [indent + line for line in lines], at=rows[0].number + 1, replacing=gone)
        if _parse(result) != {**before, _SECTION: {**own, **ours}}:
            raise ValueError("it is written in a way that cannot be added to safely")
        return result

    def remove(self, text: str, bases: Collection[str]) -> str:
        """The index in `[global]` that is below a base, and the line of trust that we write with it."""
        own = _parse(text).get(_SECTION, {})
        if not leads_to(own.get("index-url", "").rstrip("/"), bases):
            return text
        gone = {"index-url"}
        if set(own.get("trusted-host", "").split()) <= {urlsplit(base).netloc for base in bases}:
            gone.add("trusted-host")
        rows = [row for row in _ini_lines(text) if row.section == _SECTION]
        numbers = {row.number for row in rows if row.key in gone}
        if set(own) <= gone:  # a section without keys means nothing
            numbers |= {row.number for row in rows}
        return drop_lines(text, numbers)

    def conflicts(self, text: str, offer: Offer, *, outranks: bool = False) -> tuple[str, ...]:
        """Settings of any section that send pip elsewhere or nowhere, and a proxy."""
        notes = []
        for section, keys in _parse(text).items():
            for key in _OUTWEIGH:
                is_replaced = key == "index-url" and section == _SECTION and not outranks
                if keys.get(key, "").lower() not in _OFF and not is_replaced and not _is_mirrors(keys[key], offer):
                    notes.append(
                        f"[{section}] {key} = {' '.join(keys[key].split())} outweighs the mirror, or adds to it."
                    )
            if keys.get("proxy"):
                notes.append(
                    f'[{section}] proxy sends requests to the mirror through a proxy: call pip with --proxy "".'
                )
        return tuple(notes)

    def variables(self) -> tuple[str, ...]:
        """The variables that outweigh a `pip.conf`."""
        return ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX", "PIP_FIND_LINKS")

    def files_read(self, own: Path | None, environ: Mapping[str, str]) -> tuple[Path, ...]:  # noqa: ARG002
        """Those of the system, of the user and of the active environment (`pip config debug`)."""
        name = "pip.ini" if os.name == "nt" else "pip.conf"
        named = environ.get("PIP_CONFIG_FILE")
        if named == os.devnull:
            return ()
        system = [] if os.name == "nt" else system_folders(environ)
        files = [folder / "pip" / name if folder != Path("/etc") else folder / name for folder in system]
        files += [home(environ) / ".pip" / name, users_config_folder(environ) / "pip" / name]
        active = (environ.get(variable) for variable in ("CONDA_PREFIX", "VIRTUAL_ENV"))
        files += [Path(prefix) / name for prefix in active if prefix]
        return (*files, *([Path(named)] if named else ()))

    def file(self, directory: Path, environ: Mapping[str, str]) -> Path:  # noqa: ARG002 - pip has none of workspaces
        """`$PIP_CONFIG_FILE`, else pip's file of the user."""
        return self.users_file(environ)

    def users_file(self, environ: Mapping[str, str]) -> Path:
        """`$PIP_CONFIG_FILE`, else pip's file of the user."""
        named = environ.get("PIP_CONFIG_FILE")
        if named and named != os.devnull:
            return Path(named)
        if os.name == "nt":
            return users_config_folder(environ) / "pip" / "pip.ini"
        old = home(environ) / ".pip" / "pip.conf"
        if old.is_file():
            return old
        if sys.platform == "darwin" and (support := home(environ) / "Library/Application Support/pip").is_dir():
            return support / "pip.conf"
        return users_config_folder(environ) / "pip" / "pip.conf"


def _is_mirrors(value: str, offer: Offer) -> bool:
    return all(leads_to(each.rstrip("/"), [offer.url]) for each in value.split())


def _lines(offer: Offer, *, trusted: Sequence[str] = ()) -> list[str]:
    """The lines of `[global]`; `trusted` are hosts that the user trusts already, since one key has all of them."""
    lines = [f"index-url = {offer.url}/{SIMPLE}/"]
    if offer.needs_trust:
        lines.append(f"trusted-host = {' '.join(dict.fromkeys((*trusted, offer.needs_trust)))}")
    return lines


class _IniLine(NamedTuple):
    """A line that is neither empty nor a comment."""

    number: int
    section: str
    key: str
    """The key whose first or further line it is; empty: it is the section's header."""
    indent: str


def _ini_lines(text: str) -> Iterator[_IniLine]:
    """The lines of a text, divided as configparser divides them; configparser itself reads the values."""
    section, key, level = "", "", 0
    for number, line in enumerate(lines_of(text.removeprefix("\ufeff"))):
        bare = line.strip()
        if not bare or bare.startswith(("#", ";")):
            continue
        indent = line[: len(line) - len(line.lstrip())]
        if not (key and len(indent) > level):
            level = len(indent)
            if header := _HEADER.match(bare):
                section, key = header[1], ""
            elif found := _KEY.match(bare):
                key = _normal(found[1])
        yield _IniLine(number, section, key, indent)


def _normal(key: str) -> str:
    return key.strip().lower().replace("_", "-").removeprefix("--")


class _IniParser(configparser.RawConfigParser):
    def optionxform(self, optionstr: str) -> str:
        return _normal(optionstr)


def _parse(text: str) -> dict[str, dict[str, str]]:
    parser = _IniParser()
    try:
        parser.read_string(text.removeprefix("\ufeff"))
    except configparser.Error as error:
        raise ValueError(f"it does not parse: {' '.join(str(error).split())}") from None
    return {section: dict(parser.items(section)) for section in parser.sections()}
