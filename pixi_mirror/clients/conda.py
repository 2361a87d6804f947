"""conda and mamba: channels in a `.condarc`, and the list of one environment for an install without a solver."""

import json
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pixi_mirror.clients.files import home, users_config_folder
from pixi_mirror.clients.marked_lines import drop_lines, insert_lines, lines_of
from pixi_mirror.clients.offer import Offer, leads_to
from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.yaml_reader import load_yaml
from pixi_mirror.paths import DEFAULT_HOST

_KEY = re.compile(r"[\ufeff]?([A-Za-z_][A-Za-z0-9_]*)\s*:")
_MULTICHANNELS = "custom_multichannels"
_NO_DEFAULTS: dict[str, list[str]] = {"nodefaults": []}
"""conda asks the mirror for a channel of this name in an environment.yml, and fails, unless it stands for none."""


class CondaClient:
    """conda, whichever its solver."""

    _pip = (
        "conda adds pip to every Python, and a mirror has it only where a lock pins it; hence "
        "`add_pip_as_python_dependency: false`."
    )

    def configuration(self, offer: Offer) -> str:
        """A whole `.condarc`."""
        notes = [f"# {note}" for note in self.notes(offer)]
        return "\n".join([*notes, *_lines(self._settings(offer)), ""])

    def _settings(self, offer: Offer) -> dict[str, Any]:
        has_default_host = any(channel.startswith(f"https://{DEFAULT_HOST}/") for channel in offer.channels)
        # Where a channel is the mirror itself, there is no folder that a URL upstream could be led to.
        migrated = [f"https://{DEFAULT_HOST}"] if has_default_host and offer.url not in offer.channels.values() else []
        return {
            # One's own come first, so that no public package is taken for one of them. The flat layout has one for all.
            "channels": list(dict.fromkeys((*offer.hosted.values(), *offer.channels.values()))),
            # For channels that are given by name, as on a command line, or by their URL upstream.
            "channel_alias": offer.url,
            **({"migrated_channel_aliases": migrated} if migrated else {}),
            _MULTICHANNELS: _NO_DEFAULTS,
            "default_channels": [],
            "add_pip_as_python_dependency": False,
        }

    def notes(self, offer: Offer) -> tuple[str, ...]:
        """What goes wrong otherwise."""
        empty = () if offer.channels or offer.hosted else ("The mirror holds no conda channel.",)
        return (*empty, self._pip)

    def merge(self, text: str | None, offer: Offer) -> str:
        """The settings at the end; the user's own values of them are commented out."""
        before = _parse(text or "")
        settings = _with_users_own(self._settings(offer), before)
        replaced = {
            number for key, numbers in _lines_of_keys(text or "").items() if key in settings for number in numbers
        }
        result = insert_lines(text, _lines(settings), at=None, replacing=replaced)
        if _parse(result) != {**before, **_parse("\n".join(_lines(settings)))}:
            raise ValueError("it is written in a way that cannot be added to safely")
        return result

    def remove(self, text: str, bases: Collection[str]) -> str:
        """The settings that lead to the mirror; and with them those that we write with these, as we write them."""
        found = _parse(text)
        gone = {
            key
            for key in ("channels", "channel_alias")
            if (values := found.get(key))
            and all(leads_to(each, bases) for each in ([values] if key != "channels" else values))
        }
        if gone:
            fixed = {
                "migrated_channel_aliases": [f"https://{DEFAULT_HOST}"],
                _MULTICHANNELS: _NO_DEFAULTS,
                "default_channels": [],
                "add_pip_as_python_dependency": False,
            }
            ours = _parse("\n".join(_lines(fixed)))
            gone |= {key for key, value in ours.items() if key in found and found[key] == value}
        where = _lines_of_keys(text)
        return drop_lines(text, {number for key in gone for number in where.get(key, ())})

    def conflicts(self, text: str, offer: Offer, *, outranks: bool = False) -> tuple[str, ...]:
        """A proxy for the mirror, channels whose names lead elsewhere, and an alias that counts more than ours."""
        found = _parse(text)
        proxies = found.get("proxy_servers") or {}
        scheme = offer.url.partition("://")[0]
        root = f"{scheme}://{offer.host}"
        notes = []
        if isinstance(proxies, dict) and any(proxies.get(key) for key in (scheme, "all")) and root not in proxies:
            notes.append(f'proxy_servers sends requests to the mirror through a proxy: add "{root}": "" to it.')
        alias = found.get("channel_alias")
        if outranks and alias and not leads_to(alias, [offer.url]):
            notes.append(f"channel_alias = {alias} counts more than the mirror.")
        custom = found.get("custom_channels") or {}
        notes += [
            f"custom_channels leads the channel {name} elsewhere."
            for name, url in (custom.items() if isinstance(custom, dict) else ())
            if not leads_to(url, [offer.url])
        ]
        return tuple(notes)

    def variables(self) -> tuple[str, ...]:
        """The variables that outweigh a `.condarc`."""
        return ("CONDA_CHANNELS", "CONDA_CHANNEL_ALIAS", "CONDA_DEFAULT_CHANNELS")

    def files_read(self, own: Path | None, environ: Mapping[str, str]) -> tuple[Path, ...]:  # noqa: ARG002
        """Those of the system, of the installation, of the user and of the active environment."""
        folders = [Path("/etc/conda"), Path("/var/lib/conda")] if os.name != "nt" else [Path("C:/ProgramData/conda")]
        folders += [Path(environ[name]) for name in ("CONDA_ROOT", "MAMBA_ROOT_PREFIX") if environ.get(name)]
        folders += [users_config_folder(environ) / "conda", home(environ) / ".conda", home(environ)]
        folders += [Path(environ["CONDA_PREFIX"])] if environ.get("CONDA_PREFIX") else []
        named = environ.get("CONDARC")
        return (*(folder / ".condarc" for folder in folders), *([Path(named)] if named else ()))

    def file(self, directory: Path, environ: Mapping[str, str]) -> Path:  # noqa: ARG002 - conda has none of workspaces
        """`$CONDARC`, else `.condarc` in the user's home."""
        return self.users_file(environ)

    def users_file(self, environ: Mapping[str, str]) -> Path:
        """`$CONDARC`, else `.condarc` in the user's home."""
        named = environ.get("CONDARC")
        return Path(named) if named else home(environ) / ".condarc"


