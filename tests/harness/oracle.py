"""The oracle: read a mirror as its clients do, in every index format, and say whether what it shows is true.

A program of its own that shares no code with pixi-mirror: the standard library and a zstd library, nothing else.
`python oracle.py MIRROR` prints every problem and ends with status 1 if there is one. It can be carried to a
mirror and run there, with `oracle_pages.py` and `oracle_python.py` beside it.
"""

import hashlib
import json
import os
import posixpath
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

if __package__:
    from harness import oracle_pages, oracle_python
else:  # run as a program, wherever the three files were carried
    import oracle_pages  # type: ignore[import-not-found, no-redef]
    import oracle_python  # type: ignore[import-not-found, no-redef]

PRIVATE = ".pixi-mirror"
"""The one directory of a mirror that clients never see."""
JSON, ZST, SHARDS = "repodata.json", "repodata.json.zst", "repodata_shards.msgpack.zst"
SIDECARS = (ZST, SHARDS)
"""What a client prefers to `repodata.json` where it is there, and does without where it is not."""
HTML, PEP691 = oracle_pages.HTML, oracle_pages.PEP691
_TEMPORARY = re.compile(r"\..*|.*(?:\.part|\.partial|\.tmp|\.temp|\.lock|~)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What an index says of one file."""

    algorithm: str
    digest: str
    size: int | None = None
    """None: the format does not say."""

    def __str__(self) -> str:
        return f"{self.algorithm} {self.digest}" + ("" if self.size is None else f", {self.size} bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """One index as a client reads it."""

    digest: str
    """Of its content, the same for the same content in other bytes; clocks are left out."""
    files: Mapping[str, Listed]
    """Path in the mirror -> what is said of it."""
    meaning: str = ""
    """The digest of the records of a conda index as a solver takes them, the same in every format."""
    pages: tuple[str, ...] = ()
    """Directories of other pages that it links to."""
    faults: tuple[str, ...] = ()
    """What is wrong with it whatever else the mirror holds."""
    python_page: oracle_pages.Page | None = None
    """None: it is no page of PyPI files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What the indexes of a mirror say."""

    indexes: Mapping[str, Index] = field(default_factory=dict)
    """Path in the mirror -> its content."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Path in the mirror -> why."""

    @property
    def files(self) -> dict[str, Listed]:
        """Every file that some index lists."""
        return {path: listed for index in self.indexes.values() for path, listed in index.files.items()}

    @property
    def python_pages(self) -> dict[str, oracle_pages.Page]:
        """Every page of PyPI files."""
        return {path: index.python_page for path, index in self.indexes.items() if index.python_page is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a mirror is, between what it was and what it is to become."""

    state: Literal["OLD", "NEW", "BETWEEN", "broken"]
    reasons: tuple[str, ...]
    """Why it is broken; else empty."""


def listing(mirror: Path) -> Listing:
    """What every index below `mirror` says; nothing where the directory is empty or absent."""
    indexes, unreadable = {}, {}
    for path in _visible(mirror):
        reader = _python_page if oracle_pages.is_page(path) else _READERS.get(posixpath.basename(path))
        if reader is None:
            continue
        try:
            indexes[path] = reader(mirror, path)
        except (oracle_pages.Unreadable, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            unreadable[path] = f"{type(error).__name__}: {error}"
    return Listing(indexes=indexes, unreadable=unreadable)


def problems(mirror: Path, *, expected: Mapping[str, str] | None = None) -> list[str]:
    """What is wrong with a mirror that no run is writing.

    Args:
        mirror: Its directory; absent or empty is right.
        expected: Path -> sha256 of every file that the indexes are to list, all together; None: not looked at.
    """
    found = listing(mirror)
    wrong = [*_always_wrong(mirror, found), *_disagreements(found), *_missing_pages(found)]
    wrong += oracle_python.disagreements(mirror, found.python_pages, files=_visible(mirror))
    if expected is not None:
        wrong += _unexpected(found, expected)
    return sorted(set(wrong))


def verdict(mirror: Path, *, old: Listing, new: Listing) -> Verdict:
    """Which of its two states a mirror is in, or that it is between them, or broken.

    Every index is whole old or whole new, and absent only where one of the two lacks it or it is a sidecar (a client
    does without); every file that one lists is there with the right bytes; nothing temporary is to be seen.
    """
    found = listing(mirror)
    reasons = [*_always_wrong(mirror, found)]
    for path, index in found.indexes.items():
        if index.digest not in {state.indexes[path].digest for state in (old, new) if path in state.indexes}:
            reasons.append(f"{path}: is neither what it was nor what it is to become")
    gone = (old.indexes.keys() & new.indexes.keys()) - found.indexes.keys() - found.unreadable.keys()
    reasons += [
        f"{path}: is gone, and both states have it" for path in gone if posixpath.basename(path) not in SIDECARS
    ]
    if reasons:
        return Verdict(state="broken", reasons=tuple(sorted(set(reasons))))
    digests = {path: index.digest for path, index in found.indexes.items()}
    for state, whole in (("NEW", new), ("OLD", old)):
        if digests == {path: index.digest for path, index in whole.indexes.items()}:
            return Verdict(state=state, reasons=())
    return Verdict(state="BETWEEN", reasons=())


def _visible(mirror: Path) -> Iterator[str]:
    """Every file and directory below `mirror` but the private ones, as a path in the mirror."""
    for folder, folders, files in os.walk(mirror):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if here != mirror or name != PRIVATE)
        yield from ((here / name).relative_to(mirror).as_posix() for name in sorted([*folders, *files]))


# What is wrong at every instant.


def _always_wrong(mirror: Path, found: Listing) -> Iterator[str]:
    for path, reason in found.unreadable.items():
        yield f"{path}: cannot be read: {reason}"
    for path, index in found.indexes.items():
        yield from (f"{path}: {fault}" for fault in index.faults)
        yield from (f"{path}: {fault}" for fault in _false_entries(mirror, index))
    yield from oracle_python.false_archives(mirror, found.python_pages)
    for path in _visible(mirror):
        # A folder above recorded files may be called as a part of a URL is, dots at its beginning included.
        if _TEMPORARY.fullmatch(posixpath.basename(path)) and not any(
            each.startswith(f"{path}/") for each in oracle_python.recorded(mirror)
        ):
            yield f"{path}: is temporary or hidden, and clients can see it"


def _false_entries(mirror: Path, index: Index) -> Iterator[str]:
    deferred: frozenset[str] | None = None  # it is read once, and only where a file is absent
    for path, listed in index.files.items():
        try:
            found = _hashed(mirror / path, listed.algorithm)
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                deferred = oracle_python.deferred(mirror) if deferred is None else deferred
                if path in deferred:
                    continue
            yield f"lists {path}, which is not there ({error.strerror})"
        else:
            if found != listed.digest:
                yield f"lists {path} with {listed.algorithm} {listed.digest}, it has {found}"


def _hashed(path: Path, algorithm: str) -> str:
    if algorithm == "none":
        path.stat()
        return ""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


# What is wrong once nobody is writing.


def _disagreements(found: Listing) -> Iterator[str]:
    """The formats of one place must say the same."""
    for path, index in found.indexes.items():
        place, name = posixpath.split(path)
        for first in _REFERENCE.get(name, ()):
            reference = posixpath.join(place, first)
            other = found.indexes.get(reference)
            if other is None:
                if name in SIDECARS and reference not in found.unreadable:
                    yield f"{path}: stands without {reference}"
                continue
            if index.meaning != other.meaning:
                yield f"{path}: differs from {first} beside it"
            for file in sorted(index.files.keys() ^ other.files.keys()):
                yield f"{path}: {'lists' if file in index.files else 'lacks'} {file}, unlike {first}"
            for file in sorted(index.files.keys() & other.files.keys()):
                if not _agree(index.files[file], other.files[file]):
                    yield f"{path}: lists {file} as {index.files[file]}, but {first} as {other.files[file]}"


def _agree(one: Listed, other: Listed) -> bool:
    sizes = {one.size, other.size} - {None}
    return (one.algorithm, one.digest) == (other.algorithm, other.digest) and len(sizes) <= 1


def _missing_pages(found: Listing) -> Iterator[str]:
    for path, index in found.indexes.items():
        place, name = posixpath.split(path)
        if name in {JSON, *SIDECARS}:
            noarch = posixpath.join(posixpath.dirname(place), "noarch", JSON)
            if noarch not in found.indexes and noarch not in found.unreadable:
                yield f"{noarch}: is missing, and no client opens a channel without it"
        for page in index.pages:
            if not any(posixpath.join(page, each) in found.indexes for each in (HTML, PEP691)):
                yield f"{path}: links to {page}/, which has no page"


def _unexpected(found: Listing, expected: Mapping[str, str]) -> Iterator[str]:
    listed = {path: each for path, each in found.files.items() if not path.endswith(".metadata")}
    for path in sorted(expected.keys() - listed.keys()):
        yield f"{path}: is wanted, and no index lists it"
    for path in sorted(listed.keys() - expected.keys()):
        yield f"{path}: is listed, and nobody wants it"
    for path in sorted(listed.keys() & expected.keys()):
        if listed[path].digest != expected[path]:
            yield f"{path}: is listed with {listed[path].digest}, wanted is {expected[path]}"


# conda.


def _repodata(mirror: Path, path: str) -> Index:
    return _conda_index(path, json.loads((mirror / path).read_bytes()))


def _compressed_repodata(mirror: Path, path: str) -> Index:
    return _conda_index(path, json.loads(_decompressed((mirror / path).read_bytes())))


def _conda_index(path: str, document: Any) -> Index:
    place = posixpath.dirname(path)
    faults = [*_info_faults(place, document["info"])]
    files: dict[str, Listed] = {}
    _add_records(place, document, files, faults)
    records = {name: record for part in _PARTS for name, record in document.get(part, {}).items()}
    return Index(digest=_canonical(document), files=files, meaning=_meaning(records), faults=tuple(faults))


def _meaning(records: Mapping[str, Any]) -> str:
    """Indexers spell specs as they like (`a 1.0` is `a ==1.0`, `a =1.0` is `a 1.0.*`) and may leave empty lists out."""
    return _canonical(
        {
            name: {
                key: [_bare_spec(spec) for spec in value] if key in {"depends", "constrains"} else value
                for key, value in record.items()
                if value not in (None, [], "")
            }
            for name, record in records.items()
        }
    )


def _bare_spec(spec: str) -> str:
    """A spec less what carries no number, name or bound: two that differ in more differ here, too."""
    return re.sub(r"\s+|(?<![<>!~])=|\.?\*", " ", re.sub(r"(?<![0-9])0+(?=[0-9])", "", spec)).replace(" ", "")


def _sharded_repodata(mirror: Path, path: str) -> Index:
    """CEP 16: the index maps a package name to the sha256 of the compressed shard beside it."""
    place = posixpath.dirname(path)
    document = _unpacked(_decompressed((mirror / path).read_bytes()))
    info = document["info"]
    faults = [*_info_faults(place, info)]
    files: dict[str, Listed] = {}
    shards = {}
    folder = oracle_pages.inside(place, info.get("shards_base_url", "./shards/"))
    for name, digest in document["shards"].items():
        shard = posixpath.join(folder, f"{digest.hex()}.msgpack.zst")
        data = (mirror / shard).read_bytes() if (mirror / shard).is_file() else None
        if data is None or hashlib.sha256(data).digest() != digest:
            faults.append(f"the shard of {name}, {shard}, is " + ("not there" if data is None else "not what it says"))
            continue
        shards[name] = _unpacked(_decompressed(data))
        _add_records(place, shards[name], files, faults)
        strangers = {record["name"] for part in _PARTS for record in shards[name].get(part, {}).values()} - {name}
        faults += [f"the shard of {name} holds {stranger}" for stranger in sorted(strangers)]
    timeless = {key: value for key, value in info.items() if key != "created_at"}
    records = {name: each for shard in shards.values() for part in _PARTS for name, each in shard.get(part, {}).items()}
    return Index(digest=_canonical([timeless, shards]), files=files, meaning=_meaning(records), faults=tuple(faults))


_PARTS = {"packages": ".tar.bz2", "packages.conda": ".conda"}


def _info_faults(place: str, info: Mapping[str, Any]) -> Iterator[str]:
    if info["subdir"] != posixpath.basename(place):
        yield f"says it is the subdir {info['subdir']!r}, and stands in {place!r}"
    for key in ("base_url", "shards_base_url"):
        if re.match(r"[a-z][a-z0-9+.-]*:|/", info.get(key) or "", re.IGNORECASE):
            yield f"sends clients elsewhere: {key} is {info[key]!r}"


def _add_records(place: str, document: Mapping[str, Any], files: dict[str, Listed], faults: list[str]) -> None:
    for part, extension in _PARTS.items():
        for name, record in document.get(part, {}).items():
            if not name.endswith(extension) or "/" in name:
                faults.append(f"has {name} under {part!r}")
            algorithm = next((each for each in ("sha256", "md5") if record.get(each)), "none")
            digest = record.get(algorithm, "")
            hexadecimal = digest.hex() if isinstance(digest, bytes) else digest
            files[posixpath.join(place, name)] = Listed(
                algorithm=algorithm, digest=hexadecimal, size=record.get("size")
            )
            if algorithm == "none":
                faults.append(f"lists {name} without a hash")


def _decompressed(data: bytes) -> bytes:
    try:
        from compression import zstd
    except ImportError:
        from backports import zstd
    try:
        return zstd.decompress(data)
    except zstd.ZstdError as error:
        raise oracle_pages.Unreadable(f"not zstd: {error}") from error


def _canonical(document: object) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), default=bytes.hex)
    return hashlib.sha256(text.encode()).hexdigest()


# msgpack, as far as shards use it (https://github.com/msgpack/msgpack/blob/master/spec.md).


def _unpacked(data: bytes) -> Any:
    value, end = _value(data, 0)
    if end != len(data):
        raise oracle_pages.Unreadable(f"{len(data) - end} bytes follow the msgpack document")
    return value


def _value(data: bytes, at: int) -> tuple[Any, int]:  # noqa: PLR0911 - one a kind, as in the specification
    if at >= len(data):
        raise oracle_pages.Unreadable("the msgpack document ends early")
    head, at = data[at], at + 1
    if head < 0x80:
        return head, at
    if head >= 0xE0:
        return head - 0x100, at
    if head < 0x90:
        return _pairs(data, at, head & 0x0F)
    if head < 0xA0:
        return _items(data, at, head & 0x0F)
    if head < 0xC0:
        return _bytes(data, at, head & 0x1F, bytes.decode)
    if head in _FIXED:
        return _FIXED[head], at
    if head not in _SIZED:
        raise oracle_pages.Unreadable(f"msgpack code {head:#x} is not known")
    width, read = _SIZED[head]
    size, at = _bytes(data, at, width, lambda raw: int.from_bytes(raw, "big"))
    return read(data, at, size)


def _bytes(data: bytes, at: int, size: int, convert: Callable[[bytes], Any]) -> tuple[Any, int]:
    if at + size > len(data):
        raise oracle_pages.Unreadable("the msgpack document ends early")
    return convert(data[at : at + size]), at + size


def _items(data: bytes, at: int, count: int) -> tuple[list[Any], int]:
    items = []
    for _ in range(count):
        item, at = _value(data, at)
        items.append(item)
    return items, at


def _pairs(data: bytes, at: int, count: int) -> tuple[dict[Any, Any], int]:
    flat, at = _items(data, at, 2 * count)
    return dict(zip(flat[::2], flat[1::2], strict=True)), at


def _signed(width: int) -> Callable[[bytes, int, int], tuple[int, int]]:
    return lambda _data, at, raw: (raw - (1 << 8 * width) if raw >> (8 * width - 1) else raw, at)


def _text(data: bytes, at: int, size: int) -> tuple[str, int]:
    return _bytes(data, at, size, bytes.decode)


def _binary(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    return _bytes(data, at, size, bytes)


def _unsigned(_data: bytes, at: int, raw: int) -> tuple[int, int]:
    return raw, at


_FIXED = {0xC0: None, 0xC2: False, 0xC3: True}
_SIZED: dict[int, tuple[int, Callable[[bytes, int, int], tuple[Any, int]]]] = {
    0xC4: (1, _binary), 0xC5: (2, _binary), 0xC6: (4, _binary),
    0xCC: (1, _unsigned), 0xCD: (2, _unsigned), 0xCE: (4, _unsigned), 0xCF: (8, _unsigned),
    0xD0: (1, _signed(1)), 0xD1: (2, _signed(2)), 0xD2: (4, _signed(4)), 0xD3: (8, _signed(8)),
    0xD9: (1, _text), 0xDA: (2, _text), 0xDB: (4, _text),
    0xDC: (2, _items), 0xDD: (4, _items), 0xDE: (2, _pairs), 0xDF: (4, _pairs),
}  # fmt: skip


# PyPI.


def _python_page(mirror: Path, path: str) -> Index:
    page = oracle_pages.read_page(mirror, path)
    files: dict[str, Listed] = {}
    for link in page.links:
        files[link.path] = _listed(link.sha256, link.size)
        if link.metadata is not None:
            files[link.path + oracle_pages.METADATA] = _listed(link.metadata, None)
    return Index(
        digest=_canonical(page.content), files=files, pages=page.projects, faults=page.faults, python_page=page
    )


def _listed(sha256: str | None, size: int | None) -> Listed:
    return Listed(algorithm="sha256" if sha256 else "none", digest=sha256 or "", size=size)


_READERS: dict[str, Callable[[Path, str], Index]] = {
    JSON: _repodata,
    ZST: _compressed_repodata,
    SHARDS: _sharded_repodata,
}
_REFERENCE = {ZST: (JSON,), SHARDS: (JSON,), HTML: (PEP691,)}
"""A format -> the formats beside it that must say the same."""


def main() -> int:
    """Print what is wrong with the mirror named on the command line."""
    if len(sys.argv) != 2:
        print("usage: python oracle.py MIRROR", file=sys.stderr)
        return 2
    found = problems(Path(sys.argv[1]))
    print("\n".join(found) or f"all true: {len(listing(Path(sys.argv[1])).files)} files")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
