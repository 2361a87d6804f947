"""A member that is stored in a zip is read as a stream, and its checksum and both its descriptions count."""

import io
import struct
import zipfile

import pytest

from pixi_mirror.archives.zip import StoredContent, read_content, read_members

CONTENT = bytes(range(256)) * 20


def zipped(method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("a", b"before")
        archive.writestr("b", CONTENT)
    return buffer.getvalue()


def stored(data: bytes) -> StoredContent:
    file = io.BytesIO(data)
    return StoredContent(file, list(read_members(file))[1])


def test_the_directory_says_name_size_and_method_of_every_member() -> None:
    file = io.BytesIO(zipped(zipfile.ZIP_DEFLATED))
    found = list(read_members(file))
    assert [(each.name, each.size, each.method) for each in found] == [("a", 6, 8), ("b", len(CONTENT), 8)]
    assert read_content(file, found[1], limit=len(CONTENT)) == CONTENT
    with pytest.raises(ValueError, match="are not read"):
        read_content(file, found[1], limit=len(CONTENT) - 1)


@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
def test_a_stored_member_is_read_in_pieces_and_no_further(size: int) -> None:
    content = stored(zipped())
    assert b"".join(iter(lambda: content.read(size), b"")) == CONTENT
    assert content.read(size) == b""


def test_a_byte_that_was_changed_is_noticed_at_the_end() -> None:
    data = bytearray(zipped())
    data[data.index(CONTENT) + 5] ^= 1
    content = stored(bytes(data))
    assert len(content.read(1000)) == 1000
    with pytest.raises(ValueError, match="CRC-32"):
        content.read(1 << 20)


def test_a_member_that_is_compressed_or_described_in_two_ways_is_refused() -> None:
    with pytest.raises(ValueError, match="stored as it is"):
        stored(zipped(zipfile.ZIP_DEFLATED))
    data = bytearray(zipped())
    local = data.index(b"PK\3\4", 4)
    data[local + 14 : local + 18] = struct.pack("<L", 7)
    with pytest.raises(ValueError, match="described in one way"):
        stored(bytes(data))
