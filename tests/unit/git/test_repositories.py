"""Commits fetched by the real git, and bare repositories that the real git reads from files alone."""

import hashlib
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from harness.repository import IDENTITY, Repository

from pixi_mirror.errors import FetchError, MachineError, ProgramError
from pixi_mirror.git.index import GitIndex, pack_index
from pixi_mirror.git.program import Git, explain_fetch, index_pack
from pixi_mirror.git.repositories import GitRepositories
from pixi_mirror.git.source import GitSource, git_source
from pixi_mirror.model.indexes import Contents
from pixi_mirror.model.network import Network
from pixi_mirror.model.packages import Listing, Package
from pixi_mirror.model.values import Url, admit_path, admit_sha256
from pixi_mirror.process import Output
from pixi_mirror.progress import NoProgress


class Gathered:
    """A sink in memory."""

    def __init__(self) -> None:
        self.data = b""
        self.offset = 0
        self.validator = None

    def begin(self, offset: int, validator: str | None) -> None:
        assert (offset, validator) == (0, None)
        self.data = b""

    def write(self, chunk: bytes) -> None:
        self.data += chunk


@pytest.fixture
def upstream(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "upstream")


@pytest.fixture
def git() -> Git:
    return Git({**os.environ, **IDENTITY})


@pytest.fixture
def repositories(tmp_path: Path, git: Git) -> GitRepositories:
    return GitRepositories(tmp_path / "cache", git, Network(), NoProgress())


def of(upstream: Repository, commit: str) -> GitSource:
    return git_source(upstream.path.as_uri(), commit)


def pack_of(repositories: GitRepositories, source: GitSource) -> bytes:
    sink = Gathered()
    repositories.download(Url(f"git+{source.url.raw}#{source.commit}"), sink)
    return sink.data


def objects_of(pack: bytes, folder: Path) -> set[str]:
    folder.mkdir()
    (folder / "x.pack").write_bytes(pack)
    (folder / "x.idx").write_bytes(index_pack(folder / "x.pack", folder))
    with (folder / "x.idx").open("rb") as index:
        shown = subprocess.run(["git", "show-index"], stdin=index, capture_output=True, check=True)
    return {line.split()[1] for line in shown.stdout.decode().splitlines()}


def test_a_pack_holds_the_commit_with_its_full_history_and_nothing_newer(upstream, repositories, tmp_path):
    first = upstream.commit({"a": "1"})
    second = upstream.commit({"a": "2"})
    third = upstream.commit({"a": "3"})
    objects = objects_of(pack_of(repositories, of(upstream, second)), tmp_path / "pack")
    assert {first, second} <= objects
    assert third not in objects


def test_a_commit_that_no_branch_leads_to_is_fetched_by_its_hash(upstream, repositories, tmp_path):
    upstream.commit({"a": "1"})
    lost = upstream.commit({"a": "2"})
    upstream.git("reset", "-q", "--hard", "HEAD~1")
    assert lost in objects_of(pack_of(repositories, of(upstream, lost)), tmp_path / "pack")


def test_the_same_commit_gives_the_same_bytes_from_a_cache_that_fetched_it_apart(upstream, git, tmp_path):
    first = upstream.commit({f"f{number}": "text\n" * number for number in range(40)})
    second = upstream.commit({"f3": "other"})
    packs = []
    for name, commits in (("one", [second]), ("two", [first, second])):
        repositories = GitRepositories(tmp_path / name, git, Network(), NoProgress())
        packs += [[pack_of(repositories, of(upstream, commit)) for commit in commits][-1]]
    assert packs[0] == packs[1]


def test_once_fetched_upstream_is_not_asked_again(upstream, repositories):
    commit = upstream.commit({"a": "1"})
    before = pack_of(repositories, of(upstream, commit))
    upstream.path.rename(upstream.path.with_name("gone"))
    assert pack_of(repositories, of(upstream, commit)) == before


def test_a_commit_that_is_not_there_is_an_error_that_names_it(upstream, repositories):
    upstream.commit({"a": "1"})
    with pytest.raises(FetchError, match="f" * 40):
        pack_of(repositories, of(upstream, "f" * 40))


