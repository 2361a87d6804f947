"""Tell indexes from pages of links among the URLs of a PyPI file, and where each stands in a mirror; pure.

A lock of version 7 writes the page of links (`find-links`) on which a file was found where it writes an index, too.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from pixi_mirror.errors import PixiMirrorError
from pixi_mirror.model.hosted import hosted_path, is_hosted_url
from pixi_mirror.model.packages import Listing, Package
from pixi_mirror.model.values import MirrorPath, admit_path
from pixi_mirror.paths import url_path
from pixi_mirror.pypi.simple import PAGE_HTML, PAGES_OF_LINKS


class IndexUrl(NamedTuple):
    """An index of the simple API, or a page of links."""

    url: str
    """Stripped. Of an index without slash at the end; of a page of links with one if the lock has one."""
    is_page_of_links: bool

    @property
    def path(self) -> MirrorPath | None:
        """What its URL is in a mirror: a folder, or a page of links that is a file; None: it can have no place."""
        return _path_of(self.url)

    @property
    def page_of_links(self) -> MirrorPath | None:
        """The file of a page of links; None: it is an index, or can have no place."""
        if self.path is None or not self.is_page_of_links:
            return None
        is_file = self.path.lower().endswith(PAGES_OF_LINKS)
        return self.path if is_file else admit_path(f"{self.path}/{PAGE_HTML}")


def is_page_of_links(url: str) -> bool:
    """Whether the URL alone, without a lock that says so, is that of a page of links."""
    return _key(url).lower().endswith(PAGES_OF_LINKS)


def index_urls(package: Package) -> tuple[IndexUrl, ...]:
    """The indexes and pages of links of a PyPI file: its own first, then those of its environments."""
    find_links = package.record.get("find-links", ())
    pages = {_key(url): url for url in find_links}
    found: dict[str, IndexUrl] = {}
    for url in (*package.record["indexes"], *find_links):
        key = _key(url)
        is_page = key in pages or is_page_of_links(key)
        found.setdefault(key, IndexUrl(pages.get(key, url), is_page))
    return tuple(found.values())


def index_of(package: Package, listing: Listing | None) -> IndexUrl | None:
    """The index, or page of links, that lists a PyPI file; None if it is of none.

    It is the one where upstream lists the file. If that is not known, it is the package's own, or the first index of
    its environments.
    """
    urls = index_urls(package)
    if listing is not None and listing.index is not None:
        listed = next((each for each in urls if _key(each.url) == _key(listing.index)), None)
        if listed is not None:
            return listed
    return next(iter(urls), None)


def indexes_without_place(packages: Iterable[Package]) -> tuple[str, ...]:
    """The URLs of those indexes and pages of links that can have no path in a mirror."""
    urls = {each for package in packages if package.kind == "pypi" for each in index_urls(package)}
    return tuple(sorted(each.url for each in urls if each.path is None))


def _key(url: str) -> str:
    """What is equal for two spellings of one URL."""
    return url.rstrip("/")


@lru_cache(maxsize=4096)
def _path_of(url: str) -> MirrorPath | None:
    if is_hosted_url(url):
        return hosted_path(url)
    try:
        return url_path(url)
    except PixiMirrorError:
        return None
