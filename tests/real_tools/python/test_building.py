"""What building an sdist needs: resolved once by the real uv or pip, pinned, mirrored, and enough without upstream."""

import sys

import pytest
from harness.python_index import PythonIndex
from harness.python_tools import Installation, StaticServer, pinned, uv_program
from harness.upstream import status

from pixi_mirror.demo import distributions
from pixi_mirror.demo.distributions import build_sdist, build_wheel
from pixi_mirror.demo.packages import build_package
from pixi_mirror.lockfile.writer import PypiLockEntry

pytestmark = pytest.mark.python_tools

LOCK = ("--lock", "workspace/pixi.lock")
HERE = f"3.{sys.version_info.minor}"
HELPER = build_wheel(name="tiny-helper", version="1.0")
SOURCE = build_sdist(name="source", version="1.0", build_requires=["Tiny.Backend>=1"], build_backend="tiny_backend")


def backend(version="1.0"):
    """A real PEP 517 backend, which needs another project to be imported."""
    module = f"import tiny_helper\n{distributions._BACKEND}".encode()
    return build_wheel(
        name="tiny-backend", version=version, requires_dist=["tiny-helper"], files={"tiny_backend.py": module}
    )


def python(world, version=HERE, subdir="linux-64"):
    """A package of conda's Python, which says for which version something is built."""
    return world.publish(build_package(name="python", version=f"{version}.5", subdir=subdir))


@pytest.fixture(params=["uv", "pip"])
def user(request, tmp_path):
    """Someone whose pixi-mirror finds uv, and someone whose finds pip alone."""
    if not uv_program().exists():
        pytest.skip("needs uv beside this Python: the extra `python-tools`")
    return Installation.made(tmp_path / "bin", with_uv=request.param == "uv")


@pytest.fixture
def index(world):
    made = PythonIndex(world)
    made.publish(HELPER, name="tiny-helper", version="1.0")
    made.publish(backend(), name="tiny-backend", version="1.0")
    return made


def lock(world, index, *sdists):
    """Lock these sdists beside Python; their entries."""
    entries = [
        index.publish(each, name=each.file_name.split("-")[0], version=each.file_name.split("-")[1][: -len(".tar.gz")])
        for each in sdists
    ]
    world.lock("workspace", environments={"default": {"linux-64": [python(world), *entries]}}, indexes=[index.url])
    return entries


def update(user, world, *args, status=0, **options):
    done = user.run(world, *args, **options)
    assert done.status == status, f"{done.status}\n{done.stdout}\n{done.stderr}"
    return done


def mirrored(world):
    """The file names of all wheels and sdists of the mirror."""
    return {path.name for path in world.mirror.rglob("*") if path.name.endswith((".whl", ".tar.gz"))}


TOOLS = {HELPER.file_name, backend().file_name}


def build(tools, client, world, *, required=SOURCE):
    """Install from the sdist with upstream gone; how it ended."""
    world.upstream.close()
    with StaticServer(world.mirror) as served:
        page, target = f"{served.url}/simple/", tools.directory / "target"
        lines = tools.directory / "requirements.txt"
        lines.write_text(pinned(required), encoding="utf-8")
        if client == "pip":
            return tools.pip("install", "--target", target, "--index-url", page, "--require-hashes", "-r", lines)
        return tools.uv("install", "--target", target, "--default-index", page, "--require-hashes", "-r", lines)


@pytest.mark.parametrize("client", ["pip", "uv"])
def test_an_sdist_builds_offline_with_what_it_asks_for_itself(world, index, tools, user, client):
    lock(world, index, SOURCE)
    update(user, world, *LOCK, "--with-build-requirements")
    assert mirrored(world) == {SOURCE.file_name, *TOOLS}
    assert world.run_json("status")["sdists"] == []
    done = build(tools, client, world)
    assert done.status == 0, done.stderr
    assert (tools.directory / "target/source.py").exists()
    assert not (tools.directory / "target/tiny_backend.py").exists()


def test_what_is_named_is_mirrored_with_what_it_needs(world, index, tools, user):
    lock(world, index, SOURCE)
    update(user, world, *LOCK, "--build-requires", "tiny-backend")
    assert mirrored(world) == {SOURCE.file_name, *TOOLS}
    assert build(tools, "pip", world).status == 0


