"""A real S3 server on loopback (moto's), with what it was asked, and able to break off an answer.

moto checks no signature of a presigned URL, so this module does, by the rules of AWS Signature Version 4 alone.
"""

import hashlib
import hmac
import threading
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qs

import botocore.config
import botocore.session
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A GET of an object as it arrived."""

    path: str
    credential: str | None
    """Of the signed URL; None: nobody signed it."""
    range: str | None
    if_match: str | None
    session_token: str | None


class _Quiet(MotoRequestHandler):
    def log(self, *_: object) -> None:
        """Say nothing: `requests` has it all."""


class S3Server:
    """moto's S3; signatures of reading requests are checked once `demand_keys` was called."""

    def __init__(self) -> None:
        self.requests: list[Asked] = []
        self.cut_after: int | None = None
        """Bytes of the next object's body after which its connection ends; once."""
        self._keys: tuple[str, str] | None = None
        application = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._recording(application), True, request_handler=_Quiet)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def put(self, url: str, data: bytes, *, acl: str = "private") -> None:
        """Place an object at `s3://BUCKET/KEY`, with the bucket if there is none."""
        bucket, _, key = url.removeprefix("s3://").partition("/")
        client = self._client("s3")
        client.create_bucket(Bucket=bucket)
        client.put_object(Bucket=bucket, Key=key, Body=data, ACL=acl)

    def delete(self, url: str) -> None:
        """Remove an object."""
        bucket, _, key = url.removeprefix("s3://").partition("/")
        self._client("s3").delete_object(Bucket=bucket, Key=key)

    def demand_keys(self) -> tuple[str, str]:
        """From now on let in only who signs with the keys that are given back."""
        self._keys = "AKIA" + uuid.uuid4().hex[:16].upper(), uuid.uuid4().hex
        return self._keys

    def _client(self, service: str) -> Any:
        return botocore.session.Session().create_client(
            service,
            region_name="us-east-1",
            endpoint_url=self.url,
            aws_access_key_id="setup",
            aws_secret_access_key="setup",
            config=botocore.config.Config(proxies={}),
        )

    def _ask_moto(self, action: str, data: bytes) -> None:
        headers = {"Content-Type": "text/plain"}  # else it is read as a form
        request = urllib.request.Request(f"{self.url}/moto-api/{action}", data=data, headers=headers, method="POST")
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30).close()

    def _recording(self, application: Callable[..., Any]) -> Callable[..., Any]:
        def recorded(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            if environ["REQUEST_METHOD"] == "GET":
                signed = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
                self.requests.append(
                    Asked(
                        path=environ["PATH_INFO"],
                        credential=signed.get("X-Amz-Credential"),
                        range=environ.get("HTTP_RANGE"),
                        if_match=environ.get("HTTP_IF_MATCH"),
                        session_token=signed.get("X-Amz-Security-Token"),
                    )
                )
                if (code := self._refusal(environ, signed)) is not None:
                    start_response("403 Forbidden", [("Content-Type", "application/xml")])
                    return [f"<Error><Code>{code}</Code></Error>".encode()]
                cut, self.cut_after = self.cut_after, None
                if cut is not None:
                    return self._cut(application(environ, start_response), cut)
            return application(environ, start_response)

        return recorded

    def _refusal(self, environ: dict[str, Any], signed: dict[str, str]) -> str | None:
        """The code of S3 for a request that is not signed with the keys demanded; None: it is, or none are."""
        if self._keys is None:
            return None
        name, *scope = signed.get("X-Amz-Credential", "").split("/")
        if not scope:
            return "AccessDenied"
        if name != self._keys[0]:
            return "InvalidAccessKeyId"
        path, _, query = environ["REQUEST_URI"].partition("?")
        sent = sorted(part for part in query.split("&") if not part.startswith("X-Amz-Signature="))
        headers = signed["X-Amz-SignedHeaders"].split(";")
        lines = [f"{header}:{environ['HTTP_' + header.upper().replace('-', '_')]}" for header in headers]
        request = "\n".join(["GET", path, "&".join(sent), *lines, "", ";".join(headers), "UNSIGNED-PAYLOAD"])
        digest = hashlib.sha256(request.encode()).hexdigest()
        key = b"AWS4" + self._keys[1].encode()
        for word in (*scope, "\n".join(["AWS4-HMAC-SHA256", signed["X-Amz-Date"], "/".join(scope), digest])):
            key = hmac.digest(key, word.encode(), "sha256")
        return None if key.hex() == signed["X-Amz-Signature"] else "SignatureDoesNotMatch"

    @staticmethod
    def _cut(body: Any, after: int) -> Iterator[bytes]:
        yield b"".join(body)[:after]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ask_moto("reset", b"")
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
