"""pixi: the table `[mirrors]` of its configuration."""

import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pixi_mirror.clients.marked_lines import insert_lines
from pixi_mirror.clients.offer import Offer
from pixi_mirror.clients.toml import parsed, statements

_TABLE = "[mirrors]"


class PixiClient:
    """Leads every URL that the mirror holds to the mirror, so that neither manifest nor lock has to change."""

    def fragment(self, offer: Offer) -> str:
        """One table, a line for each channel, index, host of files and the mapping host."""
        return "\n".join([_TABLE, *_lines(offer), ""])

    def notes(self, offer: Offer) -> tuple[str, ...]:
        """What the lines cannot say."""
        if not _lines(offer):
            return ("the mirror holds nothing that pixi could be led to: bring something first.",)
        return tuple(_token_note(channel) for channel in offer.with_token)

    def merged(self, text: str | None, offer: Offer) -> str:
        """The lines in the user's own table where there is one, else in one at the end."""
        before = parsed(text or "")
        ours = parsed(self.fragment(offer))["mirrors"]
        found = list(statements(text or ""))
        header = next((each for each in found if each.key is None and each.table == _TABLE), None)
        if header is None and "mirrors" in before:
            raise ValueError("it has `mirrors` in another form than as a table [mirrors]")
        if header is None:
            result = insert_lines(text, [_TABLE, *_lines(offer)], at=None, replacing=())
        else:
            own = {url.rstrip("/") for url in ours}
            gone = {
                number
                for each in found
                if each.table == _TABLE and {key.rstrip("/") for key in each.values} & own
                for number in each.lines
            }
            result = insert_lines(text, _lines(offer), at=header.lines.stop, replacing=gone)
        mine = {url.rstrip("/") for url in ours}
        kept = {url: to for url, to in before.get("mirrors", {}).items() if url.rstrip("/") not in mine}
        if parsed(result) != {**before, "mirrors": {**kept, **ours}}:
            raise ValueError("its table [mirrors] is written in a way that cannot be added to safely")
        return result

    def file(self, directory: Path, environ: Mapping[str, str]) -> Path:  # noqa: ARG002 - it is the workspace's
        """`.pixi/config.toml` of the workspace around a directory."""
        return workspace_of(directory) / ".pixi" / "config.toml"


def workspace_of(directory: Path) -> Path:
    """The directory of the workspace around another; that one itself where there is none."""
    for folder in (directory, *directory.parents):
        if any((folder / name).is_file() for name in ("pixi.toml", "mojoproject.toml")) or _is_pixi(folder):
            return folder
    return directory


def _is_pixi(folder: Path) -> bool:
    try:
        found = parsed((folder / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return "pixi" in found.get("tool", {})


def _token_note(channel: str) -> str:
    host = urlsplit(channel).hostname
    return (
        f"a lock names {channel} with a token in its URL, and pixi asks for such a URL upstream, never here. Take the "
        f"token out of the manifest, store it with `pixi auth login {host} --conda-token TOKEN`, and run `pixi lock`."
    )


def _lines(offer: Offer) -> list[str]:
    leads = {**offer.origins, **offer.kept, **offer.indexes, **offer.channels, **offer.mapping}
    return [f"{json.dumps(key)} = [{json.dumps(leads[key])}]" for key in sorted(leads)]
