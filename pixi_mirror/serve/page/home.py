"""Format the first page of a mirror as HTML: environments, configuration, channels and indexes; pure."""

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote

from pixi_mirror.paths import PAGES
from pixi_mirror.progress import format_size
from pixi_mirror.serve.page.contents import Catalog, EnvironmentView, Repository
from pixi_mirror.serve.page.elements import (
    PageFrame,
    block,
    count,
    document,
    link,
    name,
    place,
    search_form,
    section,
    table,
)

_TITLE = "A mirror of packages"


def home_page(frame: PageFrame, configurations: Mapping[str, str]) -> bytes:
    """Format the page.

    Args:
        frame: What surrounds it.
        configurations: Texts to copy, by the name of the client.
    """
    return document(frame, _TITLE, _content(frame, configurations), is_first=True)


def _content(frame: PageFrame, configurations: Mapping[str, str]) -> Iterator[str]:
    catalog = frame.catalog
    yield f"<h1>{_TITLE}</h1>\n{_lead(catalog)}"
    yield search_form(frame, is_large=True)
    yield (
        '<nav aria-label="Contents"><ul><li><a href="#environments">Environments</a></li>'
        '<li><a href="#configuration">Configuration</a></li><li><a href="#sources">Channels and indexes</a></li>'
        f"<li>{link(frame.href(f'{PAGES}/search'), 'All packages')}</li>"
        f"<li>{link(frame.href('pixi-mirror.json'), 'Inventory (JSON)')}</li></ul></nav>\n"
    )
    yield from section("environments", "Environments", _environments(frame))
    yield from section("configuration", "Configuration", _configurations(configurations))
    yield from section("sources", "Channels and indexes", _repositories(frame))


def _lead(catalog: Catalog) -> str:
    deferred = sum(each.is_deferred for each in catalog.files)
    waiting = f", {count(deferred, 'file')} of them fetched at the first request" if deferred else ""
    packages = sum(each.packages for each in catalog.repositories)
    return (
        f'<p class="lead">{count(packages, "package")} in {count(len(catalog.files), "file")}, '
        f"{format_size(catalog.size)}{waiting}.</p>\n"
    )


def _environments(frame: PageFrame) -> Iterator[str]:
    workspaces: dict[str, dict[str, list[EnvironmentView]]] = {}
    for each in frame.catalog.environments:
        workspaces.setdefault(each.subscription, {}).setdefault(each.environment, []).append(each)
    for environments in workspaces.values():
        rows = [
            (
                link(frame.environment(views[0]), name(environment)),
                ", ".join(
                    f'{link(frame.environment(each), name(each.platform))} <span class="soft">'
                    f"{format_size(each.size)}</span>"
                    for each in views
                ),
            )
            for environment, views in environments.items()
        ]
        first = next(iter(environments.values()))[0]
        yield f"<h3>{name(first.workspace)}</h3>\n"
        yield table(f"Environments of {name(first.workspace)}", ("Environment", "Platforms"), rows, is_named=True)
    if not workspaces:
        yield "<p>None: the mirror follows no workspace.</p>\n"


def _configurations(configurations: Mapping[str, str]) -> Iterator[str]:
    for number, (client, lines) in enumerate(configurations.items()):
        shown = name(client)
        is_open = "" if number else " open"
        yield f"<details{is_open}><summary><h3>{shown}</h3></summary>\n{block(lines, shown)}</details>\n"


def _repositories(frame: PageFrame) -> Iterator[str]:
    rows = [_row(frame, each) for each in frame.catalog.repositories]
    if not rows:
        yield "<p>None yet.</p>\n"
        return
    heads = ("Source", "Kind", "Indexes", "Packages", "Size")
    yield table("Where the packages come from", heads, rows, numbers=2, is_named=True)


def _row(frame: PageFrame, repository: Repository) -> Sequence[str]:
    kind, path = repository.key
    found = f"{frame.href(f'{PAGES}/search')}?in={quote(f'{kind}:{path}', safe='')}"
    indexes = " ".join(link(frame.href(where), name(label)) for label, where in repository.indexes)
    return (
        link(found, name(repository.title)),
        place(kind),
        indexes,
        f"{repository.packages:,}",
        format_size(repository.size),
    )
