"""uv: the default index in a `uv.toml`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pixi_mirror.clients.marked_lines import insert_lines
from pixi_mirror.clients.offer import Offer
from pixi_mirror.clients.pixi import workspace_of
from pixi_mirror.clients.toml import parsed, statements
from pixi_mirror.pypi.simple import SIMPLE

_TABLE = "[[index]]"


class UvClient:
    """uv, which knows no `[mirrors]`: it uses `simple/`."""

    def fragment(self, offer: Offer) -> str:
        """A whole `uv.toml`."""
        return "\n".join([*_lines(offer), ""])

    def notes(self, offer: Offer) -> tuple[str, ...]:
        """What the lines cannot say."""
        return () if offer.has_python else ("the mirror holds no PyPI files: uv will find nothing in it.",)

    def merged(self, text: str | None, offer: Offer) -> str:
        """The index at the end; one that is the default so far, and `index-url`, are commented out."""
        before = parsed(text or "")
        gone: set[int] = set()
        block: list[range] = []
        for each in statements(text or ""):
            if each.key is None:
                block = []
            block.append(each.lines)
            if each.table == _TABLE and each.values.get("default") is True:
                block.append(range(0))
                gone.update(number for lines in block for number in lines)
            elif (each.table == _TABLE and block[0].start in gone) or (not each.table and "index-url" in each.values):
                gone.update(each.lines)
        result = insert_lines(text, _lines(offer), at=None, replacing=gone)
        if parsed(result) != _expected(before, parsed(self.fragment(offer))):
            raise ValueError("its indexes are written in a way that cannot be added to safely")
        return result

    def file(self, directory: Path, environ: Mapping[str, str]) -> Path:  # noqa: ARG002 - it is the workspace's
        """`uv.toml` of the workspace around a directory."""
        return workspace_of(directory) / "uv.toml"


def _expected(before: Mapping[str, Any], ours: Mapping[str, Any]) -> Mapping[str, Any]:
    left = [index for index in before.get("index", []) if index.get("default") is not True]
    kept = {key: value for key, value in before.items() if key not in ("index", "index-url")}
    return {**kept, "index": [*left, *ours["index"]]}


def _lines(offer: Offer) -> list[str]:
    return [_TABLE, f"url = {json.dumps(f'{offer.url}/{SIMPLE}/')}", "default = true"]
