"""The two documents of an sdist are found in every archive format, within limits, and nothing hostile is followed."""

import bz2
import gzip
import io
import lzma
import tarfile
import tracemalloc
import zipfile
import zlib

import pytest
from harness.examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from pixi_mirror.demo.distributions import build_sdist
from pixi_mirror.errors import MachineError
from pixi_mirror.pypi import sdist
from pixi_mirror.pypi.sdist import SdistDocuments, read_sdist_documents

INFO, PROJECT = b"Name: hello\n", b"[build-system]\n"
BOTH = (("hello-1.0/PKG-INFO", INFO), ("hello-1.0/pyproject.toml", PROJECT))
COMPRESSIONS = {"tar.gz": gzip.compress, "tgz": gzip.compress, "tar.bz2": bz2.compress, "tar.xz": lzma.compress}


def tarred(members, *, form=tarfile.PAX_FORMAT, change=lambda entry: None):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, data in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            change(entry)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def zipped(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def read(directory, data, file_name="hello-1.0.tar.gz"):
    path = directory / "blob"
    path.write_bytes(data)
    return read_sdist_documents(path, file_name=file_name)


def refused(directory, data, because, file_name="hello-1.0.tar.gz"):
    with pytest.raises(ValueError, match=because) as caught:
        read(directory, data, file_name)
    assert str(caught.value).startswith(f"{file_name}: ")


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("extension", COMPRESSIONS)
def test_both_documents_are_found_in_every_tar(tmp_path, extension, form):
    data = COMPRESSIONS[extension](tarred([("hello-1.0/a", b"a" * 700), *BOTH], form=form))
    assert read(tmp_path, data, f"hello-1.0.{extension}") == SdistDocuments(pkg_info=INFO, pyproject=PROJECT)


def test_both_documents_are_found_in_a_zip(tmp_path):
    found = read(tmp_path, zipped([("hello-1.0/", b""), *BOTH]), "hello-1.0.zip")
    assert found == SdistDocuments(pkg_info=INFO, pyproject=PROJECT)


@pytest.mark.parametrize("extension", ["tar.gz", "zip"])
def test_a_built_sdist_gives_its_documents(tmp_path, extension):
    built = build_sdist(name="Hello", version="1.0", extension=extension)
    found = read(tmp_path, built.data, built.file_name)
    assert found.pkg_info == built.metadata
    assert b"demo_backend" in found.pyproject


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_belong_to_the_member_after_them_and_no_other(tmp_path, form):
    top = "hello" * 30
    members = [(f"{top}/PKG-INFO", INFO), ("x/y/PKG-INFO", b"no"), (f"{top}/{'long' * 40}", b"")]
    assert read(tmp_path, gzip.compress(tarred(members, form=form))) == SdistDocuments(pkg_info=INFO, pyproject=None)


def test_a_long_link_name_does_not_hide_the_long_name_before_it(tmp_path):
    pieces = []
    for kind, text in ((tarfile.GNUTYPE_LONGNAME, b"hello-1.0/PKG-INFO\0"), (tarfile.GNUTYPE_LONGLINK, b"target\0")):
        entry = tarfile.TarInfo("././@LongLink")
        entry.type, entry.size = kind, len(text)
        pieces += [entry.tobuf(), text.ljust(tarfile.BLOCKSIZE, b"\0")]
    data = gzip.compress(b"".join(pieces) + tarred([("short", INFO)]))
    assert read(tmp_path, data) == SdistDocuments(pkg_info=INFO, pyproject=None)


def test_gzip_of_several_members_is_one_stream_and_rubbish_after_it_is_nothing(tmp_path):
    data = tarred(BOTH)
    pieces = gzip.compress(data[:600]) + gzip.compress(data[600:]) + b"rubbish"
    assert read(tmp_path, pieces) == SdistDocuments(pkg_info=INFO, pyproject=PROJECT)


@pytest.mark.parametrize(
    "name", ["../PKG-INFO", "/PKG-INFO", "./PKG-INFO", "PKG-INFO", "a/b/PKG-INFO", "a/../PKG-INFO", "/a/PKG-INFO"]
)
@pytest.mark.parametrize("extension", ["tar.gz", "zip"])
def test_a_hostile_or_other_place_matches_nothing(tmp_path, name, extension):
    data = zipped([(name, INFO)]) if extension == "zip" else gzip.compress(tarred([(name, INFO)]))
    assert read(tmp_path, data, f"hello-1.0.{extension}") == SdistDocuments(pkg_info=None, pyproject=None)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_links_and_other_things_are_not_followed(tmp_path, kind):
    def link(entry):
        entry.type, entry.linkname = kind, "/etc/passwd"

    data = gzip.compress(tarred([("hello-1.0/PKG-INFO", b"")], change=link))
    assert read(tmp_path, data) == SdistDocuments(pkg_info=None, pyproject=None)


def test_a_link_in_a_zip_is_not_followed(tmp_path):
    link = zipfile.ZipInfo("hello-1.0/PKG-INFO")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    assert read(tmp_path, zipped([(link, b"/etc/passwd")]), "hello-1.0.zip") == SdistDocuments(
        pkg_info=None, pyproject=None
    )


@pytest.mark.parametrize(
    ("kind", "size", "because"), [(tarfile.GNUTYPE_SPARSE, 0, "sparse"), (tarfile.REGTYPE, -512, "is no number")]
)
def test_sparse_files_and_sizes_below_nothing_are_refused(tmp_path, kind, size, because):
    entry = tarfile.TarInfo("hello-1.0/odd")
    entry.type, entry.size = kind, size
    refused(tmp_path, gzip.compress(entry.tobuf(tarfile.GNU_FORMAT) + tarred(BOTH)), because)


@pytest.mark.parametrize("second", ["hello-1.0/PKG-INFO", "other-1.0/pyproject.toml"])
def test_two_answers_are_none(tmp_path, second):
    refused(tmp_path, gzip.compress(tarred([BOTH[0], (second, b"two")])), "more than one")


def test_a_document_that_is_too_long_is_as_good_as_absent(tmp_path):
    members = [("hello-1.0/PKG-INFO", bytes(sdist.LARGEST_DOCUMENT + 1)), BOTH[1]]
    assert read(tmp_path, gzip.compress(tarred(members))) == SdistDocuments(pkg_info=None, pyproject=PROJECT)
    assert read(tmp_path, zipped(members), "hello-1.0.zip") == SdistDocuments(pkg_info=None, pyproject=PROJECT)


def test_a_document_of_the_longest_length_is_found(tmp_path):
    longest = bytes(sdist.LARGEST_DOCUMENT)
    assert read(tmp_path, gzip.compress(tarred([("hello-1.0/PKG-INFO", longest)]))).pkg_info == longest


def test_what_was_found_before_a_limit_is_given_in_little_memory(tmp_path):
    # A header that announces more than is looked at ends the search; what would follow it is never read.
    endless = tarfile.TarInfo("hello-1.0/bomb")
    endless.size = 1 << 40
    zeros = 64 << 20
    found = tarred([BOTH[0], ("hello-1.0/zeros", bytes(zeros))])[: 3 * tarfile.BLOCKSIZE + zeros]
    bomb = gzip.compress(found + endless.tobuf(), 1)
    tracemalloc.start()
    try:
        assert read(tmp_path, bomb) == SdistDocuments(pkg_info=INFO, pyproject=None)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 4 << 20


@pytest.mark.slow
def test_what_follows_too_many_members_is_not_looked_at(tmp_path):
    many = tarfile.TarInfo("hello-1.0/empty").tobuf() * (sdist.MOST_MEMBERS - 1)
    data = gzip.compress(many + tarred(BOTH), 1)
    assert read(tmp_path, data) == SdistDocuments(pkg_info=INFO, pyproject=None)


def test_an_extended_header_of_any_length_takes_little_memory(tmp_path):
    entry = tarfile.TarInfo("pax")
    entry.type, entry.size = tarfile.XHDTYPE, 256 << 20
    refused(tmp_path, gzip.compress(entry.tobuf() + bytes(1 << 20)), "extended header")


def test_an_xz_dictionary_of_any_size_is_refused(tmp_path):
    data = bytearray(lzma.compress(tarred(BOTH)))
    # The dictionary's size stands in the block header, behind which its CRC-32 follows.
    length = (data[12] + 1) * 4
    place = data.index(bytes([0x21, 1]), 12) + 2
    data[place] = 36 + 2  # 2 GiB
    data[12 + length - 4 : 12 + length] = zlib.crc32(data[12 : 12 + length - 4]).to_bytes(4, "little")
    refused(tmp_path, bytes(data), "[Mm]emory", "hello-1.0.tar.xz")


@pytest.mark.parametrize("record", [b"9999 path=x\n", b"x", b"1 \n", b"12 size=-10\n", b"0 path=x\n"])
def test_a_damaged_extended_header_is_refused(tmp_path, record):
    entry = tarfile.TarInfo("pax")
    entry.type, entry.size = tarfile.XHDTYPE, len(record)
    data = entry.tobuf() + record.ljust(512, b"\0") + tarred(BOTH)
    refused(tmp_path, gzip.compress(data), "extended header")


@pytest.mark.parametrize(
    "data",
    [b"", b"no archive", gzip.compress(b""), gzip.compress(b"no tar" * 200)],
    ids=["empty", "text", "compressed nothing", "compressed text"],  # gzip writes down the time
)
def test_what_is_no_archive_is_refused(tmp_path, data):
    refused(tmp_path, data, "not compressed|no tar archive")


def test_another_format_is_refused(tmp_path):
    refused(tmp_path, b"", "no name of an sdist", "hello-1.0.rpm")


def test_what_cannot_be_opened_is_told_with_its_path(tmp_path):
    with pytest.raises(MachineError, match="absent"):
        read_sdist_documents(tmp_path / "absent", file_name="hello-1.0.tar.gz")


SMALL = {f"hello-1.0.{extension}": pack(tarred(BOTH)) for extension, pack in COMPRESSIONS.items()}
SMALL["hello-1.0.zip"] = zipped(BOTH)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("scratch")


@pytest.mark.parametrize("file_name", SMALL)
@given(data=st.data())
@settings(max_examples=examples(100), deadline=None)
def test_damage_is_refused_or_does_no_harm(scratch, file_name, data):
    changed = bytearray(SMALL[file_name])
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = read(scratch, bytes(changed), file_name)
    except ValueError as error:
        assert str(error).startswith(file_name)  # noqa: PT017 - either way is fine
    else:
        # The names in a zip are under no checksum; the documents are.
        assert found.pkg_info in (INFO, None)
        assert found.pyproject in (PROJECT, None)


@pytest.mark.parametrize("file_name", SMALL)
def test_a_truncation_is_refused(scratch, file_name):
    whole = SMALL[file_name]
    for length in range(len(whole)):
        with pytest.raises(ValueError, match=file_name):
            read(scratch, whole[:length], file_name)
