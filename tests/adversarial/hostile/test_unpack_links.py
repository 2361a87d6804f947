"""Whatever links a pack brings, nothing beside the environment is written, moved, linked or read into it.

The content is harmless: a file beside the environment, and links to it.
"""

import json
import shutil
import tempfile
from pathlib import Path

import pytest
from harness.conda_packages import Link, conda_package
from harness.examples import examples
from harness.packs import pack_files, write_folder
from harness.unpacking import tree
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.errors import PixiMirrorError
from pixi_mirror.pack.unpack import UnpackDestination, unpack
from pixi_mirror.progress import NoProgress

SECRET = "beside the environment, and nobody else's"
PYTHON = conda_package("python", {"bin/python3.12": b""}, version="3.12.1")

names = st.sampled_from(
    [
        "a",
        "b",
        "a/b",
        "a/b/c",
        "bin",
        "bin/x",
        "etc",
        "etc/conda",
        "etc/conda/env_vars.d",
        "etc/conda/env_vars.d/v.json",
        "etc/conda/activate.d",
        "conda-meta",
        "conda-meta/history",
        "conda-meta/one-1.0-0.json",
        "conda-meta/state",
        "lib",
        "lib/python3.12",
        "share",
        "__clobbers__",
        "lib/python3.12/site-packages",
        "lib/python3.12/site-packages/w.py",
        "site-packages",
    ]
)
ways = st.sampled_from(
    ["a", "b", ".", "..", "../..", "../../..", "../../beside", "../../../beside/secret", "../../../../beside",
     "../beside/secret", "a/b/../../..", "{beside}", "{beside}/secret", "/etc", "c", "../a"]
)  # fmt: skip
contents = st.one_of(
    st.just(b"content"),
    st.builds(lambda way: Link(target=way), ways),
    st.builds(lambda name: Link(target=name, hard=True), names),
)
archives = st.dictionaries(names, contents, max_size=5)


def unpacked(pack, out):
    destination = UnpackDestination(directory=out, name="env", shell="bash", platform="linux-64")
    return unpack(pack, destination, jobs=2, progress=NoProgress())


def filled(files, beside):
    """The files of a package, with links to the place beside the environment; a second name needs a first one."""
    found = {}
    for path, content in files.items():
        if isinstance(content, Link):
            if content.hard and content.target not in found:
                continue
            found[path] = Link(target=content.target.replace("{beside}", str(beside)), hard=content.hard)
        else:
            found[path] = content
    return found


def built(name, files, beside, *, unlisted, extension):
    made = filled(files, beside)
    hard = [path for path, content in made.items() if isinstance(content, Link) and content.hard]
    rows = [path for path in made if path not in hard]
    listed = [
        {"_path": path, "path_type": "softlink" if isinstance(made[path], Link) else "hardlink"}
        for path in (*rows, *hard)
        if path not in unlisted
    ]
    noarch = "python" if "site-packages" in files else None
    return conda_package(name, made, listed=listed, extension=extension, noarch=noarch)


@settings(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    one=archives,
    other=archives,
    unlisted=st.sets(names, max_size=2),
    extension=st.sampled_from(["conda", "tar.bz2"]),
    before=st.booleans(),
)
def test_nothing_beside_the_environment_changes(one, other, unlisted, extension, before):
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder).resolve()
        beside = room / "beside"
        beside.mkdir()
        (beside / "secret").write_text(SECRET)
        (beside / "v.json").write_text(json.dumps({"SECRET": SECRET}))
        packages = [
            built("one", one, beside, unlisted=unlisted, extension=extension),
            built("two", other, beside, unlisted=unlisted, extension="conda"),
        ]
        wheel = build_wheel(name="w", version="1", files={"w.py": b"", "w-1.data/data/a/b/w": b"w"})
        out = room / "out" / "deep"
        if before:
            unpacked(write_folder(pack_files([PYTHON]), room / "first"), out)
        write_folder(pack_files([PYTHON, *packages], [wheel]), room / "pack")
        untouched = tree(beside), tree(room / "pack")
        standing = tree(out) if out.exists() else {}
        try:
            unpacked(room / "pack", out)
        except PixiMirrorError as error:
            assert error.status in (2, 6, 8), error  # noqa: PT017 - each of them is right
            assert (tree(out) if out.exists() else {}) == standing
        assert (tree(beside), tree(room / "pack")) == untouched
        assert {path.name for path in room.iterdir()} <= {"beside", "first", "out", "pack"}
        assert {path.stat().st_nlink for path in beside.iterdir()} == {1}
        if out.exists():
            assert all(SECRET.encode() not in told[2] for told in tree(out).values() if told[0] == "file")
            env = out / "env"
            links = [path for path in env.rglob("*") if path.is_symlink()]
            assert all(leads_inside(link, env) for link in links)


def leads_inside(link, env):
    try:
        end = link.resolve(strict=False)
    except (OSError, RuntimeError):
        return True  # a circle leads nowhere
    return end == env or env in end.parents


@pytest.mark.parametrize("place", ["etc/conda/env_vars.d", "etc/conda/activate.d", "conda-meta/state", "conda-meta"])
def test_what_its_owner_has_linked_is_not_written_through(tmp_path, place):
    """A link of the owner stays, and nothing is written to where it leads."""
    package = conda_package("one", {"etc/conda/activate.d/one.sh": b"", "etc/conda/env_vars.d/one.json": b"{}"})
    pack = write_folder(pack_files([package]), tmp_path / "pack")
    unpacked(pack, tmp_path / "out")
    env, beside = tmp_path / "out/env", tmp_path / "beside"
    beside.mkdir()
    (beside / "history").write_text("of another")
    if (env / place).is_dir():
        shutil.rmtree(env / place)
    (env / place).symlink_to(beside)
    before = tree(beside)
    try:
        unpacked(pack, tmp_path / "out")
    except PixiMirrorError as error:
        assert error.status in (2, 8)  # noqa: PT017 - either is right
    assert tree(beside) == before
