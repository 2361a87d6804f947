"""Open the object store at a URL: where it is, and whom to be there."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from pixi_mirror.errors import MachineError, UsageError
from pixi_mirror.http.s3 import configured_keys
from pixi_mirror.model.network import Network, S3Options
from pixi_mirror.model.values import Url, mask_secrets
from pixi_mirror.publish.object_store import ObjectStoreDestination

SCHEMES = ("s3", "gs", "az")

_RETRIES: Any = {"max_retries": 5, "retry_timeout": timedelta(minutes=2)}
_NAMEABLE = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
"""Names of buckets that can be part of a host's name."""


def open_store(
    url: str, network: Network, *, endpoint: str | None, environ: Mapping[str, str], only_publisher: bool
) -> ObjectStoreDestination:
    """Open the store at a URL.

    Args:
        url: `s3://BUCKET[/PREFIX]`, `gs://BUCKET[/PREFIX]` or `az://CONTAINER[/PREFIX]`.
        network: of the settings; `[s3-options]` and the keys of pixi's stores count for buckets.
        endpoint: URL of the store, with the bucket in its path; None: that of the settings, of the variables, or the
            store's own.
        environ: the environment.
        only_publisher: whether nobody else publishes there.

    Raises:
        UsageError: the URL names no bucket.
        MachineError: the library is missing, or the settings cannot be used.
    """
    scheme, _, rest = url.partition("://")
    bucket, _, prefix = rest.strip("/").partition("/")
    expected = f"{scheme}://BUCKET or {scheme}://BUCKET/PREFIX"
    if "@" in rest:
        raise UsageError(
            f"{mask_secrets(url)!r} has a user: expected {expected}. Credentials are read from pixi's stores, or as "
            "the store's own programs read them."
        )
    if not bucket or "//" in rest or not set("?#").isdisjoint(rest):
        raise UsageError(f"{mask_secrets(url)!r} names no bucket: expected {expected}.")
    try:
        import obstore.store  # noqa: F401 - it is looked for before anything else is done
    except ImportError:
        raise MachineError(
            "publishing to an object store needs the Python package obstore, which is not installed here. Install it "
            "beside pixi-mirror: `pip install obstore`, or obstore from conda-forge."
        ) from None
    shown = f"{scheme}://{bucket}" + (f"/{prefix}" if prefix else "")
    place = _placed(network, bucket, endpoint, environ) if scheme == "s3" else network
    try:
        store, public = _OPEN[scheme](bucket, prefix or None, place, endpoint)
    except Exception as error:  # the library has no common class for settings that it cannot use
        text = mask_secrets(" ".join(str(error).split()))[:300]
        raise MachineError(f"{shown}: the settings of the store cannot be used: {text}.") from error
    return ObjectStoreDestination(shown, store, public, only_publisher=only_publisher)


def _placed(network: Network, bucket: str, endpoint: str | None, environ: Mapping[str, str]) -> Network:
    """The settings with the place of the bucket, from the first that says it: option, settings, variables."""
    options = network.s3_options.get(bucket, S3Options())
    if endpoint is not None:
        options = replace(options, endpoint_url=endpoint, force_path_style=True)
    elif options.endpoint_url is None:
        variable = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
        local = bool(variable) and str(variable).startswith("http://localhost")  # as when reading
        options = replace(options, endpoint_url=variable or None, force_path_style=local)
    return replace(network, s3_options={**network.s3_options, bucket: options})


def _s3(bucket: str, prefix: str | None, network: Network, _endpoint: str | None) -> tuple[object, object]:
    from obstore.store import S3Store

    options = network.s3_options.get(bucket, S3Options())
    keys = network.s3_keys(Url(f"s3://{bucket}/{prefix or ''}")) or configured_keys()
    where = options.endpoint_url
    settings: dict[str, Any] = {
        # To the library this style means that the endpoint has the bucket in it, wherever.
        "endpoint": None if where is None else bucket_url(bucket, where, in_path=options.force_path_style),
        "virtual_hosted_style_request": True,
        "region": options.region,
    }
    signing = {
        "access_key_id": keys.access_key_id if keys else None,
        "secret_access_key": keys.secret_access_key if keys else None,
        "session_token": keys.session_token if keys else None,
    }
    known = {name: value for name, value in settings.items() if value is not None}
    with_keys = {name: value for name, value in {**known, **signing}.items() if value is not None}
    client = _client(network, where)
    return (
        S3Store(bucket, prefix=prefix, client_options=client, retry_config=_RETRIES, **with_keys),
        S3Store(bucket, prefix=prefix, client_options=client, retry_config=_RETRIES, **known, skip_signature=True),
    )


def bucket_url(bucket: str, endpoint: str, *, in_path: bool) -> str:
    """The URL of a bucket at an endpoint, as rattler and botocore have it.

    Args:
        bucket: its name.
        endpoint: an http or https URL without user and query.
        in_path: whether the bucket is in the path; else it is in the host's name, if a host can have such a name.
    """
    scheme, _, place = endpoint.rstrip("/").partition("://")
    name = place.partition("/")[0].rpartition(":")[0] or place.partition("/")[0]
    is_address = name.startswith("[") or name.rpartition(".")[2].isdigit()
    # A certificate for `*.store.example` is for names with one word more.
    nameable = _NAMEABLE.fullmatch(bucket) is not None and not (scheme == "https" and "." in bucket)
    return f"{scheme}://{place}/{bucket}" if in_path or is_address or not nameable else f"{scheme}://{bucket}.{place}"


def _google(bucket: str, prefix: str | None, network: Network, endpoint: str | None) -> tuple[object, None]:
    from obstore.store import GCSStore

    settings: dict[str, Any] = {} if endpoint is None else {"base_url": endpoint}
    client = _client(network, endpoint)
    return GCSStore(bucket, prefix=prefix, client_options=client, retry_config=_RETRIES, **settings), None


def _azure(container: str, prefix: str | None, network: Network, endpoint: str | None) -> tuple[object, None]:
    from obstore.store import AzureStore

    settings: dict[str, Any] = {} if endpoint is None else {"endpoint": endpoint}
    client = _client(network, endpoint)
    return AzureStore(container, prefix=prefix, client_options=client, retry_config=_RETRIES, **settings), None


_OPEN: Mapping[str, Callable[[str, str | None, Network, str | None], tuple[object, object]]] = {
    "s3": _s3,
    "gs": _google,
    "az": _azure,
}


def _client(network: Network, endpoint: str | None) -> Any:  # noqa: ANN401 - the library's own dictionary
    options: dict[str, Any] = {"allow_http": (endpoint or "").lower().startswith("http:")}
    if not network.verify_tls:
        options["allow_invalid_certificates"] = True
    if network.ca_file is not None:
        options["root_certificate"] = network.ca_file.read_bytes()
    if network.proxies.https is not None:
        options["proxy_url"] = network.proxies.https
        options["proxy_excludes"] = ",".join(network.proxies.exempt)
    return options
