"""Change single records of a `repodata.json` of ours by its lines, without parsing it; pure.

The result is, byte for byte, what writing all records anew would give. In a channel of 10,000 packages that takes a
hundredth of the time.
"""

from bisect import bisect_left

from pixi_mirror.conda.repodata import SECTIONS, has_v3

_SUFFIXES = (".tar.bz2", ".conda")
_LAST = b'"repodata_version":1}'


def with_record(data: bytes, file_name: str, line: bytes | None) -> bytes | None:
    """The `repodata.json` with another record of one file.

    Args:
        data: of a `repodata.json` of ours.
        file_name: of the package.
        line: its record as it stands in such a file, `"NAME":{…}`; None: it is to have none.

    Returns:
        The bytes; None: all has to be written anew, since there are sections of CEP 48, or it is none of ours.
    """
    if has_v3(data) or not data.endswith(_LAST + b"\n"):
        return None
    begin = next((begin for begin, suffix in zip(SECTIONS, _SUFFIXES, strict=True) if file_name.endswith(suffix)), None)
    lines = data.split(b"\n")
    found = _section(lines, begin) if begin is not None else None
    if found is None:
        return None
    first, last = found
    rows = [each.rstrip(b",") for each in lines[first + 1 : last]]
    key = b'"%b":' % file_name.encode()
    at = bisect_left(rows, _key(key), key=_key)
    stands = at < len(rows) and rows[at].startswith(key)
    rows[at : at + stands] = [] if line is None else [line]
    head, end = lines[first].partition(b"{")[0], b"}," if lines[last].endswith(b",") else b"}"
    listed = [head + b"{", *(row + b"," for row in rows[:-1]), *rows[-1:], end]
    return b"\n".join([*lines[:first], *(listed if rows else [head + b"{" + end]), *lines[last + 1 :]])


def _section(lines: list[bytes], begin: bytes) -> tuple[int, int] | None:
    """The numbers of the lines with which a section begins and ends, which is one line if it is empty."""
    for number, line in enumerate(lines):
        if line == begin:
            end = next((at for at in range(number + 1, len(lines)) if lines[at] in (b"}", b"},")), None)
            return None if end is None else (number, end)
        if line in (begin + b"}", begin + b"},"):
            return (number, number)
    return None


def _key(row: bytes) -> str:
    """What the rows of a section are sorted by: their file names."""
    return row[1 : row.index(b'":')].decode()
