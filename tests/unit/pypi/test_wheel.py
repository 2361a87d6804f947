"""The metadata of a wheel are read whole and true, or the wheel is refused with a sentence; memory stays small."""

import ensurepip
import io
import re
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest
from harness.examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from pixi_mirror.archives import zip as zip_reader
from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.errors import MachineError
from pixi_mirror.pypi.wheel import LARGEST_METADATA, read_wheel_metadata

NAME = "hello_world-1.0-py3-none-any.whl"
METADATA = "hello_world-1.0.dist-info/METADATA"
WHEEL = build_wheel(name="Hello.World", version="1.0", requires_dist=["other >=1"])


def zipped(members, *, method=zipfile.ZIP_DEFLATED, change=lambda entry: None):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members:
            entry = zipfile.ZipInfo(name)
            entry.compress_type = method
            change(entry)
            archive.writestr(entry, data)
    return buffer.getvalue()


def read(directory: Path, data: bytes, file_name: str = NAME) -> bytes:
    path = directory / "blob"
    path.write_bytes(data)
    return read_wheel_metadata(path, file_name=file_name)


def refused(directory: Path, data: bytes, because: str, file_name: str = NAME) -> None:
    with pytest.raises(ValueError, match=because) as caught:
        read(directory, data, file_name)
    assert str(caught.value).startswith(f"{file_name}: ")


def test_a_built_wheel_gives_its_metadata(tmp_path):
    assert read(tmp_path, WHEEL.data, WHEEL.file_name) == WHEEL.metadata


@pytest.mark.parametrize("path", sorted(Path(ensurepip.__file__).parent.glob("_bundled/*.whl")), ids=lambda p: p.name)
def test_true_wheels_read_as_the_standard_library_reads_them(path):
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        assert read_wheel_metadata(path, file_name=path.name) == archive.read(name)


@pytest.mark.parametrize(
    ("file_name", "folder"),
    [
        ("Hello.World-1.0-py3-none-any.whl", "hello_world-1.0.dist-info"),
        ("hello_world-1.0-1-py3-none-any.whl", "Hello-World-1.0.dist-info"),
        ("hello_world-1.0+a_b-py3-none-any.whl", "hello_world-1.0+a.b.dist-info"),
        ("hello_world-v1-py3-none-any.whl", "hello_world-v1.dist-info"),
        ("hello_world-2024.01-py3-none-any.whl", "hello_world-2024.1.dist-info"),
    ],
)
def test_names_are_compared_normalised_and_versions_are_not(tmp_path, file_name, folder):
    assert read(tmp_path, zipped([(f"{folder}/METADATA", b"yes")]), file_name) == b"yes"


@pytest.mark.parametrize(
    "folder", ["other-1.0.dist-info", "hello_world_more-1.0.dist-info", "x/hello_world-1.0.dist-info"]
)
def test_metadata_of_another_project_are_not_taken(tmp_path, folder):
    refused(tmp_path, zipped([(f"{folder}/METADATA", b"no")]), "there is no hello_world-1.0.dist-info/METADATA")


@pytest.mark.parametrize("name", ["hello.zip", "hello-1.0.whl", "a-b-c-d-e-f-g.whl", "-1.0-py3-none-any.whl"])
def test_what_is_not_named_like_a_wheel_is_refused(tmp_path, name):
    refused(tmp_path, WHEEL.data, "is not the name of a wheel", name)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", [METADATA, "Hello.World-1.0.dist-info/METADATA"])
def test_two_metadata_are_refused(tmp_path, second):
    refused(tmp_path, zipped([(METADATA, b"one"), (second, b"two")]), "more than one METADATA")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_whose_memory_cannot_be_bounded_are_refused(tmp_path, method):
    refused(tmp_path, zipped([(METADATA, b"x" * 100)], method=method), "compressed by method")


def test_a_symbolic_link_is_refused(tmp_path):
    def link(entry):
        entry.create_system = 3
        entry.external_attr = 0o120777 << 16

    refused(tmp_path, zipped([(METADATA, b"/etc/passwd")], change=link), "symbolic link")


def patched(data: bytes, where: bytes, offset: int, form: str, value: int) -> bytes:
    changed = bytearray(data)
    struct.pack_into(form, changed, data.rindex(where) + offset, value)
    return bytes(changed)


PLAIN = zipped([(METADATA, b"Metadata-Version: 2.1\n" * 50)])
ENTRY, LOCAL, END = b"PK\1\2", b"PK\3\4", b"PK\5\6"


@pytest.mark.parametrize(
    ("field", "value", "because"),
    [
        ((ENTRY, 8, "<H"), 1, "encrypted"),
        ((ENTRY, 10, "<H"), 99, "method 99"),
        ((ENTRY, 16, "<L"), 7, "described in one way"),
        ((ENTRY, 24, "<L"), 22, "described in one way"),
        ((ENTRY, 24, "<L"), LARGEST_METADATA + 1, "are not read"),
        ((ENTRY, 42, "<L"), 1, "reaches into|described in one way"),
        ((ENTRY, 42, "<L"), 1 << 30, "reaches into"),
        ((LOCAL, 26, "<H"), 3, "described in one way"),
        ((END, 10, "<H"), 3, "several parts"),
        ((END, 12, "<L"), 3, "not where its end record says"),
        ((END, 12, "<L"), zip_reader.LARGEST_DIRECTORY + 1, "announces"),
        ((END, 20, "<H"), 3, "belong to nothing"),
    ],
)
def test_what_a_header_lies_about_is_refused(tmp_path, field, value, because):
    refused(tmp_path, patched(PLAIN, *field, value), because)


