#!/bin/sh
# Guess: an option on the command line counts more than a variable of another program. So `pip install --cert ca.pem`
#   trusts ca.pem.
# Truth: requests, inside pip, reads REQUESTS_CA_BUNDLE (and CURL_CA_BUNDLE) for each request, and puts it in the
#   place of what `--cert`, PIP_CERT or pip.conf said. On a machine that sets the variable, as many behind a company's
#   proxy do, `--cert` does nothing, and the message does not tell why.
# Seen with pip 26.3, 2026-11-30.
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 exec python3 - <<'FINDING'
"""Install over TLS from a server whose authority is made here, with --cert, and with the variable beside it."""

import ssl
import tempfile
from pathlib import Path

from pinned import compare, install, run
from simple_index import html_page, served

MAKE = """
import trustme
ca, other = trustme.CA(), trustme.CA()
ca.cert_pem.write_to_path("ca.pem")
other.cert_pem.write_to_path("other.pem")
ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path("server.pem")
"""

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    programs = install(folder, "pip==26.3", "trustme==1.2.1")
    run(programs / "python", "-c", MAKE, folder=folder).check_returncode()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "server.pem")
    seen = []
    with served({"/simple/thing/": html_page("1.0")}, tls=tls) as url:
        pip = (
            programs / "python",
            "-m",
            "pip",
            "install",
            "-q",
            "--dry-run",
            "--no-cache-dir",
            "--retries",
            "0",
            "thing",
        )
        for variable in (None, "ca.pem", "other.pem"):
            env = {} if variable is None else {"REQUESTS_CA_BUNDLE": str(folder / variable)}
            for words in ((), ("--cert", str(folder / "ca.pem"))):
                done = run(*pip, "--index-url", f"{url}/simple/", *words, folder=folder, env=env)
                title = f"{'--cert ca.pem' if words else 'no --cert':13} REQUESTS_CA_BUNDLE={variable or ''}"
                seen.append(f"{title}: {'refused' if done.returncode else 'installs'}")

compare(
    seen,
    [
        "no --cert     REQUESTS_CA_BUNDLE=: refused",
        "--cert ca.pem REQUESTS_CA_BUNDLE=: installs",
        "no --cert     REQUESTS_CA_BUNDLE=ca.pem: installs",
        "--cert ca.pem REQUESTS_CA_BUNDLE=ca.pem: installs",
        "no --cert     REQUESTS_CA_BUNDLE=other.pem: refused",
        "--cert ca.pem REQUESTS_CA_BUNDLE=other.pem: refused",
    ],
)
FINDING
