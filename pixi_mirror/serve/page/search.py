"""Search the packages of a mirror by name, and format what is found as HTML; pure."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from urllib.parse import parse_qs, urlencode

from pixi_mirror.paths import PAGES
from pixi_mirror.progress import format_size
from pixi_mirror.serve.page.contents import Catalog, PackageView
from pixi_mirror.serve.page.elements import PageFrame, count, document, kind_of, link, name, search_form, table

_LONGEST = 100
"""Characters of a question."""
_ON_A_PAGE = 100
_MOST_VERSIONS = 3
_MOST_FIELDS = 10
_SEPARATORS = re.compile(r"[-_.]+")


class Question(NamedTuple):
    """What is searched for."""

    text: str
    """As it was typed; empty: everything."""
    source: str
    """Kind and path of a channel or an index, with a colon between them; empty: everywhere."""
    page: int
    """From 1."""


def parse_question(query: str) -> Question:
    """Parse the query of a URL; what is malformed is left out."""
    try:
        fields = parse_qs(query[: 8 * _LONGEST], max_num_fields=_MOST_FIELDS, errors="replace")
    except ValueError:
        fields = {}
    page = fields.get("page", ["1"])[0]
    return Question(
        text=" ".join(fields.get("q", [""])[0].split())[:_LONGEST],
        source=fields.get("in", [""])[0],
        page=max(1, int(page)) if page.isascii() and page.isdecimal() and len(page) < 7 else 1,  # noqa: PLR2004
    )


def find_packages(catalog: Catalog, question: Question) -> list[PackageView]:
    """The packages with a name that has each word in it: the name itself first, then names that begin so, then others.

    Hyphens, underscores and dots are the same (PEP 503), so that nobody need know how a name is spelled.
    """
    words = [_spelled(word) for word in question.text.split()]
    views = [*catalog.packages.values()]
    if question.source:
        views = [each for each in views if any(_source(file.repository) == question.source for file in each.files)]
    if not words:
        return views
    whole = _SEPARATORS.sub("-", "-".join(words))
    found = []
    for view in views:
        spelled = _spelled(view.name)
        if all(word in spelled for word in words):
            found.append((spelled != whole, not spelled.startswith(words[0]), spelled, view.kind, view))
    return [each[-1] for each in sorted(found, key=lambda each: each[:-1])]


def _spelled(raw: str) -> str:
    return _SEPARATORS.sub("-", raw.lower())


def _source(repository: tuple[str, str]) -> str:
    return ":".join(repository)


def search_page(frame: PageFrame, question: Question) -> bytes:
    """Format the page with the packages that are found."""
    trail = [(frame.home, "Mirror")] if frame.catalog.is_whole else []
    return document(frame, "Packages", _content(frame, question), has_form=True, trail=trail)


def _content(frame: PageFrame, question: Question) -> Iterator[str]:
    found = find_packages(frame.catalog, question)
    pages = max(1, -(-len(found) // _ON_A_PAGE))
    page = min(question.page, pages)
    shown = found[(page - 1) * _ON_A_PAGE : page * _ON_A_PAGE]
    yield "<h1>Packages</h1>\n"
    yield search_form(frame, query=question.text, chosen=question.source, is_large=True)
    sought = f" for “{name(question.text)}”" if question.text else ""
    yield f'<p role="status">{count(len(found), "package")}{sought}.</p>\n'
    if shown:
        heads = ("Name", "Versions", "Kind", "Files", "Size")
        caption = f"Page {page:,} of {pages:,}" if pages > 1 else "By name"
        yield table(caption, heads, [_row(frame, each) for each in shown], numbers=2)
    elif question.text:
        yield "<p>A part of the name is enough; hyphens, underscores and dots are the same.</p>\n"
    yield _pager(frame, question, page, pages)


def _row(frame: PageFrame, view: PackageView) -> Sequence[str]:
    versions = view.versions
    more = len(versions) - _MOST_VERSIONS
    further = f' <span class="soft">and {more:,} more</span>' if more > 0 else ""
    return (
        link(frame.package(view.kind, view.name), name(view.name)),
        ", ".join(map(name, versions[:_MOST_VERSIONS])) + further,
        f'<span class="soft">{kind_of(view.kind)}</span>',
        f"{len(view.files):,}",
        format_size(view.size),
    )


def _pager(frame: PageFrame, question: Question, page: int, pages: int) -> str:
    if pages < 2:  # noqa: PLR2004 - then there is nothing to turn
        return ""
    links = []
    for label, number in (("First", 1), ("Earlier", page - 1), ("Later", page + 1), ("Last", pages)):
        if 1 <= number <= pages and number != page:
            fields = {"q": question.text, "in": question.source, "page": str(number)}
            query = urlencode({key: value for key, value in fields.items() if value}, errors="replace")
            href = f"{frame.href(f'{PAGES}/search')}?{query.replace('&', '&amp;')}"
            links.append(f"<li>{link(href, label)}</li>")
    return f'<nav aria-label="Pages"><ul>{"".join(links)}</ul></nav>\n'
