"""Read an upload from a body: the file goes to the disk as it comes, and what the client claims of it is kept."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from pixi_mirror.disk.files import explain_errors, write_whole
from pixi_mirror.disk.held_files import HeldFile
from pixi_mirror.model.values import Json, Sha256
from pixi_mirror.serve.request import HttpRequest, RequestRefused
from pixi_mirror.serve.request_body import RequestBody
from pixi_mirror.serve.uploads.multipart import FormPart, MultipartReader, boundary_of
from pixi_mirror.serve.uploads.routes import UploadRoute

_LONGEST_VALUE = 4096
_LONGEST_ATTESTATIONS = 1 << 20
_FILE_FIELDS = {"legacy": "content", "prefix": "file"}
_DIGEST_FIELDS = {"md5_digest": "md5", "sha256_digest": "sha256", "blake2_256_digest": "blake2_256"}
_CHECKSUM_FIELDS = {"x-checksum-md5": "md5", "x-checksum-sha256": "sha256", "x-file-sha256": "sha256"}
"""Of Artifactory's clients and, in the head of a part, of prefix.dev's."""
_ACTION, _ATTESTATIONS = ":action", "attestations"
_LOOK_AFTER = 1 << 26
"""Bytes after which the room on the disk is looked at again."""
_DIGEST = re.compile(r"[0-9A-Fa-f]{32,128}")


@dataclass(slots=True, kw_only=True)
class ReceivedForm:
    """What came with a body, beside the bytes of the file."""

    file_name: str | None = None
    digests: dict[str, str] = field(default_factory=dict)
    """What the client claims, by `md5`, `sha256` and `blake2_256`."""
    attestations: tuple[Json, ...] = ()
    action: str = "file_upload"


class FileSink:
    """Takes the bytes of one upload, hashes them and writes them to a file on the mirror's disk."""

    def __init__(self, incoming: HeldFile, *, largest: int, room: Callable[[], int]) -> None:
        """Write nothing yet.

        Args:
            incoming: The file.
            largest: Bytes that it may have.
            room: Gives the bytes that may still be written to the disk.
        """
        self._incoming = incoming
        self._largest = largest
        self._room = room
        self._digest = hashlib.sha256()
        self._look_at = 0
        self.size = 0

    def write(self, piece: bytes) -> None:
        """Take the next bytes.

        Raises:
            RequestRefused: the file is too large, or the disk has no room for it.
            MachineError: the disk refuses.
        """
        self.size += len(piece)
        if self.size > self._largest:
            raise RequestRefused(413, f"files have at most {self._largest} bytes here")
        if self.size > self._look_at:
            self._look_at = self.size + _LOOK_AFTER
            if self._room() < len(piece):
                raise RequestRefused(413, "the mirror's disk has no room for the file")
        self._digest.update(piece)
        with explain_errors("write", self._incoming.path):
            write_whole(self._incoming.file, piece)

    @property
    def sha256(self) -> Sha256:
        """Of what came so far."""
        return Sha256(self._digest.hexdigest())


def receive_body(
    request: HttpRequest, query: str, route: UploadRoute, body: RequestBody, sink: FileSink
) -> ReceivedForm:
    """Read a body to its end.

    Args:
        request: Whose body it is.
        query: Of its target.
        route: How the file comes.
        body: The body.
        sink: Takes the file.

    Raises:
        RequestRefused: the body is malformed, too long or too slow, or has no file.
        OSError: the client has left.
        MachineError: the disk refuses.
    """
    if route.way == "file":
        form = ReceivedForm(file_name=route.file_name, digests=_claimed(request.fields, _CHECKSUM_FIELDS))
        for sha256 in parse_qs(query).get("sha256", ()):
            form.digests |= _claimed({"sha256": sha256}, {"sha256": "sha256"})
        while piece := body.read():
            sink.write(piece)
        return form
    return _receive_form(request, _FILE_FIELDS[route.way], body, sink)


def _receive_form(request: HttpRequest, file_field: str, body: RequestBody, sink: FileSink) -> ReceivedForm:
    reader = MultipartReader(body.read, boundary_of(request.fields.get("content-type")))
    form = ReceivedForm()
    while (part := reader.next_part()) is not None:
        if part.name == file_field:
            _receive_file(part, reader, form, sink)
        elif part.name in _DIGEST_FIELDS:
            value = reader.value(longest=_LONGEST_VALUE).decode(errors="replace").strip()
            if value:  # pdm sends absent fields empty
                form.digests |= _claimed({part.name: value}, _DIGEST_FIELDS)
        elif part.name == _ACTION:
            form.action = reader.value(longest=_LONGEST_VALUE).decode(errors="replace").strip()
        elif part.name == _ATTESTATIONS:
            form.attestations = _parse_attestations(reader.value(longest=_LONGEST_ATTESTATIONS))
    if form.file_name is None:
        raise RequestRefused(400, f"the form has no file in its field {file_field!r}")
    return form


def _receive_file(part: FormPart, reader: MultipartReader, form: ReceivedForm, sink: FileSink) -> None:
    if form.file_name is not None:
        raise RequestRefused(400, "the form has two files")
    form.file_name = part.file_name or ""
    form.digests |= _claimed(part.fields, _CHECKSUM_FIELDS)
    while piece := reader.read():
        sink.write(piece)


def _claimed(fields: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    found = {names[name]: value.strip() for name, value in fields.items() if name in names}
    for name, value in found.items():
        if not _DIGEST.fullmatch(value):
            raise RequestRefused(400, f"the {name} that came along is malformed")
    return found


def _parse_attestations(raw: bytes) -> tuple[Json, ...]:
    """PEP 740: "a JSON-encoded array of attestation objects"."""
    if not raw.strip():
        return ()
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list):
        raise RequestRefused(400, "the attestations that came along are no JSON array")
    return tuple(found)
