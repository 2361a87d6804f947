"""Reading from a registry and writing to it, by its API: logins, retries, refusals; the registry is this test's own."""

import hashlib
import http.server
import json
import re
import threading
import urllib.parse

import pytest

from pixi_mirror.errors import FarSideError, FetchError
from pixi_mirror.http.auth import AuthorizedUrl
from pixi_mirror.http.client import HttpClient
from pixi_mirror.http.failures import Failure
from pixi_mirror.http.oci import OciReader
from pixi_mirror.http.origins import origin_of
from pixi_mirror.http.registry import RegistryClient, digest_of
from pixi_mirror.model.network import Basic, Bearer, IdentityToken, Network
from pixi_mirror.model.values import Url
from pixi_mirror.progress import NoProgress


class Server:
    """A registry in memory that can ask for a login, and answer some requests with another status first."""

    def __init__(self):
        self.blobs, self.manifests, self.requests = {}, {}, []
        self.challenge, self.authorization = None, None
        self.first = {}
        """Method and end of a path -> statuses that come before the true answer."""
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                length = int(self.headers.get("Content-Length") or 0)
                outer._answer(self, self.rfile.read(length))

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - the library's names

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request, body):
        sent = request.headers.get("Authorization")
        self.requests.append((request.command, request.path, sent, body))
        status, headers, data = self._found(request.command, request.path, sent, body)
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(data)

    def _found(self, method, target, sent, body):  # noqa: PLR0911 - a table of requests
        path, _, query = target.partition("?")
        if path == "/token":
            return 200, {}, json.dumps({"token": "the-token"}).encode()
        for (wanted, end), statuses in self.first.items():
            if method == wanted and path.endswith(end) and statuses:
                return statuses.pop(0), {"Retry-After": "0"}, b'{"errors": [{"code": "DENIED", "message": "CANARY"}]}'
        if self.challenge and sent != self.authorization:
            return 401, {"WWW-Authenticate": self.challenge}, b""
        if method == "POST":
            return 202, {"Location": "/upload/1?x=y"}, b""
        if path.startswith("/upload/"):
            digest = urllib.parse.parse_qs(query)["digest"][0]
            assert digest == "sha256:" + hashlib.sha256(body).hexdigest()
            self.blobs[digest] = body
            return 201, {}, b""
        kind, name = re.fullmatch(r"/v2/.+/(manifests|blobs)/([^/]+)", path).groups()
        store = self.blobs if kind == "blobs" else self.manifests
        if method == "PUT":
            store[name] = store[digest_of(body)] = body
            return 201, {}, b""
        if name not in store:
            return 404, {}, b""
        if method == "DELETE":
            del store[name]
            return 202, {}, b""
        return 200, {"Docker-Content-Digest": digest_of(store[name])}, store[name]


@pytest.fixture
def server():
    running = Server()
    yield running
    running.close()


def opened(server, *, credential=None, retries=1):
    network = Network(registry_credential=lambda _host, _repository: credential, retries=retries)
    return RegistryClient(network, NoProgress(), host="registry.example", endpoint=server.url, connections=1)


def test_blobs_and_manifests_are_written_once_and_read_back(server, tmp_path):
    client = opened(server)
    (tmp_path / "file").write_bytes(b"bytes")
    digest = digest_of(b"bytes")
    for _ in range(2):
        client.push_blob("a/b", digest, lambda: (tmp_path / "file").open("rb"), content_size=5)
    assert [method for method, *_ in server.requests] == ["HEAD", "POST", "PUT"]
    client.push_manifest("a/b", "latest", b"{}")
    assert client.read_manifest("a/b", "latest") == b"{}"
    assert client.find_digest("a/b", "latest") == digest_of(b"{}")
    assert client.read_blob("a/b", digest, most=9) == b"bytes"
    client.delete_manifest("a/b", "latest")
    assert client.read_manifest("a/b", digest_of(b"{}")) is None
    assert client.find_digest("a/b", "none") is None
    client.close()


