"""The tar reader gives every member of every dialect, holds little, and refuses what is damaged, cut or endless."""

import ast
import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pixi_mirror.archives
from pixi_mirror.archives.tar import LARGEST_EXTENDED_HEADER, TarMember, plain_path, read_tar
from pixi_mirror.archives.tar_headers import check_header

FORMS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
MODULES = [Path(pixi_mirror.archives.__path__[0], name) for name in ("streams.py", "tar_headers.py", "tar.py")]


class Pipe:
    """A stream that cannot go back, gives few bytes at a time, and counts them."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)
        self.count = 0

    def read(self, size: int, /) -> bytes:
        piece = self._file.read(min(size, 300))
        self.count += len(piece)
        return piece


def entry(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def tar(*entries: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT, **options: object) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, **options) as archive:  # type: ignore[call-overload]
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def raw_header(kind: bytes, size: int, name: str = "x") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def read(data: bytes, **options: object) -> list[tuple[TarMember, bytes]]:
    return [(member, content.read()) for member, content in read_tar(Pipe(data), **options)]  # type: ignore[arg-type]


@pytest.mark.parametrize("form", FORMS)
def test_a_member_says_its_kind_mode_time_and_target(form: int) -> None:
    long = "d" * 80 + "/" + "f" * 80
    members = tar(
        entry(long, b"abc", mode=0o4755, mtime=1_500_000_000),
        entry("folder", type=tarfile.DIRTYPE, mode=0o700),
        entry("soft", type=tarfile.SYMTYPE, linkname="t" * (99 if form == tarfile.USTAR_FORMAT else 150)),
        entry("hard", type=tarfile.LNKTYPE, linkname=long if form != tarfile.USTAR_FORMAT else "short"),
        entry("device", type=tarfile.CHRTYPE),
        entry("pipe", type=tarfile.FIFOTYPE),
        form=form,
    )
    found = read(members)
    assert [member.kind for member, _ in found] == ["file", "folder", "symlink", "hardlink", "device", "pipe"]
    first = TarMember(name=long, kind="file", size=3, mode=0o4755, mtime=1_500_000_000, target="")
    assert found[0] == (first, b"abc")
    assert (found[1][0].name.rstrip("/"), found[1][0].mode) == ("folder", 0o700)
    assert set(found[2][0].target) == {"t"}
    assert found[3][0].target == (long if form != tarfile.USTAR_FORMAT else "short")


def test_the_time_may_be_a_fraction_or_before_1970() -> None:
    assert read(tar(entry("a", mtime=1.5)))[0][0].mtime == 1.5
    assert read(tar(entry("a", mtime=-5), form=tarfile.GNU_FORMAT))[0][0].mtime == -5


def test_a_name_that_is_not_utf_8_can_be_given_back_to_the_system() -> None:
    raw = os.fsdecode(b"x\xff")
    assert read(tar(entry(raw), form=tarfile.GNU_FORMAT))[0][0].name.encode("utf-8", "surrogateescape") == b"x\xff"


def test_the_name_of_an_extended_header_is_for_one_member_alone() -> None:
    assert [member.name for member, _ in read(tar(entry("n" * 200), entry("m")))] == ["n" * 200, "m"]


def test_a_comment_for_all_members_changes_nothing_and_a_name_for_all_is_refused() -> None:
    assert read(tar(entry("a"), pax_headers={"comment": "commit"}))[0][0].name == "a"
    with pytest.raises(ValueError, match="in one way"):
        read(tar(entry("a"), pax_headers={"path": "b"}))


@pytest.mark.parametrize("taken", ["nothing", "a piece", "all"])
@pytest.mark.parametrize("seekable", [True, False])
def test_what_is_not_read_of_a_member_is_skipped(taken: str, seekable: bool) -> None:
    data = tar(entry("a", bytes(3000)), entry("b", b"b" * 512), entry("c", b"c"))
    stream = io.BytesIO(data) if seekable else Pipe(data)
    names = []
    for member, content in read_tar(stream, seekable=seekable):
        names.append(member.name)
        if taken == "all":
            assert len(content.read()) == member.size
        elif taken == "a piece":
            assert next(content.pieces())
    assert names == ["a", "b", "c"]


@pytest.mark.parametrize("seekable", [True, False])
def test_an_archive_that_is_cut_is_refused_even_where_nobody_reads(seekable: bool) -> None:
    data = tar(entry("a", bytes(700)), entry("b", b"b"))
    for end in range(3 * 512 + 512 + 1):
        with pytest.raises(ValueError, match="cut short"):
            list(read_tar(io.BytesIO(data[:end]), seekable=seekable))


def test_an_archive_may_lack_its_end_where_that_is_allowed_but_nothing_else() -> None:
    data = tar(entry("a", b"abc"), form=tarfile.GNU_FORMAT)
    assert [member.name for member, _ in read(data[:1024], needs_end=False)] == ["a"]
    with pytest.raises(ValueError, match="cut short"):
        read(data[:1024])
    for end in (0, 100, 512, 1000, 1025):
        with pytest.raises(ValueError, match="cut short"):
            read(data[:end], needs_end=False)


def test_what_follows_the_end_is_not_read() -> None:
    stream = Pipe(tar(entry("a")) + b"more" * 10_000)
    assert len(list(read_tar(stream))) == 1
    assert stream.count <= 1200


def test_a_file_with_holes_is_given_with_them_and_skipped_without_making_them() -> None:
    data = bytearray(raw_header(b"S", 512) + b"x" * 512 + bytes(1024))
    size = 8**11 - 1
    data[386:410], data[483:495] = b"00000001000\x0000000001000\0", b"%011o\0" % size
    data[148:156] = b"%06o\0 " % (sum(data[:148]) + 8 * 32 + sum(data[156:512]))
    (member, content), *others = read_tar(Pipe(bytes(data)))
    assert (member.kind, member.size, others) == ("sparse", size, [])
    member, content = next(read_tar(Pipe(bytes(data))))
    assert next(content.pieces()) == bytes(512)


@pytest.mark.parametrize(
    ("data", "because"),
    [
        (raw_header(tarfile.XHDTYPE, LARGEST_EXTENDED_HEADER + 1), "an extended header of its tar is 1048577 bytes"),
        (raw_header(tarfile.GNUTYPE_LONGNAME, 1 << 33), "an extended header"),
        (raw_header(tarfile.XHDTYPE, 0) * 50, "too many extended headers"),
        (raw_header(tarfile.GNUTYPE_LONGNAME, 2) + b"a\0".ljust(512, b"\0") + bytes(1024), "does not come"),
        ((raw_header(tarfile.GNUTYPE_LONGNAME, 2) + b"a\0".ljust(512, b"\0")) * 2 + tar(entry("b")), "in two ways"),
        (tar(entry("a", pax_headers={"mtime": "nan"})), "is no time"),
        (tar(entry("a", pax_headers={"size": "9" * 30})), "is no size"),
        (tar(entry("a", pax_headers={"SCHILY.realsize": "1"})), "sparse"),
        (raw_header(tarfile.REGTYPE, -512) + bytes(1024), "is no number"),
        (b"x" * 10240, "no tar archive"),
    ],
)
def test_what_is_damaged_or_endless_is_refused(data: bytes, because: str) -> None:
    with pytest.raises(ValueError, match=because):
        read(data)


def test_too_many_members_are_refused() -> None:
    data = tar(*(entry(f"{number}") for number in range(5)))
    assert len(read(data, most_members=5)) == 5
    with pytest.raises(ValueError, match="more than 4 members"):
        read(data, most_members=4)


def test_a_plain_path_is_relative_and_stays_within() -> None:
    assert [plain_path(raw) for raw in ("a/b", "./a//b/", "./", "")] == ["a/b", "a/b", "", ""]
    for raw in ("/a", "..", "a/../b", "a\0b", "x" * 4097, "a/" * 201):
        with pytest.raises(ValueError, match=r"would lie outside|characters long"):
            plain_path(raw)


@given(raw=st.text(st.sampled_from("a./\0"), max_size=9))
def test_a_path_is_plain_if_its_parts_are_however_it_is_written(raw: str) -> None:
    parts = raw.split("/")
    if raw.startswith("/") or ".." in parts or "\0" in raw:
        with pytest.raises(ValueError, match="would lie outside"):
            plain_path(raw)
    else:
        assert plain_path(raw) == "/".join(part for part in parts if part not in ("", "."))


@given(block=st.binary(min_size=512, max_size=512))
def test_the_checksum_of_a_header_is_the_sum_of_its_bytes(block: bytes) -> None:
    total = sum(block[:148]) + 8 * 32 + sum(block[156:])
    check_header(block[:148] + b"%06o\0 " % total + block[156:])
    with pytest.raises(ValueError, match="the checksum of a header is wrong"):
        check_header(block[:148] + b"%06o\0 " % (total + 1) + block[156:])


def test_a_header_of_the_greatest_bytes_has_their_sum() -> None:
    check_header(b"\xff" * 148 + b"%06o\0 " % (504 * 255 + 8 * 32) + b"\xff" * 356)


def test_the_modules_need_the_standard_library_alone_and_the_syntax_of_python_3_9() -> None:
    for path in MODULES:
        tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                ours = name.startswith("pixi_mirror.archives.") and f"{name.rpartition('.')[2]}.py" in {
                    each.name for each in MODULES
                }
                assert ours or name.partition(".")[0] in sys.stdlib_module_names


def test_a_bare_python_3_9_reads_a_tar(tmp_path: Path) -> None:
    python = shutil.which("python3.9")
    if python is None or subprocess.run([python, "-c", ""], check=False).returncode:
        pytest.skip("no Python 3.9 here")
    package = tmp_path / "pixi_mirror" / "archives"
    package.mkdir(parents=True)
    for path in MODULES:
        shutil.copy(path, package)
    data = tar(entry("n" * 200, b"abc"), entry("l", type=tarfile.SYMTYPE, linkname="n"))
    code = (
        "import sys; from pixi_mirror.archives.tar import read_tar\n"
        "print([(m.name[:1], m.kind, c.read()) for m, c in read_tar(sys.stdin.buffer)])"
    )
    done = subprocess.run([python, "-c", code], input=data, cwd=tmp_path, stdout=subprocess.PIPE, check=True)
    assert done.stdout.decode().strip() == "[('n', 'file', b'abc'), ('l', 'symlink', b'')]"
