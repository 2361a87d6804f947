"""Use the users in the URLs of a lock's indexes, for these indexes and for files of their origin; store none."""

from collections.abc import Callable, Iterable, Mapping
from urllib.parse import unquote

from pixi_mirror.errors import WorkspaceError
from pixi_mirror.http.auth import is_redacted_user
from pixi_mirror.http.origins import origin_of
from pixi_mirror.lockfile.entries import Lock, PypiEntry
from pixi_mirror.lockfile.interface import WorkspaceSource
from pixi_mirror.model.network import Credential, IndexUser
from pixi_mirror.model.values import Url


def index_users(lock: Lock) -> Mapping[str, IndexUser]:
    """The users in the URLs of a lock's indexes and pages of links, by the URL without user and with a final slash."""
    urls: list[str] = []
    for environment in lock.environments.values():
        entries = (entry for packages in environment.packages.values() for entry in packages)
        indexes = (entry.index for entry in entries if isinstance(entry, PypiEntry) and entry.index is not None)
        urls += (*environment.indexes, *environment.find_links, *indexes)
    return users_in(urls)


def users_in(urls: Iterable[str]) -> Mapping[str, IndexUser]:
    """The users in URLs, by the URL without user and with a final slash."""
    users: dict[str, IndexUser] = {}
    for url in urls:
        user = _user_of(url)
        if user is not None:
            users.setdefault(_slashed(Url(url).stripped), user)
    return users


class IndexUserLookup:
    """Finds the credential for a URL: that of the stores, else that of an index of the locks."""

    def __init__(self, stored: Callable[[Url], Credential | None], sources: Iterable[WorkspaceSource]) -> None:
        """Read which users the locks of `sources` have; a lock that cannot be read any more has none."""
        self._stored = stored
        self._users: dict[str, IndexUser] = {}
        for source in sources:
            try:
                self._users = {**source.index_users(), **self._users}
            except WorkspaceError:
                continue
        self._users = dict(sorted(self._users.items(), key=lambda item: -len(item[0])))

    def __call__(self, url: Url) -> Credential | None:
        """The credential for the URL that is really requested; None: there is none.

        A user within the URL itself comes before that of an index.
        """
        credential = self._stored(url)
        if credential is not None or not self._users or _user_of(url.raw) is not None:
            return credential
        stripped = _slashed(Url(url.raw).stripped)
        below = (user for index, user in self._users.items() if stripped.startswith(index))
        origin = origin_of(url)
        beside = (user for index, user in self._users.items() if origin_of(Url(index)) == origin)
        return next(below, None) or next(beside, None)


def _slashed(url: str) -> str:
    return url.rstrip("/") + "/"


def _user_of(url: str) -> IndexUser | None:
    """The user in an http or https URL; None: it has none, or pixi has written `****` in its place."""
    scheme, separator, rest = url.partition("://")
    userinfo, at, _ = rest.partition("/")[0].partition("?")[0].partition("#")[0].rpartition("@")
    if not separator or scheme.lower() not in {"http", "https"} or not at or is_redacted_user(userinfo):
        return None
    name, _, password = userinfo.partition(":")
    return IndexUser(unquote(name), unquote(password))
