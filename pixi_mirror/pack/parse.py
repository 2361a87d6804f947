"""Parse the documents of a pack: what it is, and what every file of it comes to; pure.

The unpacker of self-extracting packs contains this module, so it runs on Python 3.9.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from pixi_mirror.conda.names import SUBDIRS
from pixi_mirror.model.values import Sha256, admit_sha256

METADATA = "pixi-pack.json"
ENVIRONMENT = "environment.yml"
CHANNEL = "channel"
PYPI = "pypi"
EXPLICIT = "conda-explicit.txt"
"""Ours: the packages by path and hash, for conda and micromamba."""
CHECKSUMS = "SHA256SUMS"
"""Ours: the hash of every other file, as `sha256sum` writes and checks them."""

VERSION = "1"
"""Of the format, since June 2024."""
COMPATIBLE = "0.7.10"
"""The pixi-pack whose bytes ours are."""

_SUM = re.compile(r"([0-9A-Fa-f]{64}) [ *](.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What `pixi-pack.json` says."""

    pixi_pack_version: str | None
    """Of the pixi-pack that wrote it; None: it does not say, as before 0.2.1."""
    platform: str
    """The subdir that the pack is for."""
    version: str = VERSION
    """Of the format."""


def read_metadata(data: bytes) -> Metadata:
    """What a `pixi-pack.json` says.

    Raises:
        ValueError: it is none, or of a format that is not known; the text is pixi-pack's where that has one.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{METADATA} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise ValueError(f"{METADATA} is not an object")  # noqa: TRY004 - what was read is wrong, not the caller
    version, platform = document.get("version"), document.get("platform")
    wrote = document.get("pixi-pack-version")
    if not isinstance(version, str):
        raise ValueError(f'{METADATA} has the version {json.dumps(version)}, which is not a string such as "1"')  # noqa: TRY004
    if version != VERSION:
        raise ValueError(f"Unsupported pixi-pack version: {version}")
    if not isinstance(platform, str) or platform not in SUBDIRS:
        raise ValueError(f"{METADATA}: {json.dumps(platform)} is not a known platform")
    if wrote is not None and not isinstance(wrote, str):
        raise ValueError(f"{METADATA}: pixi-pack-version is not a string")
    return Metadata(version=version, pixi_pack_version=wrote, platform=platform)


def read_checksums(data: bytes) -> Mapping[str, Sha256]:
    """Path in the pack -> sha256, of a `SHA256SUMS`.

    Raises:
        ValueError: a line is none of it, a path is not a plain relative one, or stands there twice.
    """
    found: dict[str, Sha256] = {}
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError:
        raise ValueError(f"{CHECKSUMS} is not UTF-8") from None
    if lines[-1]:
        raise ValueError(f"{CHECKSUMS} is cut off: its last line has no end")
    for number, line in enumerate(lines[:-1], start=1):
        match = _SUM.fullmatch(line)
        if match is None:
            raise ValueError(f"{CHECKSUMS}, line {number}: expected a sha256 and a path, found {line[:80]!r}")
        path = match[2].removeprefix("./")
        parts = PurePosixPath(path).parts
        if path != "/".join(parts) or "\\" in path or {"..", "/"} & set(parts):
            raise ValueError(f"{CHECKSUMS}, line {number}: {path[:80]!r} is not a plain relative path")
        if path in found:
            raise ValueError(f"{CHECKSUMS}, line {number}: {path[:80]!r} stands there twice")
        found[path] = admit_sha256(match[1])
    return found
