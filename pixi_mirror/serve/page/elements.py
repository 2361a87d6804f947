"""The parts that pages are made of, as HTML; pure. Every text that is not ours goes through `text` or `name`."""

import shlex
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from typing import NamedTuple

from pixi_mirror.model.packages import Kind
from pixi_mirror.model.segments import request_path
from pixi_mirror.paths import PAGES
from pixi_mirror.serve.page.contents import Catalog, EnvironmentView, segment_of
from pixi_mirror.serve.page.style import STYLE

_LONGEST = 100
"""Characters of a name or version; longer ones are cut, since no real one is so long."""
_PLACES: dict[Kind, str] = {"conda": "Channel", "git": "git repository", "pypi": "Python index"}
_KINDS: dict[Kind, str] = {"conda": "conda package", "git": "git repository", "pypi": "Python project"}


class PageFrame(NamedTuple):
    """What surrounds the content of a page."""

    catalog: Catalog
    up: str
    """Leads from the page to the root of the mirror: `../` as often as needed, or empty."""
    url: str
    """Of the mirror, as the client asked for it, without trailing slash."""

    def href(self, path: str) -> str:
        """Lead to a path of the mirror; relative, so that whatever a proxy has in front of the root stays."""
        # Without `./` a colon could be read as the end of a scheme.
        return f"{self.up or './'}{request_path(path, keep='')}"

    @property
    def home(self) -> str:
        """Lead to the first page; who may read a part of the mirror begins with the search."""
        return self.up or "./" if self.catalog.is_whole else self.href(f"{PAGES}/search")

    def package(self, kind: Kind, package: str) -> str:
        """Lead to the page of a package."""
        return self.href(f"{PAGES}/packages/{kind}/{segment_of(package)}")

    def environment(self, view: EnvironmentView) -> str:
        """Lead to the page of an environment."""
        return self.href("/".join((PAGES, "environments", *view.segments)))


def text(raw: str) -> str:
    """Text as HTML; invisible characters, and those that turn the direction of writing, are replaced."""
    seen = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in raw)
    return escape(seen)


def name(raw: str) -> str:
    """A name or a version as HTML, cut if nobody could read it."""
    return text(raw if len(raw) <= _LONGEST else f"{raw[:_LONGEST]}…")


