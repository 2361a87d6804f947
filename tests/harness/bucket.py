"""A real S3 server on loopback (moto's), with what it was asked, and able to break off an answer."""

import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import botocore.config
import botocore.session
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A GET of an object as it arrived."""

    path: str
    authorization: str | None
    range: str | None
    if_match: str | None
    session_token: str | None


class _Quiet(MotoRequestHandler):
    def log(self, *_: object) -> None:
        """Say nothing: `requests` has it all."""


class S3Server:
    """moto's S3; signatures are checked once `demand_keys` was called."""

    def __init__(self) -> None:
        self.requests: list[Asked] = []
        self.cut_after: int | None = None
        """Bytes of the next object's body after which its connection ends; once."""
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
        iam = self._client("iam")
        iam.create_user(UserName="reader")
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
        iam.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=json.dumps(document))
        keys = iam.create_access_key(UserName="reader")["AccessKey"]
        self._ask_moto("reset-auth", b"0")
        return keys["AccessKeyId"], keys["SecretAccessKey"]

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
                self.requests.append(
                    Asked(
                        path=environ["PATH_INFO"],
                        authorization=environ.get("HTTP_AUTHORIZATION"),
                        range=environ.get("HTTP_RANGE"),
                        if_match=environ.get("HTTP_IF_MATCH"),
                        session_token=environ.get("HTTP_X_AMZ_SECURITY_TOKEN"),
                    )
                )
                cut, self.cut_after = self.cut_after, None
                if cut is not None:
                    return self._cut(application(environ, start_response), cut)
            return application(environ, start_response)

        return recorded

    @staticmethod
    def _cut(body: Any, after: int) -> Iterator[bytes]:
        yield b"".join(body)[:after]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ask_moto("reset-auth", b"inf")
        self._ask_moto("reset", b"")
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
