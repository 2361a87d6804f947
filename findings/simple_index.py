"""A small index of Python packages on loopback, for findings about those who read one."""

import http.server
import io
import json
import ssl
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

JSON = "application/vnd.pypi.simple.v1+json"


def wheel(version: str) -> bytes:
    """A valid wheel of the project `thing`."""
    info = f"thing-{version}.dist-info"
    files = {
        "thing.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: thing\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: findings\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return data.getvalue()


def html_page(*versions: str, attributes: str = "") -> tuple[str, bytes]:
    """Content type and bytes of a page, as the simple API has it in HTML."""
    names = [f"thing-{version}-py3-none-any.whl" for version in versions]
    links = "".join(f'<a href="/files/{name}"{attributes}>{name}</a>\n' for name in names)
    return "text/html", f"<!DOCTYPE html><html><body>\n{links}</body></html>\n".encode()


def json_page(*versions: str, **keys: object) -> tuple[str, bytes]:
    """Content type and bytes of a page, as the simple API has it in JSON; `keys` go into each file."""
    names = [f"thing-{version}-py3-none-any.whl" for version in versions]
    files = [{"filename": name, "url": f"/files/{name}", "hashes": {}, **keys} for name in names]
    meta = {"api-version": "1.1"}
    return JSON, json.dumps({"meta": meta, "name": "thing", "versions": list(versions), "files": files}).encode()


@contextmanager
def served(
    pages: Mapping[str, tuple[str, bytes]],
    *,
    headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[str]:
    """Serve pages by their path, which may change meanwhile, and every wheel below /files/; the URL of the server.

    Each page has an ETag, and is answered with 304 if it has not changed.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/files/"):
                self.answer("application/octet-stream", wheel(self.path.split("-")[1]))
            elif self.path in pages:
                self.answer(*pages[self.path])
            else:
                self.send_error(404)

        def do_HEAD(self) -> None:
            self.do_GET()

        def answer(self, kind: str, data: bytes) -> None:
            tag = f'"{hash(data)}"'
            known = self.headers.get("If-None-Match") == tag
            self.send_response(304 if known else 200)
            for field, value in {"ETag": tag, "Content-Type": kind, **(headers or {})}.items():
                self.send_header(field, value)
            self.send_header("Content-Length", str(0 if known else len(data)))
            self.end_headers()
            if not known and self.command == "GET":
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    scheme = "http" if tls is None else "https"
    yield f"{scheme}://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
