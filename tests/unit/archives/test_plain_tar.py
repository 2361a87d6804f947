"""A tar of any writer is read, once and as a stream; one that was cut, damaged or made to do harm is refused."""

import bz2
import gzip
import io
import itertools
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from pixi_mirror.archives.compression import zstd_library
from pixi_mirror.archives.opening import open_compressed
from pixi_mirror.archives.plain_tar import read_plain_tar
from pixi_mirror.archives.tar_writer import TarWriter

CONTENTS = {
    "channel/noarch/a.conda": b"abc" * 300,
    "pypi/ü.whl": b"",
    "n" * 150: b"long",
    "environment.yml": b"x" * 512,
}


class Pipe:
    """A stream that cannot go back, and gives few bytes at a time."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int, /) -> bytes:
        return self._file.read(min(size, 100))


def read(data: bytes) -> list[tuple[str, str, bytes, bool]]:
    """Name, kind, content and executability of each member; the size is as it was told."""
    found = []
    for member, pieces in read_plain_tar(Pipe(data)):
        content = b"".join(pieces)
        assert len(content) == member.size
        found.append((member.name, member.kind, content, member.executable))
    return found


def files(data: bytes) -> dict[str, bytes]:
    return {name: content for name, kind, content, _ in read(data) if kind == "file"}


def ours() -> bytes:
    out = io.BytesIO()
    writer = TarWriter(out.write)
    writer.folder("channel")
    for name, content in CONTENTS.items():
        writer.file(name, len(content), [content])
    writer.finish()
    return out.getvalue()


def one(name: str = "x", *, form: int = tarfile.GNU_FORMAT, size: int = 0, **fields: object) -> bytes:
    """A tar with one member, whose header is made by the standard library."""
    return many([(name, fields)], form=form, size=size)


def many(entries: Iterable[tuple[str, dict[str, object]]], *, form: int = tarfile.GNU_FORMAT, size: int = 0) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, fields in entries:
            info = tarfile.TarInfo(name)
            info.size = size
            for field, value in fields.items():
                setattr(info, field, value)
            archive.addfile(info, io.BytesIO(bytes(size)))
    return out.getvalue()


def signed_again(header: bytes) -> bytes:
    counted = header[:148] + b" " * 8 + header[156:512]
    return counted[:148] + b"%07o\0" % sum(counted) + counted[156:] + header[512:]


def test_what_was_written_is_read_in_its_order() -> None:
    assert read(ours()) == [
        ("channel", "folder", b"", True),
        *((name, "file", content, False) for name, content in CONTENTS.items()),
    ]


def test_only_its_owner_s_right_to_run_it_is_told_of_a_mode() -> None:
    assert [
        run for *_, run in read(many([("a", {"mode": 0o4644}), ("b", {"mode": 0o4744}), ("c", {"mode": 0o011})]))
    ] == [
        False,
        True,
        False,
    ]


def test_a_member_of_which_nothing_was_taken_is_passed_over() -> None:
    names = [member.name for member, _ in read_plain_tar(Pipe(ours()))]
    assert names == ["channel", *CONTENTS]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_dialect_of_python_is_read(form: int) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, pax_headers={"comment": "for all"}) as archive:
        for name, content in CONTENTS.items():
            info = tarfile.TarInfo(name.replace("n" * 150, "p" * 90 + "/" + "n" * 90))
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    assert list(files(out.getvalue()).values()) == list(CONTENTS.values())


@pytest.mark.skipif(not shutil.which("tar"), reason="there is no tar")
@pytest.mark.parametrize(
    "options",
    [["--format=v7"], ["--format=ustar"], ["--format=oldgnu"], ["--format=pax"], ["--format=gnu", "--sparse"]],
    ids=" ".join,
)
def test_every_dialect_of_gnu_tar_is_read(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    with open(tmp_path / "in" / "deep" / "holes", "wb") as file:
        for place in range(0, 50 << 16, 5 << 16):  # more parts than the header itself has place for
            file.seek(place)
            file.write(b"here")
        file.truncate(60 << 16)
    (tmp_path / "in" / "ü.txt").write_bytes(b"text")
    made = subprocess.run(["tar", *options, "-C", tmp_path / "in", "-cf", "-", "."], stdout=subprocess.PIPE, check=True)
    assert files(made.stdout) == {
        "deep/holes": (tmp_path / "in" / "deep" / "holes").read_bytes(),
        "ü.txt": b"text",
    }
    assert ("deep", "folder", b"", True) in read(made.stdout)


def test_a_sparse_file_whose_parts_lie_wrongly_is_refused() -> None:
    good = bytearray(one("x", type=b"S", size=512))
    good[386:398], good[398:410], good[483:495] = b"00000001000\0", b"00000001000\0", b"00000002000\0"
    assert files(signed_again(bytes(good))) == {"x": bytes(1024)}
    twice = b"00000000000\000000000400\0" * 2
    for place, number in ((386, b"00000001001\0"), (398, b"00000000777\0"), (483, b"00000001777\0"), (386, twice)):
        bad = bytearray(good)
        bad[place : place + len(number)] = number
        with pytest.raises(ValueError, match="sparse file"):
            read(signed_again(bytes(bad)))


def test_an_archive_that_was_cut_anywhere_is_refused() -> None:
    data = ours()
    assert read(data)
    for end in range(len(data)):
        with pytest.raises(ValueError, match="cut short"):
            read(data[:end])


def test_a_bit_that_was_flipped_in_a_header_is_found_or_means_nothing() -> None:
    data = one("name", size=3, form=tarfile.USTAR_FORMAT)
    right, found = read(data), 0
    for bit in range(512 * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            assert read(bytes(flipped)) == right
        except ValueError:
            found += 1
    assert found > 512 * 8 - 40


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../x", "a/../../x", "a\\b", "C:x", "a\nb", "a\x1bb", "..", "a/..", "x" * 1025, "a/" * 201 + "b"],
)
@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_hostile_name_is_refused(name: str, form: int) -> None:
    with pytest.raises(ValueError, match=r"would lie outside|characters long"):
        read(one(name, form=form))


def test_a_zero_byte_in_a_name_is_refused_where_one_can_stand() -> None:
    data = one("a|b", form=tarfile.PAX_FORMAT, pax_headers={"path": "a|b"}).replace(b"path=a|b", b"path=a\0b")
    with pytest.raises(ValueError, match="would lie outside"):
        read(data)


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_a_name_that_is_not_utf_8_is_refused(form: int) -> None:
    data = signed_again(one("xx", form=form).replace(b"xx", b"x\xff", 1))
    with pytest.raises(ValueError, match="not UTF-8"):
        read(data)


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (tarfile.SYMTYPE, "a link"),
        (tarfile.LNKTYPE, "a link"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.BLKTYPE, "a device"),
        (tarfile.FIFOTYPE, "a pipe"),
        (b"Z", "no file and no folder"),
        (b"V", "no file and no folder"),
    ],
)
def test_what_is_neither_file_nor_folder_is_refused(kind: bytes, word: str) -> None:
    with pytest.raises(ValueError, match=f"'x' is {word}"):
        read(one("x", type=kind, linkname="y"))


@pytest.mark.parametrize(
    "names", [["a", "a"], ["a", "./a"], ["a/b", "a//b"], ["d/", "d"], ["a", "a/b"], ["a/b", "a"]], ids=" ".join
)
def test_a_name_that_is_taken_is_refused(names: list[str]) -> None:
    with pytest.raises(ValueError, match=r"is in it (twice|as a file and as a folder)"):
        read(many([(name, {}) for name in names]))


def test_a_folder_that_a_file_stands_in_already_may_be_named_later() -> None:
    entries: list[tuple[str, dict[str, object]]] = [("a/b", {}), ("a", {"type": tarfile.DIRTYPE})]
    assert [name for name, *_ in read(many(entries))] == ["a/b", "a"]


def test_the_folder_itself_is_no_member_of_it_but_no_file_is_called_so() -> None:
    assert read(one("./", type=tarfile.DIRTYPE)) == []
    with pytest.raises(ValueError, match="without a name"):
        read(one("."))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (bytes(512) + one(), "a block of zeros"),
        (ours() + one(), "follow the end mark"),
        (ours() + b"\n", "follow the end mark"),
        (one("x" * 150)[: 3 * 512][: 2 * 512] + bytes(1024), "does not come"),
        (one("x" * 150)[:1024] + one("y" * 150), "in two ways"),
        (one("d", type=tarfile.DIRTYPE, size=5), "a folder of it has a content"),
        (b"this is no tar".ljust(2048, b"."), "no tar archive"),
        (one()[:512] + b"this is no header".ljust(2048, b"."), "is no number"),
        (one()[:512] + one()[:1].replace(b"x", b"y") + one()[1:], "checksum"),
        (b"", "cut short"),
        (one("a")[:512] + signed_again(one("x")[:124] + b"\xff" * 12 + one("x")[136:]), "is no number"),
        (one("a")[:512] + signed_again(one("x")[:124] + b"00000000009\0" + one("x")[136:]), "is no number"),
        (signed_again(one("x" * 150)[:124] + b"77777777777\0" + one("x" * 150)[136:]), "is 8589934591 bytes long"),
        (one("x", form=tarfile.PAX_FORMAT, pax_headers={"GNU.sparse.major": "1"}), "sparse"),
        (one("x", form=tarfile.PAX_FORMAT, pax_headers={"size": "-1"}), "is no size"),
        (one("x", form=tarfile.PAX_FORMAT, pax_headers={"k": "v"}).replace(b"6 k=v", b"7 k=v"), "cannot be read"),
    ],
)
def test_what_is_no_sound_archive_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read(data)


def test_zeros_may_fill_the_last_record_but_not_go_on_and_on() -> None:
    assert read(ours() + bytes(9216)) == read(ours())
    endless = itertools.chain([ours()], itertools.repeat(bytes(1 << 20)))

    class Endless:
        rest = b""

        def read(self, size: int, /) -> bytes:
            self.rest = self.rest or next(endless)
            piece, self.rest = self.rest[:size], self.rest[size:]
            return piece

    with pytest.raises(ValueError, match="follow the end mark"):
        list(read_plain_tar(Endless()))


def test_a_header_whose_bytes_were_summed_with_their_signs_is_read() -> None:
    header = one("ü", form=tarfile.USTAR_FORMAT)
    counted = header[:148] + b" " * 8 + header[156:512]
    total = sum(byte - 256 if byte > 127 else byte for byte in counted)
    assert files(header[:148] + b"%06o\0 " % total + header[156:]) == {"ü": b""}


@pytest.mark.parametrize(
    "compressed",
    [zstd_library().compress, gzip.compress, bz2.compress, lzma.compress, bytes],
    ids=["zstd", "gzip", "bzip2", "xz", "none"],
)
def test_a_compressed_archive_is_read_as_a_stream(compressed: object) -> None:
    data = compressed(ours())  # type: ignore[operator]
    assert [name for name, *_ in ((member.name,) for member, _ in read_plain_tar(open_compressed(Pipe(data))))] == [
        "channel",
        *CONTENTS,
    ]
    with pytest.raises(ValueError, match=r"cut short|damaged"):
        list(read_plain_tar(open_compressed(Pipe(data[: len(data) // 2]))))


CHILD = """
import io, resource, sys
from pixi_mirror.archives.plain_tar import read_plain_tar
from pixi_mirror.archives.tar_writer import TarWriter

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
total = sum(len(piece) for _, pieces in read_plain_tar(open(0, "rb", buffering=0)) for piece in pieces)
print(total, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in another unit")
def test_a_large_file_is_read_from_a_pipe_in_little_memory() -> None:
    size = 128 << 20
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ}
    ) as child:
        assert child.stdin
        assert child.stdout
        writer = TarWriter(child.stdin.write)
        writer.file("large", size, itertools.repeat(bytes(1 << 20), size >> 20))
        writer.finish()
        child.stdin.close()
        total, grown_kib = map(int, child.stdout.read().split())
    assert total == size
    assert grown_kib < 16 << 10
