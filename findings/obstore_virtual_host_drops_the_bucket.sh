#!/bin/sh
# Guess: obstore's S3Store("team", endpoint="http://store.example", virtual_hosted_style_request=True) asks for objects of
#   the bucket at http://team.store.example, as botocore, the AWS tools and rattler do with virtual hosts.
# Truth: it asks the endpoint as it is, and the bucket is in the request nowhere: the style means that the endpoint has the
#   bucket in it already. Whoever copies the two settings from another tool writes into whatever lies at the endpoint.
#   With the style off, the bucket is in the path.
# Seen with obstore 0.12.1, 2026-11-30.
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 exec python3 - <<'FINDING'
"""Ask a server on loopback, by either style, for an object of a bucket; see host and path as they arrive."""

import tempfile
from pathlib import Path

from pinned import compare, install, run

ASK = """
import http.server
import threading
from obstore.store import S3Store

asked = []

class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append((self.headers["Host"].partition(":")[0], self.path))
        self.send_response(200)
        for name, value in (("Content-Length", "1"), ("ETag", '"1"'), ("Last-Modified", "Mon, 30 Nov 2026 00:00:00 GMT")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"1")

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
for style in (True, False):
    store = S3Store(
        "team", endpoint=f"http://localhost:{server.server_port}", virtual_hosted_style_request=style,
        region="us-east-1", access_key_id="a", secret_access_key="b", client_options={"allow_http": True},
    )
    store.get("key")
    print("virtual" if style else "path   ", *asked.pop())
"""

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    programs = install(folder, "obstore==0.12.1")
    done = run(programs / "python", "-c", ASK, folder=folder)

compare(done.stdout.splitlines(), ["virtual localhost /key", "path    localhost /team/key"])
FINDING
