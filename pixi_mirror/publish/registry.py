"""An OCI registry as a destination: the conda channels of a mirror, under the names that rattler's clients ask for.

A package is a manifest with its archives as layers; all index files of a subdir are layers of one manifest, so that a
reader sees all of them old or all of them new. What this module calls a file is a manifest: its sha256 is the digest by
which the registry knows it, and says what every layer is.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

from pixi_mirror.conda.index_files import REPODATA, SHARDS
from pixi_mirror.conda.names import is_subdir
from pixi_mirror.errors import FarSideError, UnmirrorableError, UsageError
from pixi_mirror.http.oci_names import LATEST, MANIFEST, OciReference, naming_problem, reference_of
from pixi_mirror.http.registry import Body, RegistryClient, digest_of
from pixi_mirror.mirror.tree_view import INVENTORY, PUBLISHED
from pixi_mirror.model.advisories import FOLDER
from pixi_mirror.model.network import Network
from pixi_mirror.model.values import Json, MirrorPath, Sha256, admit_path, mask_secrets, sha256_of
from pixi_mirror.progress import Progress
from pixi_mirror.publish.compare import MAY_CHANGE
from pixi_mirror.publish.destination import Held, Upload
from pixi_mirror.pypi.names import ARCHIVES

OCI = "oci://"

_URL = re.compile(r"oci://(?P<host>\[[0-9a-f:.]+\]|[A-Za-z0-9._-]+)(?P<port>:[0-9]*)?/(?P<namespace>[^?#@]+)")
_RECORD = "application/vnd.pixi-mirror.published.v1+json"
_EMPTY = b"{}"
_EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
_INLINE = 1 << 20
"""Bytes of a record that stands in its manifest as well, so that one request reads it (image-spec 1.1, `data`)."""
_LARGEST_RECORD = 1 << 30
_STEM = ".conda"
_REPOSITORY = ".git/"
"""What is in the path of a file of a repository of git."""
_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryDestination:
    """The repositories below a namespace of a registry. A tag is the last writer's: no registry knows conditions."""

    client: RegistryClient
    name: str
    namespace: str
    without_python: bool
    """Whether files that no client reads from a registry are left out; else they are refused."""

    ignores_conditions = True

    def arrange(self, uploads: Sequence[Upload]) -> Sequence[Upload]:
        """The manifests of what can be in a registry.

        Raises:
            UnmirrorableError: something can be read there by no client, or has a name that no registry takes.
        """
        found: dict[MirrorPath, list[tuple[OciReference, Upload]]] = {}
        others = []
        for upload in uploads:
            key = _manifest_key(upload.path)
            if key is not None:
                found.setdefault(key, []).append((self._reference(upload.path), upload))
            elif not upload.path.startswith(f"{FOLDER}/") and (
                upload.path.endswith(ARCHIVES) or _REPOSITORY in upload.path
            ):
                others.append(upload.path)
        if others and not self.without_python:
            raise UnmirrorableError(
                f"no client reads {len(others)} files of the mirror from an OCI registry, {others[0]} among them: "
                "Python packages and sources of git are read over http. Publish conda's alone with --no-pypi, and the "
                "rest to a bucket or a directory.",
                items=sorted(others),
            )
        problems = {path: problem for path, parts in found.items() if (problem := naming_problem(parts[0][0]))}
        if problems:
            shown = "; ".join(f"{path}: {problem}" for path, problem in sorted(problems.items())[:_SHOWN])
            raise UnmirrorableError(
                f"{len(problems)} names of the mirror can be in no registry: {shown}. Nothing was written; publish to "
                "a bucket or a directory.",
                items=sorted(problems),
            )
        return tuple(_manifest(path, parts) for path, parts in found.items())

    def is_empty(self) -> bool:
        """Always: what is below a namespace cannot be listed. What is there under a name in use is never replaced."""
        return True

    def read(self, path: MirrorPath) -> tuple[bytes, str] | None:
        """The bytes of the record, and the digest of its manifest."""
        reference = self._reference(path)
        manifest = self.client.read_manifest(reference.repository, reference.tag)
        if manifest is None:
            return None
        (layer,) = self._layers(manifest, path)[:1] or ({},)
        digest, inline = str(layer.get("digest")), layer.get("data")
        try:
            data = base64.b64decode(inline, validate=True) if isinstance(inline, str) else None
        except binascii.Error:
            data = None
        if data is None:
            data = self.client.read_blob(reference.repository, digest, most=_LARGEST_RECORD)
        if data is None or digest_of(data) != digest:
            raise FarSideError(f"{self.name}/{path}: the registry does not have the bytes that its manifest names.")
        return data, digest_of(manifest)

    def look(self, path: MirrorPath) -> Held | None:
        """Digest of the manifest and size of its layers; None: it, or a layer of it, is not there."""
        reference = self._reference(path)
        manifest = self.client.read_manifest(reference.repository, reference.tag)
        if manifest is None:
            return None
        layers = self._layers(manifest, path)
        if not all(self.client.has_blob(reference.repository, str(layer.get("digest"))) for layer in layers):
            return None
        size = sum(size for layer in layers if isinstance(size := layer.get("size"), int))
        return Held(size=size, sha256=sha256_of(manifest), tag=digest_of(manifest))

    def hash(self, path: MirrorPath) -> Sha256 | None:
        """The sha256 of a manifest as it is read back."""
        reference = self._reference(path)
        manifest = self.client.read_manifest(reference.repository, reference.tag)
        return None if manifest is None else sha256_of(manifest)

    def create(self, upload: Upload) -> str | None:
        """Write a manifest and what it names, where the tag points at none, or at this one with a layer lost."""
        reference = self._reference(upload.path)
        found = self.client.find_digest(reference.repository, reference.tag)
        lost = found == f"sha256:{upload.sha256}" and self.look(upload.path) is None
        return self._write(upload, reference) if found is None or lost else None

    def swap(self, upload: Upload, tag: str) -> str | None:
        """Point a tag that still points at this manifest at another one."""
        reference = self._reference(upload.path)
        found = self.client.find_digest(reference.repository, reference.tag)
        return None if found != tag else self._write(upload, reference)

    def _write(self, upload: Upload, reference: OciReference) -> str:
        whole = upload if upload.parts else _record_manifest(upload, reference)
        assert whole.data is not None  # noqa: S101 - a manifest is made here
        for _, part in whole.parts:
            body = part.data if part.data is not None else cast("Body", partial(part.source.open, "rb"))
            self.client.push_blob(reference.repository, f"sha256:{part.sha256}", body, content_size=part.size)
        self.client.push_blob(reference.repository, digest_of(_EMPTY), _EMPTY, content_size=len(_EMPTY))
        self.client.push_manifest(reference.repository, reference.tag, whole.data)
        return digest_of(whole.data)

    def remove(self, path: MirrorPath) -> None:
        """Remove a manifest; the registry removes the layers that none names when it next collects garbage."""
        reference = self._reference(path)
        self.client.delete_manifest(reference.repository, reference.tag)

    def settle(self) -> None:
        """Nothing: what a registry has answered for, it has."""

    def public_problem(self) -> None:
        """None: a registry answers 404 for a manifest that it does not have."""

    def _reference(self, path: MirrorPath) -> OciReference:
        if path == PUBLISHED:
            name = PUBLISHED.removesuffix(".json")
            return OciReference(repository=f"{self.namespace}/{name}", tag=LATEST, media_type=_RECORD)
        found = reference_of(f"{self.namespace}/{path}") or reference_of(f"{self.namespace}/{path}{_STEM}")
        if found is None:
            raise FarSideError(f"{self.name}: its record names {path}, which is nothing of a conda channel.")
        return found

    def _layers(self, manifest: bytes, path: MirrorPath) -> Sequence[Mapping[str, Json]]:
        try:
            layers: Json = json.loads(manifest)["layers"]
            if all(isinstance(layer, dict) for layer in layers):
                return list(layers)
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        raise FarSideError(
            f"{self.name}/{path}: the manifest there is none that this program writes; it was left alone."
        )


