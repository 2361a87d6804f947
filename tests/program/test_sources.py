"""Sources that a lock names: directories need no mirroring, commits of git are mirrored as repositories."""

import hashlib
import html
import json
import os
import shutil
import urllib.parse
import urllib.request

import pytest
from harness import program
from harness.examples import first
from harness.python_index import PythonIndex
from harness.repository import Repository
from harness.serving import served
from harness.world import small_packages

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.packages import build_package
from pixi_mirror.lockfile.writer import PypiLockEntry

LOCK = ("--lock", "workspace/pixi.lock")
PYPROJECT = '[build-system]\nrequires = ["setuptools>=61"]\nbuild-backend = "setuptools.build_meta"\n'
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def lock(world, *entries, indexes=(), version=7):
    conda = world.publish(small_packages()["base"])
    return world.lock(
        "workspace", environments={"default": {"linux-64": [conda, *entries]}}, indexes=indexes, version=version
    )


def directory(world, path, pyproject=PYPROJECT):
    folder = world.directory / "workspace" / path
    folder.mkdir(parents=True, exist_ok=True)
    if pyproject is not None:
        (folder / "pyproject.toml").write_text(pyproject)
    return PypiLockEntry(url=path, name="my-thing")


# Directories


@pytest.mark.parametrize("version", [6, 7])
@pytest.mark.parametrize("path", first(2, ["./", "pkg/deep", ".", "./pkg"]))
def test_a_directory_of_the_workspace_is_from_the_checkout_and_no_refusal(world, path, version):
    lock(world, directory(world, path), version=version)
    told = world.run_json(*LOCK)
    assert told["refused"] == told["outside"] == told["warnings"] == []
    assert told["checkout"] == [
        {"entry": f"my-thing @ {path}", "path": path, "workspace": "workspace", "builds_offline": False}
    ]
    found = world.run_json("status")
    assert found["checkout"] == told["checkout"]
    assert "from your checkout: my-thing" in world.run("status").stdout
    assert world.run("status", "--check").status == 0


def test_a_directory_outside_the_workspace_is_a_warning_on_every_run(world):
    lock(world, directory(world, "../elsewhere"))
    for _ in range(2):
        done = world.run(*LOCK)
        assert done.status == 0
        assert "warning: my-thing @ ../elsewhere is a directory outside the workspace" in done.stderr
    told = world.run_json(*LOCK)
    assert (told["checkout"], told["outside"]) == ([], [{"entry": "my-thing @ ../elsewhere", "path": "../elsewhere"}])
    assert world.run_json("status")["outside"] == told["outside"]


def test_an_absolute_path_never_stands_in_the_inventory(world):
    inside = world.directory / "workspace" / "pkg"
    outside = world.directory / "secret-place" / "other"
    directory(world, "pkg")
    outside.mkdir(parents=True)
    lock(world, PypiLockEntry(url=str(inside), name="inner"), PypiLockEntry(url=outside.as_uri(), name="outer"))
    told = world.run_json(*LOCK)
    assert [each["path"] for each in told["checkout"]] == ["pkg"]
    assert [each["path"] for each in told["outside"]] == ["other"]
    assert str(world.directory) not in (world.mirror / "pixi-mirror.json").read_text()


def test_a_directory_builds_offline_once_its_requirements_are_mirrored(world):
    index = PythonIndex(world)
    entry = directory(world, "pkg", PYPROJECT.replace("setuptools>=61", "tool>=1"))
    tool = index.publish(build_wheel(name="tool", version="2.0"), name="tool", version="2.0")
    old = index.publish(build_wheel(name="tool", version="0.5"), name="tool", version="0.5")
    lock(world, entry, old, indexes=[index.url])
    assert [each["builds_offline"] for each in world.run_json(*LOCK)["checkout"]] == [False]
    lock(world, entry, tool, indexes=[index.url])
    assert [each["builds_offline"] for each in world.run_json(*LOCK)["checkout"]] == [True]


