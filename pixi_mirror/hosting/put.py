"""Put files of this machine under a hosted name: the same as an upload, without a server."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.context import Context
from pixi_mirror.disk.files import explain_errors, write_whole
from pixi_mirror.errors import DiskFullError, PixiMirrorError, SeveralErrors, UnmirrorableError, WrongBytesError
from pixi_mirror.hosting.names import require_hosted
from pixi_mirror.hosting.receive import UploadReceiver, receive_file
from pixi_mirror.hosting.upload import PackageUpload, UploadOutcome, UploadRefused
from pixi_mirror.mirror.imported import refuse_own_changes
from pixi_mirror.mirror.tree import open_mirror
from pixi_mirror.model.values import admit_sha256
from pixi_mirror.progress import counted

_CHUNK = 1 << 20
_ERRORS: dict[int, type[PixiMirrorError]] = {
    400: WrongBytesError,
    403: UnmirrorableError,
    409: UnmirrorableError,
    413: DiskFullError,
}
"""What a refusal is on the command line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PutResult:
    """What became of the files."""

    outcomes: tuple[UploadOutcome, ...]
    """Of those that are in the mirror now."""
    error: PixiMirrorError | None
    """Why others are not; None: all are."""


def put_files(mirror: Path, name: str, files: tuple[Path, ...], *, user: str, context: Context) -> PutResult:
    """Put files under a hosted name, one after another; one that is refused does not keep the others out.

    Raises:
        UnmirrorableError: there is no such name.
        HistoryError: imports fill the mirror.
        MachineError: there is no mirror, or it cannot be read.
    """
    tree = open_mirror(mirror)
    refuse_own_changes(tree, "pixi-mirror host put")
    require_hosted(tree, name)
    receiver = UploadReceiver(mirror, context)
    outcomes: list[UploadOutcome] = []
    errors: list[PixiMirrorError] = []
    for file in files:
        try:
            outcomes.append(_put(receiver, mirror, name, file, user))
        except UploadRefused as refused:
            errors.append(_ERRORS[refused.status](f"{file}: {refused.reason}: {refused.detail}"))
        except PixiMirrorError as error:
            errors.append(error)
    if len(errors) <= 1:
        return PutResult(outcomes=tuple(outcomes), error=next(iter(errors), None))
    summary = f"{len(errors)} of {counted(len(files), 'file')} were not put under {name}:"
    return PutResult(outcomes=tuple(outcomes), error=SeveralErrors(summary, errors))


def _put(receiver: UploadReceiver, mirror: Path, name: str, file: Path, user: str) -> UploadOutcome:
    digest, size = hashlib.sha256(), 0
    with receive_file(mirror) as incoming:
        with explain_errors("read", file), file.open("rb") as source:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
                with explain_errors("write", incoming.path):
                    write_whole(incoming.file, chunk)
        upload = PackageUpload(
            name=name,
            filename=file.name,
            subdir=None,
            path=incoming.path,
            size=size,
            sha256=admit_sha256(digest.hexdigest()),
            user=user,
            address="",
        )
        return receiver.receive(upload)
