"""Write a tar as a stream whose bytes say nothing of this machine or hour, as pixi-pack writes them byte for byte.

`tarfile` cannot: it pads its checksums, its folders' names and its end in other ways.
"""

from collections.abc import Callable, Iterable

from pixi_mirror.archives.tar import BLOCK

_END = bytes(2 * BLOCK)
_TIME_S = 1_153_704_088
"""When every member was last changed: 2006-07-24T01:21:28Z, which pixi-pack's library stamps."""
_LONGEST_NAME = 100
_LARGEST_IN_OCTAL = 8**11 - 1
_CHECKSUM = slice(148, 156)
_NO_DEVICE = b"0000000\0" * 2
_EXECUTABLE, _PLAIN = 0o755, 0o644


class TarWriter:
    """A tar being written through `write`, a member at a time, in the order of the calls, and in constant memory."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write

    def folder(self, name: str) -> None:
        """Write a folder; its name has slashes between its parts and none at the end.

        Raises:
            ValueError: `name` is no name for a member.
        """
        self._header(name, 0, executable=True, kind=b"5")

    def file(self, name: str, size: int, chunks: Iterable[bytes], *, executable: bool = False) -> None:
        """Write a file of `size` bytes.

        Raises:
            ValueError: `name` is no name for a member, or the chunks are not `size` bytes together. The tar is lost.
        """
        self._header(name, size, executable=executable, kind=b"0")
        written = 0
        for chunk in chunks:
            written += len(chunk)
            if written > size:
                break
            self._write(chunk)
        if written != size:
            found = "more" if written > size else f"only {written}"
            raise ValueError(f"{name} was announced with {size} bytes, and there are {found}")
        self._write(bytes(-size % BLOCK))

    def finish(self) -> None:
        """Write the end mark: without it a reader takes the tar for one that was cut short."""
        self._write(_END)

    def _header(self, name: str, size: int, *, executable: bool, kind: bytes) -> None:
        raw = _raw_name(name)
        mode = _EXECUTABLE if executable else _PLAIN
        if len(raw) > _LONGEST_NAME:
            # GNU's way: the whole name is the content of a member before the one that it names.
            self._write(
                _header(b"././@LongLink", kind=b"L", size=len(raw) + 1, mode=_PLAIN, time_s=0, device=bytes(16))
            )
            self._write(raw + bytes(1 + -(len(raw) + 1) % BLOCK))
        short = raw[:_LONGEST_NAME].decode(errors="ignore").encode()  # never half a letter
        self._write(_header(short, kind=kind, size=size, mode=mode, time_s=_TIME_S, device=_NO_DEVICE))


def _raw_name(name: str) -> bytes:
    parts = name.split("/")
    if "\0" in name or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"{name!r} is no relative path of plain parts, as the name of a member has to be")
    return name.encode()


def _header(name: bytes, *, kind: bytes, size: int, mode: int, time_s: int, device: bytes) -> bytes:
    """One block: a header in GNU's dialect, whose owner is number 0."""
    block = bytearray(
        b"".join(
            (
                name.ljust(_LONGEST_NAME, b"\0"),
                _octal(mode, 8),
                _octal(0, 8) * 2,  # the numbers of user and group
                _octal(size, 12),
                _octal(time_s, 12),
                b" " * 8,  # the checksum counts itself as spaces
                kind,
                bytes(100),  # the target of a link
                b"ustar  \0",
                bytes(64),  # the names of user and group
                device,
            )
        )
    )
    block += bytes(BLOCK - len(block))
    block[_CHECKSUM] = _octal(sum(block), 8)
    return bytes(block)


def _octal(number: int, width: int) -> bytes:
    """A number as a field of `width` bytes: octal digits and a zero byte; where they do not hold it, GNU's base 256."""
    if number > _LARGEST_IN_OCTAL:
        return b"\x80" + number.to_bytes(width - 1, "big")
    return b"%0*o\0" % (width - 1, number)
