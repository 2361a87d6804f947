"""One generation as a file: who it is, and the rows in which it differs from the one that it was made from.

The file is compressed text: one line of JSON, then a line for each row that came (`+`) or went (`-`).
"""

import gzip
import io
import json
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from pixi_mirror.mirror.inventory_schema import require_format
from pixi_mirror.model.values import Sha256, admit_sha256, canonical, sha256_of

FORMAT = 1
"""Raised when an older program could misread the file."""

_LONGEST = 1 << 29
"""In bytes, unpacked. The rows of 200 000 packages have less than half of that."""
_LONGEST_HEAD = 1 << 12
_GROUP, _GROUPS = 4, 5
"""Hexadecimal digits that are read together over a telephone, and how many of such groups: 80 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """What a mirror held after one complete change."""

    mirror: str
    """The random name of the mirror in which it was made."""
    number: int
    base: int | None
    """The generation that its file gives the difference to; None: the file has all rows."""
    parent: Sha256 | None
    """Fingerprint of the generation that it was made from; None: it is the first."""
    content: Sha256
    """Of what clients are offered."""
    verb: str
    """The verb that made it; for people."""
    made_at: int
    """Seconds since 1970, by the clock of the machine; for people, nothing depends on it."""
    files: int
    """Number of its files."""
    size: int
    """Bytes of these."""
    files_added: int
    files_removed: int

    @property
    def fingerprint(self) -> Sha256:
        """The digest of the mirror's name, the number, all that came before, and what the mirror held then."""
        return fingerprint_of(self.mirror, self.number, parent=self.parent, content=self.content)


def fingerprint_of(mirror: str, number: int, *, parent: Sha256 | None, content: Sha256) -> Sha256:
    """The fingerprint of a generation: of these four of its values."""
    return sha256_of(canonical({"mirror": mirror, "number": number, "parent": parent, "content": content}))


def short(fingerprint: Sha256) -> str:
    """The first 80 bits of a fingerprint, in groups that can be read over a telephone."""
    return "-".join(fingerprint[start : start + _GROUP] for start in range(0, _GROUP * _GROUPS, _GROUP))


def dump(generation: Generation, *, added: Iterable[str], removed: Iterable[str]) -> bytes:
    """The bytes of a generation's file."""
    head = {"format": FORMAT, **asdict(generation), "fingerprint": generation.fingerprint}
    lines = [canonical(head).decode(), *(f"+{row}" for row in sorted(added)), *(f"-{row}" for row in sorted(removed))]
    return gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0)


def parse_head(data: bytes) -> Generation:
    """The generation of a file, by its first line.

    Raises:
        ValueError: it does not parse, is of a newer format, or has another fingerprint than it says.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            return _head(file.readline(_LONGEST_HEAD))
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"it is damaged ({error})") from error


def parse_rows(data: bytes, *, longest: int = _LONGEST) -> tuple[frozenset[str], frozenset[str]]:
    """The rows of a file that came and that went.

    Args:
        data: the file.
        longest: more bytes than these are not unpacked.

    Raises:
        ValueError: it does not parse, or is longer than any generation.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            text = file.read(longest + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"it is damaged ({error})") from error
    if len(text) > longest:
        raise ValueError(f"it has more than {longest} bytes")
    _, *lines = text.decode().split("\n")
    return (
        frozenset(line[1:] for line in lines if line.startswith("+")),
        frozenset(line[1:] for line in lines if line.startswith("-")),
    )


def _head(line: bytes) -> Generation:
    try:
        raw = json.loads(line)
        require_format(raw["format"], newest=FORMAT)
        generation = Generation(
            mirror=str(raw["mirror"]),
            number=int(raw["number"]),
            base=None if raw["base"] is None else int(raw["base"]),
            parent=None if raw["parent"] is None else admit_sha256(raw["parent"]),
            content=admit_sha256(raw["content"]),
            verb=str(raw["verb"]),
            made_at=int(raw["made_at"]),
            files=int(raw["files"]),
            size=int(raw["size"]),
            files_added=int(raw["files_added"]),
            files_removed=int(raw["files_removed"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it lacks or misspells {error}") from error
    if generation.fingerprint != raw.get("fingerprint"):
        raise ValueError("its fingerprint is not that of what it says")
    return generation
