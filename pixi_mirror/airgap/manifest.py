"""The manifest of an export: which generation it brings, with which files, in how many volumes; pure.

Every volume has the same manifest, so that each can be verified and imported alone.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import NamedTuple

from pixi_mirror.mirror.generation_file import fingerprint_of
from pixi_mirror.mirror.ledger_file import admit_receiver
from pixi_mirror.model.values import Json, Sha256, admit_sha256, canonical

FORMAT = 1
"""Raised when an older program could misread an archive."""

MOST_BLOBS = 1_000_000
_MOST_NUMBER = 999_999_999
_LARGEST = 1 << 62
_MIRROR = re.compile(r"[0-9a-f]{32}")
_PROGRAM = re.compile(r"[0-9A-Za-z.+!-]{1,60}")
_TOOL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+!-]{0,199}")


class ExportBlob(NamedTuple):
    """A file by its content."""

    sha256: Sha256
    size: int


class Tool(NamedTuple):
    """A file that travels with an export and is no part of a mirror."""

    name: str
    blob: ExportBlob


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportManifest:
    """What an export is."""

    program: str
    """The version of this program that made it."""
    mirror: str
    """The random name of the mirror in which the generation was made."""
    number: int
    parent: Sha256 | None
    content: Sha256
    files: int
    """How many different files the generation has."""
    bytes: int
    """Of these."""
    rows: ExportBlob
    """The generation's own file, with all its rows."""
    indexes: Sha256
    """What `index_digest` gives."""
    history: Mapping[int, Sha256]
    """Earlier generations of the mirror -> their fingerprints, as far as they are known where it was made."""
    base: int | None
    """The generation whose files were left out; 0: files of no complete one; None: none was, so that it is full."""
    receiver: str | None
    """For whom it was made; None: for anybody."""
    blobs: tuple[ExportBlob, ...]
    """What it brings, by rising sha256."""
    volumes: tuple[int, ...]
    """How many of the blobs are in each volume, in their order."""
    introduced: tuple[int, ...]
    """For each file of the generation, by rising sha256, the first generation that is known to have it."""
    tools: tuple[Tool, ...] = ()
    """Those of the blobs that are no files of the mirror."""

    @property
    def fingerprint(self) -> Sha256:
        """Of the generation."""
        return fingerprint_of(self.mirror, self.number, parent=self.parent, content=self.content)

    @property
    def is_full(self) -> bool:
        """Whether it has every file of its generation."""
        return self.base is None

    def in_volume(self, volume: int) -> tuple[ExportBlob, ...]:
        """The blobs of a volume; the first is 1."""
        ends = [*accumulate(self.volumes, initial=0)]
        return self.blobs[ends[volume - 1] : ends[volume]]

    @property
    def shipped(self) -> int:
        """Bytes of the blobs."""
        return sum(blob.size for blob in self.blobs)

    def file_name(self, volume: int, identity: Sha256) -> str:
        """The name of a volume's file.

        Args:
            volume: 1 for the first.
            identity: the sha256 of the manifest's bytes.
        """
        kind = "full" if self.base is None else f"from-g{self.base}"
        receiver = f"-to-{self.receiver}" if self.receiver is not None else ""
        count = len(self.volumes)
        part = f".vol{volume:0{len(str(count))}}of{count}" if count > 1 else ""
        return f"{self.mirror[:8]}-g{self.number}-{kind}{receiver}-{identity[:8]}{part}.tar"


def dump_manifest(manifest: ExportManifest) -> bytes:
    """Its bytes; the same manifest always gives the same."""
    return canonical(
        {
            "format": FORMAT,
            "program": manifest.program,
            "mirror": manifest.mirror,
            "number": manifest.number,
            "parent": manifest.parent,
            "content": manifest.content,
            "fingerprint": manifest.fingerprint,
            "files": manifest.files,
            "bytes": manifest.bytes,
            "rows": list(manifest.rows),
            "indexes": manifest.indexes,
            "history": {str(number): each for number, each in manifest.history.items()},
            "base": manifest.base,
            "receiver": manifest.receiver,
            "blobs": [list(blob) for blob in manifest.blobs],
            "volumes": list(manifest.volumes),
            "introduced": list(manifest.introduced),
            "tools": [[tool.name, *tool.blob] for tool in manifest.tools],
        }
    )


