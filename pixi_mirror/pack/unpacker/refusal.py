"""What ends an unpacking, and the names that it lets pass."""

from __future__ import annotations

import os

WRONG_BYTES = 6
PROGRAM = 7
MACHINE = 8
_LONGEST = 4096


class Refusal(Exception):
    """The pack cannot be unpacked here; the text says why and what to do."""

    def __init__(self, message: str, *, status: int = MACHINE) -> None:
        super().__init__(message)
        self.status = status
        """With which the program ends."""


def plain(raw: str, where: str) -> str:
    """A name in an archive as a relative path with `/`; empty: the archive's own folder.

    Raises:
        Refusal: it leads outside, or nothing can be called so on this machine.
    """
    parts = [part for part in raw.split("/") if part not in ("", ".")]
    strange = raw.startswith("/") or ".." in parts or len(raw) > _LONGEST or any(letter < " " for letter in raw)
    if strange or (os.name == "nt" and any(letter in raw for letter in '\\:<>"|?*')):
        raise Refusal(f"{where} names {raw[:200]!r}, which is no plain relative path: nothing is made of it")
    return "/".join(parts)


def plain_name(raw: object, where: str) -> str:
    """A name in an archive of one part, which does not begin with a dot.

    Raises:
        Refusal: it is none, or as `plain`.
    """
    if not isinstance(raw, str) or not plain(raw, where) or "/" in raw or "\\" in raw or raw.startswith("."):
        raise Refusal(f"{where} names {str(raw)[:200]!r}, which is no name of a file")
    return raw