@pytest.mark.parametrize(
    ("challenge", "credential", "authorization"),
    [
        ('Bearer realm="URL/token",service="s"', Basic("me", "word"), "Bearer the-token"),
        ('Bearer realm="URL/token"', IdentityToken("long"), "Bearer the-token"),
        ('Bearer realm="URL/token"', Bearer("own"), "Bearer own"),
        ("Basic realm=x", Basic("me", "word"), "Basic bWU6d29yZA=="),
    ],
)
def test_a_challenge_is_answered_and_the_answer_is_kept(server, challenge, credential, authorization):
    server.challenge, server.authorization = challenge.replace("URL", server.url), authorization
    client = opened(server, credential=credential)
    client.push_manifest("a/b", "latest", b"{}")
    client.push_manifest("a/b", "other", b"{}")
    assert [sent for method, path, sent, _ in server.requests if path != "/token"][-1] == authorization
    asked = [(method, path, body) for method, path, _, body in server.requests if path.startswith("/token")]
    if isinstance(credential, Bearer) or "Basic" in challenge:
        assert asked == []
    else:
        assert len(asked) == 1
        assert b"refresh_token=long" in asked[0][2] or "scope=repository%3Aa%2Fb%3Apull%2Cpush" in asked[0][1]


def test_a_refusal_names_code_and_credentials_and_nothing_that_the_registry_says_besides(server):
    server.first["PUT", "/latest"] = [403]
    with pytest.raises(FarSideError, match=r"status 403, DENIED; .* need the right to pull and push") as refused:
        opened(server).push_manifest("a/b", "latest", b"{}")
    assert "CANARY" not in str(refused.value)


def test_a_passing_failure_is_tried_again_and_a_lasting_one_ends(server):
    server.first["PUT", "/latest"] = [503]
    opened(server).push_manifest("a/b", "latest", b"{}")
    server.first["PUT", "/latest"] = [503, 503]
    with pytest.raises(FetchError, match="status 503"):
        opened(server).push_manifest("a/b", "latest", b"{}")
    server.first["PUT", "/1"] = [503]
    opened(server).push_blob("a/b", digest_of(b"x"), b"x", content_size=1)
    assert server.blobs[digest_of(b"x")] == b"x"


def test_a_registry_that_is_not_there_cannot_be_reached(server):
    server.close()
    with pytest.raises(FetchError, match="could not be reached"):
        opened(server, retries=0).read_manifest("a/b", "latest")


@pytest.fixture
def reader(server):
    """A reader whose requests for the host of the channel arrive at the server."""
    network = Network(registry_credential=lambda _host, _repository: Basic("me", "word"), retries=0)
    client = HttpClient(network, NoProgress(), connections=1)

    def ask(request: AuthorizedUrl, _led_by: str):
        url = Url(request.url.raw.replace("https://registry.example", server.url))
        return client.send(url, origin_of(url), request.headers)

    yield OciReader(network, ask, lambda response, request: Failure(reason=f"status {response.status}"))
    client.close()


URL = Url("oci://registry.example/team/noarch/a-1-0.conda")


def test_the_blob_of_a_package_is_located_by_its_manifest(server, reader):
    server.challenge, server.authorization = f'Bearer realm="{server.url}/token"', "Bearer the-token"
    layers = [{"mediaType": f"application/vnd.conda.package.v{v}", "digest": f"sha256:{v * 32}"} for v in ("11", "22")]
    layers[1]["mediaType"] = "application/vnd.conda.package.v2"
    server.manifests["1-0"] = json.dumps({"layers": layers}).encode()
    found = reader.locate(URL)
    assert found.url.raw == f"https://registry.example/v2/team/noarch/a/blobs/sha256:{'22' * 32}"
    assert found.headers == {"Authorization": "Bearer the-token"}
    assert server.requests[-1][1] == "/v2/team/noarch/a/manifests/1-0"


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (None, "has no manifest registry.example/team/noarch/a:1-0"),
        (b"{}", "names no file of the type"),
        (b"[", "names no file of the type"),
        (b'{"layers": [{"mediaType": "application/vnd.conda.package.v2", "digest": "md5:1"}]}', "names no file"),
        (b" " * ((1 << 22) + 1), "longer than"),
    ],
)
def test_what_is_no_manifest_is_a_failure(server, reader, manifest, words):
    if manifest is not None:
        server.manifests["1-0"] = manifest
    assert words in reader.locate(URL).reason


def test_other_statuses_and_urls_are_failures(server, reader):
    server.first["GET", "/1-0"] = [500]
    assert reader.locate(URL).reason == "status 500"
    assert "it is not oci://" in reader.locate(Url("oci://registry.example/x")).reason
