"""A Python package index at the world's upstream, with pages of its own making: ours are held against them."""

import html
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from harness.world import World

from pixi_mirror.demo.distributions import BuiltDistribution
from pixi_mirror.lockfile.writer import PypiLockEntry

JSON = "application/vnd.pypi.simple.v1+json"


@dataclass(slots=True)
class PythonIndex:
    """One index: pages below `path`, files below `files`."""

    world: World
    path: str = "simple"
    files: str = "files"
    as_html: bool = False
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Project -> what its page lists, as PEP 691 has it."""

    @property
    def url(self) -> str:
        """As a lock names it."""
        return f"{self.world.upstream.url}/{self.path}"

    def publish(
        self,
        built: BuiltDistribution,
        *,
        name: str,
        version: str,
        listed: bool = True,
        hashed: bool = True,
        locked_hash: bool = True,
        index: str | None = None,
        **told: Any,
    ) -> PypiLockEntry:
        """Place a file, list it on its project's page with what is `told` of it, and give the entry of a lock.

        `hashed` is whether the page has its hash, `locked_hash` whether the lock does.
        """
        place = f"/{self.files}/{built.sha256[:2]}/{built.file_name}"
        self.world.upstream.put(place, built.data)
        url = self.world.upstream.url + quote(place)
        if listed:
            row = {"filename": built.file_name, "url": url, "hashes": {"sha256": built.sha256} if hashed else {}}
            self.rows.setdefault(name, []).append(row | {"size": len(built.data)} | told)
            self._write(name)
        return PypiLockEntry(
            url=url,
            name=name,
            version=version,
            sha256=built.sha256 if locked_hash else None,
            index=index,
        )

    def _write(self, name: str) -> None:
        if self.as_html:
            data, kind = self._html(name), "text/html; charset=utf-8"
        else:
            page = {"meta": {"api-version": "1.1"}, "name": name, "files": self.rows[name], "versions": []}
            data, kind = json.dumps(page).encode(), JSON
        self.world.upstream.put(f"/{self.path}/{name}/", data, headers={"Content-Type": kind})

    def _html(self, name: str) -> bytes:
        lines = []
        for row in self.rows[name]:
            sha256 = row["hashes"].get("sha256")
            told = {"data-requires-python": row.get("requires-python"), "data-upload-time": row.get("upload-time")}
            if row.get("yanked"):
                told["data-yanked"] = row["yanked"] if isinstance(row["yanked"], str) else ""
            attributes = "".join(f' {key}="{html.escape(value)}"' for key, value in told.items() if value is not None)
            # Relative, as many real indexes have them.
            href = "../../" + row["url"].split("/", 3)[3] + (f"#sha256={sha256}" if sha256 else "")
            lines.append(f'<a href="{html.escape(href)}"{attributes}>{row["filename"]}</a><br/>')
        return ("<!DOCTYPE html><html><body>\n" + "\n".join(lines) + "\n</body></html>\n").encode()

    @property
    def asked(self) -> list[str]:
        """The projects whose pages were asked for."""
        prefix = f"/{self.path}/"
        return [r.path[len(prefix) :].strip("/") for r in self.world.requests if r.path.startswith(prefix)]
