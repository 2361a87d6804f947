#!/bin/sh
# Guess: `--keyring-provider subprocess` makes pip and uv call `keyring get URL USER`, so any program of that name that
#   prints a password on this call will do: a wrapper around a company's vault, say.
# Truth: uv does so still, and pip 24 did. pip 26 calls `keyring --mode=creds --output=json get URL USER` and reads JSON with a
#   user name and a password. A program that does not know these options, and ends with a status of its own, is taken
#   for one that has no password: pip goes on without, and says "401 Error, Credentials not correct".
# Seen with pip 26.3, pip 24.0 and uv 0.13.9, 2026-11-30.
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 exec python3 - <<'FINDING'
"""Have each client ask an index that wants a password, with a keyring program that writes down how it was called."""

import http.server
import os
import tempfile
import threading
from pathlib import Path

from pinned import compare, install, run

KEYRING = """#!/bin/sh
echo "$*" >> "$CALLS"
[ "$1" = get ] && echo secret
"""


class Closed(http.server.BaseHTTPRequestHandler):
    """Lets nobody in; what a client sends does not matter here."""

    def do_GET(self) -> None:
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="index"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    for each in ("old", "new", "bin"):
        (folder / each).mkdir()
    old, new = install(folder / "old", "pip==24.0"), install(folder / "new", "pip==26.3", "uv==0.13.9")
    program = folder / "bin" / "keyring"
    program.write_text(KEYRING)
    program.chmod(0o755)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Closed)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = f"http://ada@127.0.0.1:{server.server_address[1]}/simple/"
    last = ("--dry-run", "--keyring-provider", "subprocess", "--index-url", page, "thing")
    pip = ("-m", "pip", "install", "-q", "--no-input", "--retries", "0")
    calls = {
        "pip 24.0": (old / "python", *pip, *last),
        "pip 26.3": (new / "python", *pip, *last),
        "uv 0.13.9": (new / "uv", "pip", "install", "-q", "--python", new / "python", *last),
    }
    seen = []
    for title, call in calls.items():
        log = folder / f"{title}.log"
        path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
        run(*call, folder=folder, env={"PATH": path, "CALLS": str(log)})
        first = log.read_text().splitlines()[0].replace(page, "URL").split()
        words = ["URL" if word.startswith("http") else word for word in first]
        seen.append(f"{title:9} keyring {' '.join(words)}")
    server.shutdown()

compare(
    seen,
    [
        "pip 24.0  keyring get URL ada",
        "pip 26.3  keyring --mode=creds --output=json get URL ada",
        "uv 0.13.9 keyring get URL ada",
    ],
)
FINDING
