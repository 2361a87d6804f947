"""Answer for the root of a mirror with the page for people, made anew when the inventory has changed."""

import hashlib
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from pixi_mirror.clients.offer import Offer, offer_of
from pixi_mirror.clients.registry import CLIENTS
from pixi_mirror.disk.identity import FileIdentity, identity_of
from pixi_mirror.errors import PixiMirrorError
from pixi_mirror.mirror.tree_view import INVENTORY, TreeView
from pixi_mirror.serve.conditions import Validators, status_of
from pixi_mirror.serve.page.html import PageTemplate, page_of
from pixi_mirror.serve.page.style import POLICY
from pixi_mirror.serve.request import RequestRefused

_CLIENTS = ("pixi", "conda", "mamba", "pip", "uv")
# Nothing but names and addresses: what a client sends is shown to people as a part of what they are to copy.
_HOST = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?"
)
_LAST_PORT = 65535


class PageResponse(NamedTuple):
    """The page as it is sent."""

    status: int
    """200, 304 or 412."""
    fields: Mapping[str, str]
    body: bytes


class _BuiltPage(NamedTuple):
    inventory: FileIdentity | None
    page: PageTemplate
    offer: Offer
    """With paths in place of URLs: where the mirror is served, each request tells."""


class HomePage:
    """The page of one mirror; many threads may use it."""

    def __init__(self, root: Path, url: str) -> None:
        """Nothing is read before it is asked for; `url` is where the mirror is when a client does not say."""
        self._root = root
        self._url = url
        self._lock = threading.Lock()
        self._made: _BuiltPage | None = None

    def shown(self, fields: Mapping[str, str]) -> PageResponse:
        """The answer to a request with these fields; of proxies (`X-Forwarded-...`) nothing is believed.

        Raises:
            Refused: its `Host` is no host.
            OSError: the mirror's records cannot be read.
        """
        url = self._asked_at(fields.get("host"))
        made = self._now()
        offer = _based(made.offer, url)
        body = made.page.html({name: CLIENTS[name].fragment(offer) for name in _CLIENTS})
        etag = f'"sha256-{hashlib.sha256(body).hexdigest()}"'
        about = {
            "ETag": etag,
            "Cache-Control": "no-cache",
            "Content-Security-Policy": POLICY,
            "Referrer-Policy": "no-referrer",
        }
        # It has no date: the same inventory gives another page to whoever asks under another name.
        tags = {name: value for name, value in fields.items() if name in ("if-match", "if-none-match")}
        status = status_of(tags, Validators(etag=etag, modified_s=0, settled_s=0))
        if status != 200:  # noqa: PLR2004 - there is nothing to send then
            return PageResponse(status, about, b"")
        return PageResponse(status, {**about, "Content-Type": "text/html; charset=utf-8"}, body)

    def _asked_at(self, host: str | None) -> str:
        if not host:
            return self._url
        found = _HOST.fullmatch(host)
        if found is None or not 0 < int(found["port"] or 1) <= _LAST_PORT:
            raise RequestRefused(400, "the field Host is no host")
        return f"{self._url.partition('://')[0]}://{host}"

    def _now(self) -> _BuiltPage:
        """The page of the inventory as it stands, or as it was last if it cannot be read."""
        before = _identity(self._root / INVENTORY)
        made = self._made
        if made is not None and made.inventory == before:
            return made
        with self._lock:
            if self._made is not None and self._made.inventory == before:
                return self._made
            try:
                inventory = TreeView(self._root).inventory
            except PixiMirrorError as error:
                if self._made is None:
                    raise OSError(str(error)) from error
                return self._made
            updated_s = 0.0 if before is None else before.mtime_ns / 1_000_000_000
            page = page_of(inventory, updated_s=updated_s)
            self._made = _BuiltPage(before, page, offer_of(inventory, ""))
            return self._made


def _identity(path: Path) -> FileIdentity | None:
    try:
        return identity_of(os.stat(path))
    except FileNotFoundError:
        return None


def _based(offer: Offer, url: str) -> Offer:
    """An offer that was made for no URL, for one."""

    def at(paths: dict[str, str]) -> dict[str, str]:
        return {upstream: f"{url}{path}" for upstream, path in paths.items()}

    return replace(
        offer,
        url=url,
        channels=at(offer.channels),
        indexes=at(offer.indexes),
        origins=at(offer.origins),
        mapping=at(offer.mapping),
        kept=at(offer.kept),
    )
