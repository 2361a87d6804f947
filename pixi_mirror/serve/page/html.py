"""Format the page for people as HTML; pure. Everything is escaped, and neither a script nor another file is needed.

A package is one short row, however many files and versions it has, and the number of rows is limited: the page of a
mirror of 20,000 packages stays below 4 MB.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from pixi_mirror.model.packages import Inventory
from pixi_mirror.model.segments import request_path
from pixi_mirror.progress import format_size
from pixi_mirror.serve.page.contents import EnvironmentRow, MirrorContents, PackageRow, Repository, contents_of
from pixi_mirror.serve.page.style import SCRIPT, STYLE

MOST_ROWS = 25_000
"""Of packages; of further ones the page shows only the number."""
_MOST_VERSIONS = 5
_LONGEST = 100
"""Characters of a name or version; longer ones are cut, since no real one is so long."""
_KINDS = {"conda": "Channel", "git": "git repository", "pypi": "Python index"}
_NO_ID = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageTemplate:
    """The page without the configurations, the only part that depends on the URL of the mirror."""

    before: str
    after: str

    def html(self, configurations: Mapping[str, str]) -> bytes:
        """Format the whole page; `configurations` are texts to copy, by the name of the client."""
        return "".join((self.before, *_configurations(configurations), self.after)).encode()


def html_of(inventory: Inventory, *, configurations: Mapping[str, str], updated_s: float) -> bytes:
    """Format the page of a mirror.

    Args:
        inventory: Of the mirror.
        configurations: Texts to copy, by the name of the client.
        updated_s: When the mirror was last updated, in seconds since 1970.
    """
    return page_of(inventory, updated_s=updated_s).html(configurations)


def page_of(inventory: Inventory, *, updated_s: float) -> PageTemplate:
    """Format the page of a mirror without the configurations; `updated_s` is in seconds since 1970."""
    contents = contents_of(inventory)
    return PageTemplate(
        before="".join((*_head(contents, updated_s), *_environments(contents.environments))),
        after="".join(
            (*_repositories(contents.repositories), f"</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n")
        ),
    )


def _text(raw: str) -> str:
    """Text as HTML; invisible characters, and those that turn the direction of writing, are replaced."""
    seen = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in raw)
    return escape(seen)


def _name(raw: str) -> str:
    return _text(raw if len(raw) <= _LONGEST else f"{raw[:_LONGEST]}…")


def _head(contents: MirrorContents, updated_s: float) -> Iterator[str]:
    when = datetime.fromtimestamp(int(updated_s), UTC)
    deferred = (
        f", {_count(contents.deferred, 'file')} of them fetched at the first request" if contents.deferred else ""
    )
    yield (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>A mirror of packages</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        "<header>\n<h1>A mirror of packages</h1>\n"
        f"<p>{_count(sum(len(repository.rows) for repository in contents.repositories), 'package')} "
        f"in {_count(contents.files, 'file')}, {format_size(contents.size)}{deferred}. "
        f'Updated <time datetime="{when:%Y-%m-%dT%H:%M:%SZ}">{when:%Y-%m-%d %H:%M} UTC</time>.</p>\n'
        '<nav aria-label="Contents"><ul><li><a href="#environments">Environments</a></li>'
        '<li><a href="#configuration">Configuration</a></li><li><a href="#packages">Packages</a></li>'
        '<li><a href="pixi-mirror.json">Inventory (JSON)</a></li></ul></nav>\n</header>\n<main>\n'
    )


def _environments(environments: Iterable[EnvironmentRow]) -> Iterator[str]:
    yield '<section aria-labelledby="environments">\n<h2 id="environments">Environments</h2>\n'
    rows = "".join(
        f'<tr><th scope="row">{_name(each.workspace)}</th><td>{_name(each.environment)}</td>'
        f"<td>{_name(each.platform)}</td><td>{each.files:,}</td><td>{format_size(each.size)}</td></tr>\n"
        for each in environments
    )
    if rows:
        yield _table("What can be installed from here", ("Workspace", "Environment", "Platform", "Files", "Size"), rows)
    else:
        yield "<p>None: the mirror follows no workspace.</p>\n"
    yield "</section>\n"


def _configurations(configurations: Mapping[str, str]) -> Iterator[str]:
    yield '<section aria-labelledby="configuration">\n<h2 id="configuration">Configuration</h2>\n'
    for number, (client, text) in enumerate(configurations.items()):
        lines = "\n".join(map(_text, text.expandtabs().split("\n")))
        yield (
            f'<details{"" if number else " open"}><summary><h3 id="for-{number}">{_name(client)}</h3></summary>\n'
            f'<pre tabindex="0" role="region" aria-labelledby="for-{number}"><code>{lines}</code></pre></details>\n'
        )
    yield "</section>\n"


def _repositories(repositories: tuple[Repository, ...]) -> Iterator[str]:
    yield (
        '<section aria-labelledby="packages">\n<h2 id="packages">Packages</h2>\n'
        '<div id="searching" hidden><label for="search">Search packages by name</label>\n'
        '<input id="search" type="search" autocomplete="off" spellcheck="false">\n'
        '<p id="found" class="soft" role="status"></p></div>\n'
    )
    if not repositories:
        yield "<p>None yet.</p>\n"
    elif len(repositories) > 1:
        links = (
            f'<li><a href="#{_anchor(number, each)}">{_name(each.title)}</a></li>'
            for number, each in enumerate(repositories)
        )
        yield f'<nav aria-label="Channels and indexes"><ul>{"".join(links)}</ul></nav>\n'
    left = MOST_ROWS
    for number, repository in enumerate(repositories):
        yield from _repository(repository, _anchor(number, repository), repository.rows[:left])
        left -= min(left, len(repository.rows))
    yield "</section>\n"


def _anchor(number: int, repository: Repository) -> str:
    """The anchor of a repository: unique by its number; the words are for people."""
    words = _NO_ID.sub("-", repository.path.lower()[:40]).strip("-")
    return f"p{number}-{words}" if words else f"p{number}"


def _repository(repository: Repository, anchor: str, rows: tuple[PackageRow, ...]) -> Iterator[str]:
    kind = _KINDS[repository.kind]
    yield (
        f'<details class="place" id="{anchor}"><summary><h3>{kind} {_name(repository.title)}</h3> '
        f'<span class="soft">{_count(len(repository.rows), "package")}, {_count(repository.files, "file")}, '
        f"{format_size(repository.size)}</span></summary>\n"
    )
    if repository.indexes:
        links = " ".join(f'<a href="{_href(path)}">{_name(word)}</a>' for word, path in repository.indexes)
        yield f"<p>Indexes: {links}</p>\n"
    body = "".join(map(_row, rows))
    yield _table(f"Packages of {_name(repository.title)}", ("Name", "Versions", "Files", "Size"), body)
    if len(rows) < len(repository.rows):
        yield f"<p>And {_count(len(repository.rows) - len(rows), 'further package')}, which the indexes list.</p>\n"
    yield "</details>\n"


def _row(row: PackageRow) -> str:
    name = _name(row.name)
    linked = f'<a href="{_href(row.page)}">{name}</a>' if row.page else name
    versions = ", ".join(map(_name, row.versions[:_MOST_VERSIONS]))
    more = len(row.versions) - _MOST_VERSIONS
    further = f" and {more:,} more" if more > 0 else ""
    return (
        f'<tr><th scope="row">{linked}</th><td>{versions}{further}</td>'
        f"<td>{row.files:,}</td><td>{format_size(row.size)}</td></tr>\n"
    )


def _table(caption: str, heads: Iterable[str], rows: str) -> str:
    cells = "".join(f'<th scope="col">{head}</th>' for head in heads)
    return f"<table><caption>{caption}</caption>\n<thead><tr>{cells}</tr></thead>\n<tbody>\n{rows}</tbody></table>\n"


def _href(path: str) -> str:
    """A path of the mirror, relative to the page; without `./` a colon could be read as the end of a scheme."""
    return f"./{request_path(path, keep='')}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