def _manifest_key(path: MirrorPath) -> MirrorPath | None:
    """The name under which the manifest of a file is recorded; None: no client reads the file from a registry."""
    folder, _, name = path.rpartition("/")
    parent, _, last = folder.rpartition("/")
    reference = reference_of(path)
    if reference is None or path == INVENTORY:
        return None
    if last == SHARDS and is_subdir(parent.rpartition("/")[2]):
        return path
    if not is_subdir(last):
        return None
    if reference.tag == LATEST:
        return admit_path(f"{folder}/{REPODATA}")
    # Both forms of a package are layers of one manifest.
    return admit_path(f"{folder}/{name.removesuffix('.conda').removesuffix('.tar.bz2')}")


def _manifest(path: MirrorPath, parts: Iterable[tuple[OciReference, Upload]]) -> Upload:
    ordered = sorted(parts, key=lambda part: part[1].path)
    reference, first = ordered[0]
    data = _document([_described(each.media_type, part) for each, part in ordered])
    return Upload(
        path=path,
        source=first.source,
        data=data,
        sha256=sha256_of(data),
        size=sum(part.size for _, part in ordered),
        content_type=MANIFEST,
        cache_control=MAY_CHANGE if reference.tag == LATEST else first.cache_control,
        parts=tuple((each.media_type, part) for each, part in ordered),
    )


