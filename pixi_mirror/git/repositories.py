"""Fetch commits of git repositories with their full history, through bare repositories that the cache keeps.

The commit's hash is the check: git computes the hash of every object that it takes, and everything that the commit
leads to has to be there. A later commit of the same repository costs what is new in it.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from pixi_mirror.disk.files import explain_errors
from pixi_mirror.disk.lock import lock_file
from pixi_mirror.errors import FetchError
from pixi_mirror.git.program import Git, explain_fetch
from pixi_mirror.git.source import GitSource, git_source, read_git_location, resolve_submodule_url
from pixi_mirror.http.auth import authorize
from pixi_mirror.http.sinks import Sink
from pixi_mirror.model.network import Network
from pixi_mirror.model.values import Url
from pixi_mirror.progress import Progress

_WAIT_FOR_ANOTHER_S = 3600.0
_KEPT = "refs/kept/"
_GITLINK = "160000"


class GitRepositories:
    """The bare repositories of one cache."""

    def __init__(self, directory: Path, git: Git, network: Network, progress: Progress) -> None:
        """Keep repositories below `directory`; nothing is made before the first is fetched."""
        self._directory = directory
        self._git = git
        self._network = network
        self._progress = progress

    def download(self, url: Url, sink: Sink) -> None:
        """Write one pack with a commit and its full history to a sink.

        Args:
            url: `git+URL#COMMIT`, as a pin of the kind `git` has it.
            sink: takes the pack from its beginning; nothing is resumed.

        Raises:
            FetchError: the repository cannot be reached, or does not have the commit any more.
            MachineError: the cache cannot be written.
            ProgramError: git cannot be started.
        """
        source = read_git_location(url.raw)
        with self._holding(source) as repository:
            sink.begin(0, None)
            self._git.pack(source.commit, directory=repository, write=sink.write)

    def submodules(self, source: GitSource) -> tuple[GitSource, ...]:
        """The repositories and commits that a commit has as submodules, as `.gitmodules` names them.

        Raises:
            FetchError: the repository cannot be reached, or `.gitmodules` says nothing of a submodule that is there.
            MachineError: the cache cannot be written.
            ProgramError: git cannot be started.
        """
        with self._holding(source) as repository:
            entries = self._git.ask("ls-tree", "-r", "-z", source.commit, directory=repository).split("\0")
            links = {
                path: facts.split(" ")[2]
                for facts, _, path in (entry.partition("\t") for entry in entries)
                if facts.startswith(_GITLINK)
            }
            if not links:
                return ()
            urls = self._urls(source, repository)
        found = []
        for path, commit in sorted(links.items()):
            if path not in urls:
                raise FetchError(f"{source.url} has a submodule at {path}, of which its .gitmodules says nothing.")
            try:
                found.append(git_source(resolve_submodule_url(source.url.raw, urls[path]), commit))
            except ValueError as error:
                raise FetchError(f"the submodule {path} of {source.url} cannot be fetched: {error}.") from None
        return tuple(found)

    def _urls(self, source: GitSource, repository: Path) -> dict[str, str]:
        """Where the submodules of a commit come from, by their path in it."""
        blob = f"{source.commit}:.gitmodules"
        done = self._git.run("config", "--blob", blob, "-z", "--list", directory=repository)
        values = dict(line.partition("\n")[::2] for line in done.stdout.split("\0") if line)
        paths = {key[: -len(".path")]: value for key, value in values.items() if key.endswith(".path")}
        return {path: values[f"{name}.url"] for name, path in paths.items() if f"{name}.url" in values}

    @contextmanager
    def _holding(self, source: GitSource) -> Iterator[Path]:
        """The bare repository in which the commit is whole, for this process alone."""
        key = hashlib.sha256(source.url.stripped.encode()).hexdigest()
        repository = self._directory / f"{key}.git"
        with explain_errors("make", repository):
            repository.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = self._directory / f"{key}.lock"
        with lock_file(lock, timeout_s=_WAIT_FOR_ANOTHER_S, what=f"{source.url} in the cache"):
            if not (repository / "HEAD").is_file():
                kind = "sha256" if len(source.commit) > 40 else "sha1"  # noqa: PLR2004 - digits of a sha1
                self._git.ask("init", "--bare", "--quiet", f"--object-format={kind}", directory=repository)
            if not self._is_whole(source, repository):
                self._fetch(source, repository)
                if not self._is_whole(source, repository):
                    raise FetchError(
                        f"{source.url} does not have the commit {source.commit} with its full history: it was removed "
                        "there, or the repository there is shallow. Lock the workspace again, or fetch it from a full "
                        "copy.",
                        lasting=True,
                    )
            yield repository

    def _is_whole(self, source: GitSource, repository: Path) -> bool:
        """Whether the commit and everything that it leads to is there."""
        # This reference is written last of all, so a fetch that was killed has not left it.
        name = f"{_KEPT}{source.commit}"
        if self._git.run("rev-parse", "-q", "--verify", f"{name}^{{commit}}", directory=repository).status == 0:
            return True
        there = self._git.run("cat-file", "-e", f"{source.commit}^{{commit}}", directory=repository)
        if there.status != 0:
            return False
        whole = self._git.run("rev-list", "--objects", "--quiet", source.commit, directory=repository)
        if whole.status != 0 or (repository / "shallow").exists():
            return False
        self._git.ask("update-ref", name, source.commit, directory=repository)
        return True

    def _fetch(self, source: GitSource, repository: Path) -> None:
        """Ask for the commit itself, and where a server does not give it so, for all branches and tags."""
        self._progress.note(f"fetching {source.commit[:12]} of {source.url} with git")
        bare, header = self._whom(source.url)
        words = ("fetch", "--no-tags", "--no-write-fetch-head", "--force", "--quiet", bare)
        done = self._git.run(*words, source.commit, directory=repository, header=header)
        if done.status == 0:
            return
        everything = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/remotes/tags/*")
        done = self._git.run(*words, *everything, directory=repository, header=header)
        if done.status != 0:
            raise explain_fetch(done, str(source.url), commit=source.commit)

    def _whom(self, url: Url) -> tuple[str, tuple[str, str] | None]:
        """The URL without a password, and what proves whom we are there: by pixi's stores, else by the lock's URL.

        A user and a password do not become words of a command, which every user of the machine can read.
        """
        parts = urlsplit(url.raw)
        if parts.scheme not in ("http", "https"):
            return url.raw, None
        authorized = authorize(url, self._network.credential(url))
        authorization = authorized.headers.get("Authorization")
        host = parts.netloc.rpartition("@")[2]
        return authorized.url.raw, None if authorization is None else (f"{parts.scheme}://{host}/", authorization)