class MambaClient(CondaClient):
    """mamba and micromamba."""

    _pip = (
        "micromamba adds pip wherever `python` is asked for by name, and a mirror has it only where a lock pins it: "
        "pin pip, or install from an @EXPLICIT list (-e ENVIRONMENT)."
    )

    def _settings(self, offer: Offer) -> dict[str, Any]:
        settings = super()._settings(offer)
        return {key: settings[key] for key in ("channels", "channel_alias")}

    def variables(self) -> tuple[str, ...]:
        """The variables that outweigh a `.condarc`."""
        return ("CONDA_CHANNELS", "CONDA_CHANNEL_ALIAS", "MAMBA_CHANNELS", "MAMBA_CHANNEL_ALIAS")


def _with_users_own(settings: dict[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Our settings, with the user's entries in those that have one for each of several things."""
    own = before.get(_MULTICHANNELS)
    if _MULTICHANNELS in settings and isinstance(own, dict):
        settings = {**settings, _MULTICHANNELS: {**own, **settings[_MULTICHANNELS]}}
    aliases = before.get("migrated_channel_aliases")
    if "migrated_channel_aliases" in settings and isinstance(aliases, list):
        added = [each for each in settings["migrated_channel_aliases"] if each not in aliases]
        settings = {**settings, "migrated_channel_aliases": [*aliases, *added]}
    return settings


def _lines_of_keys(text: str) -> dict[str, list[int]]:
    """The numbers of the lines of each top-level key."""
    found: dict[str, list[int]] = {}
    key = ""
    for number, line in enumerate(lines_of(text)):
        if match := _KEY.match(line):
            key = match[1]
        elif line.strip() and not line.startswith((" ", "\t", "-", "#")):
            key = ""
        if key and line.strip() and not line.startswith("#"):
            found.setdefault(key, []).append(number)
    return found


def _lines(settings: Mapping[str, Any]) -> list[str]:
    """YAML in which every string is a JSON string, which YAML reads the same."""
    lines = []
    for key, value in settings.items():
        if isinstance(value, list) and value:
            lines += [f"{key}:", *(f"  - {json.dumps(each)}" for each in value)]
        elif isinstance(value, dict) and value:
            lines += [f"{key}:", *(f"  {json.dumps(name)}: {json.dumps(each)}" for name, each in value.items())]
        else:
            lines.append(f"{key}: {json.dumps(value)}")
    return lines


def _parse(text: str) -> dict[str, Any]:
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