def _record_manifest(upload: Upload, reference: OciReference) -> Upload:
    layer = _described(reference.media_type, upload)
    if upload.data is not None and upload.size <= _INLINE:
        layer["data"] = base64.b64encode(upload.data).decode("ascii")
    return replace(upload, data=_document([layer]), parts=((reference.media_type, upload),))


def _described(media_type: str, part: Upload) -> dict[str, Json]:
    title = {"org.opencontainers.image.title": part.path.rpartition("/")[2]}
    return {"mediaType": media_type, "digest": f"sha256:{part.sha256}", "size": part.size, "annotations": title}


def _document(layers: list[dict[str, Json]]) -> bytes:
    config = {"mediaType": _EMPTY_TYPE, "digest": digest_of(_EMPTY), "size": len(_EMPTY)}
    kind = "application/vnd.conda.artifact"
    whole = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind, "config": config, "layers": layers}
    return json.dumps(whole, separators=(",", ":"), sort_keys=True).encode()


def open_registry(
    url: str, network: Network, progress: Progress, *, endpoint: str | None, without_python: bool, jobs: int
) -> RegistryDestination:
    """Open the registry at a URL.

    Args:
        url: `oci://HOST/NAMESPACE`.
        network: of the settings, with the credentials.
        progress: gets notes and warnings.
        endpoint: URL of the registry's API, if it is another one here than for readers; None: https on port 443.
        without_python: whether files that no client reads from a registry are left out.
        jobs: uploads at a time.

    Raises:
        UsageError: the URL names no namespace of a registry that clients could ask.
    """
    found = _URL.fullmatch(url.rstrip("/"))
    if found is None:
        raise UsageError(
            f"{mask_secrets(url)!r} names no namespace of a registry: expected oci://HOST/NAMESPACE, without a user."
        )
    host, namespace = found["host"].lower(), found["namespace"]
    if found["port"] not in (None, ":443"):
        raise UsageError(
            f"{url!r} has a port, which no client of oci:// URLs asks: pixi drops it and asks {host} on 443 by https. "
            f"Publish to oci://{host}/{namespace}, and say with --endpoint where the registry is from here, if it is "
            "not there."
        )
    problem = naming_problem(OciReference(repository=namespace, tag=LATEST, media_type=_RECORD))
    if problem is not None:
        raise UsageError(f"{url!r}: {problem}.")
    if endpoint is not None:
        progress.note(f"the registry is written at {endpoint}; clients will ask https://{host}")
    client = RegistryClient(network, progress, host=host, endpoint=endpoint or f"https://{host}", connections=jobs)
    name = f"{OCI}{host}/{namespace}"
    return RegistryDestination(client=client, name=name, namespace=namespace, without_python=without_python)