def test_a_shallow_repository_is_no_source(upstream, repositories, tmp_path):
    upstream.commit({"a": "1"})
    commit = upstream.commit({"a": "2"})
    upstream.git("clone", "-q", "--depth=1", upstream.path.as_uri(), str(tmp_path / "shallow"))
    with pytest.raises(FetchError, match=r"shallow|could not fetch"):
        pack_of(repositories, git_source((tmp_path / "shallow").as_uri(), commit))


def test_a_fetch_that_left_a_commit_without_its_history_is_not_taken_for_whole(upstream, repositories, tmp_path):
    upstream.commit({"a": "1"})
    commit = upstream.commit({"a": "2"})
    pack_of(repositories, of(upstream, commit))
    (kept,) = (tmp_path / "cache").glob("*.git")
    lonely = upstream.git("commit-tree", "-m", "x", "-p", commit, f"{commit}^{{tree}}")
    # The commit alone, as a copy that was cut off has it; its tree and its parents are of a repository that has gone.
    content = subprocess.run(
        ["git", "cat-file", "commit", lonely], cwd=upstream.path, capture_output=True, check=True
    ).stdout.replace(commit.encode(), b"e" * 40)
    made = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin"],
        input=content,
        cwd=kept,
        capture_output=True,
        check=True,
    )
    with pytest.raises(FetchError, match="full history"):
        pack_of(repositories, of(upstream, made.stdout.decode().strip()))


def test_submodules_are_named_with_their_commits(upstream, repositories, tmp_path):
    sub = Repository(tmp_path / "sub")
    pinned = sub.commit({"s": "1"})
    upstream.commit({"a": "1"})
    upstream.git("submodule", "add", "-q", "../sub", "lib/sub", GIT_ALLOW_PROTOCOL="file")
    upstream.git("commit", "-q", "-m", "add")
    commit = upstream.git("rev-parse", "HEAD")
    (found,) = repositories.submodules(of(upstream, commit))
    assert (found.url.raw, found.commit) == (sub.path.as_uri(), pinned)


def test_a_submodule_that_gitmodules_does_not_name_is_an_error(upstream, repositories):
    commit = upstream.commit({"a": "1"})
    upstream.git("update-index", "--add", "--cacheinfo", f"160000,{commit},lib/sub")
    upstream.git("commit", "-q", "-m", "a link without a name")
    with pytest.raises(FetchError, match="lib/sub"):
        repositories.submodules(of(upstream, upstream.git("rev-parse", "HEAD")))


def test_without_git_it_is_said_what_to_install(tmp_path):
    with pytest.raises(ProgramError, match="git is not installed"):
        Git({"PATH": str(tmp_path)})


def test_a_damaged_pack_has_no_index(upstream, repositories, tmp_path):
    pack = bytearray(pack_of(repositories, of(upstream, upstream.commit({"a": "1"}))))
    pack[-1] ^= 1
    (tmp_path / "x.pack").write_bytes(pack)
    with pytest.raises(MachineError, match="index-pack"):
        index_pack(tmp_path / "x.pack", tmp_path)


def test_a_password_is_in_no_error_and_no_word_of_a_command(repositories, monkeypatch):
    seen = []
    run = Git.run

    def watched(self, *words, **others):
        seen.append(words)
        return run(self, *words, **others)

    monkeypatch.setattr(Git, "run", watched)
    source = git_source("http://me:hunter2@127.0.0.1:9/r.git", "a" * 40)
    with pytest.raises(FetchError) as caught:
        pack_of(repositories, source)
    assert "hunter2" not in str(caught.value)
    assert not [words for words in seen if any("hunter2" in word for word in words)]


