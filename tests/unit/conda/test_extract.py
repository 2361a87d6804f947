"""A conda package is extracted as it is, and whatever it holds, nothing is made or leads outside its folder."""

import bz2
import io
import os
import tarfile
import zipfile

import pytest

from pixi_mirror.archives.compression import zstd_library
from pixi_mirror.conda.extract import extract_conda
from pixi_mirror.demo.packages import build_package, zstd_frame

FILE, FOLDER, LINK, HARD = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


def tar(*members, end=b""):
    """A tar of (name, type, data or target, mode)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, kind, content, *mode in members:
            header = tarfile.TarInfo(name)
            header.type, header.mtime = kind, 1_500_000_000
            header.mode = mode[0] if mode else 0o644
            if kind in (LINK, HARD):
                header.linkname = content
            header.size = len(content) if kind == FILE else 0
            archive.addfile(header, io.BytesIO(content) if kind == FILE else None)
    return buffer.getvalue() + end


def conda(pkg, info, *, method=zipfile.ZIP_STORED, names=("pkg-x.tar.zst", "info-x.tar.zst")):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("metadata.json", "{}")
        for name, data in zip(names, (pkg, info), strict=True):
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path):
    """Where packages are extracted; beside it lies what they must not touch."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_bytes(b"mine")
    (tmp_path / "box").mkdir()
    return tmp_path / "box"


def extract(folder, *members, **options):
    extract_conda(io.BytesIO(bz2.compress(tar(*members))), folder, file_name="x-1-0.tar.bz2", **options)


def test_files_have_their_modes_and_times(folder):
    extract(folder, ("bin/run", FILE, b"run", 0o755), ("a/secret", FILE, b"", 0o000), ("s", FILE, b"s", 0o6755))
    modes = {path: os.stat(folder / path).st_mode & 0o7777 for path in ("bin/run", "a/secret", "s")}
    assert modes == {"bin/run": 0o755, "a/secret": 0o400, "s": 0o755}
    assert os.stat(folder / "bin/run").st_mtime == 1_500_000_000


def test_links_within_the_package_are_kept(folder):
    extract(
        folder,
        ("lib/libx.so.1", FILE, b"elf"),
        ("lib/libx.so", LINK, "libx.so.1"),
        ("lib64", LINK, "lib"),
        ("share/later", LINK, "../bin/not-yet"),
        ("lib/same", HARD, "lib/libx.so.1"),
        ("bin/not-yet", FILE, b""),
        ("empty/", FOLDER, ""),
    )
    assert os.readlink(folder / "lib/libx.so") == "libx.so.1"
    assert os.readlink(folder / "lib64") == "lib"
    assert (folder / "share/later").exists()
    assert os.path.samefile(folder / "lib/same", folder / "lib/libx.so.1")
    assert (folder / "empty").is_dir()


def test_a_later_member_replaces_an_earlier_one_of_its_name(folder):
    extract(folder, ("a", FILE, b"one"), ("b", LINK, "a"), ("./a", FILE, b"two"), ("b", FILE, b"three"))
    assert (folder / "a").read_bytes() == b"two"
    assert (folder / "b").read_bytes() == b"three"
    assert not (folder / "b").is_symlink()


