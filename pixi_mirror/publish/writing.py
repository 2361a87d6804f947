"""Write one group of files to a destination, each under its condition, and say what was found there instead."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from pixi_mirror.errors import FarSideError, PixiMirrorError, SeveralErrors, WrongBytesError
from pixi_mirror.model.values import MirrorPath
from pixi_mirror.progress import Progress
from pixi_mirror.publish.compare import MAY_CHANGE
from pixi_mirror.publish.destination import Upload
from pixi_mirror.publish.held_record import NO_TAG, HeldRecord, others_publish
from pixi_mirror.publish.record import PublishedFile
from pixi_mirror.threads import in_threads


@dataclass(slots=True, kw_only=True)
class Writer:
    """Writes files to the destination of a record, and takes them into the record."""

    held: HeldRecord
    jobs: int
    progress: Progress
    found: set[MirrorPath] = field(default_factory=set)
    """What was there already, with the right bytes, where a file was to be written."""

    def write_all(self, group: list[Upload]) -> None:
        """Write files, several at a time. The record has all that were written, even if one fails.

        Raises:
            FarSideError: the destination refuses, or somebody else publishes there.
            WrongBytesError: what was read back is not what was written.
            FetchError: the destination cannot be reached.
            SeveralErrors: several of these.
        """
        self.progress.begin("publishing", files=len(group), size=sum(each.size for each in group))
        errors: list[PixiMirrorError] = []

        def write(upload: Upload) -> PublishedFile | None:
            try:
                return self._write(upload)
            except PixiMirrorError as error:
                errors.append(error)
                return None

        written = dict(zip((each.path for each in group), in_threads(write, group, self.jobs), strict=True))
        files = {**self.held.record.files, **{path: each for path, each in written.items() if each is not None}}
        self.held.record = replace(self.held.record, files=files)
        if errors:
            with suppress(PixiMirrorError):
                self.held.keep(self.held.record)  # what was written need not be looked for again
            raise (
                errors[0]
                if len(errors) == 1
                else SeveralErrors(
                    f"{len(errors)} of {len(group)} files could not be published to {self.held.destination.name}:",
                    errors,
                )
            )

    def require_ours(self, uploads: Iterable[Upload]) -> None:
        """Look once more, after everything was written, at the files whose bytes may change.

        Where a store lets two conditional writes at one instant both succeed, or knows no conditions, the second
        publisher has overwritten the first, who learns of it here.

        Raises:
            FarSideError: one is another than this run has written.
            FetchError: the destination cannot be reached.
        """
        changing = [each.path for each in uploads if each.cache_control == MAY_CHANGE]
        tags = in_threads(self._tag_of, changing, self.jobs)
        for path, tag in zip(changing, tags, strict=True):
            if tag != self.held.record.files[path].tag:
                raise others_publish(self.held.destination, path)
        self.held.require_ours()

    def _write(self, upload: Upload) -> PublishedFile:
        destination, known = self.held.destination, self.held.record.files.get(upload.path)
        if known is None:
            tag = destination.create(upload)
        else:
            tag = destination.swap(upload, known.tag or self._tag_of(upload.path))
        if tag is None:
            tag = self._settle_refused(upload)
        if upload.cache_control == MAY_CHANGE:
            self._require_read_back(upload)
        self.progress.advance(files=1, size=upload.size)
        return PublishedFile(sha256=upload.sha256, size=upload.size, tag=tag)

    def _tag_of(self, path: MirrorPath) -> str:
        held = self.held.destination.look(path)
        return NO_TAG if held is None else held.tag

    def _settle_refused(self, upload: Upload) -> str:
        """What to do where something else is than was thought: take it, replace it, or refuse; the file's tag."""
        destination = self.held.destination
        found = destination.look(upload.path)
        if found is None:
            tag = destination.create(upload)
        else:
            sha256 = found.sha256 or destination.hash(upload.path)
            if sha256 == upload.sha256 and found.size == upload.size:
                self.found.add(upload.path)
                return found.tag
            if not self.held.record.knows(upload.path, sha256):
                raise FarSideError(
                    f"{destination.name}/{upload.path} is there with bytes that no publisher of this mirror has "
                    f"recorded (sha256 {sha256}); it was left alone. If nobody else publishes there now, --check takes "
                    "what is there for known and replaces it."
                )
            tag = destination.swap(upload, found.tag)
        if tag is None:
            raise others_publish(destination, upload.path)
        return tag

    def _require_read_back(self, upload: Upload) -> None:
        destination = self.held.destination
        found = destination.hash(upload.path)
        if found != upload.sha256:
            raise WrongBytesError(
                f"{destination.name}/{upload.path}: wrote sha256 {upload.sha256}, read back {found or 'nothing'}. "
                "Somebody else publishes there at the same time, or the store does not keep what it is given. Publish "
                "again with --check when nobody else does."
            )
