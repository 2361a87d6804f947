"""A script with an archive in it unpacks itself under any shell, and is read back without being run."""

import base64
import io
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from pixi_mirror.archives import self_extracting
from pixi_mirror.archives.plain_tar import read_plain_tar
from pixi_mirror.archives.self_extracting import (
    Unpacker,
    open_embedded_tar,
    write_unix_executable,
    write_windows_executable,
)
from pixi_mirror.archives.tar_writer import TarWriter

PROGRAM = b"""#!/bin/sh
printf '%s\\n' "$@" >"$RECORD"
echo "$0" >"$RECORD.self"
for last; do :; done
cat "$last" >"$RECORD.tar"
exit "${STATUS:-0}"
"""
SCRIPT = b"""
import os, sys
open(os.environ["RECORD"], "w").write("".join(argument + "\\n" for argument in sys.argv[1:]))
open(os.environ["RECORD"] + ".tar", "wb").write(sys.stdin.buffer.read())
sys.exit(int(os.environ.get("STATUS", "0")))
"""
UNPACKERS: dict[str, Unpacker] = {
    "program": Unpacker(content=PROGRAM, kind="program"),
    "python": Unpacker(content=SCRIPT, kind="python"),
}
SHELLS = [["sh"], ["bash"], ["dash"], ["busybox", "sh"], ["ksh"], ["zsh"]]
ARGUMENTS = ["-o", "a b", "-e", "it's", "-s", "fish", "-v", "-q"]

posix = pytest.mark.skipif(os.name != "posix", reason="there is no POSIX shell")


def a_tar(write: Callable[[bytes], object]) -> None:
    writer = TarWriter(write)
    writer.folder("channel")
    writer.file("pixi-pack.json", 16, [b"\n@@END_HEADER@@\n"])
    writer.file("channel/x.conda", 100_000, [bytes(range(250)) * 400])
    writer.finish()


def tar_bytes() -> bytes:
    out = io.BytesIO()
    a_tar(out.write)
    return out.getvalue()


def made(
    kind: Literal["program", "python"] = "program",
    *,
    make: Callable[..., None] = write_unix_executable,
    tar: Callable[[Callable[[bytes], object]], object] = a_tar,
) -> bytes:
    out = io.BytesIO()
    make(out.write, tar=tar, unpacker=UNPACKERS[kind])
    return out.getvalue()


class Place:
    """A folder with an executable in it, the only temporary folder that it knows, and what its unpacker told."""

    def __init__(self, folder: Path) -> None:
        self.script = folder / "my packs" / "env.sh"
        self.temporary = folder / "tmp"
        self.record = folder / "record"
        self.script.parent.mkdir()
        self.temporary.mkdir()
        (folder / "python").mkdir()
        (folder / "python" / "python3").symlink_to(sys.executable)
        path = f"{folder / 'python'}{os.pathsep}/usr/bin{os.pathsep}/bin"
        self.environ = {"PATH": path, "TMPDIR": str(self.temporary), "RECORD": str(self.record)}

    def put(self, data: bytes) -> None:
        self.script.write_bytes(data)
        self.script.chmod(0o755)

    def run(self, *arguments: str, shell: list[str], **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*shell, str(self.script), *arguments],
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            cwd=self.temporary.parent,
            timeout=60,
            check=False,
        )

    @property
    def arguments(self) -> list[str]:
        return self.record.read_text().splitlines()

    @property
    def tar(self) -> bytes:
        return Path(f"{self.record}.tar").read_bytes()

    @property
    def left(self) -> list[str]:
        return [path.name for folder in (self.temporary, self.script.parent) for path in folder.iterdir()]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@posix
