"""Read the core metadata from a wheel, as something hostile; nothing is unpacked."""

from pathlib import Path

from pixi_mirror.archives.opening import open_archive
from pixi_mirror.archives.zip import ZipMember, read_content, read_members
from pixi_mirror.pypi.names import WheelName, wheel_name

LARGEST_METADATA = 16 << 20
"""Bytes; the largest on the public index is below 2 MiB."""

_DIST_INFO = ".dist-info"


def read_wheel_metadata(path: Path, *, file_name: str) -> bytes:
    """Read the core metadata of a wheel, byte for byte, as they are served beside it (PEP 658).

    PEP 427: "{distribution}-{version}.dist-info/ contains metadata." Its name must be that of `file_name`, both
    normalised (PEP 503). Its version need not be, since old builders spelled versions in several ways.

    Raises:
        ValueError: no valid wheel name, no such metadata, more than one, or the archive is damaged, hostile or huge.
        MachineError: the file cannot be read.
    """
    with open_archive(path, file_name=file_name) as file:
        wheel = wheel_name(file_name)
        metadata: list[ZipMember] = []
        other = ""
        for member in read_members(file):
            folder, _, document = member.name.partition("/")
            if document == "METADATA" and folder.lower().endswith(_DIST_INFO):
                if _belongs(folder[: -len(_DIST_INFO)], wheel):
                    metadata.append(member)
                else:
                    other = folder
        return read_content(file, _only(metadata, other, wheel), limit=LARGEST_METADATA)


def _belongs(stem: str, wheel: WheelName) -> bool:
    from packaging.utils import canonicalize_name

    project = canonicalize_name(stem)
    if project == canonicalize_name(f"{wheel.name}-{wheel.version}"):
        return True
    rest = project.removeprefix(f"{wheel.name}-")
    # A version begins with a digit: `a-b-1.0` is not of the project `a`.
    return rest != project and rest[:1].isdigit()


def _only(metadata: list[ZipMember], other: str, wheel: WheelName) -> ZipMember:
    if not metadata:
        instead = f"; it has {other!r}" if other else ""
        raise ValueError(
            f"there is no {wheel.name.replace('-', '_')}-{wheel.version}.dist-info/METADATA in it{instead}"
        )
    if len(metadata) > 1:
        names = " and ".join(sorted({member.name for member in metadata}))
        raise ValueError(f"there is more than one METADATA in it ({names}), and nothing says which counts")
    if metadata[0].is_link:
        raise ValueError(f"{metadata[0].name} is a symbolic link, not a document")
    return metadata[0]
