"""The git sources of a lock: which repository, which commit, and where they stand in a mirror; pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from pixi_mirror.model.values import Url

SCHEMES = ("https", "http", "ssh", "file")

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SCP = re.compile(r"(?:(?P<user>[^@/:]+)@)?(?P<host>[A-Za-z0-9][A-Za-z0-9._-]*):(?P<path>[^/:].*)")
# What `git check-ref-format` lets through, without the characters that only odd names have.
_REFERENCE = re.compile(r"(?!.*(?:\.\.|//|@\{|\.lock(?:/|$)))[A-Za-z0-9_+][A-Za-z0-9_+./#-]*(?<![./])")


@dataclass(frozen=True, slots=True, kw_only=True)
class GitSource:
    """One commit of one repository."""

    url: Url
    """The repository as the lock has it, without `git+`, query and fragment; it may hold a user and a password."""
    commit: str
    """40 hexadecimal digits, or 64 in a repository with sha256."""
    references: tuple[str, ...] = ()
    """Full names of branches and tags that the lock gives for this commit, such as `refs/tags/v1.0`."""
    subdirectory: str = field(default="", compare=False)
    """Where the source lies in the repository."""


def read_git_location(location: str) -> GitSource:
    """Read a location that begins with `git+`, in the spellings of pixi's locks of all versions.

    Args:
        location: `git+https://host/repository.git[@COMMIT][?rev=…|branch=…|tag=…][&subdirectory=…][#COMMIT]`. After
            `@COMMIT` the fragment may be pip's: `#egg=…&subdirectory=…`.

    Raises:
        ValueError: it names no commit, or no repository that git can fetch.
    """
    scheme, separator, rest = location.partition("+")
    if scheme != "git" or not separator:
        raise ValueError("it is no location of a git repository")
    bare, _, fragment = rest.partition("#")
    parts = urlsplit(bare)
    path, pinned = _without_commit(parts.path)
    query = dict(parse_qsl(fragment)) | dict(parse_qsl(parts.query))
    commit = next((each for each in (fragment, pinned, query.get("rev", "")) if _COMMIT.fullmatch(each)), None)
    if commit is None:
        raise ValueError("it is pinned to no commit")
    return git_source(
        urlunsplit((parts.scheme, parts.netloc, path, "", "")),
        commit,
        branch=query.get("branch"),
        tag=query.get("tag"),
        revision=query.get("rev"),
        subdirectory=query.get("subdirectory", ""),
    )


def git_source(
    url: str,
    commit: str,
    *,
    branch: str | None = None,
    tag: str | None = None,
    revision: str | None = None,
    subdirectory: str = "",
) -> GitSource:
    """A git source from its parts, as conda source packages of locks of version 7 have them.

    Args:
        url: of the repository; `user@host:path` is a URL of ssh, too.
        commit: what the lock pins.
        branch: the branch that the manifest names.
        tag: the tag that the manifest names.
        revision: a branch, a tag or a commit: the manifest does not say which.
        subdirectory: where the source lies in the repository.

    Raises:
        ValueError: the commit is none, or the URL is of no kind that git can fetch.
    """
    if not _COMMIT.fullmatch(commit):
        raise ValueError("it is pinned to no commit")
    names = [("refs/heads/", branch), ("refs/tags/", tag)]
    if revision and not _COMMIT.fullmatch(revision):
        names += [("refs/heads/", revision), ("refs/tags/", revision)]
    return GitSource(
        url=Url(_admit_repository(url)),
        commit=commit,
        references=tuple(sorted({head + name for head, name in names if name and _REFERENCE.fullmatch(name)})),
        subdirectory=subdirectory,
    )


def resolve_submodule_url(parent: str, url: str) -> str:
    """The URL of a submodule: one that begins with `./` or `../` is relative to its parent's (gitmodules(5)).

    Raises:
        ValueError: it leads above the host of its parent.
    """
    if not url.startswith(("./", "../")):
        return url
    parts = urlsplit(_admit_repository(parent))
    segments = [segment for segment in parts.path.split("/") if segment]
    for step in url.rstrip("/").split("/"):
        if step == "..":
            if not segments:
                raise ValueError(f"the submodule {url} leads above the host of its repository")
            segments.pop()
        elif step != ".":
            segments.append(step)
    return urlunsplit((parts.scheme, parts.netloc, "/" + "/".join(segments), "", ""))


def merge_references(sources: Iterable[GitSource]) -> dict[str, str]:
    """Which reference of one repository is which commit, for all sources of it.

    Every commit has one under `refs/heads/pixi-mirror/`. A branch or a tag that two locks pin to different commits
    is left out: no commit is the right one, and clients ask for the commit that their lock names.
    """
    named: dict[str, set[str]] = {}
    for source in sources:
        named.setdefault(f"refs/heads/pixi-mirror/{source.commit}", set()).add(source.commit)
        for name in source.references:
            named.setdefault(name, set()).add(source.commit)
    references = {name: commits.pop() for name, commits in named.items() if len(commits) == 1}
    return {name: commit for name, commit in sorted(references.items()) if not _is_folder(name, references)}


def _is_folder(name: str, references: Iterable[str]) -> bool:
    """Whether another reference lies below this one: git can have one of the two only."""
    return any(other.startswith(f"{name}/") for other in references)


def _without_commit(path: str) -> tuple[str, str]:
    """The path of a repository, and the commit that old locks put behind it with an `@`."""
    head, separator, commit = path.rpartition("@")
    return (head, commit) if separator and "/" not in commit else (path, "")


def _admit_repository(url: str) -> str:
    if "://" not in url and (scp := _SCP.fullmatch(url)):
        user = f"{scp['user']}@" if scp["user"] else ""
        url = f"ssh://{user}{scp['host']}/{scp['path']}"
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise ValueError(f"git fetches over {', '.join(SCHEMES)}, not over {parts.scheme or 'no scheme'}")
    if parts.scheme != "file" and (not parts.hostname or parts.hostname.startswith("-")):
        raise ValueError("its URL names no host")
    if not unquote(parts.path).strip("/"):
        raise ValueError("its URL names no repository")
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))
