"""The unpacker that a pack carries makes an environment with a bare Python, or leaves everything as it was."""

import ast
import bz2
import contextlib
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.packages import zstd_frame
from pixi_mirror.environments.activation import activation_script
from pixi_mirror.environments.platform import own_subdir
from pixi_mirror.pack.unpacker.assemble import assembled
from pixi_mirror.pack.unpacker.program import main

if sys.platform == "win32":
    pytest.skip("its environments have other folders", allow_module_level=True)

ZSTD = shutil.which("zstd")
needs_zstd = pytest.mark.skipif(ZSTD is None and sys.version_info < (3, 14), reason="neither zstd nor Python 3.14")
HERE = own_subdir()
PLACEHOLDER = "/build/" + "placehold_" * 20
SITE = "lib/python3.11/site-packages"


@dataclass(frozen=True, kw_only=True)
class Link:
    """A softlink in a package."""

    target: str


def tar(members, *, dialect=tarfile.GNU_FORMAT):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=dialect) as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.mtime = 1_500_000_000
            if isinstance(content, Link):
                entry.type, entry.linkname = tarfile.SYMTYPE, content.target
                archive.addfile(entry)
                continue
            entry.size = len(content)
            entry.mode = 0o755 if "bin/" in name or "python-scripts/" in name else 0o644
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def package(name, files=(), *, ending="conda", commands=(), subdir=None, version="1.0", listed=None, **extra):
    """File name, bytes and record; a content with the placeholder names it, as binary if it holds a NUL."""
    files = dict(files)
    noarch = {"noarch": "python"} if commands else {}
    subdir = subdir or ("noarch" if commands else HERE)
    index = {"name": name, "version": version, "build": "0", "build_number": 0, "depends": [], **extra}
    index |= {"subdir": subdir, **noarch}
    paths = []
    for path, content in files.items():
        entry = {"_path": path, "path_type": "hardlink"}
        if isinstance(content, Link):
            entry["path_type"] = "softlink"
        else:
            entry |= {"sha256": hashlib.sha256(content).hexdigest(), "size_in_bytes": len(content)}
            if PLACEHOLDER.encode() in content:
                mode = "binary" if b"\0" in content else "text"
                entry |= {"prefix_placeholder": PLACEHOLDER, "file_mode": mode}
        paths.append(entry)
    info = {
        "info/index.json": json.dumps(index).encode(),
        "info/paths.json": json.dumps({"paths": listed or paths, "paths_version": 1}).encode(),
    }
    if commands:
        link = {"noarch": {"type": "python", "entry_points": list(commands)}, "package_metadata_version": 1}
        info["info/link.json"] = json.dumps(link).encode()
    stem = f"{name}-{version}-0"
    data = conda(stem, tar(info), tar(files)) if ending == "conda" else bz2.compress(tar(info | files))
    record = {**index, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    return f"{stem}.{ending}", data, record


def conda(stem, info, content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("metadata.json", '{"conda_pkg_format_version": 2}')
        archive.writestr(f"pkg-{stem}.tar.zst", zstd_frame(content))
        archive.writestr(f"info-{stem}.tar.zst", zstd_frame(info))
    return buffer.getvalue()


def pack(packages=(), wheels=(), *, platform=HERE, sums=True, version="1", lock=None, **more):
    """The files of a pack by path."""
    files = {"pixi-pack.json": json.dumps({"version": version, "platform": platform}).encode()}
    for subdir in {record["subdir"] for _, _, record in packages} | {"noarch"}:
        listed = {name: record for name, _, record in packages if record["subdir"] == subdir}
        files |= {f"channel/{subdir}/{name}": data for name, data, record in packages if record["subdir"] == subdir}
        files[f"channel/{subdir}/repodata.json"] = json.dumps({"packages": {}, "packages.conda": listed}).encode()
    files |= {f"pypi/{wheel.file_name}": wheel.data for wheel in wheels}
    if lock:
        files["pixi.lock"] = lock.encode()
    files |= more
    if sums:
        lines = [f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items())]
        files["SHA256SUMS"] = "".join(lines).encode()
    return dict(sorted(files.items()))


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A folder to unpack in: by the rooms of the unpacker, or by the one file as a child that sees nothing else."""

    folder: Path

    @property
    def env(self):
        return self.folder / "out" / "env"

    def run(self, archive, *words, status=0):
        ended, said = self._inside("-o", "out", *words, self._placed(archive))
        assert ended == status, f"ended with {ended}:\n{said}"
        return said

    def run_child(self, archive, *words, status=0, stdin=b"", python=sys.executable):
        (self.folder / "unpacker.py").write_bytes(assembled())
        command = [python, "-I", "-W", "error", "unpacker.py", "-o", "out", *words, self._placed(archive)]
        environment = {"PATH": os.path.dirname(ZSTD or "/nowhere/zstd")}
        done = subprocess.run(
            command, cwd=self.folder, env=environment, input=stdin, capture_output=True, check=False, timeout=100
        )
        said = done.stderr.decode()
        assert done.returncode == status, f"ended with {done.returncode}:\n{said}"
        assert done.stdout == b""
        return said

    def refusal(self, archive, *words, status=6):
        """What it says when it refuses; nothing is left behind."""
        said = self.run(archive, *words, status=status)
        assert not (self.folder / "out").exists()
        assert said.splitlines()[-1].startswith("error: ")
        return said

    def _placed(self, archive):
        if isinstance(archive, dict):
            archive = tar(archive)
        if isinstance(archive, str):
            return archive
        (self.folder / "environment.tar").write_bytes(archive)
        return "environment.tar"

    @staticmethod
    def _inside(*words):
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            try:
                return main(list(words)), said.getvalue()
            except SystemExit as end:
                return end.code, said.getvalue()


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Bench(folder=tmp_path)


def contents(folder):
    """Path -> bytes and whether executable, or where a link leads, of all below a folder."""
    return {
        path.relative_to(folder).as_posix(): os.readlink(path)
        if path.is_symlink()
        else (path.read_bytes(), bool(path.stat().st_mode & 0o100))
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def standard():
    """A Python that does not run, and what there is to do to packages."""
    binary = b"\x7fELF" + f"{PLACEHOLDER}/lib:{PLACEHOLDER}/lib64".encode() + b"\0tail\0" + PLACEHOLDER.encode() + b"\0"
    script = f"#!{PLACEHOLDER}/bin/python -E\nprint('{PLACEHOLDER}')\n".encode()
    return [
        package("python", {"bin/python3.11": b"", f"{SITE}/README": b"x"}, version="3.11.4"),
        package(
            "lib",
            {
                "lib/libx.so.1": binary,
                "lib/libx.so": Link(target="libx.so.1"),
                "bin/perlish": script.replace(b"python -E", b"perl -w"),
                "etc/conda/activate.d/x.sh": b"export SEEN=1\n",
                "etc/conda/env_vars.d/x.json": b'{"LIVE": "1"}',
                "share/x": f"{PLACEHOLDER}/share".encode(),
            },
            ending="tar.bz2",
        ),
        package(
            "pure",
            {f"site-packages/pure/{'deep/' * 30}x.py": b"", "python-scripts/run": script, "share/pure": b"p"},
            commands=["pure = pure.cli:main.go", "other=pure:other"],
            depends=["python >=3.8"],
            license="MIT",
        ),
    ]


def test_it_is_one_file_that_any_python_since_3_9_reads(tmp_path):
    text = assembled().decode()
    tree = ast.parse(text, feature_version=(3, 9))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([each.name for each in node.names] if isinstance(node, ast.Import) else [node.module])
    }
    assert imported <= set(sys.stdlib_module_names) | {"compression"}
    defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert sorted(defined) == sorted(set(defined))
    assert not set(defined) & {name for name in vars(__import__("builtins")) if not name.startswith("_")}


@needs_zstd
def test_an_environment_is_made(bench):
    said = bench.run_child(pack(standard()))
    assert "Finished unpacking to out" in said
    env = bench.env
    assert sorted(os.listdir(bench.folder / "out")) == ["activate.sh", "env"]
    assert (env / "share/x").read_text() == f"{env}/share"
    texts = f"{PLACEHOLDER}/lib:{PLACEHOLDER}/lib64", PLACEHOLDER
    first, second = (text.replace(PLACEHOLDER, str(env)).encode().ljust(len(text), b"\0") for text in texts)
    assert (env / "lib/libx.so").read_bytes() == b"\x7fELF" + first + b"\0tail\0" + second + b"\0"
    assert (env / "bin/run").read_text() == f"#!{env}/bin/python -E\nprint('{env}')\n"
    assert (env / "bin/pure").read_text().startswith(f"#!{env}/bin/python3.11\n")
    assert os.access(env / "bin/other", os.X_OK)
    assert (env / "bin/run").stat().st_mtime == (env / f"{SITE}/README").stat().st_mtime == 1_500_000_000
    assert (env / "conda-meta/history").read_text() == "// not relevant for pixi but for `conda run -p`"
    name, text = activation_script(env, shell="bash", platform=HERE)
    assert (bench.folder / "out" / name).read_bytes() == text
    assert b"export LIVE=1\n. " in text


@needs_zstd
@pytest.mark.parametrize("name", ["env", "with space"])
@pytest.mark.rattler
def test_it_is_the_environment_that_py_rattler_makes(bench, name):
    packages = standard()
    place = bench.folder / "out" / name
    record = install_with_rattler(bench, packages, place)
    theirs = contents(place)
    shutil.rmtree(place)
    bench.run_child(pack(packages), "-e", name)
    ours = contents(place)
    assert ours.keys() == theirs.keys() - {"CACHEDIR.TAG"}
    for path in ours.keys() - {"conda-meta/history"}:
        if not path.startswith("conda-meta/"):
            assert ours[path] == theirs[path], path
            continue
        (mine, his) = (json.loads(each[path][0]) for each in (ours, theirs))
        for known in (mine, his):
            for key in ("url", "channel", "extracted_package_dir", "link", "size"):
                known.pop(key, None)
        for row, theirs_row in zip(mine["paths_data"]["paths"], his["paths_data"]["paths"], strict=True):
            assert row == theirs_row
        assert mine == his
    assert record(place) == ["lib", "pure", "python"]


RATTLER = """\
import asyncio, json, os, sys, traceback
from pathlib import Path
import rattler

async def install(packages, prefix, cache):
    records = []
    for path, sha256 in packages:
        record = rattler.PackageRecord.from_index_json(path + ".json")
        record.sha256 = bytes.fromhex(sha256)
        records.append(rattler.RepoDataRecord(record, os.path.basename(path), "file://" + path, "https://c.example"))
    await rattler.install(records, target_prefix=prefix, cache_dir=Path(cache), show_progress=False)

status = 0
try:
    if sys.argv[1] == "install":
        asyncio.run(install(*json.loads(sys.argv[2])))
    else:
        found = [rattler.PrefixRecord.from_path(path) for path in Path(sys.argv[2]).glob("conda-meta/*.json")]
        print(json.dumps(sorted(each.name.normalized for each in found)))
except BaseException:
    traceback.print_exc()
    status = 1
sys.stdout.flush()
sys.stderr.flush()
os._exit(status)
"""


def install_with_rattler(bench, packages, place):
    """Install with py-rattler, from files; a function that has it read the records of an environment."""

    def run(*words):
        done = subprocess.run([sys.executable, "-c", RATTLER, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    channel = bench.folder / "rattler"
    channel.mkdir()
    rows = []
    for name, data, record in packages:
        (channel / name).write_bytes(data)
        (channel / f"{name}.json").write_text(json.dumps(record))
        rows.append((str(channel / name), record["sha256"]))
    run("install", json.dumps([rows, str(place), str(channel / "cache")]))
    return lambda prefix: json.loads(run("read", str(prefix)))


def simple(**options):
    """A pack of one package that needs no zstd."""
    return pack([package("a", {"share/a": b"a"}, ending="tar.bz2")], **options)


def test_a_pack_is_read_from_a_file_a_folder_and_a_stream_in_every_dialect(bench):
    files = simple()
    for dialect in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT):
        bench.run(tar({f"./{name}": data for name, data in files.items()}, dialect=dialect))
        assert contents(bench.env)["share/a"] == (b"a", False)
        shutil.rmtree(bench.folder / "out")
    bench.run_child("-", stdin=tar(files))
    assert contents(bench.env)["share/a"] == (b"a", False)
    for name, data in files.items():
        (bench.folder / "pack" / name).parent.mkdir(parents=True, exist_ok=True)
        (bench.folder / "pack" / name).write_bytes(data)
    before = contents(bench.folder / "pack")
    bench.run("pack", "-e", "other")
    assert contents(bench.folder / "pack") == before
    assert contents(bench.folder / "out/other")["share/a"] == (b"a", False)


def test_a_second_run_makes_the_same_and_what_was_dropped_is_gone(bench):
    bench.run(pack([package("b", {"share/b": b"b"}, ending="tar.bz2")]))
    bench.run(simple(), "-s", "fish")
    first = contents(bench.env)
    bench.run(simple(), "-s", "fish")
    assert contents(bench.env) == first
    assert sorted(first) == ["conda-meta/a-1.0-0.json", "conda-meta/history", "share/a"]
    assert sorted(os.listdir(bench.folder / "out")) == ["activate.fish", "activate.sh", "env"]


def test_what_is_no_environment_is_left_alone(bench):
    (bench.env / "mine").mkdir(parents=True)
    assert "something else in it" in bench.run(simple(), status=8)
    assert os.listdir(bench.folder / "out") == ["env"]
    assert "no name" in bench.run(simple(), "-e", "../x", status=2)
    assert "invalid choice: 'tcsh'" in bench.run(simple(), "-s", "tcsh", status=2)


def test_what_a_killed_run_has_left_is_cleared_and_what_it_was_about_to_replace_is_put_back(bench):
    import fcntl

    bench.run(simple())
    before, out = contents(bench.env), bench.folder / "out"
    killed, running, another = (out / f".env.{name}.unpacking" for name in ("abcd123_", "zyxw9876", "with.dot"))
    for each in (killed, running, another):
        each.mkdir()
    bench.env.rename(killed / "replaced")
    (out / "activate.sh").unlink()
    descriptor = os.open(running, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        bench.run(b"no pack", status=6)
    finally:
        os.close(descriptor)
    assert contents(bench.env) == before
    assert sorted(os.listdir(out)) == sorted([another.name, running.name, "env"])


def test_where_nothing_can_be_written_another_folder_is_asked_for(bench):
    (bench.folder / "environment.tar").write_bytes(tar(simple()))
    said = bench._inside("-o", "/sys/kernel/new")
    assert said[0] == 8
    assert "/sys/kernel/new" in said[1]
    assert "-o" in said[1]


def test_a_package_that_is_not_what_was_promised_changes_nothing(bench):
    bench.run(simple())
    before = contents(bench.folder / "out")
    for sums in (True, False):
        files = simple(sums=sums)
        path = f"channel/{HERE}/a-1.0-0.tar.bz2"
        files[path] = files[path][:-1] + b"!"
        assert "damaged" in bench.run(files, status=6)
        assert contents(bench.folder / "out") == before


def test_what_is_not_in_the_checksums_or_lacks_is_refused(bench):
    files = simple()
    wheel = build_wheel(name="w", version="1")
    assert "somebody added it" in bench.refusal({**files, f"channel/{HERE}/a-1.0-0.tar.bz2": b"", "pixi.lock": b""})
    del files["channel/noarch/repodata.json"]
    assert "lacks channel/noarch/repodata.json" in bench.refusal(files)
    python = package("python", {"bin/python3.11": b""}, version="3.11.4", ending="tar.bz2")
    other = build_wheel(name="w", version="1", files={"w.py": b"other"})
    files = pack([python], [wheel])
    files[f"pypi/{wheel.file_name}"] = other.data
    assert f"pypi/{wheel.file_name} is damaged" in bench.refusal(files)
    assert "No python record found" in bench.refusal(pack(wheels=[wheel]), status=8)


def test_a_pack_cut_anywhere_is_refused(bench):
    whole = tar(simple())
    end = len(whole.rstrip(b"\0"))
    for size in (0, 100, 512, 1500, end // 2, end + 1, -(-end // 512) * 512):
        assert "cut short" in bench.refusal(whole[:size])
    assert "standard input ends in the middle: it was cut short" in bench.run_child("-", stdin=whole[:end], status=6)


def test_another_format_and_another_platform_are_refused_in_pixi_pack_s_words(bench):
    assert "Unsupported pixi-pack version: 2" in bench.refusal(simple(version="2"), status=8)
    assert "created for a different platform" in bench.refusal(simple(platform="win-arm64"), status=8)
    assert "no pixi-pack.json" in bench.refusal({"x": b""}, status=8)


def hostile_packs():
    escape = {"_path": "../../stolen", "path_type": "hardlink"}
    yield "a name", {**simple(sums=False), "../stolen": b""}
    yield "an absolute name", {**simple(sums=False), "/stolen": b""}
    yield "a link in the pack", {**simple(sums=False), "channel/x": Link(target="/")}
    for kind, files, more in (
        ("a member", {"../../stolen": b""}, {}),
        ("a listed path", {"x": b""}, {"listed": [escape]}),
        ("a link out", {"x": Link(target="../../..")}, {}),
        ("an absolute link", {"x": Link(target="/tmp")}, {}),
        ("a member behind a link", {"x": Link(target=".."), "x/stolen": b""}, {}),
    ):
        yield kind, pack([package("evil", files, ending="tar.bz2", **more)])
    first = package("a", {"share/x": b"", "dir": Link(target="share")}, ending="tar.bz2")
    yield "a folder that is a file", pack([first, package("b", {"share": b""}, ending="tar.bz2")])
    evil = package("evil", {}, ending="tar.bz2")
    chain = {"a/b/c/up": Link(target="../.."), "a/file": b"", "x": Link(target="a/b/c/up/../../../..")}
    first = package("a", chain, ending="tar.bz2")
    yield "a chain of links", pack([first])
    yield "a file behind a chain", pack([first, package("b", {"x/stolen": b""}, ending="tar.bz2")])
    yield "a file name", pack([("../../evil-1.0-0.tar.bz2", evil[1], evil[2])], sums=False)
    yield "a version", pack([(evil[0], evil[1], {**evil[2], "version": "1/../.."})])


@pytest.mark.parametrize(("kind", "files"), [pytest.param(*each, id=each[0]) for each in hostile_packs()])
def test_nothing_hostile_leaves_a_trace(bench, kind, files):
    bench.refusal(files, status=6 if kind in ("an absolute link", "a member behind a link") else 8)
    assert not list(bench.folder.rglob("stolen"))
    assert not (bench.folder.parent / "stolen").exists()


def test_a_path_too_long_for_a_program_is_refused(bench):
    short = b"\x7fELF" + PLACEHOLDER.encode() + b"\0"
    files = pack([package("a", {"bin/a": short}, ending="tar.bz2")])
    assert "Choose a shorter -o" in bench.refusal(files, "-e", "e" * 250, status=8)


@needs_zstd
def test_a_wheel_is_installed_as_its_format_says(bench):
    wheel = build_wheel(
        name="My.Tool",
        version="1.0",
        files={
            "my_tool/__init__.py": b"",
            "my_tool-1.0.data/scripts/run": b"#!python\nprint(1)\n",
            "my_tool-1.0.data/data/share/doc": b"d",
            "my_tool-1.0.data/headers/x.h": b"h",
        },
        entry_points={"console_scripts": {"my-Tool": "my_tool:main"}},
    )
    bench.run(pack(standard(), [wheel]))
    env, info = bench.env, f"{SITE}/my_tool-1.0.dist-info"
    assert (env / "bin/run").read_text() == f"#!{env}/bin/python3.11\nprint(1)\n"
    assert "from my_tool import main" in (env / "bin/my-Tool").read_text()
    assert (env / info / "INSTALLER").read_text() == "pixi-mirror\n"
    assert (env / "share/doc").read_bytes() == b"d"
    assert (env / "include/python3.11/my_tool/x.h").read_bytes() == b"h"
    rows = [line.split(",") for line in (env / info / "RECORD").read_text().splitlines()]
    for path, digest, size in rows:
        file = env / SITE / path
        if digest:
            assert file.stat().st_size == int(size)
    assert {"../../../bin/my-Tool", "../../../bin/run", "../../../share/doc"} < {row[0] for row in rows}


def rezipped(wheel, change):
    """The wheel with other members, its RECORD as it was."""
    members = {}
    with zipfile.ZipFile(io.BytesIO(wheel.data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in (members | change).items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "change", [{"w.py": b"other"}, {"extra.py": b""}, {"../stolen": b""}, {"w-1.dist-info/WHEEL": b""}], ids=str
)
def test_a_wheel_that_contradicts_itself_is_refused(bench, change):
    wheel = build_wheel(name="w", version="1", files={"w.py": b""})
    python = package("python", {"bin/python3.11": b""}, version="3.11.4", ending="tar.bz2")
    files = pack([python], **{f"pypi/{wheel.file_name}": rezipped(wheel, change)})
    assert "error: " in bench.refusal(files, status=8 if "../stolen" in change else 6)


def test_where_a_package_came_from_is_told_without_secrets(bench):
    made = package("a", {"share/a": b"a"}, ending="tar.bz2")
    url = f"https://me:pw@host.example/t/TOKEN/conda-forge/{HERE}/a-1.0-0.tar.bz2"
    lock = f"packages:\n- conda: {url}\n  sha256: {made[2]['sha256']}\n"
    bench.run(pack([made], lock=lock))
    record = json.loads((bench.env / "conda-meta/a-1.0-0.json").read_text())
    assert record["url"] == f"https://host.example/conda-forge/{HERE}/a-1.0-0.tar.bz2"
    assert record["channel"] == "https://host.example/conda-forge"


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="it reads zstd itself")
def test_without_zstd_it_says_what_to_install(bench, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    said = bench.refusal(pack([package("a", {"x": b""})]), status=7)
    assert "Install the program `zstd`" in said


@needs_zstd
def test_damage_within_a_package_is_refused(bench):
    name, data, record = package("a", {"share/a": b"a" * 5000})
    for at in (len(data) // 2, 200):
        bad = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        del_hash = {key: value for key, value in record.items() if key != "sha256"}
        bench.refusal(pack([(name, bad, del_hash)]), status=6)


def test_an_old_package_tells_its_files_in_lines(bench):
    files = {
        "bin/run": f"#!{PLACEHOLDER}/bin/sh\n".encode(),
        "info/files": b"bin/run\n",
        "info/has_prefix": f'{PLACEHOLDER} text "bin/run"\n'.encode(),
        "info/index.json": b"{}",
    }
    data = bz2.compress(tar(files))
    record = {"name": "old", "version": "1", "build": "0", "subdir": HERE, "md5": hashlib.md5(data).hexdigest()}
    bench.run(pack([("old-1-0.tar.bz2", data, record)], sums=False))
    assert (bench.env / "bin/run").read_text() == f"#!{bench.env}/bin/sh\n"
    record["md5"] = "0" * 32
    assert "expected the md5" in bench.run(pack([("old-1-0.tar.bz2", data, record)], sums=False), status=6)


PYTHON = f"""\
#!/bin/sh
PYTHONPATH="${{0%/*}}/../{SITE}" exec '{sys.executable}' "$@"
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a script is no interpreter of scripts elsewhere")
@pytest.mark.parametrize("name", ["env", "it's a $place", "long" * 40])
def test_the_commands_of_an_environment_run(bench, name):
    script = b"import tool\ntool.main()\n"
    wheel = build_wheel(
        name="tool",
        version="1.0",
        files={"tool.py": b"def main():\n    print('hi')\n", "tool-1.0.data/scripts/by-script": b"#!python\n" + script},
        entry_points={"console_scripts": {"by-wheel": "tool:main"}},
    )
    patched = f"#!{PLACEHOLDER}/bin/python3.11 -B\n".encode() + script
    noarch = {"site-packages/p.py": b"import tool", "python-scripts/by-patch": patched}
    noarch = package("p", noarch, commands=["by-conda = p:tool.main"], ending="tar.bz2")
    python = package("python", {"bin/python3.11": PYTHON.encode()}, version="3.11.4", ending="tar.bz2")
    bench.run(pack([python, noarch], [wheel]), "-e", name)
    asked = ". out/activate.sh && by-script && by-wheel && by-conda && by-patch"
    environment = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(["sh", "-c", asked], cwd=bench.folder, env=environment, capture_output=True, check=False)
    assert done.stdout == b"hi\n" * 4, done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_what_is_stopped_leaves_nothing(bench, number):
    (bench.folder / "unpacker.py").write_bytes(assembled())
    (bench.folder / "out").mkdir()
    command = [sys.executable, "-I", "unpacker.py", "-o", "out", "-"]
    child = subprocess.Popen(command, cwd=bench.folder, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    with child:
        child.stdin.write(tar(simple())[:1500])
        child.stdin.flush()
        while not list(bench.folder.glob("out/.env.*.unpacking/pack/1")):
            assert child.poll() is None
        child.send_signal(number)
        child.wait()
    assert child.returncode == 128 + number
    assert os.listdir(bench.folder / "out") == []


@needs_zstd
def test_python_3_9_runs_it(bench):
    python = shutil.which("python3.9")
    where = [python, "-c", "import sys; print(sys.executable)"]
    found = subprocess.run(where, capture_output=True, text=True, check=False) if python else None
    if found is None or found.returncode:
        pytest.skip("no Python 3.9 here")
    bench.run_child(pack(standard()), python=found.stdout.strip())
    assert (bench.env / "bin/pure").exists()
