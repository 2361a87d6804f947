"""The pin of a git source: one pack with the whole history of one commit, at the path of its repository; pure."""

import hashlib
import re
from types import MappingProxyType
from urllib.parse import urlsplit

from pixi_mirror.errors import WorkspaceError
from pixi_mirror.git.source import GitSource, git_source
from pixi_mirror.model.packages import Package
from pixi_mirror.model.values import Json, Url, admit_path
from pixi_mirror.paths import url_path

PACKS = "/objects/pack/"
"""What stands between the path of a repository and the names of its packs."""

_WEB_PORTS = {"http": 80, "https": 443, "ssh": 22}


def git_package(source: GitSource, *, name: str) -> Package:
    """The pin of a source.

    Args:
        source: repository and commit.
        name: of the package that is built from it.

    Raises:
        WorkspaceError: the URL of the repository cannot stand in a mirror.
    """
    record: dict[str, Json] = {"references": list(source.references)} if source.references else {}
    if _names_user(source):
        record["has_user"] = True
    return Package(
        path=admit_path(f"{_place(source)}{PACKS}pack-{source.commit}.pack"),
        url=Url(f"git+{source.url.raw}#{source.commit}"),
        sha256=None,
        md5=None,
        size=None,
        kind="git",
        name=name,
        version=source.commit,
        build=None,
        subdir=None,
        record=MappingProxyType(record),
    )


def source_of(package: Package) -> GitSource:
    """The source that a pin stands for; its URL is without a password where the pin is a recorded one."""
    source = git_source(package.url.raw.removeprefix("git+").partition("#")[0], package.version)
    return GitSource(url=source.url, commit=source.commit, references=tuple(package.record.get("references", ())))


def repository_path(package: Package) -> str:
    """The path of the bare repository that a pin belongs to."""
    return package.path.partition(PACKS)[0]


def repository_url(package: Package) -> str:
    """The URL of the repository that a pin belongs to, without user and password."""
    return package.url.stripped.removeprefix("git+")


def has_user(package: Package) -> bool:
    """Whether a lock has a user in the URL of the repository of a pin, one that is not the usual one."""
    return package.record.get("has_user", False) is True


def _names_user(source: GitSource) -> bool:
    parts = urlsplit(source.url.raw)
    return parts.username not in (None, *(("git",) if parts.scheme == "ssh" else ()))


def _place(source: GitSource) -> str:
    """Where the repository stands: as a web server of its host would show it, whatever it is asked over."""
    parts = urlsplit(source.url.raw)
    if parts.scheme == "file":
        name = re.sub(r"[^A-Za-z0-9._-]", "_", parts.path.rstrip("/").rpartition("/")[2]).strip("._-") or "repository"
        return f"local/git-{hashlib.sha256(source.url.raw.encode()).hexdigest()[:12]}/{name}"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else str(parts.hostname)
    try:
        number = parts.port
    except ValueError:
        raise WorkspaceError(f"the git repository {source.url} cannot stand in a mirror: its port is none") from None
    port = "" if number in (None, _WEB_PORTS[parts.scheme]) else f":{number}"
    return url_path(f"https://{host}{port}{parts.path}")
