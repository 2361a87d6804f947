"""`uv publish`: an index with its `publish-url` for each hosted index, in a `uv.toml`."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path

from pixi_mirror.clients.marked_lines import drop_lines, insert_lines
from pixi_mirror.clients.offer import HostedOffer, Offer, leads_to
from pixi_mirror.clients.toml import parse_toml, statements
from pixi_mirror.clients.uploading import UploadClient
from pixi_mirror.clients.uv import UvClient

_TRUSTED = "trusted-publishing"
_TABLE = "[[index]]"


class UvPublishClient(UploadClient):
    """uv, `uv publish --index NAME`."""

    def configuration(self, offer: Offer) -> str:
        """A whole `uv.toml`."""
        return "\n".join([*self._lines(offer), ""])

    def _lines(self, offer: Offer) -> list[str]:
        targets = self.targets(offer)
        lines = [
            "# `uv publish --index NAME` has the token in these variables, and looks with them what is there already:",
            *(f"# {_variable(each)}_USERNAME=__token__ {_variable(each)}_PASSWORD=TOKEN" for each in targets),
            "# Without this, uv asks for trusted publishing first, which takes seconds over plain http.",
            f'{_TRUSTED} = "never"',
        ]
        for each in targets:
            lines += [
                "",
                _TABLE,
                f"name = {json.dumps(each.name)}",
                f"url = {json.dumps(f'{each.url}/simple/')}",
                f"publish-url = {json.dumps(f'{each.url}/legacy/')}",
                # What an install is solved from stays as it is.
                "explicit = true",
            ]
        return lines

    def merge(self, text: str | None, offer: Offer) -> str:
        """The lines before the first table, since one of them belongs to none; the user's own of that key goes."""
        parse_toml(text or "")
        found = list(statements(text or ""))
        first = next((each.lines.start for each in found if each.table), None)
        replaced = {number for each in found if not each.table and _TRUSTED in each.values for number in each.lines}
        result = insert_lines(text, self._lines(offer), at=first, replacing=replaced)
        parse_toml(result)
        return result

    def remove(self, text: str, bases: Collection[str]) -> str:
        """The indexes below a base."""
        gone: set[int] = set()
        block: list[int] = []
        is_ours = False
        for each in statements(text):
            if each.key is None:
                block, is_ours = [], False
            block += each.lines
            is_ours = is_ours or (each.table == _TABLE and leads_to(each.values.get("publish-url"), bases))
            if is_ours:
                gone.update(block)
        return drop_lines(text, gone)

    def file(self, directory: Path, environ: Mapping[str, str]) -> Path:
        """`uv.toml` of the workspace around a directory."""
        return UvClient().file(directory, environ)


def _variable(hosted: HostedOffer) -> str:
    """uv: letters are upper case, and what is none is an underscore."""
    return "UV_INDEX_" + "".join(each if each.isalnum() else "_" for each in hosted.name.upper())
