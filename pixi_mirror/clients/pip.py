"""pip: the index in a `pip.conf`."""

import configparser
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from pixi_mirror.clients.conda import home
from pixi_mirror.clients.offer import Offer
from pixi_mirror.clients.region import lines_of, merged

_HEADER = re.compile(r"[\ufeff]?\[([^\]]+)\]")
_KEY = re.compile(r"([^\s=:#;][^=:]*?)\s*[=:]")
_SECTION = "global"


class Pip:
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
        ours = _parsed(self.fragment(offer))[_SECTION]
        section, key, header = "", "", None
        gone: set[int] = set()
        for number, line in enumerate(lines_of(text or "")):
            if found := _HEADER.match(line):
                section, key = found[1], ""
                header = number if section == _SECTION and header is None else header
            elif line[:1] not in (" ", "\t", "#", ";") and (found := _KEY.match(line)):
                key = _normal(found[1])
            if section == _SECTION and key in ours and line.strip() and number != header:
                gone.add(number)
        if header is None:
            result = merged(text, [f"[{_SECTION}]", *_lines(offer)], at=None, replacing=())
        else:
            result = merged(text, _lines(offer), at=header + 1, replacing=gone)
        if _parsed(result) != {**before, _SECTION: {**before.get(_SECTION, {}), **ours}}:
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


def _lines(offer: Offer) -> list[str]:
    trust = [f"trusted-host = {offer.needs_trust}"] if offer.needs_trust else []
    return [f"index-url = {offer.url}/simple/", *trust]


def _normal(key: str) -> str:
    return key.strip().lower().replace("_", "-").removeprefix("--")


class _Parser(configparser.RawConfigParser):
    def optionxform(self, optionstr: str) -> str:
        return _normal(optionstr)


def _parsed(text: str) -> dict[str, dict[str, str]]:
    parser = _Parser()
    try:
        parser.read_string(text.removeprefix("\ufeff"))
    except configparser.Error as error:
        raise ValueError(f"it does not parse: {' '.join(str(error).split())}") from None
    return {section: dict(parser.items(section)) for section in parser.sections()}
