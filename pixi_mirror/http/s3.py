"""From an `s3://` URL to the request for its object, and what a refusal means; the only place that asks botocore.

botocore knows where a bucket is, finds credentials and signs; it sends nothing, so that objects are fetched by the
same rules as everything else.
"""

import logging
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import unquote

from pixi_mirror.http.auth import Identity
from pixi_mirror.http.client import Answer
from pixi_mirror.http.errors import Trouble
from pixi_mirror.model.network import Network, S3Keys, S3Options
from pixi_mirror.model.values import Url

T = TypeVar("T")

_URL = re.compile(r"[sS]3://([A-Za-z0-9][A-Za-z0-9._-]*)/([^?#]+)")
_CODE = re.compile(rb"<Code>([A-Za-z0-9]{1,60})</Code>")
_REGION = re.compile(r"[a-z0-9-]{2,40}")
_MOST_READ = 1 << 12
_ELSEWHERE = frozenset({301, 302, 303, 307, 308, 400})
_NOT_ALLOWED = frozenset({400, 401, 403})
_MISSING = Trouble(
    reason="reading S3 needs the Python package botocore, which is not installed here",
    advice="Install it beside pixi-mirror: `pip install 'pixi-mirror[s3]'`, or botocore from conda-forge.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Client:
    s3: Any
    """Of botocore."""
    said: str
    """Which credentials it signs with, in words."""
    advice: str


@dataclass(slots=True)
class _Caught:
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class Buckets:
    """Makes requests for objects; for many threads."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._clients: dict[tuple[str, S3Keys | None], _Client] = {}
        self._lock = threading.Lock()
        self._here = threading.local()

    def signed(self, url: Url, headers: Mapping[str, str]) -> Identity | Trouble:
        """The request for the object at `url`; of `headers` only `Range` with a strong ETag in `If-Range` counts.

        S3 knows no `If-Range`: `If-Match` takes its place, so that an object that has changed is answered with 412.

        Raises:
            MachineError: a credential store is there and cannot be read.
        """
        found = _URL.fullmatch(url.raw.partition("#")[0])
        if found is None:
            return Trouble(reason="it is not s3://BUCKET/KEY", advice="Correct the lock or [mirrors].")
        bucket = found[1]
        client = self._client(bucket, url)
        if isinstance(client, Trouble):
            return client
        wanted = {"Bucket": bucket, "Key": unquote(found[2])}
        validator = headers.get("If-Range", "")
        if "Range" in headers and validator.startswith('"'):
            wanted |= {"Range": headers["Range"], "IfMatch": validator}
        caught = self._here.caught = _Caught()
        trouble = _tried(lambda: client.s3.get_object(**wanted))
        if isinstance(trouble, Trouble):
            return trouble
        return Identity(
            url=Url(caught.url), headers=caught.headers, said=client.said, bucket=bucket, advice=client.advice
        )

    def _client(self, bucket: str, url: Url) -> _Client | Trouble:
        options = self._network.s3_options.get(bucket)
        # pixi.md 8.3: with an entry in [s3-options] pixi's stores have the keys, without one the AWS configuration.
        keys = None if options is None else self._network.s3_keys(url)
        with self._lock:
            known = self._clients.get((bucket, keys))
            if known is not None:
                return known
            client = _tried(lambda: self._opened(bucket, options, keys))
            if isinstance(client, _Client):
                self._clients[bucket, keys] = client
            return client

    def _opened(self, bucket: str, options: S3Options | None, keys: S3Keys | None) -> _Client:
        from botocore import UNSIGNED
        from botocore.config import Config
        from botocore.session import Session

        # Its log holds the headers of requests; no handler shall have them.
        logging.getLogger("botocore").setLevel(logging.CRITICAL + 1)
        session = Session()
        signs = session.get_credentials() is not None if options is None else keys is not None
        config = Config(
            # A bucket that is public needs no credentials.
            signature_version=None if signs else UNSIGNED,
            s3=None if options is None else {"addressing_style": "path" if options.force_path_style else "virtual"},
        )
        client = session.create_client(
            "s3",
            config=config,
            endpoint_url=options.endpoint_url if options else None,
            region_name=options.region if options else None,
            aws_access_key_id=keys.access_key_id if keys else None,
            aws_secret_access_key=keys.secret_access_key if keys else None,
            aws_session_token=keys.session_token if keys else None,
        )
        client.meta.events.register("before-send.s3.GetObject", self._catch)
        return _told(client, bucket, by_pixi=options is not None, signs=signs)

    def _catch(self, request: Any, **_: object) -> Any:  # noqa: ANN401 - botocore's own kinds
        """Keep a request that is ready to be sent, and answer it ourselves."""
        from botocore.awsrequest import AWSResponse

        caught: _Caught = self._here.caught
        caught.url = request.url
        caught.headers = {
            name: value.decode("latin-1") if isinstance(value, bytes) else str(value)
            for name, value in request.headers.items()
            if name.lower() != "user-agent"  # never signed
        }
        return AWSResponse(request.url, 200, {}, None)


def _told(client: object, bucket: str, *, by_pixi: bool, signs: bool) -> _Client:
    login = f"`pixi auth login s3://{bucket} --s3-access-key-id ID --s3-secret-access-key SECRET`"
    if by_pixi:
        said = "the S3 keys of the credential store were sent"
        nothing = f"no credentials were sent, because the credential stores have no S3 keys for s3://{bucket}"
        advice = f"Give keys that may read it with {login} or --auth-file."
    else:
        said = "the credentials of the AWS configuration were sent"
        nothing = "no credentials were sent, because the AWS configuration has none"
        advice = (
            "Give keys that may read it with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE; or write "
            f"[s3-options.{bucket}] into pixi's configuration, which makes {login} count."
        )
    return _Client(s3=client, said=said if signs else nothing, advice=advice)


def _tried(work: Callable[[], T]) -> T | Trouble:
    """What botocore gives, or what is wrong, in words of our own: its texts hold what stands in configurations."""
    try:
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    except ImportError:
        return _MISSING
    try:
        return work()
    except (BotoCoreError, ClientError, ValueError, OSError) as error:
        kind, passing = type(error).__name__, isinstance(error, HTTPClientError)
    return Trouble(
        reason=f"no request for it can be made from the S3 settings and credentials ({kind})",
        advice="Correct the bucket's name, [s3-options] of pixi's configuration, or the AWS configuration and its "
        "environment variables.",
        passing=passing,
    )


def refused_by_bucket(answer: Answer, identity: Identity) -> Trouble | None:
    """What an answer without the object means; None: the same as that of any server."""
    body = answer.read(_MOST_READ)
    found = _CODE.search(body) if isinstance(body, bytes) else None
    code = found[1].decode() if found else None
    status = f"status {answer.status}" if code is None else f"status {answer.status}, {code}"
    region = answer.header("x-amz-bucket-region") or ""
    if answer.status in _ELSEWHERE and code != "ExpiredToken" and _REGION.fullmatch(region):
        return Trouble(
            reason=f"the bucket {identity.bucket} is in another region, {region} ({status})",
            advice=f"Set the region in [s3-options.{identity.bucket}] of pixi's configuration, or with AWS_REGION.",
        )
    if answer.status in _NOT_ALLOWED:
        return Trouble(
            reason=f"the bucket {identity.bucket} refused ({status}); {identity.said}", advice=identity.advice
        )
    if answer.status in {404, 410}:
        return Trouble(
            reason=f"the bucket {identity.bucket} does not have it ({status})",
            advice="It was removed there, or the bucket's name or endpoint is wrong.",
        )
    return None
