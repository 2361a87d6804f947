"""Object stores as destinations: S3, Azure and Google. This is the only module that uses the library obstore."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import unquote

from pixi_mirror.conda.index_files import SHARD_INDEX
from pixi_mirror.errors import FarSideError, FetchError, MachineError, PixiMirrorError, UsageError
from pixi_mirror.http.s3 import configured_keys
from pixi_mirror.model.network import Network, S3Options
from pixi_mirror.model.segments import request_path
from pixi_mirror.model.values import MirrorPath, Sha256, Url, mask_secrets
from pixi_mirror.publish.destination import Held, Upload

SCHEMES = ("s3", "gs", "az")

_DIGEST = "sha256"
"""The key of the metadata that a file is written with."""
_ONE_PUT = 64 << 20
"""Bytes. What is longer is written in parts, which no store does under a condition."""
_IMPOSSIBLE = f"pixi-mirror-no-such-key/{SHARD_INDEX}"
"""A key that no mirror has."""

_RETRIES: Any = {"max_retries": 5, "retry_timeout": timedelta(minutes=2)}

_T = TypeVar("_T")


class ObjectStoreDestination:
    """A bucket or container, below a prefix."""

    def __init__(self, url: str, store: object, public: object | None, *, only_publisher: bool) -> None:
        """Take a store of obstore; nothing is requested yet.

        Args:
            url: of the destination, for people.
            store: of obstore, with the prefix.
            public: the same store without credentials; None: it cannot be had.
            only_publisher: whether the user says that nobody else publishes there, so that no condition is asked for.
        """
        self._url = url
        self._store: Any = store
        self._public: Any = public
        self.ignores_conditions = only_publisher

    @property
    def name(self) -> str:
        """The URL of the destination."""
        return self._url

    def is_empty(self) -> bool:
        """Whether the store lists nothing below the prefix; a store that does not let us list counts as empty."""
        from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

        try:
            return not any(batch for batch in self._store.list(chunk_size=1))
        except (PermissionDeniedError, UnauthenticatedError):
            return True
        except Exception as error:
            raise self._explained("list", "", error) from error

    def read(self, path: MirrorPath) -> tuple[bytes, str] | None:
        """The bytes of a small object, and its ETag."""
        found = self._call("read", path, self._store.get)
        return None if found is None else (bytes(found.bytes()), str(found.meta["e_tag"]))

    def look(self, path: MirrorPath) -> Held | None:
        """Size, ETag and the sha256 in the metadata of an object."""
        found = self._call("look at", path, lambda key: self._store.get(key, options={"head": True}))
        if found is None:
            return None
        digest = {name.lower(): value for name, value in found.attributes.items()}.get(_DIGEST)
        return Held(size=found.meta["size"], sha256=digest, tag=str(found.meta["e_tag"]))

    def hash(self, path: MirrorPath) -> Sha256 | None:
        """The sha256 of the bytes that the store gives."""
        found = self._call("read", path, self._store.get)
        if found is None:
            return None
        digest = hashlib.sha256()
        for chunk in found.stream(min_chunk_size=1 << 20):
            digest.update(chunk)
        return Sha256(digest.hexdigest())

    def create(self, upload: Upload) -> str | None:
        """Write an object under the condition that there is none; a long one after a look."""
        if upload.size > _ONE_PUT:
            return None if self.look(upload.path) is not None else self._put_in_parts(upload)
        return self._put(upload, "overwrite" if self.ignores_conditions else "create")

    def swap(self, upload: Upload, tag: str) -> str | None:
        """Replace an object under the condition that it still has this ETag."""
        if upload.size > _ONE_PUT:
            return self._put_in_parts(upload)
        return self._put(upload, "overwrite" if self.ignores_conditions else {"e_tag": tag})

    def _put(self, upload: Upload, mode: str | Mapping[str, str]) -> str | None:
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        data = upload.data if upload.data is not None else upload.source
        try:
            done = self._store.put(
                _key(upload.path), data, attributes=_attributes(upload), mode=mode, use_multipart=False
            )
        except (AlreadyExistsError, PreconditionError):
            return None
        except FileNotFoundError as error:
            if error.filename is None:  # the object is gone, and not the file of this machine
                return None
            raise self._explained("write", upload.path, error) from error
        except Exception as error:
            raise self._explained("write", upload.path, error) from error
        return str(done["e_tag"])

    def _put_in_parts(self, upload: Upload) -> str:
        try:
            done = self._store.put(_key(upload.path), upload.source, attributes=_attributes(upload), use_multipart=True)
        except Exception as error:
            raise self._explained("write", upload.path, error) from error
        return str(done["e_tag"])

    def remove(self, path: MirrorPath) -> None:
        """Remove an object."""
        self._call("remove", path, self._store.delete)

    def settle(self) -> None:
        """Nothing: what a store has answered for, it has."""

    def public_problem(self) -> str | None:
        """What a request without credentials for a key that cannot exist gets, where that is not `404`."""
        if self._public is None:
            return None
        from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

        try:
            self._public.get(_IMPOSSIBLE)
        except (PermissionDeniedError, UnauthenticatedError):
            return (
                f"{self._url}: who reads without credentials gets 403 for what is not there, and pixi then stops where "
                "it looks for shards. Readers need the right to list the bucket (s3:ListBucket), or credentials"
            )
        except (BaseError, OSError):  # it is not there, as it should be; or the store fails, which is said elsewhere
            return None
        return None

    def _call(self, what: str, path: MirrorPath, work: Callable[[str], _T]) -> _T | None:
        """The result of a request; None: the object is not there."""
        try:
            return work(_key(path))
        except FileNotFoundError:  # obstore raises this one, and not its own NotFoundError, for an object
            return None
        except Exception as error:  # obstore has its own errors, and raises OSError and ValueError, too
            raise self._explained(what, path, error) from error

    def _explained(self, what: str, path: str, error: Exception) -> PixiMirrorError:
        """The error in our words; the library's text may quote requests, so it is cut and masked."""
        from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

        where = f"{self._url}/{path}" if path else self._url
        if isinstance(error, PermissionDeniedError | UnauthenticatedError):
            rights = {"read": "read", "look at": "read", "list": "list", "write": "write", "remove": "delete"}[what]
            return FarSideError(
                f"{where}: the store does not let us {what} it. The credentials that were used need the right to "
                f"{rights} objects there; give others, as docs/publish.md says."
            )
        if isinstance(error, OSError) and error.filename is not None:
            return MachineError(f"cannot read {error.filename}: {error.strerror}.")
        text = mask_secrets(" ".join(str(error).split()))[:300]
        return FetchError(f"{where}: the store cannot be reached, or did not answer as one ({text}). Run it again.")