def test_a_pack_says_what_it_lacks_and_is_made_all_the_same(world):
    lock(world, directory(world, "pkg"))
    done = world.run("pack", "workspace", "-p", "linux-64", "-o", "out.tar", "--json")
    assert done.status == 0
    assert [each["path"] for each in done.json["checkout"]] == ["pkg"]
    assert "the pack lacks my-thing @ pkg" in done.stderr


def test_many_refusals_of_one_reason_are_one_paragraph(world):
    built = [build_package(name=f"thing{number}", version="1.0") for number in range(21)]
    entries = [world.publish(each).hotfixed(sha256=None, md5=None) for each in built]
    world.lock("workspace", environments={"default": {"linux-64": entries}})
    done = world.run(*LOCK, "--dry-run")
    assert done.status == 4
    assert done.stderr.count("/thing") == 5
    assert "and 16 more" in done.stderr
    assert "would bring nothing" in done.stdout
    told = world.run_json(*LOCK, status=4)
    assert len(told["refused"]) == len(told["error"]["items"]) == 21


# Commits


@pytest.fixture
def upstream(world):
    repository = Repository(world.directory / "git" / "org" / "thing.git")
    repository.commit({"pyproject.toml": "one"})
    return repository


@pytest.fixture
def as_a_user(world):
    """Whoever asks git.example is led to the repositories of this test."""
    config = world.home / "gitconfig"
    config.parent.mkdir(exist_ok=True)
    config.write_text(f'[url "{(world.directory / "git").as_uri()}/"]\n\tinsteadOf = https://git.example/\n')
    return {"GIT_CONFIG_GLOBAL": str(config), "PATH": os.environ["PATH"]}


def commit_entry(commit, *, query="", name="thing"):
    return PypiLockEntry(url=f"git+https://git.example/org/{name}.git{query}#{commit}", name=name)


def objects(world, url, commit, tmp_path, name="clone"):
    """The history of a commit as git itself fetches it from a served mirror, led there by `config --for git`."""
    told = world.run("config", "--for", "git", "--url", url)
    assert told.status == 0
    config = tmp_path / f"{name}.gitconfig"
    config.write_text(told.stdout)
    clone = Repository(tmp_path / name)
    clone.git("fetch", "-q", "https://git.example/org/thing.git", commit, GIT_CONFIG_GLOBAL=str(config))
    return clone.git("log", "--format=%H", "FETCH_HEAD").split()


@needs_git
def test_git_fetches_a_pinned_commit_with_its_history_from_the_served_mirror(world, upstream, as_a_user, tmp_path):
    commit = upstream.commit({"a": "2"})
    history = upstream.git("log", "--format=%H").split()
    newer = upstream.commit({"a": "3"})
    lock(world, commit_entry(commit, query="?branch=main"))
    told = world.run_json(*LOCK, env=as_a_user)
    (row,) = [each for each in told["wanted"] if each["kind"] == "git"]
    assert row["path"] == f"git.example/org/thing.git/objects/pack/pack-{commit}.pack"
    assert (row["name"], row["version"]) == ("thing", commit)
    assert world.run("verify").status == 0
    with served(world.mirror, env=world.environment) as url:
        assert objects(world, url, commit, tmp_path) == history
        with pytest.raises(AssertionError):
            objects(world, url, newer, tmp_path, name="second")


@needs_git
def test_an_unchanged_run_starts_no_git_and_a_new_commit_is_one_pack_more(world, upstream, as_a_user):
    lock(world, commit_entry(first := upstream.commit({"a": "2"})))
    assert world.run(*LOCK, env=as_a_user).status == 0
    assert "nothing to do" in world.run(env={"PATH": ""}).stdout
    lock(world, commit_entry(second := upstream.commit({"a": "3"})))
    told = world.run_json(env=as_a_user)
    assert [path.rpartition("/")[2] for path in told["fetched"]] == [f"pack-{second}.pack"]
    assert [path.rpartition("/")[2] for path in told["surplus"]] == [f"pack-{first}.pack"]
    assert world.run("prune", "--apply", "--grace", "0").status == 0
    packs = (world.mirror / "git.example/org/thing.git/objects/pack").iterdir()
    assert {path.name for path in packs} == {f"pack-{second}.pack", f"pack-{second}.idx"}
    assert world.run("verify").status == 0


