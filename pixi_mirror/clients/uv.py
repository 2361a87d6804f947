"""uv: the default index in a `uv.toml`."""

import json
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from pixi_mirror.clients.files import find_workspace, system_folders, users_config_folder
from pixi_mirror.clients.marked_lines import drop_lines, insert_lines
from pixi_mirror.clients.offer import Offer, leads_to
from pixi_mirror.clients.toml import Statement, members, parse_toml, statements, table
from pixi_mirror.pypi.simple import SIMPLE

_TABLE = "[[index]]"
_OUTWEIGH = ("index-url", "extra-index-url", "no-index", "find-links")
"""Keys that decide where uv looks; the first is replaced at the top level."""


class UvClient:
    """uv, which knows no `[mirrors]`: it uses `simple/`."""

    def configuration(self, offer: Offer) -> str:
        """A whole `uv.toml`."""
        return "\n".join([*_lines(offer), ""])

    def notes(self, offer: Offer) -> tuple[str, ...]:
        """What the lines cannot say."""
        none = () if offer.has_python else ("the mirror holds no PyPI files: uv will find nothing in it.",)
        return (*none, *offer.git_notes)

    def merge(self, text: str | None, offer: Offer) -> str:
        """The index at the end; the user's default index and `index-url` are commented out."""
        before = parse_toml(text or "")
        replaced: set[int] = set()
        for block in _blocks(text or ""):
            is_default = block[0].table == _TABLE and any(each.values.get("default") is True for each in block)
            for each in block:
                if is_default or (not each.table and "index-url" in each.values):
                    replaced.update(each.lines)
        result = insert_lines(text, _lines(offer), at=None, replacing=replaced)
        if parse_toml(result) != _expected(before, parse_toml(self.configuration(offer))):
            raise ValueError("its indexes are written in a way that cannot be added to safely")
        return result

    def remove(self, text: str, bases: Collection[str]) -> str:
        """The indexes below a base."""
        gone: set[int] = set()
        for block in _blocks(text):
            if block[0].table == _TABLE and any(leads_to(each.values.get("url"), bases) for each in block):
                gone.update(number for each in block for number in each.lines)
        return drop_lines(text, gone)

    def conflicts(self, text: str, offer: Offer, *, outranks: bool = False) -> tuple[str, ...]:
        """Other indexes, `no-index`, and a proxy without an exception for the mirror."""
        found = parse_toml(text)
        if "tool" in found:  # a pyproject.toml
            found = table(table(found, "tool"), "uv")
        pip = table(found, "pip")
        notes = [
            f"`{key}` keeps uv from the mirror, or sends it elsewhere too." for key in _OUTWEIGH[1:] if found.get(key)
        ]
        notes += [f"`[pip] {key}` outweighs the mirror for `uv pip`." for key in _OUTWEIGH if pip.get(key)]
        notes += [
            f"the index {index.get('url')} is asked as well, before the mirror."
            for index in members(found, "index", dict)
            if not index.get("default") and not index.get("explicit")
        ]
        if outranks:
            defaults = [each.get("url") for each in members(found, "index", dict) if each.get("default")]
            defaults += [found["index-url"]] if found.get("index-url") else []
            notes += [
                f"the default index {url} counts more than the mirror."
                for url in defaults
                if not leads_to(url, [offer.url])
            ]
        return (*notes, *_proxy_conflicts(found, offer))

    def variables(self) -> tuple[str, ...]:
        """The variables that outweigh a `uv.toml`."""
        return ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_NO_INDEX", "UV_FIND_LINKS")

    def files_read(self, own: Path | None, environ: Mapping[str, str]) -> tuple[Path, ...]:
        """That of the system, of the user and of the workspace: `[tool.uv]` where that has no `uv.toml`."""
        system = [Path(environ.get("PROGRAMDATA") or "C:/ProgramData")] if os.name == "nt" else system_folders(environ)
        files = (*(folder / "uv" / "uv.toml" for folder in system), self.users_file(environ))
        return files if own is None else (*files, own if own.exists() else own.with_name("pyproject.toml"))

    def users_file(self, environ: Mapping[str, str]) -> Path:
        """`uv.toml` in the user's folder for configuration."""
        return users_config_folder(environ) / "uv" / "uv.toml"

    def file(self, directory: Path, environ: Mapping[str, str]) -> Path:  # noqa: ARG002 - it is the workspace's
        """`uv.toml` of the workspace around a directory."""
        return find_workspace(directory, _is_project) / "uv.toml"


def _is_project(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("uv.toml", "pyproject.toml", "pixi.toml"))


def _blocks(text: str) -> Iterator[list[Statement]]:
    """The statements of a text, those of each table together, with its header."""
    block: list[Statement] = []
    for each in statements(text):
        if each.key is None and block:
            yield block
            block = []
        block.append(each)
    if block:
        yield block


def _proxy_conflicts(found: Mapping[str, Any], offer: Offer) -> Iterator[str]:
    exempt = members(found, "no-proxy", str)
    if any(found.get(key) for key in ("http-proxy", "https-proxy")) and offer.host not in exempt:
        hosts = json.dumps([*exempt, offer.host])
        yield f"`http-proxy` sends requests to the mirror through a proxy: set no-proxy = {hosts}."


def _expected(before: Mapping[str, Any], ours: Mapping[str, Any]) -> Mapping[str, Any]:
    left = [index for index in before.get("index", []) if index.get("default") is not True]
    kept = {key: value for key, value in before.items() if key not in ("index", "index-url")}
    return {**kept, "index": [*left, *ours["index"]]}


def _lines(offer: Offer) -> list[str]:
    return [_TABLE, f"url = {json.dumps(f'{offer.url}/{SIMPLE}/')}", "default = true"]