def _key(path: MirrorPath) -> str:
    """The key at which clients ask for a file: the path of its URL, decoded."""
    key = unquote(request_path(path))
    return path if "//" in key or key.startswith("/") else key


def _attributes(upload: Upload) -> dict[str, str]:
    return {"Content-Type": upload.content_type, "Cache-Control": upload.cache_control, _DIGEST: upload.sha256}


def open_store(url: str, network: Network, *, endpoint: str | None, only_publisher: bool) -> ObjectStoreDestination:
    """Open the store at a URL.

    Args:
        url: `s3://BUCKET[/PREFIX]`, `gs://BUCKET[/PREFIX]` or `az://CONTAINER[/PREFIX]`.
        network: of the settings; `[s3-options]` and the keys of pixi's stores count for buckets.
        endpoint: URL of the store; None: the settings or the store's own.
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
    try:
        store, public = _OPEN[scheme](bucket, prefix or None, network, endpoint)
    except Exception as error:  # the library has no common class for settings that it cannot use
        text = mask_secrets(" ".join(str(error).split()))[:300]
        raise MachineError(f"{shown}: the settings of the store cannot be used: {text}.") from error
    return ObjectStoreDestination(shown, store, public, only_publisher=only_publisher)


def _s3(bucket: str, prefix: str | None, network: Network, endpoint: str | None) -> tuple[object, object]:
    from obstore.store import S3Store

    options = network.s3_options.get(bucket, S3Options())
    keys = network.s3_keys(Url(f"s3://{bucket}/{prefix or ''}")) or configured_keys()
    where = endpoint or options.endpoint_url
    settings: dict[str, Any] = {
        "endpoint": where,
        "region": options.region,
        # A bucket in the name of the host is for hosts that have such names: not for addresses and other endpoints.
        "virtual_hosted_style_request": where is None or not (endpoint or options.force_path_style),
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
