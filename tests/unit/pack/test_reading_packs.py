"""A pack of any age is read from wherever it comes, and one that is not what it promises is refused."""

import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path

import pytest
from harness.packs import pack_files, tar_of, write_folder

from pixi_mirror.archives.self_extracting import Unpacker, write_unix_executable, write_windows_executable
from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.packages import build_package, zstd_frame
from pixi_mirror.errors import MachineError, PixiMirrorError, SeveralErrors, WrongBytesError
from pixi_mirror.lockfile.writer import CondaLockEntry, LockDescription, LockEnvironment, lock_text
from pixi_mirror.pack.locate import locate_files
from pixi_mirror.pack.read import read_pack

TOOL = build_package(name="tool", subdir="linux-64", files={"bin/tool": b"#!/bin/sh\necho tool\n"})
PURE = build_package(name="pure", noarch="python")
OLD = build_package(name="old-thing", version="1!0.5", subdir="linux-64", extension="tar.bz2")
WHEEL = build_wheel(name="Hello.World", version="1.0")
PACKAGES = (TOOL, PURE, OLD)
NAMES = ["old-thing", "pure", "tool"]


@pytest.fixture
def files():
    return pack_files(PACKAGES, [WHEEL])


def opened(pack, folder):
    return read_pack(locate_files(pack, folder, advance=lambda _: None), jobs=2, advance=lambda _: None)


@pytest.fixture
def unpacked(tmp_path):
    """Read what is given: files, the bytes of an archive, a path, or a stream."""

    def reading(pack, *, name="environment.tar"):
        if isinstance(pack, dict):
            pack = tar_of(pack)
        if isinstance(pack, bytes):
            (tmp_path / name).write_bytes(pack)
            pack = tmp_path / name
        folder = tmp_path / f"laid-{len(list(tmp_path.iterdir()))}"
        return opened(pack, folder)

    return reading


def summed(files):
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {path}\n" for path, data in sorted(files.items()))
    return {**files, "SHA256SUMS": sums.encode()}


def script_of(tar, write):
    buffer = io.BytesIO()
    write(buffer.write, tar=lambda put: put(tar), unpacker=Unpacker(content=b"print()", kind="python"))
    return buffer.getvalue()


def single_lines(tar):
    """A self-extracting file as pixi-pack writes it, with one long line."""
    import base64

    return b"#!/bin/bash\nset -e\n@@END_HEADER@@\n" + base64.b64encode(tar) + b"\n@@END_ARCHIVE@@\n" + b"aGk="


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(tar_of, id="tar"),
        pytest.param(lambda files: tar_of(files, dots=True), id="names begin with ./"),
        pytest.param(lambda files: tar_of(files, dialect=tarfile.PAX_FORMAT), id="pax"),
        pytest.param(lambda files: tar_of(files, dialect=tarfile.USTAR_FORMAT), id="ustar"),
        pytest.param(lambda files: zstd_frame(tar_of(files)), id="compressed with zstd, as up to 0.1.1"),
        pytest.param(lambda files: script_of(tar_of(files), write_unix_executable), id="for Unix"),
        pytest.param(lambda files: script_of(tar_of(files), write_windows_executable), id="for Windows"),
        pytest.param(lambda files: single_lines(tar_of(files)), id="for Unix, by pixi-pack"),
        pytest.param(lambda files: io.BytesIO(tar_of(files)), id="standard input"),
    ],
)
def test_a_pack_is_read_whatever_it_is_packed_into(files, unpacked, made):
    pack = unpacked(made(files))
    assert [each.name for each in pack.archives] == NAMES
    assert [each.name for each in pack.wheels] == ["hello-world"]
    assert pack.metadata.platform == "linux-64"
    with pack.archives[2].stored.open() as file:
        assert file.read() == TOOL.data


def test_a_folder_is_read_where_it_is_and_nothing_is_written(files, unpacked, tmp_path):
    folder = write_folder(files, tmp_path / "pack")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    pack = unpacked(folder)
    assert [each.name for each in pack.archives] == NAMES
    assert pack.archives[2].stored.path == folder / "channel/linux-64" / TOOL.file_name
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_pack_of_before_0_2_1_does_not_say_who_made_it(unpacked):
    pack = unpacked(pack_files([TOOL], version=None))
    assert pack.metadata.pixi_pack_version is None


def test_packages_stand_under_either_key(files, unpacked):
    document = json.loads(files["channel/linux-64/repodata.json"])
    document["packages"] = {OLD.file_name: document["packages.conda"].pop(OLD.file_name)}
    files["channel/linux-64/repodata.json"] = json.dumps(document).encode()
    assert [each.name for each in unpacked(files).archives] == NAMES


