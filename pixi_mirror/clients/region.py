"""Put lines of ours into a text of somebody else's, marked, so that they can be taken out again to the last byte; pure.

What our lines replace is not deleted but commented out where it stands.
"""

from collections.abc import Collection, Sequence

_BEGIN, _END = "# >>> pixi-mirror >>>", "# <<< pixi-mirror <<<"
_JOINED = " (the line above had no end)"
_NEW = " (there was no file)"
_REPLACED = "#~pixi-mirror~ "
_BOM = "\ufeff"


def merged(text: str | None, lines: Sequence[str], *, at: int | None, replacing: Collection[int]) -> str:
    """The text with `lines` before its line `at` (None: at its end), and the lines `replacing` commented out.

    `text` has no lines of ours; None: there is no file.
    """
    own = lines_of(text or "")
    newline = "\r\n" if own and own[0].endswith("\r\n") else "\n"
    mark = _BEGIN + (_NEW if text is None else "")
    kept = [_REPLACED + line if number in replacing else line for number, line in enumerate(own)]
    place = len(kept) if at is None else at
    if place and not kept[place - 1].endswith("\n"):
        kept[place - 1] += newline
        mark += _JOINED
    region = [f"{line}{newline}" for line in (mark, *lines, _END)]
    return "".join([*kept[:place], *region, *kept[place:]])


def restored(text: str) -> str | None:
    """The text without lines of ours, with what they replaced; None: there was no file before them."""
    out: list[str] = []
    inside, was_new = False, False
    for line in lines_of(text):
        bare = line.rstrip("\r\n").removeprefix(_BOM)
        if bare.startswith(_BEGIN):
            inside = True
            was_new = was_new or _NEW in bare
            if _JOINED in bare and out:
                out[-1] = out[-1].rstrip("\r\n")
        elif bare == _END:
            inside = False
        elif not inside:
            out.append(line.removeprefix(_REPLACED))
    left = "".join(out)
    return None if was_new and not left else left


def lines_of(text: str) -> list[str]:
    """The lines with their ends; only line feeds end one, as in the files of all clients."""
    pieces = text.split("\n")
    return [f"{piece}\n" for piece in pieces[:-1]] + ([pieces[-1]] if pieces[-1] else [])