@pytest.mark.parametrize(
    ("shell", "kind"),
    [*((shell, "program") for shell in SHELLS), (["sh"], "python"), (["bash"], "python")],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_every_shell_gives_the_unpacker_its_arguments_and_the_tar(
    place: Place, shell: list[str], kind: Literal["program", "python"]
) -> None:
    if not shutil.which(shell[0]):
        pytest.skip(f"there is no {shell[0]}")
    place.put(made(kind))
    done = place.run(*ARGUMENTS, shell=shell, STATUS="11")
    assert (done.returncode, done.stdout, done.stderr) == (11, "", "")
    *arguments, last = place.arguments
    assert arguments == ARGUMENTS
    assert last == "-" if kind == "python" else last.startswith(str(place.temporary))
    assert place.tar == tar_bytes()
    assert place.left == ["env.sh"]


@posix
def test_it_is_started_as_a_program_from_where_nothing_can_be_written(place: Place) -> None:
    place.put(made())
    place.script.parent.chmod(0o555)
    try:
        assert place.run(shell=[]).returncode == 0
    finally:
        place.script.parent.chmod(0o755)
    assert place.tar == tar_bytes()


@posix
@pytest.mark.skipif(not shutil.which("busybox"), reason="there is no busybox")
@pytest.mark.parametrize("kind", ["program", "python"])
def test_busybox_is_all_it_needs(place: Place, tmp_path: Path, kind: Literal["program", "python"]) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "tail", "head", "sed", "base64", "mktemp", "rm", "chmod", "sha256sum", "cat"):
        (programs / name).symlink_to(shutil.which("busybox") or "")
    (programs / "python3").symlink_to(sys.executable)
    place.put(made(kind))
    done = place.run(shell=[str(programs / "sh")], PATH=str(programs))
    assert (done.returncode, done.stderr) == (0, "")
    assert place.tar == tar_bytes()


NEEDED = ("sh", "tail", "head", "sed", "base64", "mktemp", "rm", "chmod", "cat", "sha256sum")


@posix
def test_without_a_python_it_says_what_to_install(place: Place, tmp_path: Path) -> None:
    programs = folder_of(tmp_path, NEEDED, {"python3": 1})
    place.put(made("python"))
    done = place.run(shell=[str(programs / "sh")], PATH=str(programs))
    assert done.returncode == 7
    assert "a Python is needed to unpack this, 3.9 or newer" in done.stderr
    assert place.left == ["env.sh"]


@posix
@pytest.mark.parametrize(
    ("statuses", "chosen"),
    [
        ({"python3": 3, "python3.14": 0, "python3.11": 0}, "python3.14"),
        ({"python3": 3, "python3.14": 0, "zstd": 0}, "python3"),
        ({"python3": 1, "python3.11": 3, "python3.9": 3}, "python3.11"),
    ],
    ids=["one of several reads zstd", "a program reads zstd", "nothing reads zstd"],
)
def test_a_python_is_chosen_that_can_read_the_packages(
    place: Place, tmp_path: Path, statuses: dict[str, int], chosen: str
) -> None:
    programs = folder_of(tmp_path, NEEDED, statuses)
    place.put(made("python"))
    done = place.run(shell=[str(programs / "sh")], PATH=str(programs))
    assert (done.returncode, done.stderr) == (0, "")
    assert Path(place.arguments[0]).name == chosen


