"""A tar has exactly the bytes that pixi-pack's library writes, and other programs read it."""

import io
import itertools
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pixi_mirror.archives.tar_writer import TarWriter

ZEROS = b"0000000\0"
TIME = b"10461020230\0"  # octal for 1153704088 s


def written(*steps: tuple[str, bytes | None] | tuple[str, bytes | None, bool]) -> bytes:
    """A tar of files and (content None) folders."""
    out = io.BytesIO()
    writer = TarWriter(out.write)
    for name, content, *executable in steps:
        if content is None:
            writer.folder(name)
        else:
            writer.file(name, len(content), [content], executable=bool(executable))
    writer.finish()
    return out.getvalue()


def by_hand(name: bytes, mode: bytes, size: bytes, checksum: bytes, kind: bytes) -> bytes:
    """A header, field by field, as the format's description has them."""
    fields = [name.ljust(100, b"\0"), mode, ZEROS, ZEROS, size, TIME, checksum, kind, bytes(100), b"ustar  \0"]
    return b"".join([*fields, bytes(32), bytes(32), ZEROS, ZEROS]).ljust(512, b"\0")


def header(name: bytes, mode: bytes, size: bytes, kind: bytes) -> bytes:
    counted = by_hand(name, mode, size, b" " * 8, kind)
    return by_hand(name, mode, size, b"%07o\0" % sum(counted), kind)


def test_every_byte_is_as_the_format_says() -> None:
    data = written(("channel", None), ("channel/x.conda", b"hello"), ("pypi/run", b"", True))
    assert data == b"".join(
        [
            # This checksum is the one that tar-rs 0.4.46 wrote, so that the sum itself is not taken from the code.
            by_hand(b"channel", b"0000755\0", b"00000000000\0", b"0010521\0", b"5"),
            header(b"channel/x.conda", b"0000644\0", b"00000000005\0", b"0"),
            b"hello".ljust(512, b"\0"),
            header(b"pypi/run", b"0000755\0", b"00000000000\0", b"0"),
            bytes(1024),
        ]
    )


@pytest.mark.parametrize("length", [100, 101, 151, 511, 512])
def test_a_name_of_any_length_is_written_whole(length: int) -> None:
    name = "n" * length
    data = written((name, b"x"))
    if length > 100:
        announced = (
            b"././@LongLink".ljust(100, b"\0")
            + b"0000644\0"
            + ZEROS * 2
            + b"%011o\0" % (length + 1)
            + b"0" * 11
            + b"\0"
        )
        assert data[:148] == announced
        assert data[156:265] == b"L" + bytes(100) + b"ustar  \0"
        assert data[265:512] == bytes(247)
        padded = -(-(length + 1) // 512) * 512
        assert data[512 : 512 + padded] == name.encode().ljust(padded, b"\0")
        data = data[512 + padded :]
    assert data == header(b"n" * 100, b"0000644\0", b"00000000001\0", b"0") + b"x".ljust(512, b"\0") + bytes(1024)


def test_a_long_name_is_cut_between_letters_where_the_old_field_ends() -> None:
    name = "x" + "é" * 75
    data = written((name, b""))
    assert data[512 : 512 + len(name.encode()) + 1] == name.encode() + b"\0"
    assert data[1024:1124] == ("x" + "é" * 49).encode() + b"\0"


@pytest.mark.parametrize(
    ("size", "field"),
    [
        (8**11 - 1, b"77777777777\0"),
        (8**11, b"\x80" + bytes(6) + b"\x02" + bytes(4)),
        (10**13, b"\x80" + (10**13).to_bytes(11, "big")),
    ],
)
def test_a_size_that_octal_digits_do_not_hold_is_written_in_base_256(size: int, field: bytes) -> None:
    out = io.BytesIO()
    with pytest.raises(ValueError, match="only 0"):
        TarWriter(out.write).file("big", size, [])
    assert out.getvalue()[124:136] == field
    assert tarfile.TarInfo.frombuf(out.getvalue(), "utf-8", "strict").size == size


def test_python_reads_it_back() -> None:
    names = ["channel/noarch/ü.conda", "l" * 101, "é" * 60, "deep/" * 60 + "x"]
    with tarfile.open(fileobj=io.BytesIO(written(*((name, name.encode()) for name in names)))) as archive:
        assert archive.getnames() == names
        contents = [archive.extractfile(name).read() for name in names]  # type: ignore[union-attr]
        assert contents == [name.encode() for name in names]


@pytest.mark.skipif(not shutil.which("tar"), reason="there is no tar")
def test_gnu_tar_lists_it_without_a_complaint(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(written(("channel", None), ("l" * 101, b"123"), ("run", b"4", True)))
    listed = subprocess.run(
        ["tar", "-tvf", path, "--utc", "--numeric-owner"],
        capture_output=True,
        text=True,
        check=True,
        env={"LC_ALL": "C"},
    )
    assert listed.stderr == ""
    assert [line.split() for line in listed.stdout.splitlines()] == [
        ["drwxr-xr-x", "0/0", "0", "2006-07-24", "01:21", "channel"],
        ["-rw-r--r--", "0/0", "3", "2006-07-24", "01:21", "l" * 101],
        ["-rwxr-xr-x", "0/0", "1", "2006-07-24", "01:21", "run"],
    ]


@pytest.mark.parametrize("name", ["", "/etc/passwd", "a//b", "a/", "./a", "a/../b", "nul\0"])
def test_a_name_that_is_no_plain_relative_path_is_not_written(name: str) -> None:
    out = io.BytesIO()
    with pytest.raises(ValueError, match="no relative path"):
        TarWriter(out.write).file(name, 0, [])
    assert out.getvalue() == b""


@pytest.mark.parametrize(("chunks", "words"), [([b"abc"], "only 3"), ([b"abc", b"de"], "more"), ([], "only 0")])
def test_a_content_of_another_length_than_announced_is_refused(chunks: list[bytes], words: str) -> None:
    with pytest.raises(ValueError, match=f"x was announced with 4 bytes, and there are {words}"):
        TarWriter(io.BytesIO().write).file("x", 4, chunks)


def test_a_content_that_never_ends_is_not_written_on_and_on() -> None:
    with pytest.raises(ValueError, match="there are more"):
        TarWriter(io.BytesIO().write).file("x", 4, itertools.repeat(b"abc"))


def test_a_content_is_written_as_it_comes() -> None:
    pieces: list[bytes] = []

    def content() -> Iterator[bytes]:
        for count in range(3):
            assert len(pieces) == 1 + count
            yield b"x" * 1000

    TarWriter(pieces.append).file("x", 3000, content())