def test_what_else_lies_in_a_pack_is_passed_over(files, unpacked, tmp_path):
    more = {
        "pixi.toml": b"[workspace]\n",
        "channel/notes.txt": b"x",
        "channel/linux-64/repodata.json.zst": b"x",
        "cache/linux-64/x.conda": b"x",
        "README": b"x",
    }
    pack = unpacked(files | more)
    assert [each.name for each in pack.archives] == NAMES
    assert pack.surplus == ()
    assert [each.name for each in unpacked(write_folder(files | more, tmp_path / "pack")).archives] == NAMES


def test_an_empty_noarch_is_no_fault(unpacked):
    files = pack_files([TOOL])
    files["channel/noarch/repodata.json"] = b'{"info": {"subdir": "noarch"}, "packages": {}, "packages.conda": {}}'
    assert [each.name for each in unpacked(files).archives] == ["tool"]


def test_an_archive_that_no_index_lists_is_told_of(files, unpacked):
    extra = build_package(name="extra", subdir="linux-64")
    pack = unpacked({**files, f"channel/linux-64/{extra.file_name}": extra.data})
    assert pack.surplus == (f"channel/linux-64/{extra.file_name}",)


# What is promised, and is not so.


@pytest.mark.parametrize("kind", ["tar", "folder"])
@pytest.mark.parametrize("keys", [(), ("sha256",), ("sha256", "md5")], ids=["sha256", "md5", "size"])
def test_a_package_that_is_not_what_its_record_says_is_refused(unpacked, tmp_path, keys, kind):
    files = pack_files([TOOL])
    document = json.loads(files["channel/linux-64/repodata.json"])
    for key in keys:
        del document["packages.conda"][TOOL.file_name][key]
    files["channel/linux-64/repodata.json"] = json.dumps(document).encode()
    path = f"channel/linux-64/{TOOL.file_name}"
    files[path] += b"x"
    with pytest.raises(WrongBytesError, match=f"{path}: expected {['sha256', 'md5', 'size'][len(keys)]}"):
        unpacked(files if kind == "tar" else write_folder(files, tmp_path / "pack"))


def test_every_wrong_file_is_named(files, unpacked):
    for package in (TOOL, PURE):
        files[f"channel/{package.record['subdir']}/{package.file_name}"] += b"x"
    with pytest.raises(SeveralErrors) as caught:
        unpacked(files)
    assert caught.value.status == 6
    assert TOOL.file_name in str(caught.value)
    assert PURE.file_name in str(caught.value)


@pytest.mark.parametrize("kind", ["tar", "folder"])
def test_a_package_that_is_missing_is_told(files, unpacked, tmp_path, kind):
    del files[f"channel/linux-64/{TOOL.file_name}"]
    with pytest.raises(WrongBytesError, match=f"channel/linux-64/{TOOL.file_name} is missing, which repodata.json"):
        unpacked(files if kind == "tar" else write_folder(files, tmp_path / "pack"))


@pytest.mark.parametrize("kind", ["tar", "folder"])
@pytest.mark.parametrize(
    "path",
    [
        f"pypi/{WHEEL.file_name}",
        f"channel/noarch/{PURE.file_name}",
        "channel/noarch/repodata.json",
        "environment.yml",
        "pixi-pack.json",
    ],
)
def test_every_file_has_to_be_what_the_list_of_sums_says(files, unpacked, tmp_path, path, kind):
    files = summed(files)
    files[path] += b"\n"
    with pytest.raises(WrongBytesError, match=rf"{path}: expected sha256 .* \(SHA256SUMS\)"):
        unpacked(files if kind == "tar" else write_folder(files, tmp_path / "pack"))


def test_with_the_list_of_sums_everything_is_verified(files, unpacked):
    pack = unpacked(summed(files))
    assert pack.unverified == ()
    assert all(wheel.is_verified for wheel in pack.wheels)


def test_a_wheel_that_the_list_of_sums_does_not_have_is_refused(files, unpacked):
    files = summed(files)
    late = build_wheel(name="late", version="1.0")
    with pytest.raises(WrongBytesError, match="is not in SHA256SUMS"):
        unpacked({**files, f"pypi/{late.file_name}": late.data})


def test_a_file_that_the_list_of_sums_has_must_be_there(files, unpacked):
    files = summed({**files, "pixi.toml": b"[workspace]\n"})
    del files["pixi.toml"]
    with pytest.raises(WrongBytesError, match=r"pixi\.toml is missing, which SHA256SUMS lists"):
        unpacked(files)


