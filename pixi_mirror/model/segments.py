"""Names of files and folders in a mirror: which of them every system can hold, and how all others are encoded; pure.

A segment of a URL's path is decoded once. If every system can hold a file of that name, it stands as it is. In any
other segment each byte that some system cannot hold is `=XX`, so that names stay apart.
"""

import re

_UNPORTABLE = frozenset('<>:"/\\|?*')
"""Characters that no name of a file may have on Windows."""
_DEVICE = re.compile(
    r"(?:con|prn|aux|nul|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3]|conin\$|conout\$) *(?:\..*)?",
    re.IGNORECASE | re.DOTALL,
)
_DEVICE_STARTS = frozenset({"con", "prn", "aux", "nul", "com", "lpt"})
_LONGEST = 255
"""Bytes of UTF-8: the limit of most file systems."""
_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")
_ENCODED = re.compile(rb"=([0-9A-F]{2})")
_SLASHES = re.compile(r"[/\\]")
_MOST_DECODED = 8


def is_portable(segment: str) -> bool:
    r"""Whether every system can hold a file of this name as it is spelled.

    It has no `< > : " / \ | ? *`, no control characters, no space at an end and no dot at the end; it is no device of
    Windows, its letters are in the normal form NFC, and it has at most 255 bytes.
    """
    return (
        bool(segment)
        and not segment.startswith(" ")
        and not segment.endswith((" ", "."))
        and _has_portable_characters(segment)
        and _is_normalized(segment)
        and len(segment.encode()) <= _LONGEST
        and not is_device(segment)
    )


def is_device(segment: str) -> bool:
    """Whether Windows takes a name for a device; an extension makes no difference."""
    return segment[:3].lower() in _DEVICE_STARTS and _DEVICE.fullmatch(segment) is not None


def mirror_segment(name: bytes) -> str:
    """The name in a mirror of one segment of a URL's path.

    Args:
        name: the segment, decoded once; neither `.` nor `..`.
    """
    if not name:
        return "="
    text = name.decode(errors="surrogateescape")
    if text == "=":
        return "=3D"
    keeps_letters = _is_normalized(text)
    last = len(text) - 1
    made = []
    for at, character in enumerate(text):
        stays = (
            _is_portable_character(character)
            and (keeps_letters or character.isascii())
            and not (character == " " and at in (0, last))
            and not (character == "." and at == last)
            and not (character == "=" and len(text) > at + 2 and _HEXADECIMAL.issuperset(text[at + 1 : at + 3]))
            and not (at == 0 and is_device(text))
        )
        made.append(character if stays else _encoded(character))
    return "".join(made)


def requested_segment(segment: str) -> str | None:
    """The name in a mirror of one segment of a URL's or a request's path.

    Args:
        segment: as the URL spells it, percent-encoded.

    Returns:
        The name; None: it is `.` or `..`, or holds one between slashes, however often it is decoded.
    """
    from urllib.parse import unquote_to_bytes

    name = unquote_to_bytes(segment)
    return None if _leads_elsewhere(name.decode(errors="replace")) else mirror_segment(name)


def request_path(path: str, *, keep: str = "!+~@,=") -> str:
    """The path of a URL for which a server that follows the rule answers with the file at `path` in a mirror.

    It is percent-encoded and does not begin with a slash.

    Args:
        path: of a file or folder in the mirror.
        keep: the characters that are not percent-encoded, besides letters, digits and `_.-` (RFC 3986, 3.3).
    """
    from urllib.parse import quote

    return "/".join("" if segment == "=" else quote(_decoded(segment), safe=keep) for segment in path.split("/"))


def _has_portable_characters(segment: str) -> bool:
    if segment.isascii():  # nearly all are, and a mirror has many
        return segment.isprintable() and _UNPORTABLE.isdisjoint(segment)
    return all(map(_is_portable_character, segment))


def _is_portable_character(character: str) -> bool:
    """Whether every system can hold it in the middle of a name. What cannot be seen counts as a control character."""
    if character.isascii():
        return character.isprintable() and character not in _UNPORTABLE
    import unicodedata

    # C*: control, format, surrogate, private and unassigned; Zl and Zp: separators of lines and paragraphs.
    category = unicodedata.category(character)
    return category[0] != "C" and category not in {"Zl", "Zp"}


def _is_normalized(text: str) -> bool:
    if text.isascii():
        return True
    import unicodedata

    return unicodedata.is_normalized("NFC", text)


def _encoded(character: str) -> str:
    return "".join(f"={byte:02X}" for byte in character.encode(errors="surrogateescape"))


def _decoded(segment: str) -> bytes:
    """The bytes that `mirror_segment` has made the name of."""
    return _ENCODED.sub(lambda found: bytes.fromhex(found[1].decode()), segment.encode(errors="replace"))


def _leads_elsewhere(segment: str) -> bool:
    from urllib.parse import unquote

    for _ in range(_MOST_DECODED):
        if not {".", ".."}.isdisjoint(_SLASHES.split(segment)):
            return True
        decoded = unquote(segment)
        if decoded == segment:
            return False
        segment = decoded
    return True
