"""pip: the index in a `pip.conf`."""

import configparser
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pixi_mirror.clients.conda import home
from pixi_mirror.clients.marked_lines import insert_lines, lines_of
from pixi_mirror.clients.offer import Offer
from pixi_mirror.pypi.simple import SIMPLE

_HEADER = re.compile(r"\[([^\]]+)\]")
_KEY = re.compile(r"([^\s=:#;][^=:]*?)\s*[=:]")
_SECTION = "global"


class PipClient:
    """pip, which knows no `[mirrors]`: it uses `simple/`."""

    def fragment(self, offer: Offer) -> str:
        """A whole `pip.conf`."""
        return "\n".join([f"[{_SECTION}]", *_lines(offer), ""])

    def notes(self, offer: Offer) -> tuple[str, ...]:
        """What the lines cannot say."""
        return () if offer.has_python else ("the mirror holds no PyPI files: pip will find nothing in it.",)

    def merged(self, text: str | None, offer: Offer) -> str:
        """The lines in the user's section `[global]` where there is one, else in one at the end."""
        before = _parsed(text or "")
        own = before.get(_SECTION, {})
        lines = _lines(offer, trusted=own.get("trusted-host", "").split())
        ours = _parsed("\n".join([f"[{_SECTION}]", *lines]))[_SECTION]
        rows = [row for row in _rows(text or "") if row.section == _SECTION]
        if not rows:
            result = insert_lines(text, [f"[{_SECTION}]", *lines], at=None, replacing=())
        else:
            # A line that is indented more than ours would continue it.
            indent = rows[1].indent if len(rows) > 1 else ""
            gone = {row.number for row in rows if row.key in ours}
            result = insert_lines(text, [indent + line for line in lines], at=rows[0].number + 1, replacing=gone)
        if _parsed(result) != {**before, _SECTION: {**own, **ours}}:
            raise ValueError("it is written in a way that cannot be added to safely")
        return result

    def file(self, directory: Path, environ: Mapping[str, str]) -> Path:  # noqa: ARG002 - pip has none of workspaces
        """`$PIP_CONFIG_FILE`, else pip's file of the user."""
        told = environ.get("PIP_CONFIG_FILE")
        if told and told != os.devnull:
            return Path(told)
        if os.name == "nt":
            return Path(environ.get("APPDATA") or home(environ)) / "pip" / "pip.ini"
        old = home(environ) / ".pip" / "pip.conf"
        if old.is_file():
            return old
        if sys.platform == "darwin" and (support := home(environ) / "Library/Application Support/pip").is_dir():
            return support / "pip.conf"
        return Path(environ.get("XDG_CONFIG_HOME") or home(environ) / ".config") / "pip" / "pip.conf"


def _lines(offer: Offer, *, trusted: Sequence[str] = ()) -> list[str]:
    """`trusted` are hosts that the user trusts already: one key is for all."""
    lines = [f"index-url = {offer.url}/{SIMPLE}/"]
    if offer.needs_trust:
        lines.append(f"trusted-host = {' '.join(dict.fromkeys((*trusted, offer.needs_trust)))}")
    return lines


class _IniLine(NamedTuple):
    """A line that says something."""

    number: int
    section: str
    key: str
    """Of which it is the first line or one more; empty: it is the section's header."""
    indent: str


def _rows(text: str) -> Iterator[_IniLine]:
    """The lines of a text as configparser takes them; it tells itself what they say."""
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


def _parsed(text: str) -> dict[str, dict[str, str]]:
    parser = _IniParser()
    try:
        parser.read_string(text.removeprefix("\ufeff"))
    except configparser.Error as error:
        raise ValueError(f"it does not parse: {' '.join(str(error).split())}") from None
    return {section: dict(parser.items(section)) for section in parser.sections()}