def parse_manifest(data: bytes) -> ExportManifest:
    """The manifest that the bytes spell.

    Raises:
        ValueError: they do not parse, are of a newer format, or contradict themselves. The text is a clause that
            follows the archive's name.
    """
    try:
        raw = json.loads(data)
        if raw["format"] != FORMAT:
            raise ValueError(f"it has format {str(raw['format'])[:20]}, and this program reads {FORMAT}")
        manifest = _manifest(raw)
    except (KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise ValueError(f"its manifest lacks or misspells {error}") from error
    if manifest.fingerprint != raw["fingerprint"]:
        raise ValueError("its fingerprint is not that of what its manifest says")
    if dump_manifest(manifest) != data:
        raise ValueError("its manifest is not written as this program writes one")
    return manifest


def _manifest(raw: Json) -> ExportManifest:
    number = _count(raw["number"], least=1)
    blobs = tuple(_blob(*row) for row in raw["blobs"])
    volumes = tuple(_count(each) for each in raw["volumes"])
    introduced = tuple(_count(each, least=1) for each in raw["introduced"])
    history = {_count(int(key), least=1): admit_sha256(each) for key, each in raw["history"].items()}
    files = _count(raw["files"])
    _require(_MIRROR.fullmatch(raw["mirror"]), "the name of its mirror is none")
    _require(_PROGRAM.fullmatch(raw["program"]), "it does not say which program made it")
    _require(len(blobs) <= MOST_BLOBS and sum(volumes) == len(blobs) and volumes, "its table of volumes is wrong")
    _require(all(one.sha256 < next_.sha256 for one, next_ in pairwise(blobs)), "its files are not in their order")
    _require(len(introduced) == files and all(each <= number for each in introduced), "it has other files than it says")
    _require(all(each < number for each in history), "its history goes beyond itself")
    tools = tuple(Tool(_name(name), _blob(*blob)) for name, *blob in raw["tools"])
    _require({tool.blob for tool in tools} <= {*blobs}, "it announces a tool that it does not have")
    return ExportManifest(
        program=raw["program"],
        mirror=raw["mirror"],
        number=number,
        parent=None if raw["parent"] is None else admit_sha256(raw["parent"]),
        content=admit_sha256(raw["content"]),
        files=files,
        bytes=_count(raw["bytes"], most=_LARGEST),
        rows=_blob(*raw["rows"]),
        indexes=admit_sha256(raw["indexes"]),
        history=history,
        base=None if raw["base"] is None else _count(raw["base"]),
        receiver=None if raw["receiver"] is None else admit_receiver(raw["receiver"]),
        blobs=blobs,
        volumes=volumes,
        introduced=introduced,
        tools=tools,
    )


def _require(fits: object, otherwise: str) -> None:
    if not fits:
        raise ValueError(otherwise)


def _count(raw: Json, *, least: int = 0, most: int = _MOST_NUMBER) -> int:
    if type(raw) is not int or not least <= raw <= most:
        raise ValueError(f"{str(raw)[:40]!r} in its manifest is no number that it could be")
    return raw


def _blob(sha256: Json, size: Json) -> ExportBlob:
    return ExportBlob(admit_sha256(sha256), _count(size, most=_LARGEST))


def _name(raw: Json) -> str:
    if not _TOOL.fullmatch(raw):
        raise ValueError(f"{str(raw)[:80]!r} in its manifest is no name of a tool")
    return str(raw)


def with_tool(manifest: ExportManifest, name: str, blob: ExportBlob) -> ExportManifest:
    """The manifest in one volume, with a tool more."""
    blobs = distinct([*manifest.blobs, blob])
    return replace(manifest, blobs=blobs, volumes=(len(blobs),), tools=(*manifest.tools, Tool(name, blob)))


def distinct(blobs: Sequence[ExportBlob]) -> tuple[ExportBlob, ...]:
    """Each of the blobs once, by rising sha256."""
    return tuple(sorted({*blobs}))