@needs_git
def test_submodules_come_along_however_deep(world, upstream, as_a_user, tmp_path):
    inner = Repository(world.directory / "git" / "org" / "inner.git")
    outer = Repository(world.directory / "git" / "org" / "outer.git")
    deep = inner.commit({"i": "1"})
    for parent, child in ((outer, "inner"), (upstream, "outer")):
        parent.commit({"x": "1"})
        parent.git("submodule", "add", "-q", f"../{child}.git", "sub", GIT_ALLOW_PROTOCOL="file")
        parent.git("commit", "-q", "-m", "add")
    lock(world, commit_entry(upstream.git("rev-parse", "HEAD")))
    assert world.run(*LOCK, env=as_a_user).status == 0
    assert (world.mirror / f"git.example/org/inner.git/objects/pack/pack-{deep}.pack").is_file()
    with served(world.mirror, env=world.environment) as url:
        config = tmp_path / "gitconfig"
        config.write_text(world.run("config", "--for", "git", "--url", url).stdout)
        clone = Repository(tmp_path / "clone")
        led = {"GIT_CONFIG_GLOBAL": str(config)}
        clone.git("fetch", "-q", "https://git.example/org/thing.git", upstream.git("rev-parse", "HEAD"), **led)
        clone.git("checkout", "-q", "FETCH_HEAD")
        clone.git("remote", "add", "origin", "https://git.example/org/thing.git")
        clone.git("submodule", "update", "-q", "--init", "--recursive", **led)
    assert (clone.path / "sub" / "sub" / "i").read_text() == "1"


@needs_git
@pytest.mark.broken_mirror("one bit of a pack and one file are damaged on purpose, and repaired")
def test_verify_finds_a_damaged_repository_and_repairs_it(world, upstream, as_a_user):
    commit = upstream.commit({"a": "2"})
    lock(world, commit_entry(commit))
    assert world.run(*LOCK, env=as_a_user).status == 0
    place = world.mirror / "git.example/org/thing.git"
    pack = place / f"objects/pack/pack-{commit}.pack"
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.unlink()
    pack.write_bytes(data)
    (place / "info/refs").write_text("nothing\n")
    told = world.run_json("verify", status=1)
    assert [each["path"] for each in told["changed"]] == [str(pack.relative_to(world.mirror))]
    assert "git.example/org/thing.git/info/refs" in {each["path"] for each in told["indexes"]}
    assert world.run("verify", "--repair", env=as_a_user).status == 0
    assert world.run("verify").status == 0


@needs_git
@pytest.mark.broken_mirror(
    "a pack of another commit stands in place of the pinned one, and the inventory says the same"
)
def test_verify_has_git_check_what_the_hashes_cannot_tell_and_repairs_it(world, upstream, as_a_user):
    commit = upstream.commit({"a": "2"})
    lock(world, commit_entry(commit))
    assert world.run(*LOCK, env=as_a_user).status == 0
    other = Repository(world.directory / "other")
    other.commit({"x": "1"})
    place = world.mirror / "git.example/org/thing.git/objects/pack"
    old = {path.suffix: path for path in place.iterdir()}
    made = other.git("pack-objects", "--all", "made")
    inventory = world.mirror / "pixi-mirror.json"
    text = inventory.read_text()
    for suffix, path in old.items():
        before, after = path.read_bytes(), (other.path / f"made-{made.strip()}{suffix}").read_bytes()
        path.unlink()
        path.write_bytes(after)
        text = text.replace(hashlib.sha256(before).hexdigest(), hashlib.sha256(after).hexdigest())
        text = text.replace(f'"size": {len(before)}', f'"size": {len(after)}')
    inventory.write_text(text)
    told = world.run_json("verify", status=1)
    assert told["changed"] == told["missing"] == []
    (row,) = told["indexes"]
    assert row["path"] == f"git.example/org/thing.git/objects/pack/pack-{commit}.pack"
    assert row["problem"].startswith("git fsck says: ")
    assert commit in row["problem"]
    assert world.run("verify", "--quick").status == 0
    assert world.run("verify", env={"PATH": ""}).status == 0, "without git nobody can tell"
    told = world.run_json("verify", "--repair", env=as_a_user)
    assert row["path"] in told["repaired"]
    assert world.run("verify").status == 0