def count(number: int, noun: str, plural: str | None = None) -> str:
    """`1 file`, `1,200 files`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def place(kind: Kind) -> str:
    """What the source of packages of a kind is called."""
    return _PLACES[kind]


def kind_of(kind: Kind) -> str:
    """What a package of a kind is called."""
    return _KINDS[kind]


def moment(seconds: float) -> str:
    """A time as HTML; `seconds` are since 1970."""
    when = datetime.fromtimestamp(int(seconds), UTC)
    return f'<time datetime="{when:%Y-%m-%dT%H:%M:%SZ}">{when:%Y-%m-%d %H:%M} UTC</time>'


def link(href: str, label: str) -> str:
    """A link; both are HTML already."""
    return f'<a href="{href}">{label}</a>'


def table(
    caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: int = 0, is_named: bool = False
) -> str:
    """A table whose first column names its rows.

    Args:
        caption: HTML.
        heads: HTML of the heads; of more than three columns, those after the second are left out on a phone if
            they are no numbers.
        rows: HTML of the cells.
        numbers: How many columns at the end are numbers.
        is_named: Whether what stands before it says what it is, so that only those who cannot see need the caption.
    """
    first_number = len(heads) - numbers

    def class_of(column: int) -> str:
        if column >= first_number:
            return ' class="n"'
        return ' class="minor"' if column > 1 and len(heads) > 3 else ""  # noqa: PLR2004

    head = "".join(f'<th scope="col"{class_of(column)}>{each}</th>' for column, each in enumerate(heads))
    body = "".join(
        f'<tr><th scope="row">{cells[0]}</th>'
        + "".join(f"<td{class_of(column)}>{cell}</td>" for column, cell in enumerate(cells) if column)
        + "</tr>\n"
        for cells in rows
    )
    hidden = ' class="seen-by-voice"' if is_named else ""
    top = f"<caption{hidden}>{caption}</caption>\n<thead><tr>{head}</tr></thead>\n"
    return f"<table>{top}<tbody>\n{body}</tbody></table>\n"


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """A list of terms with what is said of them; both are HTML, and a row without a statement is left out."""
    inside = "".join(f"<dt>{term}</dt><dd>{statement}</dd>" for term, statement in rows if statement)
    return f"<dl>{inside}</dl>\n" if inside else ""


def section(anchor: str, title: str, parts: Iterable[str]) -> Iterator[str]:
    """A section of a page; `title` and `parts` are HTML."""
    yield f'<section aria-labelledby="{anchor}">\n<h2 id="{anchor}">{title}</h2>\n'
    yield from parts
    yield "</section>\n"


def block(lines: str, label: str) -> str:
    """Text to copy, to the last character; `label` says to people who cannot see it what it is."""
    seen = "\n".join(map(text, lines.expandtabs().split("\n")))
    return f'<pre tabindex="0" role="region" aria-label="{label}"><code>{seen}</code></pre>\n'


def word(raw: str) -> str:
    """A word of a command, as a shell needs it."""
    return shlex.quote("".join(each for each in raw if each.isprintable()))


def search_form(frame: PageFrame, *, query: str = "", chosen: str = "", is_large: bool = False) -> str:
    """The form that searches packages; it needs no script.

    Args:
        frame: Of the page.
        query: What was searched for.
        chosen: The channel or index that was searched: its kind and path.
        is_large: Whether it is what the page is for; then the channel can be chosen, too.
    """
    action = frame.href(f"{PAGES}/search")
    field = "q" if is_large else "find"
    value = f' value="{text(query)}"' if query else ""
    choices = ""
    if is_large and len(frame.catalog.repositories) > 1:
        options = [("", "everywhere"), *((f"{each.key[0]}:{each.key[1]}", each.title) for each in
                                         frame.catalog.repositories)]  # fmt: skip
        inside = "".join(
            f'<option value="{text(key)}"{" selected" if key == chosen else ""}>{name(title)}</option>'
            for key, title in options
        )
        choices = f'<span><label for="in">in</label><select id="in" name="in">{inside}</select></span>'
    label = "Search packages by name"
    seen = f'<label for="{field}">{label}</label>' if is_large else (
        f'<label class="seen-by-voice" for="{field}">{label}</label>'
    )  # fmt: skip
    hint = "" if is_large else f' placeholder="{label}"'
    return (
        f'<form class="find{" large" if is_large else ""}" role="search" action="{action}" method="get">{seen}'
        f'<input id="{field}" name="q" type="search" autocomplete="off" spellcheck="false" maxlength="100"'
        f"{value}{hint}>"
        f"{choices}<button>Search</button></form>\n"
    )


def document(
    frame: PageFrame,
    title: str,
    content: Iterable[str],
    *,
    trail: Sequence[tuple[str, str]] = (),
    has_form: bool = False,
    is_first: bool = False,
) -> bytes:
    """A whole page.

    Args:
        frame: What surrounds it.
        title: HTML of its title.
        content: HTML, with the `h1` first.
        trail: The pages above this one: where they are, and their names as HTML.
        has_form: Whether the content has the form of the search; else it stands at the top.
        is_first: Whether it is the first page of the mirror, with nothing above it.
    """
    form = "" if has_form else search_form(frame)
    top = "" if is_first else f'<header class="top">{link(frame.home, "A mirror of packages")}{form}</header>\n'
    steps = "".join(f"<li>{link(href, label)}</li>" for href, label in trail)
    way = f'<nav class="trail" aria-label="Where this page is"><ul>{steps}</ul></nav>\n' if steps else ""
    return "".join(
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
            f"{top}<main>\n{way}",
            *content,
            f"</main>\n<footer>Updated {moment(frame.catalog.updated_s)}. Served by pixi-mirror.</footer>\n"
            "</body>\n</html>\n",
        )
    ).encode()
