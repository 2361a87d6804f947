"""Respond to requests for the pages for people: the root of a mirror, and what is below `/-/`."""

import hashlib
import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pixi_mirror.clients.offer import Offer
from pixi_mirror.clients.pixi_upload import PixiUploadClient
from pixi_mirror.clients.registry import CLIENTS
from pixi_mirror.clients.twine import TwineClient
from pixi_mirror.clients.uploading import UploadClient
from pixi_mirror.clients.uv_publish import UvPublishClient
from pixi_mirror.paths import PAGES
from pixi_mirror.serve.current_catalog import CatalogPart, CurrentCatalog, MirrorVersion
from pixi_mirror.serve.negotiation import Validators, status_of
from pixi_mirror.serve.page.elements import PageFrame
from pixi_mirror.serve.page.environment import environment_page
from pixi_mirror.serve.page.home import home_page
from pixi_mirror.serve.page.package import package_page
from pixi_mirror.serve.page.search import parse_question, search_page
from pixi_mirror.serve.page.style import POLICY
from pixi_mirror.serve.request import RequestRefused, RequestTarget

_CLIENTS = ("pixi", "conda", "mamba", "pip", "uv")
_UPLOADERS: Mapping[str, UploadClient] = {
    "twine, to upload": TwineClient(),
    "uv publish": UvPublishClient(),
    "pixi upload": PixiUploadClient(),
}
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


class PageReader(NamedTuple):
    """Who asks for a page."""

    key: Hashable
    """The same for the same rights."""
    may_read: Callable[[str], bool]
    """Whether a path of the mirror may be read."""
    reads_all: bool
    """Whether all of them may be."""
    may_upload: Callable[[str], bool]
    """Whether something may be uploaded to a hosted name."""


class Pages:
    """The pages of one mirror; many threads may use it."""

    def __init__(self, root: Path, url: str, *, has_users: bool = False) -> None:
        """Note the mirror; nothing is read before the first request.

        Args:
            root: Of the mirror.
            url: Of the mirror, for requests without `Host`.
            has_users: Whether clients have to sign in.
        """
        self._url = url
        self._has_users = has_users
        self._current = CurrentCatalog(root)

    def respond(
        self, target: RequestTarget, fields: Mapping[str, str], reader: PageReader | None = None
    ) -> PageResponse | None:
        """Respond to a request for a page; None: there is none there.

        Args:
            target: Of the request.
            fields: Of the request; those of proxies (`X-Forwarded-...`) are ignored.
            reader: None: all of the mirror may be read, and nothing uploaded.

        Raises:
            RequestRefused: `Host` is no host.
            OSError: the mirror's records cannot be read.
        """
        make = self._maker(target, reader)
        if make is None:
            return None
        url = self._url_for(fields.get("host"))
        version = self._current.now()
        part = version.whole if reader is None or reader.reads_all else version.part(reader.key, reader.may_read)
        depth = len(target.segments) - (0 if target.is_folder else 1)
        frame = PageFrame(part.catalog, "../" * max(depth, 0), url)
        body = make(target, version, part, frame)
        return None if body is None else _response(body, fields)

    def _maker(self, target: RequestTarget, reader: PageReader | None) -> "_MakePage | None":
        """What makes the page at a path; None: no page has such a path."""
        match target.segments:
            case ():
                return partial(self._home, reader) if target.is_folder else None
            case (folder, "search") if folder == PAGES:
                return _search
            case (folder, "packages", _, _) if folder == PAGES:
                return _package
            case (folder, "environments", _, _, _) if folder == PAGES:
                return _environment
        return None

    def _home(
        self,
        reader: PageReader | None,
        target: RequestTarget,  # noqa: ARG002 - there is one first page
        version: MirrorVersion,  # noqa: ARG002
        part: CatalogPart,
        frame: PageFrame,
    ) -> bytes | None:
        offer = _with_base(part.catalog.offer, frame.url)
        clients = (*_CLIENTS, "git") if offer.repositories else _CLIENTS
        configurations = {client: CLIENTS[client].configuration(offer) for client in clients}
        configurations |= {} if reader is None else _for_uploads(offer, reader.may_upload)
        if self._has_users:
            # With a whole URL: pixi stores a host with a port, and never finds it again.
            configurations["pixi, to sign in"] = f"pixi auth login {frame.url} --token TOKEN\n"
        return home_page(frame, configurations)

    def _url_for(self, host: str | None) -> str:
        if not host:
            return self._url
        found = _HOST.fullmatch(host)
        if found is None or not 0 < int(found["port"] or 1) <= _LAST_PORT:
            raise RequestRefused(400, "the field Host is no host")
        return f"{self._url.partition('://')[0]}://{host}"


_MakePage = Callable[[RequestTarget, MirrorVersion, CatalogPart, PageFrame], bytes | None]


def _search(target: RequestTarget, _version: MirrorVersion, _part: CatalogPart, frame: PageFrame) -> bytes:
    return search_page(frame, parse_question(target.query))


def _package(target: RequestTarget, version: MirrorVersion, part: CatalogPart, frame: PageFrame) -> bytes | None:
    *_, kind, package = target.segments
    view = part.catalog.packages.get((kind, package))
    if view is None:
        return None
    findings = version.findings(view.kind, view.name)
    return package_page(frame, view, part.dependants.of(view), part.read_metadata, findings)


def _environment(target: RequestTarget, version: MirrorVersion, part: CatalogPart, frame: PageFrame) -> bytes | None:
    place = target.segments[-3:]
    view = next((each for each in part.catalog.environments if each.segments == place), None)
    return None if view is None else environment_page(frame, view, version.change)


def _response(body: bytes, fields: Mapping[str, str]) -> PageResponse:
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


def _for_uploads(offer: Offer, may_upload: Callable[[str], bool]) -> Mapping[str, str]:
    """What those need who may upload, by the title of the text."""
    offer = replace(offer, hosted_names=tuple(each for each in offer.hosted_names if may_upload(each.name)))
    return {
        title: client.configuration(offer)
        for title, client in _UPLOADERS.items()
        if any(each.pypi if client.kind == "pypi" else each.conda for each in offer.hosted_names)
    }


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
        hosted=at(offer.hosted),
        hosted_names=tuple(replace(each, url=f"{url}{each.url}") for each in offer.hosted_names),
    )
