"""Make requests for `s3://` URLs, and explain the refusals of buckets. This is the only module that uses botocore.

botocore finds the bucket's host and the credentials, and signs the URL (`generate_presigned_url`). It sends nothing:
objects are fetched by the same rules as everything else.
"""

import logging
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from urllib.parse import unquote

from pixi_mirror.http.auth import AuthorizedUrl
from pixi_mirror.http.failures import Failure
from pixi_mirror.http.responses import HttpResponse
from pixi_mirror.model.network import Network, S3Keys, S3Options
from pixi_mirror.model.values import Url

T = TypeVar("T")

_URL = re.compile(r"[sS]3://([A-Za-z0-9][A-Za-z0-9._-]*)/([^?#]+)")
_CODE = re.compile(rb"<Code>([A-Za-z0-9]{1,60})</Code>")
_REGION_ELEMENT = re.compile(rb"<Region>([a-z0-9-]{2,40})</Region>")
_REGION = re.compile(r"[a-z0-9-]{2,40}")
_VALID_S = 3600
"""How long a signed URL may be used: one attempt, including a pause that the host asks for."""
_MOST_READ = 1 << 12
# Amazon S3 API reference, "Error responses": a redirect to the region, or 400 for a signature made for another one.
_OTHER_REGION = frozenset({301, 302, 303, 307, 308, 400})
_NOT_ALLOWED = frozenset({400, 401, 403})
_ABSENT = frozenset({404, 410})
_NO_BOTOCORE = Failure(
    reason="reading S3 needs the Python package botocore, which is not installed here",
    advice="Install it beside pixi-mirror: `pip install botocore`, or botocore from conda-forge.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signer:
    """Signs URLs of one bucket."""

    s3: Any
    """A client of botocore."""
    signs: bool
    """Whether it has keys; else the bucket is asked as nobody."""
    credentials: str
    """Which credentials it signs with, in words; half a sentence."""
    advice: str


class S3Client:
    """Makes signed URLs for objects. Many threads use one object."""

    def __init__(self, network: Network, warn: Callable[[str], None]) -> None:
        """Prepare; botocore is imported for the first URL.

        Args:
            network: places of buckets, and their keys.
            warn: is told once of each bucket that is asked as nobody.
        """
        self._network = network
        self._warn = warn
        self._signers: dict[tuple[str, S3Keys | None], _Signer] = {}
        self._lock = threading.Lock()

    def sign(self, url: Url, headers: Mapping[str, str]) -> AuthorizedUrl | Failure:
        """Make the request for the object at an `s3://` URL.

        Of `headers` it keeps only `Range`, and only with a strong ETag in `If-Range`. S3 does not know `If-Range`:
        `If-Match` takes its place, and an object that has changed is answered with 412.

        Raises:
            MachineError: a credential store is there and cannot be read.
        """
        found = _URL.fullmatch(url.raw.partition("#")[0])
        if found is None:
            return Failure(reason="it is not s3://BUCKET/KEY", advice="Correct the lock or [mirrors].")
        bucket, key = found[1], unquote(found[2])
        signer = self._signer_of(bucket, url)
        if isinstance(signer, Failure):
            return signer
        signed = _call_botocore(
            lambda: signer.s3.generate_presigned_url(
                "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=_VALID_S
            )
        )
        if isinstance(signed, Failure):
            return signed
        validator = headers.get("If-Range", "")
        resumes = "Range" in headers and validator.startswith('"')
        return AuthorizedUrl(
            url=Url(signed),
            headers={"Range": headers["Range"], "If-Match": validator} if resumes else {},
            credentials=signer.credentials,
            bucket=bucket,
            advice=signer.advice,
        )

    def _signer_of(self, bucket: str, url: Url) -> _Signer | Failure:
        options = self._network.s3_options.get(bucket)
        # As rattler_networking 0.30.5, of which pixi 0.77 is made: the keys of a bucket in [s3-options] are those of
        # pixi's stores, else those of the AWS configuration; of all other buckets they are in the AWS configuration.
        keys = None if options is None else self._network.s3_keys(url)
        with self._lock:
            known = self._signers.get((bucket, keys))
            if known is not None:
                return known
            signer = _call_botocore(lambda: _make_signer(bucket, options, keys))
            if isinstance(signer, _Signer):
                self._signers[bucket, keys] = signer
                if not signer.signs:
                    self._warn(
                        f"the bucket {bucket} is asked as nobody, since there are no keys for it; pixi itself reads no "
                        "bucket by s3:// without keys: give its workspaces keys, or the bucket's https:// URL"
                    )
            return signer


def configured_keys() -> S3Keys | None:
    """The keys of the AWS configuration: variables, profiles, the machine's role; None: it has none, or no botocore."""
    try:
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session
    except ImportError:
        return None
    logging.getLogger("botocore").setLevel(logging.CRITICAL + 1)
    try:
        found = Session().get_credentials()
        frozen = None if found is None else found.get_frozen_credentials()
    except (BotoCoreError, ValueError, OSError):
        return None
    if frozen is None or frozen.access_key is None or frozen.secret_key is None:
        return None
    return S3Keys(
        access_key_id=frozen.access_key, secret_access_key=frozen.secret_key, session_token=frozen.token or None
    )


def _make_signer(bucket: str, options: S3Options | None, keys: S3Keys | None) -> _Signer:
    from botocore.session import Session

    # Its log records hold the headers of requests: no handler may get them.
    logging.getLogger("botocore").setLevel(logging.CRITICAL + 1)
    session = Session()
    signs = keys is not None or session.get_credentials() is not None
    place = S3Options() if options is None else options
    client = _client(session, place, keys, signs=signs)
    # rattler_networking compares the beginning of the text, and so do we.
    if options is None and client.meta.endpoint_url.startswith("http://localhost"):
        client = _client(session, replace(place, force_path_style=True), keys, signs=signs)
    return _described(client, bucket, by_pixi=options is not None, stored=keys is not None, signs=signs)


def _client(session: Any, options: S3Options, keys: S3Keys | None, *, signs: bool) -> Any:  # noqa: ANN401 - botocore's
    from botocore import UNSIGNED
    from botocore.config import Config

    # As in rattler the bucket is in the host's name, also where the AWS configuration names another endpoint; botocore
    # would have it in the path there. Both have it in the path where the endpoint is an address. A style that the AWS
    # configuration asks for by name stays: nobody writes it there in vain.
    chosen = session.get_scoped_config().get("s3")
    configured = chosen.get("addressing_style") if isinstance(chosen, dict) else None
    style = "path" if options.force_path_style else configured or "virtual"
    return session.create_client(
        "s3",
        config=Config(
            # A public bucket needs no credentials. Without a version botocore signs URLs of some regions in the old
            # way, which other regions and other servers do not take.
            signature_version="s3v4" if signs else UNSIGNED,
            s3={"addressing_style": style},
        ),
        endpoint_url=options.endpoint_url,
        region_name=options.region,
        aws_access_key_id=keys.access_key_id if keys else None,
        aws_secret_access_key=keys.secret_access_key if keys else None,
        aws_session_token=keys.session_token if keys else None,
    )


def _described(client: object, bucket: str, *, by_pixi: bool, stored: bool, signs: bool) -> _Signer:
    login = f"`pixi auth login s3://{bucket} --s3-access-key-id ID --s3-secret-access-key SECRET`"
    of_aws = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE"
    if stored:
        sent = "the S3 keys of the credential store were sent"
    elif signs:
        sent = "the credentials of the AWS configuration were sent"
    elif by_pixi:
        sent = (
            f"no credentials were sent, because neither the credential stores (s3://{bucket}) nor the AWS "
            "configuration has keys for it"
        )
    else:
        sent = "no credentials were sent, because the AWS configuration has none"
    if by_pixi:
        advice = f"Give keys that may read it with {login} or --auth-file, or with {of_aws}."
    else:
        advice = (
            f"Give keys that may read it with {of_aws}; or write [s3-options.{bucket}] into pixi's configuration, "
            f"which makes {login} count."
        )
    return _Signer(s3=client, signs=signs, credentials=sent, advice=advice)


def _call_botocore(work: Callable[[], T]) -> T | Failure:
    """The result of `work`, or a failure in our own words: those of botocore quote configuration files."""
    try:
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    except ImportError:
        return _NO_BOTOCORE
    try:
        return work()
    except (BotoCoreError, ClientError, ValueError, OSError) as error:
        kind, retry = type(error).__name__, isinstance(error, HTTPClientError)
    return Failure(
        reason=f"no request for it can be made from the S3 settings and credentials ({kind})",
        advice="Correct the bucket's name, [s3-options] of pixi's configuration, or the AWS configuration and its "
        "environment variables.",
        retry=retry,
    )


def explain_refusal(response: HttpResponse, request: AuthorizedUrl) -> Failure | None:
    """The failure that a bucket's response without the object stands for; None: the table of statuses knows it."""
    body = response.read(_MOST_READ)
    text = body if isinstance(body, bytes) else b""
    code = found[1].decode() if (found := _CODE.search(text)) else None
    status = f"status {response.status}" if code is None else f"status {response.status}, {code}"
    region = response.header("x-amz-bucket-region") or ""
    if not region and (found := _REGION_ELEMENT.search(text)):
        region = found[1].decode()
    if response.status in _OTHER_REGION and code != "ExpiredToken" and _REGION.fullmatch(region):
        return Failure(
            reason=f"the bucket {request.bucket} is in another region, {region} ({status})",
            advice=f"Set the region in [s3-options.{request.bucket}] of pixi's configuration, or with AWS_REGION.",
        )
    if response.status in _NOT_ALLOWED:
        return Failure(
            reason=f"the bucket {request.bucket} refused ({status}); {request.credentials}", advice=request.advice
        )
    if response.status in _ABSENT:
        return Failure(
            reason=f"the bucket {request.bucket} does not have it ({status})",
            advice="It was removed there, or the bucket's name or endpoint is wrong.",
        )
    return None
