"""Make a script that unpacks the tar within it, for Unix and for Windows, and find the tar in such a script again.

The scripts are `launchers/`; what they hold stands in base64 between the marks that pixi-pack's scripts have, but in
lines, so that no program ever holds more than a few of them: one line as long as the archive took 2.7 times its size.
"""

import binascii
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Literal

from pixi_mirror.archives.streams import ByteStream, PrefixedStream, read_up_to

Write = Callable[[bytes], object]
"""Takes the next bytes of a file."""

LARGEST_IN_POWERSHELL = 767 << 20
"""Bytes of tar and unpacker: PowerShell reads a script whole, and no string of .NET has more than 2^30 letters."""

_UNIX_COLUMNS = 76
_WINDOWS_COLUMNS = 1 << 14
"""A line costs PowerShell time, and a long one no memory to speak of."""
_CHUNK = 1 << 16
_LONGEST_HEADER = 1 << 16
_BLANKS = b" \t\r\n"
_MARKS = (
    (b"@@END_HEADER@@", b"@@END_ARCHIVE@@"),
    (b"__END_HEADER__", b"__END_ARCHIVE__"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacker:
    """What a self-extracting script starts, with its own arguments and then the tar's path, or `-` and the tar."""

    content: bytes
    kind: Literal["python", "program"]
    """`python`: a script for Python 3.9 that reads the tar from its input, too; else it is what the system runs."""


def write_unix_executable(write: Write, *, tar: Callable[[Write], object], unpacker: Unpacker) -> None:
    """Write a script for every POSIX shell; `tar` is called once, and writes the archive.

    The file is to be made executable.
    """
    encoder = _Encoder(write, columns=_UNIX_COLUMNS, newline=b"\n")
    write(_header("unix.sh", unpacker, size=_encoded_size(len(unpacker.content), _UNIX_COLUMNS)))
    tar(encoder.write)
    encoder.finish()
    write(b"@@END_ARCHIVE@@\n")
    encoder.write(unpacker.content)
    encoder.finish()


def write_windows_executable(write: Write, *, tar: Callable[[Write], object], unpacker: Unpacker) -> None:
    """Write a script for PowerShell 5 and newer; `tar` is called once, and writes the archive.

    Raises:
        ValueError: archive and unpacker are larger than `LARGEST_IN_POWERSHELL`; what was written is to be removed.
    """
    encoder = _Encoder(write, columns=_WINDOWS_COLUMNS, newline=b"\r\n")
    size = len(unpacker.content)

    def bounded(data: bytes) -> None:
        nonlocal size
        size += len(data)
        if size > LARGEST_IN_POWERSHELL:
            raise ValueError(
                f"PowerShell cannot read a script that holds more than {LARGEST_IN_POWERSHELL >> 20} MiB; "
                "make a plain pack, and unpack it with `pixi-mirror unpack` or pixi-unpack"
            )
        encoder.write(data)

    write(_header("windows.ps1", unpacker).replace(b"\n", b"\r\n"))
    tar(bounded)
    encoder.finish()
    write(b"__END_ARCHIVE__\r\n")
    encoder.write(unpacker.content)
    encoder.finish()
    write(b"#>\r\n")


def open_embedded_tar(file: ByteStream) -> ByteStream:
    """Return the tar in a self-extracting script, ours or pixi-pack's; any other file is returned as it is.

    Reading it raises `ValueError` where the script is damaged or was cut short.
    """
    start = read_up_to(file, _LONGEST_HEADER)
    for header, end in _MARKS:
        before, found, rest = start.replace(b"\r\n", b"\n").partition(b"\n" + header + b"\n")
        if found and b"\0" not in before:
            return _Archive(PrefixedStream(rest, file), end)
    return PrefixedStream(start, file)


def _header(name: str, unpacker: Unpacker, **values: int) -> bytes:
    text = files("pixi_mirror").joinpath("archives", "launchers", name).read_text(encoding="ascii")
    for key, value in {**values, "kind": unpacker.kind, "sha256": sha256(unpacker.content).hexdigest()}.items():
        text = text.replace(f"'{{{key}}}'", f"'{value}'")
    return text.encode()


def _encoded_size(size: int, columns: int) -> int:
    """Bytes of base64 in lines that end with one byte."""
    letters = -(-size // 3) * 4
    return letters + -(-letters // columns)


class _Encoder:
    """Base64 in lines, of bytes as they come."""

    def __init__(self, write: Write, *, columns: int, newline: bytes) -> None:
        self._write = write
        self._line = columns // 4 * 3
        self._newline = newline
        self._rest = b""

    def write(self, data: bytes) -> None:
        """Encode some more bytes."""
        data = self._rest + data
        whole = len(data) // self._line * self._line
        self._rest = data[whole:]
        self._lines(data[:whole])

    def finish(self) -> None:
        """Encode what is left, as a line of its own; more may follow, as another content."""
        self._lines(self._rest)
        self._rest = b""

    def _lines(self, data: bytes) -> None:
        lines = [
            binascii.b2a_base64(data[start : start + self._line], newline=False) + self._newline
            for start in range(0, len(data), self._line)
        ]
        if lines:
            self._write(b"".join(lines))


class _Archive:
    """What stands in base64 up to a mark, in lines of any length, decoded."""

    def __init__(self, file: ByteStream, mark: bytes) -> None:
        self._file = file
        self._mark = mark
        self._letters = b""
        self._decoded = b""
        self._padded = False
        self._ended = False

    def read(self, size: int, /) -> bytes:
        """The next bytes, `size` at most; none at the archive's end."""
        while not self._decoded and not self._ended:
            self._decode_more()
        data, self._decoded = self._decoded[:size], self._decoded[size:]
        return data

    def _decode_more(self) -> None:
        chunk = self._file.read(_CHUNK)
        if not chunk:
            raise ValueError("it was cut short: the end of the archive in it is missing")
        letters, marked, rest = chunk.partition(self._mark[:1])
        if marked:
            rest += read_up_to(self._file, max(0, len(self._mark) - len(rest)))
            if (marked + rest)[: len(self._mark)] != self._mark:
                raise ValueError("the archive in it is damaged: it is not base64 throughout")
            self._ended = True
        self._letters += letters.translate(None, _BLANKS)
        whole = len(self._letters) // 4 * 4
        ready, self._letters = self._letters[:whole], self._letters[whole:]
        if (self._padded and ready) or (self._ended and self._letters):
            raise ValueError("the archive in it is damaged: its base64 ends in the middle")
        try:
            self._decoded = binascii.a2b_base64(ready, strict_mode=True)
        except binascii.Error as error:
            raise ValueError(f"the archive in it is damaged: {error}") from error
        self._padded = self._padded or ready.endswith(b"=")