@pytest.mark.parametrize("client", ["pip", "uv"])
def test_without_them_it_does_not_build_and_status_says_so(world, index, tools, client):
    lock(world, index, SOURCE)
    assert world.run(*LOCK).status == 0
    assert mirrored(world) == {SOURCE.file_name}
    (sdist,) = world.run_json("status")["sdists"]
    assert sdist["path"].endswith(SOURCE.file_name)
    assert sdist["build_requires"] == ["Tiny.Backend>=1"]
    done = build(tools, client, world)
    assert done.status != 0
    assert "tiny-backend" in done.stderr.lower().replace(".", "-")


def test_what_was_resolved_stays_though_there_are_newer_ones(world, index, user):
    lock(world, index, SOURCE)
    update(user, world, *LOCK, "--with-build-requirements")
    started, asked = user.started, len(world.requests)
    assert started == (1 if (user.folder / "uv").exists() else 0)
    index.publish(backend("2.0"), name="tiny-backend", version="2.0")
    (world.mirror / ".pixi-mirror/unchanged.json").unlink()  # so that everything is decided again
    assert "nothing to do" in update(user, world, *LOCK, "--with-build-requirements").stdout
    place = world.directory / "workspace/pixi.lock"
    place.write_bytes(place.read_bytes() + b"\n")  # so that it is read again
    update(user, world)
    assert (user.started, len(world.requests)) == (started, asked)
    assert mirrored(world) == {SOURCE.file_name, *TOOLS}


def test_an_sdist_that_asks_for_more_is_resolved_anew(world, index, user):
    lock(world, index, SOURCE)
    update(user, world, *LOCK, "--with-build-requirements")
    newer = backend("2.0")
    index.publish(newer, name="tiny-backend", version="2.0")
    more = build_wheel(name="more", version="1.0")
    index.publish(more, name="more", version="1.0")
    changed = build_sdist(
        name="source", version="1.1", build_requires=["Tiny.Backend>=1", "more"], build_backend="tiny_backend"
    )
    lock(world, index, changed)
    update(user, world)
    assert {changed.file_name, newer.file_name, more.file_name} <= mirrored(world)
    assert world.run("verify").status == 0


def test_a_lost_file_of_what_building_needs_is_brought_again_as_it_was_pinned(world, index, user):
    lock(world, index, SOURCE)
    update(user, world, *LOCK, "--with-build-requirements")
    (lost,) = world.mirror.rglob(backend().file_name)
    lost.unlink()
    index.publish(backend("2.0"), name="tiny-backend", version="2.0")
    started = user.started
    update(user, world)
    assert user.started == started
    assert mirrored(world) == {SOURCE.file_name, *TOOLS}


def test_what_cannot_be_resolved_is_status_7_and_the_mirror_is_whole_otherwise(world, index, user):
    odd = build_sdist(name="source", version="1.0", build_requires=["no-such-thing>=3"], build_backend="tiny_backend")
    lock(world, index, odd)
    done = update(user, world, *LOCK, "--with-build-requirements", status=7)
    assert "no-such-thing>=3" in done.stderr
    assert ("uv" if user.started else "pip") in done.stderr
    assert mirrored(world) == {odd.file_name}
    assert world.run("verify").status == 0
    (sdist,) = world.run_json("status")["sdists"]
    assert sdist["build_requires"] == ["no-such-thing>=3"]
    index.publish(build_wheel(name="no-such-thing", version="3.0"), name="no-such-thing", version="3.0")
    update(user, world)
    assert world.run_json("status")["sdists"] == []


def test_an_index_that_does_not_answer_is_status_7(world, index, user):
    lock(world, index, SOURCE)
    update(user, world, *LOCK)
    world.upstream.script("/simple/tiny-backend/", status(503))
    done = update(user, world, *LOCK, "--with-build-requirements", status=7, env={"UV_HTTP_RETRIES": "0"})
    assert "Tiny.Backend>=1" in done.stderr
    assert mirrored(world) == {SOURCE.file_name}


@pytest.mark.parametrize(
    "requirement",
    ["--index-url=http://elsewhere.example/simple", "-r /etc/passwd", "tiny-backend --pre", "./evil",
     "evil @ git+https://git.example/evil", "evil @ https://files.example/evil-1.0-py3-none-any.whl",
     "evil@https://files.example/evil-1.0-py3-none-any.whl", "tiny-backend; x == '${HOME}'", "tiny-backend # x"],
)  # fmt: skip
def test_an_sdist_cannot_make_the_resolver_do_something_else(world, index, user, requirement):
    odd = build_sdist(name="source", version="1.0", build_requires=[requirement], build_backend="tiny_backend")
    lock(world, index, odd)
    done = update(user, world, *LOCK, "--with-build-requirements", status=7)
    assert repr(requirement) in done.stderr
    assert user.started == 0