@needs_git
def test_a_password_of_a_repository_is_nowhere(world, upstream, as_a_user):
    commit = upstream.commit({"a": "2"})
    url = f"git+https://me:hunter2@git.example/org/thing.git#{commit}"
    config = world.home / "gitconfig"
    config.write_text(config.read_text() + "\tinsteadOf = https://me:hunter2@git.example/\n")
    lock(world, PypiLockEntry(url=url, name="thing"))
    done = world.run(*LOCK, "--json", env=as_a_user)
    assert done.status == 0
    assert "hunter2" not in done.stdout + done.stderr
    told = world.run("config", "--for", "git", "--url", "http://mirror.example")
    assert "https://USER@git.example/org/thing.git is not led to the mirror" in told.stderr
    assert "insteadOf = https://git.example/org/thing.git\n" in told.stdout
    kept = [path for path in world.mirror.rglob("*") if path.is_file()]
    assert not [path for path in kept if b"hunter2" in path.read_bytes()]


@needs_git
@pytest.mark.parametrize(
    "place", ["org/thing.git", "My%20Project/_git/thing", "~user/+f/(x)/thing", "caf%C3%A9/a%26b/thing.git", "a//thing"]
)
def test_a_repository_is_named_and_led_to_wherever_it_lies(world, as_a_user, tmp_path, place):
    repository = Repository(world.directory / "git" / urllib.parse.unquote(place))
    commit = repository.commit({"a": "1"})
    address = f"https://git.example/{place}"
    lock(world, PypiLockEntry(url=f"git+{address}#{commit}", name="thing"))
    config = world.home / "gitconfig"
    config.write_text(f'[url "{repository.path.as_uri()}"]\n\tinsteadOf = {address}\n')
    assert world.run(*LOCK, env=as_a_user).status == 0
    (row,) = world.run_json("status")["repositories"]
    assert (row["url"], row["files"]) == (address, 1)
    assert (world.mirror / row["path"] / "HEAD").is_file()
    assert f"git repository {address} in {row['path']}/: 1 commit, " in world.run("status").stdout
    for client in ("pixi", "pip", "uv"):
        told = world.run("config", "--for", client, "--url", "http://mirror.example:81").stderr
        assert "`pixi-mirror config --for git --url http://mirror.example:81 --write`" in told
    with served(world.mirror, env=world.environment) as url:
        config.write_text(world.run("config", "--for", "git", "--url", url).stdout)
        clone = Repository(tmp_path / "clone")
        clone.git("fetch", "-q", address, commit, GIT_CONFIG_GLOBAL=str(config))
        with urllib.request.urlopen(f"{url}/", timeout=30) as response:
            page = response.read().decode()
    assert html.escape(config.read_text().splitlines()[0]) in page
    assert "git repository" in page
    assert html.escape(address) in page


@needs_git
def test_a_repository_is_read_by_the_users_who_may(world, upstream, as_a_user, tmp_path):
    commit = upstream.commit({"a": "2"})
    lock(world, commit_entry(commit))
    assert world.run(*LOCK, env=as_a_user).status == 0
    for user, right in (("ada", "git.example/org/thing.git"), ("eve", "simple")):
        words = ["users", "add", user, "--read", right, "--file", "users"]
        assert program.run(words, env=world.environment, cwd=world.directory, given="a-password\n").status == 0
    home = tmp_path / "client"
    home.mkdir()
    with served(world.mirror, "--users", world.directory / "users", env=world.environment) as url:
        led = home / "gitconfig"
        led.write_text(world.run("config", "--for", "git", "--url", url).stdout)
        clone = Repository(home / "clone")
        env = {"GIT_CONFIG_GLOBAL": str(led), "HOME": str(home), "GIT_TERMINAL_PROMPT": "0"}
        words = ("fetch", "-q", "https://git.example/org/thing.git", commit)
        for user in ("nobody", "eve"):
            (home / ".netrc").write_text(f"machine 127.0.0.1 login {user} password a-password\n")
            with pytest.raises(AssertionError):
                clone.git(*words, **env)
        (home / ".netrc").write_text("machine 127.0.0.1 login ada password a-password\n")
        clone.git(*words, **env)
    assert clone.git("rev-parse", "FETCH_HEAD") == commit


