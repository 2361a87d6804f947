"""Read one small text file that a user wrote; it never quotes what stands in it."""

from pathlib import Path

from pixi_mirror.errors import MachineError

_LARGEST = 1 << 24
"""Bytes; a workspace may hold a link to a device that never ends."""


def file_text(path: Path) -> str | None:
    """The text of a file, without byte order mark; None if there is no such file.

    Raises:
        MachineError: the file is there and cannot be read, or is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no name of a file"
        raise MachineError(f"{path} cannot be read ({reason}): make it a readable file or move it away") from error
    if len(raw) > _LARGEST:
        raise MachineError(f"{path} is larger than {_LARGEST} bytes, so it is no such file: move it away")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        position = error.start
    # Raised out here, because the decoding error carries the file's content and would stay in the chain.
    raise MachineError(f"{path} is not UTF-8 text (byte {position}): save it as UTF-8 or move it away")