OUTSIDE = "../outside"
HOSTILE = {
    "absolute": [("/tmp/pixi-mirror-evil", FILE, b"")],
    "parent": [(f"{OUTSIDE}/new", FILE, b"")],
    "hidden parent": [("a/../../outside/new", FILE, b"")],
    "own folder": [(".", FILE, b"")],
    "link out": [("a", LINK, OUTSIDE)],
    "absolute link": [("a", LINK, "/etc/passwd")],
    "empty link": [("a", LINK, "")],
    "through a link": [("a", LINK, "b"), ("b/", FOLDER, ""), ("a/new", FILE, b"")],
    "through a link out": [("a", LINK, OUTSIDE), ("a/new", FILE, b"")],
    "link through links": [("p/q/", FOLDER, ""), ("p/q/r", LINK, "../.."), ("x", LINK, "p/q/r/../outside")],
    "folder over a link": [("a", LINK, OUTSIDE), ("a/", FOLDER, "")],
    "file over a folder": [("a/b", FILE, b""), ("a", FILE, b"")],
    "folder over a file": [("a", FILE, b""), ("a/b", FILE, b"")],
    "hard link out": [("a", HARD, f"{OUTSIDE}/file")],
    "hard link to a link": [("b", LINK, "c"), ("a", HARD, "b")],
    "hard link through a link": [("b", LINK, OUTSIDE), ("a", HARD, "b/file")],
    "hard link to nothing": [("a", HARD, "nothing")],
    "device": [("a", tarfile.CHRTYPE, "")],
    "fifo": [("a", tarfile.FIFOTYPE, "")],
    "deep": [("a/" * 1500 + "b", FILE, b"")],
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_leads_outside_or_is_nothing_for_a_package_is_refused(folder, members):
    with pytest.raises(ValueError):  # noqa: PT011 - each in its own words
        extract(folder, *members)
    assert os.listdir(folder.parent / "outside") == ["file"]
    assert (folder.parent / "outside" / "file").read_bytes() == b"mine"
    assert not os.path.lexists("/tmp/pixi-mirror-evil")


def test_more_than_the_limit_is_refused_before_it_is_written(folder):
    with pytest.raises(ValueError, match="more than 1000 bytes"):
        extract(folder, ("a", FILE, b"x" * 900), ("b", FILE, b"x" * 101), limit=1000)
    assert not (folder / "b").exists()


def test_an_extended_header_is_not_read_at_any_length(folder):
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 1 << 32
    data = bz2.compress(header.tobuf(tarfile.USTAR_FORMAT))
    with pytest.raises(ValueError, match="extended header"):
        extract_conda(io.BytesIO(data), folder, file_name="x-1-0.tar.bz2")


def test_a_chain_of_extended_headers_is_damage(folder):
    header = tarfile.TarInfo("x")
    header.type = tarfile.XHDTYPE
    data = bz2.compress(header.tobuf(tarfile.USTAR_FORMAT) * 5000)
    with pytest.raises(ValueError, match="damaged"):
        extract_conda(io.BytesIO(data), folder, file_name="x-1-0.tar.bz2")


WHOLE = tar(*((f"f{number}", FILE, b"x" * 700) for number in range(5)))


@pytest.mark.parametrize(
    "data",
    [
        bz2.compress(WHOLE)[:-20],
        bz2.compress(WHOLE[:1500]),
        bz2.compress(WHOLE[: 2 * 1536 + 100]),
        bz2.compress(WHOLE[:1536] + b"x" * 512 + WHOLE[2048:]),
    ],
    ids=["cut", "cut in a file", "cut in a header", "damaged header"],
)
def test_a_tar_that_is_cut_or_damaged_is_refused(folder, data):
    with pytest.raises(ValueError, match=r"damaged|cut short"):
        extract_conda(io.BytesIO(data), folder, file_name="x-1-0.tar.bz2")


def both(pkg=None, info=None):
    return [zstd_frame(each if each is not None else tar(("a", FILE, b""))) for each in (pkg, info)]


def test_both_parts_of_a_conda_are_extracted_and_info_has_the_last_word(folder):
    pkg, info = tar(("a", FILE, b"pkg"), ("b", FILE, b"pkg")), tar(("a", FILE, b"info"))
    extract_conda(io.BytesIO(conda(*both(pkg, info))), folder, file_name="x-1-0.conda")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"a": b"info", "b": b"pkg"}


def test_frames_that_are_really_compressed_are_read_one_after_the_other(folder):
    compressed = zstd_library().compress
    content = bytes(range(256)) * 4000
    pkg = tar(("a", FILE, content))
    data = conda(compressed(pkg[:300_001]) + compressed(pkg[300_001:]), compressed(tar(("info/b", FILE, b""))))
    extract_conda(io.BytesIO(data), folder, file_name="x-1-0.conda")
    assert (folder / "a").read_bytes() == content
    assert (folder / "info/b").exists()


@pytest.mark.parametrize(
    "data",
    [
        conda(*both(), names=("pkg-x.tar.zst", "other-x.tar.zst")),
        conda(*both(), names=("pkg-x.tar.zst", "pkg-y.tar.zst")),
        conda(*both(), method=zipfile.ZIP_DEFLATED),
        conda(b"no zstd", both()[1]),
        conda(zstd_frame(WHOLE)[:1500], both()[1]),
        conda(*both(tar((f"{OUTSIDE}/new", FILE, b"")))),
        conda(*both())[:-30],
    ],
    ids=["no info", "two pkg", "deflated", "no zstd", "cut", "hostile", "cut zip"],
)
def test_a_conda_that_is_none_is_refused(folder, data):
    with pytest.raises(ValueError):  # noqa: PT011 - each in its own words
        extract_conda(io.BytesIO(data), folder, file_name="x-1-0.conda")
    assert os.listdir(folder.parent / "outside") == ["file"]


@pytest.mark.rattler
@pytest.mark.parametrize("extension", ["conda", "tar.bz2"])
def test_rattler_extracts_the_same(folder, tmp_path, extension):
    streaming = pytest.importorskip("rattler.package_streaming")
    files = {"bin/run": b"run", "share/thing/a.txt": b"a\n" * 100_000}
    built = build_package(name="thing", files=files, payload_size=3_000_000, extension=extension)
    (tmp_path / built.file_name).write_bytes(built.data)
    streaming.extract(tmp_path / built.file_name, tmp_path / "theirs")
    extract_conda(io.BytesIO(built.data), folder, file_name=built.file_name)
    assert looked(folder) == looked(tmp_path / "theirs")


def looked(folder):
    found = {}
    for path in folder.rglob("*"):
        status = os.lstat(path)
        if not path.is_dir():
            found[path.relative_to(folder).as_posix()] = (path.read_bytes(), status.st_mode, status.st_mtime)
    return found