def test_without_git_it_is_said_what_to_do_and_nothing_is_made(world):
    lock(world, commit_entry("a" * 40))
    done = world.run(*LOCK, env={"PATH": str(world.directory)})
    assert done.status == 7
    assert "git is not installed" in done.stderr
    assert not list(world.mirror.glob("git.example"))


@needs_git
def test_the_repository_of_a_conda_source_package_is_mirrored(world, upstream, as_a_user):
    commit = upstream.commit({"recipe": "x"})
    path = lock(world)
    text = path.read_text().replace(
        "packages:\n      linux-64:\n", "packages:\n      linux-64:\n      - conda_source: mine[0a1b2c3d] @ .\n", 1
    )
    assert "conda_source" in text
    source = {"git": "https://git.example/org/thing.git", "rev": commit, "subdir": "x"}
    lines = "".join(f"    {key}: {value}\n" for key, value in source.items())
    path.write_text(f"{text}- conda_source: mine[0a1b2c3d] @ .\n  source:\n{lines}")
    told = world.run_json(*LOCK, env=as_a_user)
    assert [each["version"] for each in told["wanted"] if each["kind"] == "git"] == [commit]
    # The manifest that says how the commit is built is in the checkout.
    assert [(each["entry"], each["path"]) for each in told["checkout"]] == [("mine @ .", ".")]
    assert json.loads((world.mirror / "pixi-mirror.json").read_text())


@needs_git
@pytest.mark.parametrize("user", ["git@", "", "ada@"])
def test_a_repository_over_ssh_is_led_to_however_its_url_is_spelled(world, upstream, as_a_user, user):
    commit = upstream.commit({"a": "2"})
    config = world.home / "gitconfig"
    config.write_text(config.read_text() + f"\tinsteadOf = ssh://{user}git.example/\n")
    lock(world, PypiLockEntry(url=f"git+ssh://{user}git.example/org/thing.git#{commit}", name="thing"))
    assert world.run(*LOCK, env=as_a_user).status == 0
    with served(world.mirror, env=world.environment) as url:
        told = world.run("config", "--for", "git", "--url", url)
        assert ("ssh://USER@git.example/org/thing.git is not led" in told.stderr) == (user == "ada@")
        config.write_text(told.stdout)
        for number, spelled in enumerate(
            ("ssh://git@git.example/", "git@git.example:", "ssh://git.example/", "git.example:")
        ):
            clone = Repository(world.directory / f"clone{number}")
            clone.git("fetch", "-q", f"{spelled}org/thing.git", commit, GIT_CONFIG_GLOBAL=str(config))


@needs_git
def test_two_locks_that_name_a_commit_in_two_ways_do_not_disagree(world, upstream, as_a_user):
    commit = upstream.commit({"a": "2"})
    lock(world, commit_entry(commit, query="?branch=main"))
    assert world.run(*LOCK, env=as_a_user).status == 0
    shutil.copytree(world.directory / "workspace", world.directory / "other")
    lock(world, commit_entry(commit, query="?tag=v1"))
    told = world.run_json(*LOCK, "--lock", "other/pixi.lock", env=as_a_user)
    assert told["warnings"] == []
    references = (world.mirror / "git.example/org/thing.git/info/refs").read_text()
    assert f"{commit}\trefs/heads/main" in references
    assert f"{commit}\trefs/tags/v1" in references


def test_config_for_git_is_written_and_taken_out_again(world):
    lock(world)
    assert world.run(*LOCK).status == 0
    done = world.run("config", "--for", "git")
    assert (done.status, done.stdout) == (0, "")
    assert "no git repository" in done.stderr
