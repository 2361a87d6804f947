"""Respond to a request for the root of a mirror with the page for people, built anew when the inventory changes."""

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
from pixi_mirror.disk.files import FileIdentity, identity_of
from pixi_mirror.errors import PixiMirrorError
from pixi_mirror.mirror.tree_view import INVENTORY, TreeView
from pixi_mirror.serve.negotiation import Validators, status_of
from pixi_mirror.serve.page.html import PageTemplate, page_of
from pixi_mirror.serve.page.style import POLICY
from pixi_mirror.serve.request import RequestRefused

_CLIENTS = ("pixi", "conda", "mamba", "pip", "uv")
# Names and addresses alone, because the page shows what a client sends, in lines that people copy.
_HOST = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?"
)
_LAST_PORT = 65535


class PageResponse(NamedTuple):
    """The response without what every one has."""

    status: int
    """200, 304 or 412."""
    fields: Mapping[str, str]
    body: bytes


class _BuiltPage(NamedTuple):
    inventory: FileIdentity | None
    page: PageTemplate
    offer: Offer
    """With paths in place of URLs, because the host may differ from request to request."""


class HomePage:
    """The page of one mirror; many threads may use it."""

    def __init__(self, root: Path, url: str, *, has_users: bool = False) -> None:
        """Note the mirror; nothing is read before the first request.

        Args:
            root: Of the mirror.
            url: Of the mirror, for requests without `Host`.
            has_users: Whether clients have to sign in.
        """
        self._root = root
        self._url = url
        self._has_users = has_users
        self._lock = threading.Lock()
        self._built: _BuiltPage | None = None

    def respond(self, fields: Mapping[str, str]) -> PageResponse:
        """Respond to a request with these fields; those of proxies (`X-Forwarded-...`) are ignored.

        Raises:
            Refused: `Host` is no host.
            OSError: the mirror's records cannot be read.
        """
        url = self._url_for(fields.get("host"))
        built = self._current()
        offer = _with_base(built.offer, url)
        clients = (*_CLIENTS, "git") if offer.repositories else _CLIENTS
        configurations = {name: CLIENTS[name].configuration(offer) for name in clients}
        if self._has_users:
            # With a whole URL: pixi stores a host with a port, and never finds it again.
            configurations["pixi, to sign in"] = f"pixi auth login {url} --token TOKEN\n"
        body = built.page.html(configurations)
        etag = f'"sha256-{hashlib.sha256(body).hexdigest()}"'
        headers = {
            "ETag": etag,
            "Cache-Control": "no-cache",
            "Content-Security-Policy": POLICY,
            "Referrer-Policy": "no-referrer",
        }
        # There is no date: the same inventory gives another page under another host name.
        tags = {name: value for name, value in fields.items() if name in ("if-match", "if-none-match")}
        status = status_of(tags, Validators(etag=etag, modified_s=0, settled_s=0))
        if status != 200:  # noqa: PLR2004 - then there is no body
            return PageResponse(status, headers, b"")
        return PageResponse(status, {**headers, "Content-Type": "text/html; charset=utf-8"}, body)

    def _url_for(self, host: str | None) -> str:
        if not host:
            return self._url
        found = _HOST.fullmatch(host)
        if found is None or not 0 < int(found["port"] or 1) <= _LAST_PORT:
            raise RequestRefused(400, "the field Host is no host")
        return f"{self._url.partition('://')[0]}://{host}"

    def _current(self) -> _BuiltPage:
        """The page of the inventory as it is now, or as it was last if it cannot be read."""
        before = _identity(self._root / INVENTORY)
        built = self._built
        if built is not None and built.inventory == before:
            return built
        with self._lock:
            if self._built is not None and self._built.inventory == before:
                return self._built
            try:
                inventory = TreeView(self._root).inventory
            except PixiMirrorError as error:
                if self._built is None:
                    raise OSError(str(error)) from error
                return self._built
            updated_s = 0.0 if before is None else before.mtime_ns / 1_000_000_000
            page = page_of(inventory, updated_s=updated_s)
            self._built = _BuiltPage(before, page, offer_of(inventory, ""))
            return self._built


def _identity(path: Path) -> FileIdentity | None:
    try:
        return identity_of(os.stat(path))
    except FileNotFoundError:
        return None


def _with_base(offer: Offer, url: str) -> Offer:
    """An offer whose URLs are paths, with these paths below `url`."""

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
        repositories=at(offer.repositories),
    )