def test_what_nobody_vouches_for_is_told(unpacked):
    files = pack_files([TOOL], [WHEEL], hashes=False)
    assert unpacked(files).unverified == (f"channel/linux-64/{TOOL.file_name}", f"pypi/{WHEEL.file_name}")


# Where packages once came from.


def test_the_lock_in_a_pack_tells_where_its_packages_came_from(unpacked):
    url = f"https://user:word@conda.example/t/TOKEN/forge/linux-64/{TOOL.file_name}"
    lock = lock_text(
        LockDescription(
            environments={
                "default": LockEnvironment(
                    channels=["https://conda.example/forge"],
                    packages={"linux-64": [CondaLockEntry(url=url, record=TOOL.record)]},
                )
            }
        )
    )
    pack = unpacked({**pack_files([TOOL, PURE]), "pixi.lock": lock.encode()})
    told = {each.name: (each.url, each.channel) for each in pack.archives}
    assert told["tool"][0] == f"https://conda.example/forge/linux-64/{TOOL.file_name}"
    assert told["tool"][1] == "https://conda.example/forge/"
    assert told["pure"] == (f"file:///noarch/{PURE.file_name}", None)


def test_a_lock_that_cannot_be_read_takes_nothing_away(unpacked):
    pack = unpacked({**pack_files([TOOL]), "pixi.lock": b"version: 99\n"})
    assert pack.archives[0].url == f"file:///linux-64/{TOOL.file_name}"


def test_the_packages_of_a_folder_come_from_that_folder(unpacked, tmp_path):
    folder = write_folder(pack_files([TOOL]), tmp_path / "pack")
    (archive,) = unpacked(folder).archives
    assert archive.url == (folder / "channel/linux-64" / TOOL.file_name).as_uri()


# What is no pack.


def refused(unpacked, pack, match, *, status=8):
    with pytest.raises(PixiMirrorError, match=match) as caught:
        unpacked(pack)
    assert caught.value.status == status
    return caught.value


def test_a_pack_that_is_not_there_is_named(unpacked, tmp_path):
    refused(unpacked, tmp_path / "nowhere.tar", r"nowhere\.tar cannot be read: No such file")


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"\0" * 10240, b"PK\3\4" + b"\0" * 2000, hashlib.shake_256(b"noise").digest(3000)]
)
def test_what_is_no_archive_is_said_to_be_none(unpacked, data):
    refused(unpacked, data, r"environment\.tar (is no pack|cannot be unpacked)")


def test_a_tar_that_is_no_pack_is_said_to_be_none(unpacked):
    refused(unpacked, {"README": b"hello"}, "is no pack: it has no pixi-pack.json")


def test_a_folder_that_is_no_pack_is_said_to_be_none(unpacked, tmp_path):
    refused(unpacked, write_folder({"README": b"hello"}, tmp_path / "pack"), "is no pack: it has no pixi-pack.json")


@pytest.mark.parametrize(
    ("metadata", "match"),
    [
        (b"", "pixi-pack.json is not JSON"),
        (b"[" * 100_000, "pixi-pack.json is not JSON"),
        (b'{"version": "v0", "platform": "linux-64"}', "Unsupported pixi-pack version: v0"),
        (b'{"version": "2", "platform": "linux-64"}', "Unsupported pixi-pack version: 2"),
        (b'{"version": 1, "platform": "linux-64"}', "has the version 1"),
        (b'{"version": "1", "platform": "linux64"}', '"linux64" is not a known platform'),
    ],
)
def test_metadata_of_another_format_are_refused_with_the_words_of_pixi_pack(files, unpacked, metadata, match):
    refused(unpacked, {**files, "pixi-pack.json": metadata}, match)


def test_a_field_that_is_null_is_none(files, unpacked):
    path = "channel/linux-64/repodata.json"
    document = json.loads(files[path])
    document["packages.conda"][TOOL.file_name]["constrains"] = None
    (tool,) = [
        each for each in unpacked({**files, path: json.dumps(document).encode()}).archives if each.name == "tool"
    ]
    assert "constrains" not in tool.record, "py-rattler takes a null for no list"


