"""Put lines of ours into a user's file between marks, and remove them again, to the last byte; pure.

Lines that ours replace are not deleted, but commented out where they stand.
"""

from collections.abc import Collection, Sequence

_BEGIN, _END = "# >>> pixi-mirror >>>", "# <<< pixi-mirror <<<"
_JOINED = " (the line above had no end)"
_NEW = " (there was no file)"
_REPLACED = "#~pixi-mirror~ "
_BOM = "\ufeff"


def insert_lines(text: str | None, lines: Sequence[str], *, at: int | None, replacing: Collection[int]) -> str:
    """Insert lines of ours between marks, and comment out the lines that they replace.

    Args:
        text: Without lines of ours; None: there is no file.
        lines: Without their ends.
        at: The number of the line before which they go, from 0; None: they go to the end.
        replacing: The numbers of the lines to comment out.
    """
    start, own = _split(text or "")
    newline = "\r\n" if own and own[0].endswith("\r\n") else "\n"
    mark = _BEGIN + (_NEW if text is None else "")
    kept = [_REPLACED + line if number in replacing else line for number, line in enumerate(own)]
    place = len(kept) if at is None else at
    if place and not kept[place - 1].endswith("\n"):
        kept[place - 1] += newline
        mark += _JOINED
    region = [f"{line}{newline}" for line in (mark, *lines, _END)]
    return "".join([start, *kept[:place], *region, *kept[place:]])


def remove_lines(text: str) -> str | None:
    """Remove the lines between our marks, and restore those that they replaced; None: there was no file before.

    Raises:
        ValueError: the text was changed so that more than our lines would be lost; the message is a part of a sentence.
    """
    start, given = _split(text)
    out: list[str] = []
    was_new = False
    joined = ""
    number = 0
    while number < len(given):
        line = given[number]
        bare = line.rstrip("\r\n")
        if bare == _END:
            raise _unpaired(number)
        if not bare.startswith(_BEGIN):
            out.append(line.removeprefix(_REPLACED))
            number += 1
            continue
        stop = _end_of(given, number)
        was_new = was_new or _NEW in bare
        # Lines that were written below ours since then need the line end that we added.
        if _JOINED in bare and out and stop == len(given):
            joined = line.removeprefix(bare)
        number = stop
    if joined:
        out[-1] = out[-1].removesuffix(joined)
    left = start + "".join(out)
    return None if was_new and not left else left


def _end_of(given: Sequence[str], begin: int) -> int:
    """The number of the line after our lines, which begin at `begin`."""
    for number, line in enumerate(given[begin + 1 :], begin + 1):
        bare = line.rstrip("\r\n")
        if bare.startswith(_BEGIN):
            break
        if bare == _END:
            if given[begin + 1].startswith("["):
                _check_table(given, number + 1)
            return number + 1
    raise _unpaired(begin)


def _check_table(given: Sequence[str], begin: int) -> None:
    """Refuse a line of the user's that stands in a table of ours: without the table it would belong to another one."""
    for number, line in enumerate(given[begin:], begin):
        bare = line.strip()
        if bare.startswith("["):
            return
        if bare and not bare.startswith(("#", ";")):
            raise ValueError(f"its line {number + 1} has come to be in the table that pixi-mirror added: move it above")


def _unpaired(number: int) -> ValueError:
    return ValueError(f"its line {number + 1} is one of the two marks of pixi-mirror, and the other one is missing")


def _split(text: str) -> tuple[str, list[str]]:
    """The byte order mark, which stays where it is, and the lines."""
    start = _BOM if text.startswith(_BOM) else ""
    return start, lines_of(text.removeprefix(_BOM))


def lines_of(text: str) -> list[str]:
    """Split a text into lines with their ends; only a line feed ends one, as in the files of all clients."""
    pieces = text.split("\n")
    return [f"{piece}\n" for piece in pieces[:-1]] + ([pieces[-1]] if pieces[-1] else [])


def drop_lines(text: str, numbers: Collection[int]) -> str:
    """Remove lines by their numbers, from 0; a byte order mark stays."""
    start, lines = _split(text)
    return start + "".join(line for number, line in enumerate(lines) if number not in numbers)