def shown(folder: Path, packs: dict[str, bytes]) -> Path:
    """A bare repository as a mirror has it, of the packs of some commits."""
    packages = []
    for commit, data in packs.items():
        path = admit_path(f"git.example/r.git/objects/pack/pack-{commit}.pack")
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
        packages.append(
            Package(
                path=path, url=Url(f"git+https://git.example/r.git#{commit}"), kind="git", name="r", version=commit,
                sha256=admit_sha256(hashlib.sha256(data).hexdigest()), md5=None, size=len(data),
                build=None, subdir=None,
                record={"references": ["refs/tags/v1"]} if len(packages) == 0 else {},
            )
        )  # fmt: skip
    listings = {
        each.path: Listing(
            index=None, is_settled=True, requires_python=None, yanked=None, upload_time=None, build_requires=None,
            metadata=admit_sha256(hashlib.sha256(pack_index(each, folder / each.path)).hexdigest()),
        )
        for each in packages
    }  # fmt: skip
    contents = Contents(
        packages=packages, channels=(), listings=listings, standing=(), where=lambda path: folder / path
    )
    for path, made in GitIndex().files(contents).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(made.content())
        assert GitIndex().problem(path, made.content(), contents, read=lambda _: None) is None
        assert GitIndex().problem(path, b"other", contents, read=lambda _: None)
    return folder / "git.example" / "r.git"


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_git_clones_and_checks_what_is_made_of_the_pins(git, tmp_path, object_format):
    upstream = Repository(tmp_path / "upstream", object_format=object_format)
    repositories = GitRepositories(tmp_path / "cache", git, Network(), NoProgress())
    commits = [upstream.commit({"a": str(number)}) for number in range(3)]
    packs = {commit: pack_of(repositories, of(upstream, commit)) for commit in commits[1:]}
    bare = shown(tmp_path / "mirror", packs)
    surroundings = {**os.environ, **IDENTITY}
    for words in (["fsck", "--strict"], ["show-ref"]):
        names = subprocess.run(["git", *words], cwd=bare, env=surroundings, capture_output=True, text=True, check=True)
    assert names.stdout.splitlines() == [
        *sorted(f"{commit} refs/heads/pixi-mirror/{commit}" for commit in packs),
        f"{commits[1]} refs/tags/v1",
    ]


def test_git_fetches_a_commit_and_its_history_from_a_server_of_files(upstream, repositories, tmp_path):
    commits = [upstream.commit({"a": str(number)}) for number in range(3)]
    shown(tmp_path / "mirror", {commits[1]: pack_of(repositories, of(upstream, commits[1]))})
    with served(tmp_path / "mirror") as url:
        clone = Repository(tmp_path / "clone")
        led = {
            "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"url.{url}/git.example/.insteadOf",
            "GIT_CONFIG_VALUE_0": "https://git.example/",
        }  # fmt: skip
        for commit in commits[:2]:
            clone.git("fetch", "-q", "https://git.example/r.git", commit, **led)
            assert clone.git("rev-parse", "FETCH_HEAD") == commit
    assert clone.git("show", f"{commits[1]}:a") == "1"


@pytest.mark.parametrize(
    "url",
    [
        "https://me:cAnArY7@git.example/r.git",
        "https://me:p@cAnArY7@git.example/r.git",
        "https://me:a/cAnArY7@git.example/r.git",
        "https://me:a cAnArY7@git.example/r.git",
        "https://git.example/t/cAnArY7/r.git",
        "https://git.example/r.git?token=cAnArY7",
    ],
)
def test_no_secret_of_a_url_is_in_what_git_is_quoted_with(url):
    said = f"fatal: unable to access '{url}/': Could not resolve host"
    error = explain_fetch(Output(status=128, stdout="", stderr=said), "https://git.example/r.git", commit="a" * 40)
    assert "cAnArY7" not in str(error)
    assert "Could not resolve host" in str(error)


def test_no_secret_of_a_remote_is_in_what_a_failed_question_says(git, upstream):
    upstream.commit({"a": "1"})
    with pytest.raises(MachineError) as caught:
        git.ask("ls-tree", "https://me:a/cAnArY7@git.example/r.git", directory=upstream.path)
    assert "cAnArY7" not in str(caught.value)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The files of a folder, by the simplest server that there is."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    handler.func.log_message = lambda *_: None  # type: ignore[method-assign]
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