def folder_of(tmp_path: Path, names: tuple[str, ...], statuses: dict[str, int]) -> Path:
    """A folder of programs: true ones, and Pythons that say with a status of what kind they are."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in names:
        (programs / name).symlink_to(shutil.which(name) or "")
    for name, status in statuses.items():
        text = f'#!{shutil.which("sh")}\n[ "$2" != -c ] || exit {status}\necho "$0" >"$RECORD"\n'
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return programs


@pytest.mark.skipif(not shutil.which("unshare"), reason="nothing can be mounted")
@pytest.mark.parametrize("option", ["-o", "--output-directory="])
def test_where_no_program_starts_from_the_temporary_folder_another_is_found(place: Place, option: str) -> None:
    target = place.temporary.parent / "target"
    target.mkdir()
    mounted = ["unshare", "-rm", "sh", "-c", f'mount -t tmpfs -o noexec none {place.temporary} && exec sh "$@"', "sh"]
    if subprocess.run([*mounted[:-1], "sh", "-c", ":"], stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("nothing can be mounted")
    place.put(made())
    arguments = [option, f"{target}/new/one"] if option == "-o" else [f"{option}{target}/new/one"]
    done = place.run(*arguments, shell=mounted)
    assert (done.returncode, done.stderr) == (0, "")
    assert place.tar == tar_bytes()
    assert Path(f"{place.record}.self").read_text().startswith(f"{target}/.pixi-mirror")
    assert list(target.iterdir()) == []


@posix
def test_what_was_damaged_is_not_started(place: Place) -> None:
    whole = made()
    end = whole.index(b"@@END_ARCHIVE@@\n")
    changed = bytearray(whole)
    changed[-20] = ord("A") if changed[-20] != ord("A") else ord("B")
    for data in (whole[: end - 100], whole[:-1], whole + b"\n", whole.replace(b"\n", b"\n\n"), bytes(changed)):
        place.put(data)
        done = place.run(shell=["sh"])
        assert done.returncode == 6
        assert "on its way here" in done.stderr
    assert place.left == ["env.sh"]
    assert not place.record.exists()


@posix
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_what_was_cut_within_its_script_neither_begins_nor_ends_well(place: Place, shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell}")
    header = made().partition(b"@@END_HEADER@@")[0]
    ends = [found.end() for found in re.finditer(rb"(?m)^(?:#.*|set.*|\}|esac|fi)\n", header)]
    assert len(ends) > 15
    for end in ends[1:-1]:  # after its first line there is nothing yet that could tell
        place.put(header[:end])
        assert place.run(shell=[shell]).returncode != 0
    assert place.left == ["env.sh"]


@posix
def test_it_cannot_be_read_from_a_pipe_and_says_so() -> None:
    done = subprocess.run(["sh", "-s"], input=made(), capture_output=True, check=False, cwd="/")
    assert done.returncode == 8
    assert b"not from a pipe" in done.stderr


WAITING = """
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
print("ready", flush=True)
sys.stdin.read()
"""


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_when_it_is_interrupted(place: Place, number: signal.Signals) -> None:
    out = io.BytesIO()
    # No shell script: dash loses a signal that comes while it starts a program.
    waits = Unpacker(content=f"#!{sys.executable}\n{WAITING}".encode(), kind="program")
    write_unix_executable(out.write, tar=a_tar, unpacker=waits)
    place.put(out.getvalue())
    with subprocess.Popen(
        [place.script], env=place.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as child:
        assert child.stdout
        assert child.stdout.readline() == b"ready\n"
        assert len(place.left) > 1
        os.killpg(child.pid, number)
        assert child.wait(30) == 128 + number
    assert place.left == ["env.sh"]


@posix
def test_a_help_that_reads_no_archive_makes_no_noise(place: Place) -> None:
    out = io.BytesIO()
    helps = Unpacker(content=b"import sys; print(sys.argv[1:])", kind="python")
    write_unix_executable(out.write, tar=lambda write: write(bytes(4 << 20)), unpacker=helps)
    place.put(out.getvalue())
    done = place.run("-h", shell=["sh"])
    assert (done.returncode, done.stdout, done.stderr) == (0, "['-h', '-']\n", "")


MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in another unit")
def test_a_large_archive_takes_little_memory(place: Place) -> None:
    megabyte = os.urandom(1 << 20)

    def large(write: Callable[[bytes], object]) -> None:
        for _ in range(64):
            write(megabyte)

    place.put(made(tar=large))
    peak_kib = int(place.run(shell=[sys.executable, "-c", MEASURE, "sh"]).stdout)
    assert Path(f"{place.record}.tar").stat().st_size == 64 << 20
    assert peak_kib < 32 << 10


def taken_apart(data: bytes, header: bytes, end: bytes) -> tuple[bytes, bytes, bytes]:
    """Header, archive and unpacker, by the marks alone."""
    before, rest = re.split(rb"(?m)^%s\r?$" % header, data)
    archive, unpacker = re.split(rb"(?m)^%s\r?$" % end, rest)
    return before, base64.b64decode(archive), base64.b64decode(unpacker.removesuffix(b"#>\r\n"))


def test_the_script_for_unix_is_lines_of_ascii_between_the_marks() -> None:
    data = made()
    before, archive, unpacker = taken_apart(data, b"@@END_HEADER@@", b"@@END_ARCHIVE@@")
    assert before.startswith(b"#!/bin/sh\n")
    assert (archive, unpacker) == (tar_bytes(), PROGRAM)
    assert b"\r" not in data
    assert data.isascii()
    assert max(map(len, data[len(before) :].splitlines())) == 76
    assert data == made()


def test_the_script_for_powershell_has_only_lines_of_windows_and_its_archive_in_a_comment() -> None:
    data = made(make=write_windows_executable)
    before, archive, unpacker = taken_apart(data, b"__END_HEADER__", b"__END_ARCHIVE__")
    assert (archive, unpacker) == (tar_bytes(), PROGRAM)
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", data)
    assert data.isascii()
    assert before.endswith(b"<#\r\n")
    assert data.endswith(b"\r\n#>\r\n")
    assert b"#>" not in data[len(before) : -4]
    assert max(map(len, data.splitlines())) == 1 << 14
    assert b"{" + b"kind}" not in data
    assert b"{" + b"sha256}" not in data


def test_what_powershell_cannot_read_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    assert self_extracting.LARGEST_IN_POWERSHELL * 4 / 3 * (1 + 2 / 16384) + 8192 < 2**30 - 33
    monkeypatch.setattr(self_extracting, "LARGEST_IN_POWERSHELL", len(tar_bytes()) + len(PROGRAM))
    made(make=write_windows_executable)
    monkeypatch.setattr(self_extracting, "LARGEST_IN_POWERSHELL", len(tar_bytes()) + len(PROGRAM) - 1)
    with pytest.raises(ValueError, match="make a plain pack"):
        made(make=write_windows_executable)


class Pipe:
    """A stream that cannot go back, and gives few bytes at a time."""

    def __init__(self, data: bytes, most: int) -> None:
        self._file = io.BytesIO(data)
        self._most = most

    def read(self, size: int, /) -> bytes:
        assert 0 < size <= 1 << 20
        return self._file.read(min(size, self._most))


def theirs(newline: bytes, header: bytes, end: bytes) -> bytes:
    """A script with all of its archive in one line, as pixi-pack makes them."""
    lines = [b"#!/usr/bin/env bash", b'grep -anm 1 "' + header + b'" "$0"', header, b""]
    return newline.join([*lines, base64.b64encode(tar_bytes()), end, base64.b64encode(PROGRAM)])


@pytest.mark.parametrize("most", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    "script",
    [
        made(),
        made(make=write_windows_executable),
        theirs(b"\n", b"@@END_HEADER@@", b"@@END_ARCHIVE@@"),
        theirs(b"\r\n", b"__END_HEADER__", b"__END_ARCHIVE__"),
        tar_bytes(),
    ],
    ids=["ours", "ours for Windows", "theirs", "theirs for Windows", "no script"],
)
def test_the_archive_is_read_out_of_every_script(script: bytes, most: int) -> None:
    stream = open_embedded_tar(Pipe(script, most))
    pieces = []
    while piece := stream.read(1000):
        assert len(piece) <= 1000
        pieces.append(piece)
    assert b"".join(pieces) == tar_bytes()
    assert stream.read(1000) == b""
    assert len(list(read_plain_tar(open_embedded_tar(Pipe(script, 1 << 20))))) == 3


@pytest.mark.parametrize("unit", [1, 2, 3, 4], ids="{} bytes over".format)
def test_an_archive_of_any_length_comes_out_as_it_went_in(unit: int) -> None:
    data = b"x" * (57 * 40 + unit)

    def in_pieces(write: Callable[[bytes], object]) -> None:
        for start in range(0, len(data), 50):
            write(data[start : start + 50])

    assert open_embedded_tar(io.BytesIO(made(tar=in_pieces))).read(10_000) == data


def test_a_script_that_was_cut_or_changed_in_its_archive_is_refused() -> None:
    whole = made()
    start, end = whole.index(b"\n@@END_HEADER@@\n") + 16, whole.index(b"@@END_ARCHIVE@@\n")
    cuts = [whole[:cut] for cut in [*range(start, start + 200), *range(end - 200, end + 15)]]
    changes = [whole[: start + 500] + bad + whole[start + 500 :] for bad in (b"A", b"=", b"@", b"\xff", b"====")]
    changes += [whole[:end] + b"QUJD\n" + whole[end:]]  # after the padding, in a piece of its own
    assert whole[end - 2 : end] == b"=\n"
    for data in (*cuts, *changes):
        stream = open_embedded_tar(Pipe(data, 1 << 20 if data in cuts else 4))
        with pytest.raises(ValueError, match=r"in it is (missing|damaged)|was cut short"):
            list(iter(lambda stream=stream: stream.read(1 << 16), b""))
