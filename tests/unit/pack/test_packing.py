"""What packs are called, and what becomes of files that change meanwhile."""

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from pixi_mirror.errors import MachineError, UnmirrorableError, UsageError, WrongBytesError
from pixi_mirror.model.packages import Package
from pixi_mirror.model.values import Url
from pixi_mirror.pack.contents import Part, Style, list_parts
from pixi_mirror.pack.obtain import ReadyFile
from pixi_mirror.pack.outputs import PackTarget, output_names, write_file, write_folder
from pixi_mirror.pack.write import write_parts

LINUX = PackTarget("default", "linux-64", "linux-64")
OTHER = PackTarget("test", "linux-64", "linux-64")
WINDOWS = PackTarget("default", "win-cuda", "win-64")


@pytest.mark.parametrize(
    ("template", "form", "targets", "names"),
    [
        (None, "tar", [LINUX], ["environment.tar"]),
        (None, "folder", [LINUX], ["environment"]),
        (None, "executable", [LINUX], ["environment.sh"]),
        (None, "executable", [WINDOWS], ["environment.ps1"]),
        (None, "tar", [LINUX, OTHER], ["default-linux-64.tar", "test-linux-64.tar"]),
        (None, "executable", [LINUX, WINDOWS], ["default-linux-64.sh", "default-win-cuda.ps1"]),
        ("my.env", "executable", [LINUX], ["my.sh"]),
        ("my.env", "tar", [LINUX], ["my.env"]),
        ("-", "executable", [LINUX], ["-"]),
        ("{environment}/{platform}.tar", "tar", [PackTarget("a/b", "p", "linux-64")], ["a_b/p.tar"]),
    ],
)  # fmt: skip
def test_a_pack_is_called_as_pixi_pack_calls_it_or_so_that_it_is_told_apart(template, form, targets, names):
    assert output_names(template, form, targets) == tuple(names)


@pytest.mark.parametrize("template", ["one.tar", "{platform}.tar", "-"])
def test_two_packs_of_one_name_are_refused(template):
    with pytest.raises(UsageError):
        output_names(template, "tar", [LINUX, OTHER])


def part(path, data, name="channel/noarch/a.conda"):
    path.write_bytes(data)
    return Part(name=name, size=len(data), sha256=hashlib.sha256(data).hexdigest(), source=path)


def poured(parts):
    stream, distrusted = io.BytesIO(), []
    try:
        write_parts(parts, stream.write, distrust=distrusted.append, advance=lambda _: None)
    except WrongBytesError as error:
        return stream.getvalue(), distrusted, error
    return stream.getvalue(), distrusted, None


@pytest.mark.parametrize("change", [b"other", b"longer than before", b"", b"sam"])
def test_a_file_that_changes_before_it_is_packed_is_found_and_distrusted(tmp_path, change):
    good = part(tmp_path / "a", b"same!")
    (tmp_path / "a").write_bytes(change)
    data, distrusted, error = poured([good])
    assert error is not None
    assert distrusted == [tmp_path / "a"]
    assert len(data) % 512 or not data.endswith(bytes(1024)), "no reader takes it for a whole tar"


def test_a_large_file_and_an_empty_one_are_packed_as_they_are(tmp_path):
    parts = [part(tmp_path / "a", os.urandom((2 << 20) + 7)), part(tmp_path / "b", b"", name="z")]
    data, _, error = poured(parts)
    assert error is None
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getnames() == ["channel", "channel/noarch", "channel/noarch/a.conda", "z"]
        assert tar.extractfile("channel/noarch/a.conda").read() == (tmp_path / "a").read_bytes()


