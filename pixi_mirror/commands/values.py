"""What the values of options may be; a value that cannot be is answered with what can."""

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from pixi_mirror.errors import UsageError
from pixi_mirror.model.values import mask_secrets

_LAST_PORT = 65535
_MOST_DIGITS = 18
_HOURS_A_DAY = 24.0
_UNITS = {"": 1.0, "d": 1.0, "h": 1 / _HOURS_A_DAY, "m": 1 / _HOURS_A_DAY / 60}
_SPAN = r"(?a)([0-9]+(?:\.[0-9]+)?)([dhm]?)"

_HOST_AND_PORT = (
    r"(?a)(?:\[[0-9A-Fa-f:.]+\]|[^\s/@?#:\[\]]+)(?::[0-9]{1,5})?"  # a name or an address, and a port
    r"|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]+"  # a bare address of IPv6
)


Value = TypeVar("Value")


class Unfit(ValueError):
    """A value that an option cannot have; its text says what the option takes."""


def admitted(name: str, raw: str, convert: Callable[[str], Value], choices: Sequence[Value] | None = None) -> Value:
    """The value that the text of an option or an environment variable stands for.

    Raises:
        UsageError: it cannot be that.
    """
    try:
        value = convert(raw)
    except Unfit as error:
        raise UsageError(f"{name} {error}, not {mask_secrets(raw)!r}.") from None
    except ValueError:
        raise UsageError(f"{name} cannot be {mask_secrets(raw)!r}.") from None
    if choices and value not in choices:
        from pixi_mirror.suggest import perhaps  # only a failing run needs it

        known = [str(choice) for choice in choices]
        raise UsageError(
            f"{name} cannot be {mask_secrets(raw)!r}{perhaps(raw, known)}; choose from {', '.join(known)}."
        )
    return value


def positive(raw: str) -> int:
    """A whole number above zero.

    Raises:
        Unfit: it is none.
    """
    return _whole(raw, 1, math.inf, "takes a whole number above 0")


def natural(raw: str) -> int:
    """A whole number, zero or above.

    Raises:
        Unfit: it is none.
    """
    return _whole(raw, 0, math.inf, "takes a whole number, 0 or above")


def port(raw: str) -> int:
    """The number of a TCP port; 0 stands for a free one.

    Raises:
        Unfit: it is none.
    """
    return _whole(raw, 0, _LAST_PORT, f"takes 1 to {_LAST_PORT} (0 picks one)")


def _whole(raw: str, least: int, most: float, takes: str) -> int:
    if not (raw.isascii() and raw.isdigit() and len(raw) <= _MOST_DIGITS) or not least <= int(raw) <= most:
        raise Unfit(takes)
    return int(raw)


def days(raw: str) -> float:
    """A span of time in days, written as `7`, `7d`, `36h` or `90m`.

    Raises:
        Unfit: it is none.
    """
    found = re.fullmatch(_SPAN, raw)
    if found is None or not math.isfinite(float(found[1])):
        raise Unfit("takes days, as 7, or 36h")
    return float(found[1]) * _UNITS[found[2]]


def span(raw: str) -> str:
    """A span of time as a policy has it, as `7d`, `36h` or `2w`.

    Raises:
        Unfit: it is none.
    """
    from pixi_mirror.policy.rules import read_span  # only a run with the option needs it

    try:
        read_span(raw, "it")
    except ValueError:
        raise Unfit("takes a span of time, as 7d, 36h or 2w") from None
    return raw


def seconds(raw: str) -> float:
    """A number of seconds, zero or above.

    Raises:
        Unfit: it is none.
    """
    try:
        number = float(raw)
    except ValueError:
        number = math.nan
    if not number >= 0:
        raise Unfit("takes seconds, as 30")
    return number


def requirement(raw: str) -> str:
    """A requirement of a Python project that a resolver may be asked for.

    Raises:
        Unfit: it is none, or it names a URL.
    """
    from pixi_mirror.pypi.requirements import admit_for_resolver  # only a run with the option needs it

    try:
        return admit_for_resolver(raw)
    except ValueError:
        raise Unfit("takes a name with versions and markers (PEP 508) and no URL, such as 'hatchling>=1.24'") from None


def file_size(raw: str) -> int:
    """A number of bytes, written as `700M` or `4G` (decimal, as disks are sold), or with `KiB`, `MiB`, `GiB`.

    Raises:
        Unfit: it is none.
    """
    found = re.fullmatch(r"(?a)([0-9]{1,15})([kKMGT]?)(iB|B)?", raw)
    if found is None or int(found[1]) == 0:
        raise Unfit("takes a size, as 700M or 4G")
    power = " KMGT".index(found[2].upper() or " ")
    return int(found[1]) * int(math.pow(1024 if found[3] == "iB" else 1000, power))


def fingerprint(raw: str) -> str:
    """At least the first 80 bits of a fingerprint, in hexadecimal digits; groups and spaces are for people.

    Raises:
        Unfit: it is none.
    """
    digits = re.sub(r"[-\s]", "", raw).lower()
    if not re.fullmatch(r"[0-9a-f]{20,64}", digits):
        raise Unfit("takes a fingerprint of five groups, as 7f3a-91c2-5d08-e1b4-c6f7")
    return digits


def receiver(raw: str) -> str:
    """The name of a far side.

    Raises:
        Unfit: it is none.
    """
    from pixi_mirror.mirror.ledger_file import admit_receiver

    try:
        return admit_receiver(raw)
    except ValueError:
        raise Unfit("takes a name of letters, digits, `.`, `_` and `-`") from None


def word(raw: str) -> str:
    """A word that is not empty.

    Raises:
        Unfit: it is.
    """
    if not raw.strip():
        raise Unfit("takes a word that is not empty")
    return raw


def host(raw: str) -> str:
    """The name or the address of a host, without the brackets of IPv6.

    Raises:
        Unfit: it is none.
    """
    bare = raw.removeprefix("[").removesuffix("]")
    if not bare or any(letter.isspace() or letter in "/@?#" for letter in bare):
        raise Unfit("takes a host name or an address, as mirror.example or 127.0.0.1")
    return bare


def host_and_port(raw: str) -> str:
    """The name or the address of a host, perhaps with `:PORT`.

    Raises:
        Unfit: it is none.
    """
    if re.fullmatch(_HOST_AND_PORT, raw) is None:
        raise Unfit("takes HOST or HOST:PORT, as mirror.example or mirror.example:8443")
    return raw


def web_url(raw: str) -> str:
    """A URL by http or https.

    Raises:
        Unfit: it is none.
    """
    if re.fullmatch(r"(?i)https?://[^\s/?#]+(?:/\S*)?", raw) is None:
        raise Unfit("takes a URL by http or https")
    return raw


def without_user(url: str) -> str:
    """The URL without user and password."""
    return re.sub(r"(?<=://)[^/?#]*@", "", url)


def path(raw: str) -> Path:
    """A path; the user's home may be written `~`.

    Raises:
        Unfit: it is empty, or a URL.
    """
    if not raw:
        raise Unfit("takes a path that is not empty")
    if "://" in raw:
        raise Unfit("takes a path on this machine")
    return Path(raw).expanduser()
