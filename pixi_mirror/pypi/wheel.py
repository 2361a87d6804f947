"""Read the one METADATA of a wheel, whoever made it, without unpacking or trusting it."""

from pathlib import Path

from pixi_mirror.archives.opening import open_archive
from pixi_mirror.archives.zip import ZipMember, read_content, read_members
from pixi_mirror.pypi.names import WheelName, wheel_name

LARGEST_METADATA = 16 << 20
"""Bytes; the largest on the public index is below 2 MiB."""

_DIST_INFO = ".dist-info"


def wheel_metadata(path: Path, *, file_name: str) -> bytes:
    """The core metadata of a wheel, byte for byte, to be served beside it (PEP 658).

    PEP 427: "{distribution}-{version}.dist-info/ contains metadata." Its name is compared with that of `file_name`
    as PEP 503 normalises names; the versions are not, since old builders spelled them in several ways.

    Raises:
        ValueError: no valid wheel name, no such metadata, more than one, or the archive is damaged, hostile or huge.
        MachineError: the file cannot be read.
    """
    with open_archive(path, file_name=file_name) as file:
        wheel = wheel_name(file_name)
        found: list[ZipMember] = []
        other = ""
        for member in read_members(file):
            folder, _, document = member.name.partition("/")
            if document == "METADATA" and folder.lower().endswith(_DIST_INFO):
                if _belongs(folder[: -len(_DIST_INFO)], wheel):
                    found.append(member)
                else:
                    other = folder
        return read_content(file, _only(found, other, wheel), limit=LARGEST_METADATA)


def _belongs(stem: str, wheel: WheelName) -> bool:
    from packaging.utils import canonicalize_name

    found = canonicalize_name(stem)
    if found == canonicalize_name(f"{wheel.name}-{wheel.version}"):
        return True
    rest = found.removeprefix(f"{wheel.name}-")
    # A version begins with a digit: `a-b-1.0` is not of the project `a`.
    return rest != found and rest[:1].isdigit()


def _only(found: list[ZipMember], other: str, wheel: WheelName) -> ZipMember:
    if not found:
        instead = f"; it has {other!r}" if other else ""
        raise ValueError(
            f"there is no {wheel.name.replace('-', '_')}-{wheel.version}.dist-info/METADATA in it{instead}"
        )
    if len(found) > 1:
        names = " and ".join(sorted({member.name for member in found}))
        raise ValueError(f"there is more than one METADATA in it ({names}), and which counts is anybody's guess")
    if found[0].is_link:
        raise ValueError(f"{found[0].name} is a symbolic link, not a document")
    return found[0]
