"""Make a small mirror from bytes, and ask a server over a bare socket."""

import hashlib
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.packages import GeneratedFile, Inventory, PackageFile
from pixi_mirror.model.values import admit_path

PAGE_HTML = b"<!DOCTYPE html><a href='../../x.whl'>x</a>"
PAGE_JSON = b'{"meta":{"api-version":"1.1"},"name":"x","files":[]}'


def written(root: Path, stored: Mapping[str, bytes], derived: Mapping[str, bytes]) -> Path:
    """A mirror of these files; its root."""
    tree = Tree(root)
    content = {}
    with tree.writing(timeout_s=0):
        source = root.parent / "source"
        for path, data in stored.items():
            source.write_bytes(data)
            sha256 = hashlib.sha256(data).hexdigest()
            tree.place(admit_path(path), source, sha256=sha256)
            source.unlink()
            content[path] = PackageFile(sha256=sha256, size=len(data))
        tree.write_all({admit_path(path): data for path, data in derived.items()})
        content |= {path: GeneratedFile(recipe=hashlib.sha256(data).hexdigest()) for path, data in derived.items()}
        new = Inventory(layout="channels", snapshots=(), kept={}, tree=MappingProxyType(content))
        tree.record(new, locks={}, unlisted={})
    return root


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A response as it came."""

    status: int
    fields: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def etag(self) -> str:
        return self.fields["etag"]


class Client:
    """One connection to a server."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host = parts.netloc
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=30)
        self.stream = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def ask(self, target: str, method: str = "GET", **fields: str) -> Reply:
        """Ask for a target; `if_none_match="x"` is the field If-None-Match."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self.host}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))
        return self.reply(to=method)

    def reply(self, to: str = "GET") -> Reply:
        """Read one response; EOFError: there is none."""
        line = self.stream.readline()
        if not line:
            raise EOFError
        version, status, _ = line.decode().split(" ", 2)
        assert version == "HTTP/1.1"
        fields = {}
        while (line := self.stream.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").rstrip("\r\n").partition(": ")
            assert name.lower() not in fields, f"{name} is there twice"
            fields[name.lower()] = value
        length = int(fields.get("content-length", 0))
        has_body = to != "HEAD" and status != "304"
        body = self.stream.read(length) if has_body else b""
        assert not has_body or len(body) == length
        return Reply(status=int(status), fields=fields, body=body)

    @property
    def is_ended(self) -> bool:
        """Whether the server has closed the connection, which is waited for."""
        try:
            return self.stream.read(1) == b""
        except ConnectionResetError:
            return True


def descriptors() -> int:
    """How many files this process has open."""
    return len(os.listdir("/proc/self/fd"))
