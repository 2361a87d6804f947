"""Take the values of a foreign document, and say where one is not what it should be; pure."""

import re

from pixi_mirror.model.values import Json, mask_secrets

_CONFLICT = re.compile(rb"^(?:<{7}|\|{7}|={7}|>{7})(?:[ \r\n]|\Z)", re.MULTILINE)
_NUMBER = re.compile(r"[0-9]{1,19}")


class Malformed(ValueError):
    """Something in a lock is not as the format has it; the text says where and what, without the secrets of URLs."""

    def __init__(self, problem: str) -> None:
        super().__init__(mask_secrets(problem))


def mapping(value: Json, what: str) -> dict[str, Json]:
    """`value`, which must be a mapping; None counts as an empty one.

    Raises:
        Malformed: it is something else.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Malformed(f"{what} is {_kind(value)} where a mapping is expected")
    return value


def sequence(value: Json, what: str) -> list[Json]:
    """`value`, which must be a list; None counts as an empty one.

    Raises:
        Malformed: it is something else.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise Malformed(f"{what} is {_kind(value)} where a list is expected")
    return value


def text(value: Json, what: str) -> str:
    """`value`, which must be a string that is not empty.

    Raises:
        Malformed: it is something else.
    """
    if not isinstance(value, str) or not value:
        raise Malformed(f"{what} is {_kind(value)} where text is expected")
    return value


def optional_text(value: Json, what: str) -> str | None:
    """`value`, which must be a string or nothing.

    Raises:
        Malformed: it is something else.
    """
    if value is not None and not isinstance(value, str):
        raise Malformed(f"{what} is {_kind(value)} where text is expected")
    return value


def texts(value: Json, what: str) -> tuple[str, ...]:
    """`value`, which must be a list of strings; None counts as an empty one.

    Raises:
        Malformed: it is something else.
    """
    found = sequence(value, what)
    for item in found:
        if not isinstance(item, str):
            raise Malformed(f"{what} holds {_kind(item)} where text is expected")
    return tuple(found)


def number(value: Json, what: str) -> int:
    """`value`, which must be the digits of an integer that fits 64 bits.

    Raises:
        Malformed: it is something else.
    """
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        raise Malformed(f"{what} is {_kind(value)} where a number is expected")
    return int(value)


def channel_url(value: Json) -> str:
    """The URL of a channel, which stands alone or in a mapping.

    Raises:
        Malformed: it is neither.
    """
    return text(value if isinstance(value, str) else mapping(value, "a channel").get("url"), "the URL of a channel")


def shortened(text: str, *, most: int = 80) -> str:
    """The beginning of a text for a message. The secrets of the URLs in it are masked before it is cut."""
    return mask_secrets(text)[:most]


def conflict_line(data: bytes) -> int | None:
    """The line at which an unresolved merge conflict begins; None: there is none."""
    found = _CONFLICT.search(data)
    return None if found is None else data.count(b"\n", 0, found.start()) + 1


def _kind(value: Json) -> str:
    match value:
        case None:
            return "missing"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case "":
            return "empty"
        case _:
            return repr(shortened(str(value)))
