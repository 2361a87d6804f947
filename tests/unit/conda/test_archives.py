"""The tars of a conda package are opened in their order, each within its limit; only the right compression is read."""

import bz2
import gzip
import io
import zipfile

import pytest

from pixi_mirror.archives.compression import zstd_library
from pixi_mirror.conda.archives import open_info_tar, open_tars

compress = zstd_library().compress


def conda(**parts: bytes) -> io.BytesIO:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in parts.items():
            archive.writestr(f"{name}-x-1-0.tar.zst", data)
    return buffer


def contents(file: io.BytesIO, file_name: str, limit: int = 100) -> list[bytes]:
    return [tar.read(1 << 20) for tar in open_tars(file, file_name=file_name, limit=limit)]


def test_a_conda_has_two_tars_and_the_info_comes_last_wherever_it_stands() -> None:
    file = conda(info=compress(b"info"), pkg=compress(b"pkg"))
    assert contents(file, "x-1-0.conda") == [b"pkg", b"info"]
    assert open_info_tar(file, file_name="x-1-0.conda", limit=100).read(9) == b"info"


def test_a_tar_bz2_has_one() -> None:
    file = io.BytesIO(bz2.compress(b"all"))
    assert contents(file, "x-1-0.tar.bz2") == [b"all"]
    file.seek(0)
    assert open_info_tar(file, file_name="x-1-0.tar.bz2", limit=100).read(9) == b"all"


@pytest.mark.parametrize("file_name", ["x-1-0.conda", "x-1-0.tar.bz2"])
def test_more_than_the_limit_is_refused(file_name: str) -> None:
    long = bytes(101)
    file = conda(pkg=compress(b""), info=compress(long)) if "conda" in file_name else io.BytesIO(bz2.compress(long))
    with pytest.raises(ValueError, match="more than 100 bytes"):
        contents(file, file_name)


def test_another_compression_than_the_format_has_is_refused() -> None:
    with pytest.raises(ValueError, match="not compressed with bzip2"):
        contents(io.BytesIO(gzip.compress(b"all")), "x-1-0.tar.bz2")
    with pytest.raises(ValueError, match="not compressed with zstd"):
        contents(conda(pkg=bz2.compress(b"pkg"), info=compress(b"")), "x-1-0.conda")


@pytest.mark.parametrize("names", [["pkg"], ["info"], []])
def test_a_conda_without_one_of_its_parts_is_none(names: list[str]) -> None:
    with pytest.raises(ValueError, match="a conda package has one"):
        contents(conda(**dict.fromkeys(names, compress(b""))), "x-1-0.conda")