def test_a_file_that_cannot_be_written_whole_leaves_nothing(tmp_path):
    def fill(write):
        write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_file(tmp_path / "pack", fill)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_has_left_is_cleared_and_what_a_running_one_writes_is_not(tmp_path):
    left, others = tmp_path / ".pack.0123456789abcdef.partial", tmp_path / ".pack.notours.partial"
    for path in (left, others):
        path.write_bytes(b"")

    def fill(write):
        write_file(tmp_path / "pack", lambda write: write(b"inner"))
        write(b"outer")

    write_file(tmp_path / "pack", fill)
    assert (tmp_path / "pack").read_bytes() == b"outer"
    assert sorted(path.name for path in tmp_path.iterdir()) == [others.name, "pack"]


def folder(target, parts, advance=lambda _: None):
    return write_folder(target, parts, distrust=lambda _: None, advance=advance)


def test_the_folders_that_killed_runs_have_left_are_cleared_and_that_of_a_running_one_is_not(tmp_path):
    out = tmp_path / "out"
    for left in (".pack.0123456789abcdef.partial/new/channel", ".pack.notours.partial"):
        (out / left).mkdir(parents=True)
    metadata = Part(name="pixi-pack.json", size=2, sha256=hashlib.sha256(b"{}").hexdigest(), source=b"{}")
    first = part(tmp_path / "a", b"outer", name="a")

    def meanwhile(_size):
        if not (out / "pack").exists():
            folder(out / "pack", [metadata])

    folder(out / "pack", [first, metadata], meanwhile)
    assert sorted(path.name for path in (out / "pack").iterdir()) == ["a", "pixi-pack.json"]
    assert sorted(path.name for path in out.iterdir()) == [".pack.notours.partial", "pack"]


def test_a_folder_that_a_killed_run_was_about_to_replace_is_put_back_even_if_the_next_fails(tmp_path):
    out = tmp_path / "out"
    (out / ".pack.0123456789abcdef.partial/replaced/channel").mkdir(parents=True)
    changed = part(tmp_path / "a", b"same!")
    (tmp_path / "a").write_bytes(b"other")
    with pytest.raises(WrongBytesError):
        folder(out / "pack", [changed])
    assert [path.relative_to(out).as_posix() for path in sorted(out.rglob("*"))] == ["pack", "pack/channel"]


def test_a_pack_is_not_written_over_a_directory(tmp_path):
    with pytest.raises(MachineError, match="is a directory"):
        write_file(tmp_path, lambda write: write(b""))


def ready(path, sha256):
    record = {"name": "a", "version": "1", "build": "0", "build_number": 0, "subdir": "noarch", "depends": []}
    package = Package(
        path=path, url=Url(f"https://{path}"), sha256=sha256, md5=None, size=3, kind="conda", name="a", version="1",
        build="0", subdir="noarch", record=record,
    )  # fmt: skip
    return ReadyFile(package=package, path=Path("nowhere"), sha256=sha256, size=3)


def test_two_channels_may_bring_one_file_but_not_two_of_one_name():
    one = ready("one/noarch/a-1-0.conda", "1" * 64)
    same = ready("two/noarch/a-1-0.conda", "1" * 64)
    parts = list_parts([one, same], subdir="linux-64", style=Style())
    assert [each.name for each in parts if each.name.endswith(".conda")] == ["channel/noarch/a-1-0.conda"]
    with pytest.raises(UnmirrorableError, match="have one place in a pack"):
        list_parts([one, ready("two/noarch/a-1-0.conda", "2" * 64)], subdir="linux-64", style=Style())


def test_names_are_ordered_by_their_bytes_folder_by_folder():
    carried = {"Z": b"", "channel.txt": b"", "ä": b""}
    parts = list_parts([ready("c/noarch/a-1-0.conda", "1" * 64)], subdir="linux-64", style=Style(), carried=carried)
    assert [each.name for each in parts] == [
        "SHA256SUMS", "Z", "channel/linux-64/repodata.json", "channel/noarch/a-1-0.conda",
        "channel/noarch/repodata.json", "channel.txt", "conda-explicit.txt", "environment.yml", "pixi-pack.json", "ä",
    ]  # fmt: skip
