"""A server in this process that takes uploads to `team`, its users with a token each, and what uploaders send."""

import hashlib
import http.client
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from harness.hosting import Host
from harness.world import World

from pixi_mirror.mirror.tree import open_mirror
from pixi_mirror.serve.access.control import AccessControl
from pixi_mirror.serve.access.passwords import create_token
from pixi_mirror.serve.access.rights import ListingPages
from pixi_mirror.serve.access.users import User
from pixi_mirror.serve.connection import TimeLimits
from pixi_mirror.serve.run import UploadOptions, create_endpoint
from pixi_mirror.serve.transport import Server

Parts = Sequence[tuple[str, str | None, bytes]]
"""Of a form: the name of a field, of a file, and the bytes."""
RIGHTS: Mapping[str, Mapping[str, Any]] = {
    "up": {"upload": ("team",)},
    "acme": {"upload": ("team/simple/acme-*",)},
    "packer": {"upload": ("team/noarch",)},
    "later": {"upload": ("later",)},
    "reader": {"read": ("team",)},
    "stranger": {"read": None},
    "everybody": {"read": None, "upload": ("team",)},
    "reader of all": {"read": ("/", "team", "other")},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response as it came."""

    status: int
    reason: str
    fields: Mapping[str, str]
    body: bytes

    @property
    def problem(self) -> Any:
        assert self.fields["content-type"] == "application/problem+json"
        return json.loads(self.body)


@dataclass(slots=True, kw_only=True)
class UploadServer:
    """A running server."""

    host: Host
    url: str
    tokens: Mapping[str, str]
    warnings: list[str] = field(default_factory=list)

    def ask(self, method: str, path: str, body: Any = None, *, user: str | None = "up", **fields: str) -> Answer:
        """Send a request over a connection of its own; `content_type="x"` is the field Content-Type."""
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        if user is not None:
            headers["Authorization"] = f"Bearer {self.tokens[user]}"
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            named = {name.lower(): value for name, value in response.getheaders()}
            return Answer(status=response.status, reason=response.reason, fields=named, body=response.read())
        finally:
            connection.close()

    def post(self, parts: Parts, path: str = "/team/legacy/", **more: Any) -> Answer:
        """Send a form."""
        return self.ask("POST", path, form(parts), content_type="multipart/form-data; boundary=XX", **more)

    def upload(self, file_name: str, data: bytes, **more: Any) -> Answer:
        """Send a file as twine does."""
        return self.post(legacy_parts(file_name, data), **more)

    @property
    def litter(self) -> list[str]:
        """What lies where uploads come in."""
        folder = self.host.mirror / ".pixi-mirror/incoming"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def legacy_parts(file_name: str, data: bytes) -> Parts:
    """The form of the legacy API."""
    return [
        (":action", None, b"file_upload"),
        ("protocol_version", None, b"1"),
        ("name", None, b"Something-Else"),
        ("content", file_name, data),
        ("sha256_digest", None, hashlib.sha256(data).hexdigest().encode()),
        ("md5_digest", None, hashlib.md5(data).hexdigest().encode()),
        ("blake2_256_digest", None, hashlib.blake2b(data, digest_size=32).hexdigest().encode()),
        ("gpg_signature", "x.asc", b"-----BEGIN PGP SIGNATURE-----"),
    ]


def form(parts: Parts) -> bytes:
    """A form with the boundary XX."""
    made = b""
    for name, file_name, value in parts:
        file = "" if file_name is None else f'; filename="{file_name}"'
        made += f'--XX\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + value + b"\r\n"
    return made + b"--XX--\r\n"


@contextmanager
def upload_server(
    world: World, *, hosted: Sequence[str] = ("team",), limits: TimeLimits | None = None, **more: Any
) -> Iterator[UploadServer]:
    """Serve the mirror of a world, which hosts `team` and `other`."""
    host = Host(world)
    for each in (host, Host(world, "other")):
        each.add()
    made = {name: create_token() for name in RIGHTS}
    users = {
        name: User(name, None, made[name][1], rights.get("read", ()), upload=rights.get("upload", ()))
        for name, rights in RIGHTS.items()
    }
    tree, pages = open_mirror(host.mirror), ListingPages(host.mirror)
    access = AccessControl(lambda: users, pages)
    server = UploadServer(host=host, url="", tokens={name: token for name, (token, _) in made.items()})
    options = UploadOptions(tuple(hosted), host.directly.context, **more)
    uploads = create_endpoint(tree, options, access, pages, server.warnings.append)
    with Server(
        host.mirror, host="127.0.0.1", port=0, access=access, uploads=uploads, limits=limits or TimeLimits()
    ) as running:
        server.url = running.url
        yield server
