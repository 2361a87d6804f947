"""conda and mamba: channels in a `.condarc`."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pixi_mirror.clients.marked_lines import insert_lines, lines_of
from pixi_mirror.clients.offer import Offer
from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.yaml_reader import load_yaml

_KEY = re.compile(r"[\ufeff]?([A-Za-z_][A-Za-z0-9_]*)\s*:")
_NODEFAULTS = (
    "A channel `nodefaults` in an environment.yml makes conda look for it on the network: call it with --offline."
)


class CondaClient:
    """conda, whichever its solver."""

    _pip = (
        "conda adds pip to every Python, and a mirror has it only where a lock pins it; hence "
        "`add_pip_as_python_dependency: false`."
    )

    def fragment(self, offer: Offer) -> str:
        """A whole `.condarc`."""
        notes = [f"# {note}" for note in self.notes(offer)]
        return "\n".join([*notes, *_lines(self._settings(offer)), ""])

    def _settings(self, offer: Offer) -> dict[str, Any]:
        return {
            "channels": list(dict.fromkeys(offer.channels.values())),  # the flat layout has one for all
            # For channels that are only named, as on a command line.
            "channel_alias": offer.url,
            "default_channels": [],
            "add_pip_as_python_dependency": False,
        }

    def notes(self, offer: Offer) -> tuple[str, ...]:
        """What goes wrong otherwise."""
        empty = () if offer.channels else ("The mirror holds no conda channel.",)
        return (*empty, self._pip, _NODEFAULTS)

    def merged(self, text: str | None, offer: Offer) -> str:
        """The settings at the end; what the user has set of them is commented out."""
        settings = self._settings(offer)
        before = _parsed(text or "")
        gone: set[int] = set()
        key = ""
        for number, line in enumerate(lines_of(text or "")):
            if found := _KEY.match(line):
                key = found[1]
            elif line.strip() and not line.startswith((" ", "\t", "-", "#")):
                key = ""
            if key in settings and line.strip() and not line.startswith("#"):
                gone.add(number)
        result = insert_lines(text, _lines(settings), at=None, replacing=gone)
        if _parsed(result) != {**before, **_parsed("\n".join(_lines(settings)))}:
            raise ValueError("it is written in a way that cannot be added to safely")
        return result

    def file(self, directory: Path, environ: Mapping[str, str]) -> Path:  # noqa: ARG002 - conda has none of workspaces
        """`$CONDARC`, else `.condarc` in the user's home."""
        told = environ.get("CONDARC")
        return Path(told) if told else home(environ) / ".condarc"


class MambaClient(CondaClient):
    """mamba and micromamba."""

    _pip = (
        "micromamba adds pip wherever `python` is asked for by name, and a mirror has it only where a lock pins it: "
        "pin pip, or install from an @EXPLICIT list."
    )

    def _settings(self, offer: Offer) -> dict[str, Any]:
        settings = super()._settings(offer)
        del settings["add_pip_as_python_dependency"], settings["default_channels"]
        return settings

    def notes(self, offer: Offer) -> tuple[str, ...]:
        """What goes wrong otherwise."""
        return tuple(note for note in super().notes(offer) if note != _NODEFAULTS)


def home(environ: Mapping[str, str]) -> Path:
    """The user's home."""
    return Path(environ.get("USERPROFILE" if os.name == "nt" else "HOME") or "~").expanduser()


def _lines(settings: Mapping[str, Any]) -> list[str]:
    """YAML in which every string is a JSON string, which YAML reads the same."""
    lines = []
    for key, value in settings.items():
        if isinstance(value, list) and value:
            lines += [f"{key}:", *(f"  - {json.dumps(each)}" for each in value)]
        else:
            lines.append(f"{key}: {json.dumps(value)}")
    return lines


def _parsed(text: str) -> dict[str, Any]:
    bare = text.removeprefix("\ufeff")
    if not any(line.strip() and not line.lstrip().startswith("#") for line in bare.splitlines()):
        return {}
    try:
        found = load_yaml(bare.encode(), name="it")
    except WorkspaceError as error:
        raise ValueError(f"it does not parse: {error}") from None
    if not isinstance(found, dict | None):
        raise ValueError("it is no mapping of settings")  # noqa: TRY004 - of the user's file
    return found or {}