@pytest.mark.parametrize("size", [22, 5000])
def test_a_length_that_both_headers_lie_about_is_refused_though_the_checksum_fits(tmp_path, size):
    content = b"Metadata-Version: 2.1\n" * 50
    checksum = zlib.crc32(content[:size])
    data = PLAIN
    for where, crc, length in ((ENTRY, 16, 24), (LOCAL, 14, 22)):
        data = patched(patched(data, where, crc, "<L", checksum), where, length, "<L", size)
    refused(tmp_path, data, "not as long as")


def test_bytes_behind_the_compressed_ones_are_refused(tmp_path):
    content = b"Metadata-Version: 2.1\n"
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = zipped([(METADATA, compressor.compress(content) + compressor.flush() + b"more")], method=zipfile.ZIP_STORED)
    for where, method in ((ENTRY, 10), (LOCAL, 8)):
        data = patched(data, where, method, "<H", 8)
        data = patched(data, where, method + 6, "<L", zlib.crc32(content))
        data = patched(data, where, method + 14, "<L", len(content))
    refused(tmp_path, data, "end elsewhere")


def test_entries_that_are_not_announced_are_refused(tmp_path):
    data = patched(patched(PLAIN, END, 8, "<H", 0), END, 10, "<H", 0)
    refused(tmp_path, data, "other bytes than the entries")


def test_a_zero_byte_in_a_name_is_refused(tmp_path):
    refused(tmp_path, zipped([(f"{METADATA}X", b"")]).replace(b"METADATAX", b"METADATA\0"), "zero byte")


def test_members_that_overlap_are_refused(tmp_path):
    data = zipped([("a", b"a"), (METADATA, b"b"), ("c", b"c" * 9)], method=zipfile.ZIP_STORED)
    entry_of_c = data.rindex(ENTRY)
    changed = bytearray(data)
    struct.pack_into("<L", changed, entry_of_c + 42, 0)
    refused(tmp_path, bytes(changed), "overlap")


def test_a_directory_of_too_many_entries_is_refused_before_it_is_read(tmp_path, monkeypatch):
    data = b"PK\6\6" + struct.pack("<Q2H2L4Q", 44, 45, 45, 0, 0, 10**9, 10**9, 0, 0)
    data += b"PK\6\7" + struct.pack("<LQL", 0, 0, 1) + END + struct.pack("<4H2LH", 0, 0, 65535, 65535, 0, 0, 0)
    refused(tmp_path, data, "announces 1000000000 entries")


def test_zip64_is_understood(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, archive.open(METADATA, "w", force_zip64=True) as member:
        member.write(b"wide")
    plain = buffer.getvalue()
    end = plain.rindex(END)
    _, _, here, entries, size, offset, _ = struct.unpack_from("<4H2LH", plain, end + 4)
    wide = plain[:end] + b"PK\6\6" + struct.pack("<Q2H2L4Q", 44, 45, 45, 0, 0, here, entries, size, offset)
    wide += b"PK\6\7" + struct.pack("<LQL", 0, end, 1)
    wide += END + struct.pack("<4H2LH", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0)
    assert read(tmp_path, plain) == read(tmp_path, wide) == b"wide"
    refused(tmp_path, wide[:-22] + END + struct.pack("<4H2LH", 0, 0, 2, 2, size, offset, 0), "contradict")


def test_a_bomb_takes_little_memory(tmp_path):
    layers = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = b"".join(layers.compress(bytes(1 << 20)) for _ in range(200)) + layers.flush()
    data = zipped([(METADATA, bomb)], method=zipfile.ZIP_STORED)
    for where, method, length in ((ENTRY, 10, 24), (LOCAL, 8, 22)):
        data = patched(patched(data, where, method, "<H", 8), where, length, "<L", 1000)
    tracemalloc.start()
    try:
        refused(tmp_path, data, "not as long as")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 4 << 20


def test_what_cannot_be_opened_is_told_with_its_path(tmp_path):
    with pytest.raises(MachineError, match=re.escape(str(tmp_path / "absent"))):
        read_wheel_metadata(tmp_path / "absent", file_name=NAME)


@pytest.mark.parametrize("data", [b"", b"PK", b"no zip", END, bytes(100)])
def test_what_is_no_archive_is_refused(tmp_path, data):
    refused(tmp_path, data, "no zip archive")


SMALL = zipped([("hello.py", b""), (METADATA, b"Metadata-Version: 2.1\nName: hello-world\n"), ("z", b"z" * 40)])
TRUTH = b"Metadata-Version: 2.1\nName: hello-world\n"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("scratch")


def true_or_refused(directory: Path, data: bytes) -> None:
    try:
        found = read(directory, data)
    except ValueError as error:
        assert str(error).startswith(f"{NAME}: ")  # noqa: PT017 - either way is fine
    else:
        assert found == TRUTH


def test_no_truncation_gives_wrong_bytes(scratch):
    for length in range(len(SMALL)):
        with pytest.raises(ValueError, match=NAME):
            read(scratch, SMALL[:length])


@given(position=st.integers(0, len(SMALL) - 1), mask=st.integers(1, 255))
@settings(max_examples=examples(300), deadline=None)
def test_no_flipped_byte_gives_wrong_bytes(scratch, position, mask):
    changed = bytearray(SMALL)
    changed[position] ^= mask
    true_or_refused(scratch, bytes(changed))
