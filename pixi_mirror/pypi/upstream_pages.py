"""Fetch upstream's index pages, and find on them the links to files that a lock names."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol
from urllib.parse import unquote

from pixi_mirror.errors import FetchError, WrongBytesError
from pixi_mirror.http.fetcher import Fetcher
from pixi_mirror.model.packages import Package
from pixi_mirror.model.values import MirrorPath, Url
from pixi_mirror.progress import Progress
from pixi_mirror.pypi.index_urls import index_urls
from pixi_mirror.pypi.simple import TEXT_HTML, V1_HTML, V1_JSON, FileLink
from pixi_mirror.pypi.simple_reader import read_page
from pixi_mirror.threads import ThreadPool

_ACCEPT = f"{V1_JSON}, {V1_HTML};q=0.2, {TEXT_HTML};q=0.1"
_LARGEST = 128 << 20
"""Bytes of a page; the largest seen has 30 MB."""


@dataclass(frozen=True, slots=True)
class UpstreamLink:
    """The link to a file on an upstream page."""

    index: str
    """URL of the index, or of the page of links, as the package has it."""
    link: FileLink


@dataclass(slots=True, kw_only=True)
class UpstreamLinks:
    """The links that were found for some files."""

    links: dict[MirrorPath, UpstreamLink] = field(default_factory=dict)
    undecided: set[MirrorPath] = field(default_factory=set)
    """Files that no page lists, where one of the pages could not be fetched for a passing reason."""
    problems: dict[str, list[str]] = field(default_factory=dict)
    """URL of an index -> why pages of it could not be read that may list files without a link."""
    statuses: dict[MirrorPath, str] = field(default_factory=dict)
    """Of the projects of files, where an index says that one is not active (PEP 792)."""
    decided: set[MirrorPath] = field(default_factory=set)
    """Files of which it is found out whether a page lists them."""
    contradictions: list[str] = field(default_factory=list)
    """One sentence for each link that promises another hash than the lock; such a link is not used."""


@dataclass(frozen=True, slots=True)
class PageAddress:
    """Where one page is."""

    index: str
    """URL of the index without trailing slash, or of the page of links."""
    project: str | None
    """None: it is a page of links."""

    @property
    def url(self) -> Url:
        """Of the page."""
        return Url(self.index if self.project is None else f"{self.index}/{self.project}/")


class PageContent(NamedTuple):
    """What a page lists, or why it cannot be read."""

    links: Mapping[str, list[FileLink]]
    """By file name."""
    problem: str | None
    is_passing: bool
    """Whether the problem may be gone at another time."""
    status: str | None = None
    """Of the project (PEP 792); None: it is active, or the page does not say it."""


class IndexLinks(Protocol):
    """What says how index pages list files."""

    def fetch_links(self, packages: Iterable[Package]) -> UpstreamLinks:
        """Look for each file on the pages of its indexes."""


class KnownLinks:
    """Answers from links that were read already, and asks a reader of pages for all other files."""

    def __init__(self, known: UpstreamLinks, pages: IndexLinks) -> None:
        self._known = known
        self._pages = pages

    def fetch_links(self, packages: Iterable[Package]) -> UpstreamLinks:
        """Return the links of these files; a page is read only for a file about which nothing was found out before."""
        packages = list(packages)
        unknown = [each for each in packages if each.path not in self._known.decided]
        found = self._pages.fetch_links(unknown) if unknown else UpstreamLinks()
        known = {each.path for each in packages} & self._known.decided
        found.links |= {path: link for path, link in self._known.links.items() if path in known}
        found.statuses |= {path: status for path, status in self._known.statuses.items() if path in known}
        return found


class UpstreamPages:
    """Reads the index pages of any number of projects, each page once."""

    def __init__(self, fetcher: Fetcher, progress: Progress, *, jobs: int) -> None:
        self._fetcher = fetcher
        self._progress = progress
        self._jobs = jobs

    def fetch_links(self, packages: Iterable[Package]) -> UpstreamLinks:
        """Look for each file on the pages of its indexes and on its pages of links, its own first.

        A page that cannot be read, or that promises another hash for a file, is no error, since the lock alone decides
        which files are mirrored.
        """
        found = UpstreamLinks()
        packages = list(packages)
        waiting = [(package, _addresses(package)) for package in packages]
        contents: dict[PageAddress, PageContent] = {}
        self._progress.begin("reading index pages for", files=len(waiting), size=0)
        while waiting := [(package, addresses) for package, addresses in waiting if addresses]:
            self._read({addresses[0]: None for _, addresses in waiting if addresses[0] not in contents}, contents)
            left = []
            for package, addresses in waiting:
                content = contents[addresses[0]]
                if content.status is not None:
                    found.statuses.setdefault(package.path, content.status)
                link = _match(package, content)
                if link is None and (other := _contradicting(package, content)) is not None:
                    found.contradictions.append(
                        f"{addresses[0].url} promises sha256 {other.sha256} for {package.url}, and the lock "
                        f"{package.sha256}. The lock decides: nothing that this page says of the file is used. Ask who "
                        "runs the index."
                    )
                if link is not None:
                    found.links[package.path] = UpstreamLink(addresses[0].index, link)
                    found.undecided.discard(package.path)
                    self._progress.advance(files=1)
                    continue
                if content.is_passing:
                    found.undecided.add(package.path)
                left.append((package, addresses[1:]))
            waiting = left
        found.decided = {package.path for package in packages} - found.undecided
        missed = {address: None for each in packages if each.path not in found.links for address in _addresses(each)}
        for address in missed:
            if (problem := contents[address].problem) is not None:
                found.problems.setdefault(address.index, []).append(problem)
        self._fetcher.close()
        return found

    def read(self, addresses: Iterable[PageAddress]) -> Mapping[PageAddress, PageContent]:
        """What each page lists; one that cannot be read lists nothing, and says why."""
        wanted = dict.fromkeys(addresses)
        contents: dict[PageAddress, PageContent] = {}
        self._progress.begin("reading index pages of", files=len(wanted), size=0)
        self._read(wanted, contents)
        self._fetcher.close()
        return contents

    def _read(self, addresses: Iterable[PageAddress], into: dict[PageAddress, PageContent]) -> None:
        with ThreadPool(self._jobs) as pool:
            into.update(pool.map(lambda address: (address, self._content(address)), addresses))

    def _content(self, address: PageAddress) -> PageContent:
        try:
            document = self._fetcher.read(address.url, accept=_ACCEPT, limit=_LARGEST)
            listed, status = read_page(document.data, url=document.url.raw, content_type=document.content_type)
        except FetchError as error:
            return PageContent({}, str(error), not error.lasting)
        except (WrongBytesError, ValueError) as error:
            return PageContent({}, f"{address.url} is no index page: {error}", is_passing=False)
        links: dict[str, list[FileLink]] = {}
        for link in listed:
            links.setdefault(link.file_name, []).append(link)
        return PageContent(links, None, is_passing=False, status=status)


def _addresses(package: Package) -> list[PageAddress]:
    """The pages that may list a file, in the order in which they are read."""
    return [PageAddress(each.url, None if each.is_page_of_links else package.name) for each in index_urls(package)]


def _match(package: Package, content: PageContent) -> FileLink | None:
    """The link to the file on a page: by its hash where both sides know one, else by its URL."""
    named = content.links.get(package.path.rpartition("/")[2], [])
    for link in named:
        if link.sha256 is not None and link.sha256 == package.sha256:
            return link
    unsure = (link for link in named if None in (link.sha256, package.sha256))
    return next((link for link in unsure if _is_same_url(link.url, package.url)), None)


def _contradicting(package: Package, content: PageContent) -> FileLink | None:
    """A link to the URL of the file that promises another hash for it."""
    named = content.links.get(package.path.rpartition("/")[2], [])
    return next((link for link in named if _is_same_url(link.url, package.url)), None)


def _is_same_url(listed: str, locked: Url) -> bool:
    return unquote(Url(listed).stripped) == unquote(locked.stripped)