@pytest.mark.parametrize(
    "requirement", ["Tiny.Backend [x,y] >=0.5, <3 ; python_version >= '3.8'", "tiny-backend ==1.*"]
)
def test_every_plain_requirement_is_resolved(world, index, user, requirement):
    lock(world, index, build_sdist(name="source", version="1.0", build_requires=[requirement]))
    update(user, world, *LOCK, "--with-build-requirements")
    assert mirrored(world) >= TOOLS


def test_nobody_but_the_indexes_of_the_lock_is_asked(world, index, user, tmp_path):
    other = PythonIndex(world, path="other/simple")
    other.publish(backend("9.0"), name="tiny-backend", version="9.0")
    (world.home / ".config/pip").mkdir(parents=True)
    (world.home / ".config/pip/pip.conf").write_text(f"[global]\nextra-index-url = {other.url}\n", encoding="utf-8")
    (world.home / ".config/uv").mkdir(parents=True)
    (world.home / ".config/uv/uv.toml").write_text(f'extra-index-url = ["{other.url}"]\n', encoding="utf-8")
    config = tmp_path / "global.conf"
    config.write_text(f"[global]\nextra-index-url = {other.url}\n", encoding="utf-8")
    names = (
        "UV_INDEX",
        "UV_DEFAULT_INDEX",
        "UV_INDEX_URL",
        "UV_EXTRA_INDEX_URL",
        "PIP_INDEX_URL",
        "PIP_EXTRA_INDEX_URL",
    )
    env = dict.fromkeys(names, other.url) | {"PIP_CONFIG_FILE": str(config)}
    lock(world, index, SOURCE)
    update(user, world, *LOCK, "--with-build-requirements", env=env)
    assert other.asked == []
    assert mirrored(world) == {SOURCE.file_name, *TOOLS}


def test_what_only_a_later_index_of_the_lock_has_is_found(world, index, user):
    second = PythonIndex(world, path="second/simple", files="second/files")
    more = build_wheel(name="more", version="1.0")
    second.publish(more, name="more", version="1.0")
    entry = index.publish(SOURCE, name="source", version="1.0")
    environments = {"default": {"linux-64": [python(world), entry]}}
    world.lock("workspace", environments=environments, indexes=[index.url, second.url])
    update(user, world, *LOCK, "--build-requires", "more", "--build-requires", "tiny-backend")
    assert mirrored(world) == {SOURCE.file_name, more.file_name, *TOOLS}
    assert (world.mirror / world.authority_path / "second/simple/more/index.html").exists()
    assert not (world.mirror / world.authority_path / "simple/more").exists()


def test_what_is_forgotten_is_pruned(world, index, user):
    lock(world, index, SOURCE)
    update(user, world, *LOCK, "--with-build-requirements")
    assert world.run("forget", *LOCK).status == 0
    update(user, world, *LOCK)
    assert world.run("prune", "--apply", "--grace", "0", "--force").status == 0
    assert mirrored(world) == {SOURCE.file_name}
    assert not (world.mirror / "simple/tiny-backend").exists()
    assert [sdist["build_requires"] for sdist in world.run_json("status")["sdists"]] == [["Tiny.Backend>=1"]]
    assert world.run("verify").status == 0


def test_what_no_sdist_asks_for_any_more_is_pruned(world, index, user):
    lock(world, index, SOURCE)
    update(user, world, *LOCK, "--with-build-requirements")
    entry = index.publish(build_wheel(name="source", version="1.0"), name="source", version="1.0")
    environments = {"default": {"linux-64": [python(world), entry]}}
    world.lock("workspace", environments=environments, indexes=[index.url])
    update(user, world)
    assert world.run("prune", "--apply", "--grace", "0", "--force").status == 0
    assert mirrored(world) == {"source-1.0-py3-none-any.whl"}


def test_no_python_needs_to_be_on_path(world, index, user, tmp_path):
    lock(world, index, SOURCE)
    nowhere = {"PATH": str(tmp_path / "nowhere"), "UV_PYTHON": "2.7", "UV_PYTHON_PREFERENCE": "only-managed"}
    update(user, world, *LOCK, "--with-build-requirements", env=nowhere)
    assert mirrored(world) == {SOURCE.file_name, *TOOLS}


