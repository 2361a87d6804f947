"""Read the one METADATA of a wheel, whoever made it, without unpacking or trusting it."""

from pathlib import Path

from pixi_mirror.archives.opening import opened
from pixi_mirror.archives.zip import Member, content, members
from pixi_mirror.pypi.names import normalised

LARGEST_METADATA = 16 << 20
"""Bytes; the largest on the public index is below 2 MiB."""

_DIST_INFO = ".dist-info"
_FEWEST_PARTS = 5


def wheel_metadata(path: Path, *, file_name: str) -> bytes:
    """The core metadata of a wheel, byte for byte, to be served beside it (PEP 658).

    PEP 427: "{distribution}-{version}.dist-info/ contains metadata." Its name is compared with that of `file_name`
    as PEP 503 normalises names; the versions are not, since old builders spelled them in several ways.

    Raises:
        ValueError: no valid wheel name, no such metadata, more than one, or the archive is damaged, hostile or huge.
        MachineError: the file cannot be read.
    """
    with opened(path, file_name=file_name) as file:
        wanted = _stem(file_name)
        found: list[Member] = []
        other = ""
        for member in members(file):
            folder, _, document = member.name.partition("/")
            if document == "METADATA" and folder.lower().endswith(_DIST_INFO):
                if _belongs(folder[: -len(_DIST_INFO)], wanted):
                    found.append(member)
                else:
                    other = folder
        return content(file, _only(found, other, wanted), limit=LARGEST_METADATA)


def _stem(file_name: str) -> tuple[str, str]:
    """Name and version, as the wheel's file name spells them."""
    parts = file_name.removesuffix(".whl").split("-")
    if not file_name.endswith(".whl") or len(parts) not in (_FEWEST_PARTS, _FEWEST_PARTS + 1) or not all(parts):
        raise ValueError("this is no name of a wheel: expected NAME-VERSION[-BUILD]-PYTHON-ABI-PLATFORM.whl (PEP 427)")
    return parts[0], parts[1]


def _belongs(stem: str, wanted: tuple[str, str]) -> bool:
    name, version = wanted
    found = normalised(stem)
    if found == normalised(f"{name}-{version}"):
        return True
    rest = found.removeprefix(f"{normalised(name)}-")
    # A version begins with a digit: `a-b-1.0` is not of the project `a`.
    return rest != found and rest[:1].isdigit()


def _only(found: list[Member], other: str, wanted: tuple[str, str]) -> Member:
    if not found:
        instead = f"; it has {other!r}" if other else ""
        raise ValueError(f"there is no {'-'.join(wanted)}.dist-info/METADATA in it{instead}")
    if len(found) > 1:
        names = " and ".join(sorted({member.name for member in found}))
        raise ValueError(f"there is more than one METADATA in it ({names}), and which counts is anybody's guess")
    if found[0].is_link:
        raise ValueError(f"{found[0].name} is a symbolic link, not a document")
    return found[0]
