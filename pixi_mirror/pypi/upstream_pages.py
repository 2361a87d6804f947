"""Ask upstream's index pages what they say of PyPI files that a lock names."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote

from pixi_mirror.errors import FetchError, WrongBytesError
from pixi_mirror.http.fetcher import Fetcher
from pixi_mirror.model.packages import Package
from pixi_mirror.model.values import MirrorPath, Url
from pixi_mirror.progress import Progress
from pixi_mirror.pypi.page_reader import Listed, read_page
from pixi_mirror.pypi.simple import TEXT_HTML, V1_HTML, V1_JSON

_ACCEPT = f"{V1_JSON}, {V1_HTML};q=0.2, {TEXT_HTML};q=0.1"
_LARGEST = 128 << 20
"""Bytes of a page; the largest seen has 30 MB."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file on a page."""

    index: str
    """URL of the index, or of the page of links, as the package has it."""
    listed: Listed


@dataclass(slots=True, kw_only=True)
class Told:
    """What the pages say."""

    found: dict[MirrorPath, Found] = field(default_factory=dict)
    unanswered: set[MirrorPath] = field(default_factory=set)
    """Files that no page lists, while one could not be had for a passing reason."""
    problems: dict[str, list[str]] = field(default_factory=dict)
    """URL of an index -> why pages of it could not be had on which files may be that were found nowhere."""


@dataclass(frozen=True, slots=True)
class _Page:
    """One page to be asked for."""

    index: str
    project: str | None
    """None: it is a page of links."""

    @property
    def url(self) -> Url:
        return Url(self.index if self.project is None else f"{self.index}/{self.project}/")


class _Answer(NamedTuple):
    files: Mapping[str, list[Listed]]
    """By name."""
    problem: str | None
    passing: bool


class Pages:
    """The index pages of any number of projects, each asked for once."""

    def __init__(self, fetcher: Fetcher, progress: Progress, *, jobs: int) -> None:
        self._fetcher = fetcher
        self._progress = progress
        self._jobs = jobs

    def ask(self, packages: Iterable[Package]) -> Told:
        """Look for each file on the pages of its indexes, in their order, then on its pages of links.

        That a page cannot be had is no error, since the lock alone says what the files are.

        Raises:
            WrongBytesError: a page promises other bytes at a URL than the lock does.
        """
        told = Told()
        packages = list(packages)
        waiting = [(package, _candidates(package)) for package in packages]
        known: dict[_Page, _Answer] = {}
        self._progress.begin("reading index pages", files=len(waiting), size=0)
        while waiting := [(package, pages) for package, pages in waiting if pages]:
            self._read({pages[0]: None for _, pages in waiting if pages[0] not in known}, known)
            left = []
            for package, pages in waiting:
                answer = known[pages[0]]
                if (listed := _match(package, pages[0], answer)) is not None:
                    told.found[package.path] = Found(pages[0].index, listed)
                    told.unanswered.discard(package.path)
                    self._progress.advance(files=1)
                    continue
                if answer.passing:
                    told.unanswered.add(package.path)
                left.append((package, pages[1:]))
            waiting = left
        missed = {page: None for each in packages if each.path not in told.found for page in _candidates(each)}
        for page in missed:
            if (problem := known[page].problem) is not None:
                told.problems.setdefault(page.index, []).append(problem)
        self._fetcher.close()
        return told

    def _read(self, pages: Iterable[_Page], known: dict[_Page, _Answer]) -> None:
        with ThreadPoolExecutor(self._jobs) as pool:
            known.update(pool.map(lambda page: (page, self._answer(page)), pages))

    def _answer(self, page: _Page) -> _Answer:
        try:
            document = self._fetcher.read(page.url, accept=_ACCEPT, limit=_LARGEST)
            listed = read_page(document.data, url=document.url.raw, content_type=document.content_type)
        except FetchError as error:
            return _Answer({}, str(error), not error.lasting)
        except (WrongBytesError, ValueError) as error:
            return _Answer({}, f"{page.url} is no index page: {error}", passing=False)
        files: dict[str, list[Listed]] = {}
        for each in listed:
            files.setdefault(each.file_name, []).append(each)
        return _Answer(files, None, passing=False)


def _candidates(package: Package) -> list[_Page]:
    indexes = [_Page(index, package.name) for index in package.record["indexes"]]
    return indexes + [_Page(url, None) for url in package.record["find-links"]]


def _match(package: Package, page: _Page, answer: _Answer) -> Listed | None:
    """The file on the page: by its hash where both know one, else by its URL."""
    named = answer.files.get(package.path.rpartition("/")[2], [])
    for each in named:
        if each.sha256 is not None and each.sha256 == package.sha256:
            return each
    for each in named:
        if _same(each.url, package.url):
            if None in (each.sha256, package.sha256):
                return each
            raise WrongBytesError(
                f"{page.url} promises sha256 {each.sha256} for {package.url}, and the lock {package.sha256}. One of "
                "them is wrong; nothing of the mirror was changed. Solve the lock again, or ask who runs the index."
            )
    return None


def _same(listed: str, locked: Url) -> bool:
    return unquote(Url(listed).stripped) == unquote(locked.stripped)