@pytest.mark.parametrize(
    ("repodata", "match"),
    [
        (b"", "repodata.json is not JSON"),
        (b"[]", "repodata.json is not an object"),
        (b'{"packages": []}', None),
        (b'{"packages": [1]}', "has packages that are no object"),
        (b'{"packages": {"../../evil.conda": {}}}', "evil"),
        (b'{"packages": {"a-1-0.conda": 1}}', "is not an object"),
        (b'{"packages": {"a-1-0.conda": {"name": "b", "version": "1", "build": "0"}}}', "is of another package"),
        (
            b'{"packages": {"a-1-0.conda": {"name": "a", "version": "1", "build": "0", "subdir": "win-64"}}}',
            "is of another subdir",
        ),
        (
            b'{"packages": {"a-1-0.conda": {"name": "a", "version": "1", "build": "0", "depends": "b"}}}',
            "has as its depends 'b'",
        ),
    ],
)
def test_an_index_that_cannot_be_believed_is_refused(unpacked, repodata, match):
    files = {**pack_files([TOOL]), "channel/noarch/repodata.json": repodata}
    if match is None:
        assert unpacked(files).archives
    else:
        refused(unpacked, files, match)


def test_a_folder_of_the_channel_without_an_index_is_refused(files, unpacked):
    del files["channel/noarch/repodata.json"]
    refused(unpacked, files, "has no channel/noarch/repodata.json")


def test_two_packages_of_one_name_are_refused(unpacked):
    twin = build_package(name="tool", version="2.0", noarch="generic")
    refused(unpacked, pack_files([TOOL, twin]), r"it holds tool-1\.0-0\.conda and tool-2\.0-0\.conda")


@pytest.mark.parametrize("name", ["index.html", "hello-1.0.tar.gz", "hello.whl"])
def test_in_the_folder_of_wheels_are_wheels_alone(files, unpacked, name):
    refused(unpacked, {**files, f"pypi/{name}": b"x"}, "is not the name of a wheel")


@pytest.mark.parametrize("compressed", [False, True], ids=["tar", "zstd"])
def test_a_pack_that_was_cut_anywhere_is_refused(unpacked, tmp_path, compressed):
    tar = tar_of(pack_files([build_package(name="s", subdir="linux-64")]))
    # What `tarfile` adds behind the end mark is nothing that could be missed.
    data = tar[: tar.rindex(tar.rstrip(b"\0")[-1:]) // 512 * 512 + 512 + 1024]
    data = zstd_frame(data) if compressed else data
    for number, length in enumerate(sorted({*range(0, len(data), 509), *range(0, len(data), 512), len(data) - 1})):
        path = tmp_path / f"{number}.tar"
        path.write_bytes(data[:length])
        with pytest.raises(MachineError, match="is no pack"):
            read_pack(
                locate_files(path, tmp_path / f"laid-{number}", advance=lambda _: None), jobs=1, advance=lambda _: None
            )
    assert unpacked(data).archives


def test_a_pack_with_a_flipped_bit_is_refused_or_the_same(unpacked, tmp_path):
    files = summed(pack_files([build_package(name="s", subdir="linux-64")], [WHEEL]))
    data = tar_of(files)
    accepted = 0
    for number, position in enumerate(range(0, len(data) - 10_240, 211)):
        damaged = bytearray(data)
        damaged[position] ^= 1 << (number % 8)
        path = tmp_path / f"{number}.tar"
        path.write_bytes(damaged)
        folder = tmp_path / f"laid-{number}"
        try:
            opened(path, folder)
        except PixiMirrorError as error:
            assert error.status in (6, 8)  # noqa: PT017 - either is right
        else:  # in what fills a block up
            accepted += 1
            for each in files:
                assert not (folder / each).exists() or (folder / each).read_bytes() == files[each]
    assert accepted < number / 4


@pytest.mark.parametrize("name", ["../evil", "/evil", "channel/../../evil", "channel/linux-64/../../../evil"])
def test_an_archive_that_names_a_path_outside_is_refused(files, unpacked, tmp_path, name):
    refused(unpacked, {**files, name: b"x"}, "would lie outside")
    assert not (tmp_path / "evil").exists()
    assert not Path("/evil").exists()


def test_an_archive_with_a_link_is_refused(files, unpacked, tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        link = tarfile.TarInfo("channel")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        archive.addfile(link)
    refused(unpacked, buffer.getvalue(), "is a link")


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
@pytest.mark.parametrize("what", ["channel", "channel/linux-64", f"channel/linux-64/{TOOL.file_name}", "pypi"])
def test_a_folder_with_a_link_in_it_is_refused(files, unpacked, tmp_path, what):
    folder = write_folder(files, tmp_path / "pack")
    (folder / what).rename(tmp_path / "elsewhere")
    (folder / what).symlink_to(tmp_path / "elsewhere")
    refused(unpacked, folder, "is a link; in a pack are files and folders alone")


def test_a_channel_with_a_folder_that_is_no_subdir_is_refused(files, unpacked):
    refused(unpacked, {**files, "channel/LINUX/repodata.json": b"{}"}, "is no subdir of conda")
