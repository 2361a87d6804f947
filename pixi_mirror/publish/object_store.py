"""Object stores as destinations: S3, Azure and Google, by the library obstore."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import unquote

from pixi_mirror.conda.index_files import SHARD_INDEX
from pixi_mirror.errors import FarSideError, FetchError, MachineError, PixiMirrorError
from pixi_mirror.model.segments import request_path
from pixi_mirror.model.values import MirrorPath, Sha256, mask_secrets
from pixi_mirror.publish.destination import Held, Upload

_DIGEST = "sha256"
"""The key of the metadata that a file is written with."""
_ONE_PUT = 64 << 20
"""Bytes. What is longer is written in parts, which no store does under a condition."""
_IMPOSSIBLE = f"pixi-mirror-no-such-key/{SHARD_INDEX}"
"""A key that no mirror has."""

_RIGHTS = {"read": "read", "look at": "read", "list": "list", "write": "write", "remove": "delete"}
_CONTRIBUTOR = dict.fromkeys(("read", "list", "write", "delete"), "Storage Blob Data Contributor")
_NAMES_OF_RIGHTS: Mapping[str, Mapping[str, str]] = {
    "s3": {"read": "s3:GetObject", "list": "s3:ListBucket", "write": "s3:PutObject", "delete": "s3:DeleteObject"},
    "gs": {
        "read": "storage.objects.get",
        "list": "storage.objects.list",
        "write": "storage.objects.create and storage.objects.delete, which replacing needs",
        "delete": "storage.objects.delete",
    },
    "az": _CONTRIBUTOR,
}
# The library has no errors of their own for these; the words are the codes of the stores.
_SKEWED = re.compile(r"RequestTimeTooSkewed|Request date header too old")
_NO_BUCKET = re.compile(r"NoSuchBucket|ContainerNotFound")

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

    def arrange(self, uploads: Sequence[Upload]) -> Sequence[Upload]:
        """Every file as it is."""
        return uploads

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
        if isinstance(error, OSError) and error.filename is not None:
            return MachineError(f"cannot read {error.filename}: {error.strerror}.")
        text = mask_secrets(" ".join(str(error).split()))
        if _SKEWED.search(text):
            return FarSideError(
                f"{where}: the store refuses the time of our signature: this machine's clock says "
                f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC. Set the clock, or the store's, and publish again."
            )
        if isinstance(error, PermissionDeniedError | UnauthenticatedError):
            right = _RIGHTS[what]
            named = _NAMES_OF_RIGHTS.get(self._url.partition(":")[0], {}).get(right)
            return FarSideError(
                f"{where}: the store does not let us {what} it. The credentials that were used need the right to "
                f"{right} objects there{f' ({named})' if named else ''}; give others, as docs/publish.md says."
            )
        if _NO_BUCKET.search(text):
            return FarSideError(f"{self._url}: the store has no such bucket. Create it first, or correct the name.")
        text = text[:300]
        return FetchError(f"{where}: the store cannot be reached, or did not answer as one ({text}). Run it again.")


def _key(path: MirrorPath) -> str:
    """The key at which clients ask for a file: the path of its URL, decoded."""
    key = unquote(request_path(path))
    return path if "//" in key or key.startswith("/") else key


def _attributes(upload: Upload) -> dict[str, str]:
    return {"Content-Type": upload.content_type, "Cache-Control": upload.cache_control, _DIGEST: upload.sha256}