def test_a_lock_without_an_index_says_that_nobody_can_be_asked(world, index, user):
    entry = index.publish(SOURCE, name="source", version="1.0")
    direct = PypiLockEntry(url="direct+" + entry.url, name="source", version="1.0", sha256=entry.sha256)
    world.lock("workspace", environments={"default": {"linux-64": [python(world), direct]}})
    done = update(user, world, *LOCK, "--with-build-requirements", "--allow-unhashed", status=3)
    assert "names no PyPI index" in done.stderr
    assert "Tiny.Backend>=1" in done.stderr
    assert user.started == 0
    assert mirrored(world) == {SOURCE.file_name}


def test_a_lock_without_python_says_for_what_nothing_can_be_chosen(world, index, user):
    entry = index.publish(SOURCE, name="source", version="1.0")
    conda = world.publish(build_package(name="base", version="1.0"))
    world.lock("workspace", environments={"default": {"linux-64": [conda, entry]}}, indexes=[index.url])
    done = update(user, world, *LOCK, "--build-requires", "tiny-backend", status=3)
    assert "no environment with Python" in done.stderr
    assert user.started == 0


TAGS = [
    f"{python}-{python}-{platform}"
    for python in ("cp311", "cp312")
    for platform in (
        "manylinux_2_17_x86_64.manylinux2014_x86_64", "manylinux_2_17_aarch64.manylinux2014_aarch64",
        "musllinux_1_2_x86_64", "macosx_10_9_x86_64", "macosx_11_0_arm64", "win_amd64", "win32",
    )
]  # fmt: skip


def fast_wheels(index, *tags):
    for tag in tags:
        built = build_wheel(name="fast", version="1.0", tag=tag)
        index.publish(built, name="fast", version="1.0")


def ask_for_fast(world, index, *homes):
    environments = {
        f"e{number}": {subdir: [python(world, version, subdir), index.publish(SOURCE, name="source", version="1.0")]}
        for number, (version, subdir) in enumerate(homes)
    }
    world.lock("workspace", environments=environments, indexes=[index.url], version=7)
    return (*LOCK, "--all-environments", "--build-requires", "fast")


def test_each_python_and_platform_of_the_lock_gets_its_own_wheel(world, index, user):
    fast_wheels(index, *TAGS)
    homes = [("3.11", "linux-64"), ("3.12", "win-64"), ("3.12", "osx-arm64")]
    update(user, world, *ask_for_fast(world, index, *homes))
    assert mirrored(world) - {SOURCE.file_name} == {
        "fast-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "fast-1.0-cp312-cp312-win_amd64.whl",
        "fast-1.0-cp312-cp312-macosx_11_0_arm64.whl",
    }


def test_a_wheel_for_every_platform_is_enough(world, index, user):
    fast_wheels(index, *TAGS, "py3-none-any")
    update(user, world, *ask_for_fast(world, index, ("3.11", "linux-64"), ("3.12", "win-64")))
    # uv tells all wheels of a version; pip only the one that it likes best, which is the platform's own.
    expected = ["py3-none-any"] if user.started else [TAGS[0], "cp312-cp312-win_amd64"]
    assert mirrored(world) - {SOURCE.file_name} == {f"fast-1.0-{tag}.whl" for tag in expected}


def test_a_tool_without_a_wheel_for_the_platform_is_status_7(world, index, user):
    fast_wheels(index, *(tag for tag in TAGS if "win" not in tag))
    done = update(user, world, *ask_for_fast(world, index, ("3.12", "win-64")), status=7)
    assert "fast" in done.stderr
    assert "win-64" in done.stderr
    assert mirrored(world) == {SOURCE.file_name}


def test_a_platform_that_the_resolver_does_not_know_gets_no_wheel_of_another(world, index, user):
    fast_wheels(index, "py3-none-manylinux_2_17_x86_64", "py3-none-macosx_10_9_universal2", "py3-none-win_amd64")
    done = update(user, world, *ask_for_fast(world, index, (HERE, "linux-ppc64le")), status=7)
    assert "no wheel of it fits" in done.stderr
    assert mirrored(world) == {SOURCE.file_name}


def test_markers_are_those_of_the_platform_that_is_built_for(world, index, user):
    if not (user.folder / "uv").exists():
        pytest.skip("pip judges markers by the Python that runs it")
    colour = build_wheel(name="colour", version="1.0")
    index.publish(colour, name="colour", version="1.0")
    needy = build_wheel(name="fast", version="1.0", requires_dist=["colour; sys_platform == 'win32'"])
    index.publish(needy, name="fast", version="1.0")
    args = ask_for_fast(world, index, ("3.12", "win-64"))
    update(user, world, *args)
    assert mirrored(world) == {SOURCE.file_name, needy.file_name, colour.file_name}
