"""Format the page of an environment as HTML: what takes the space, what changed last, and its packages; pure."""

from collections.abc import Iterator, Sequence

from pixi_mirror.mirror.generation_changes import ChangedFact, FileFacts, LastChange
from pixi_mirror.progress import format_size
from pixi_mirror.serve.page.contents import EnvironmentView, RepositoryKey, ShownFile, segment_of
from pixi_mirror.serve.page.elements import (
    PageFrame,
    count,
    document,
    link,
    moment,
    name,
    section,
    table,
)
from pixi_mirror.serve.page.picture import PicturePart, share, strip, swatch, tint_of, treemap

_MOST_ROWS = 5_000
"""Of packages; of further ones the page shows only the number."""


def environment_page(frame: PageFrame, view: EnvironmentView, change: LastChange | None) -> bytes:
    """Format the page.

    Args:
        frame: What surrounds it.
        view: The environment on one platform.
        change: What the last generation changed; None: this server does not know it.
    """
    title = f"{name(view.environment)} on {name(view.platform)}"
    trail = [(frame.home, "Mirror"), (f"{frame.home}#environments", "Environments")]
    if not frame.catalog.is_whole:
        trail = [(frame.home, "Packages")]
    return document(frame, title, _content(frame, view, change, title), trail=trail)


def _content(frame: PageFrame, view: EnvironmentView, change: LastChange | None, title: str) -> Iterator[str]:
    yield f"<h1>{title}</h1>\n"
    yield (
        f'<p class="lead">{count(len(view.files), "package")} of the workspace {name(view.workspace)}, '
        f"{format_size(view.size)}.</p>\n"
    )
    yield from _siblings(frame, view)
    yield from section("space", "What takes the space", _space(frame, view))
    if change is not None:
        yield from section("changes", "What changed last", _changes(frame, view, change))
    yield from section("packages", "Packages", _packages(frame, view))


def _siblings(frame: PageFrame, view: EnvironmentView) -> Iterator[str]:
    """Lead to the other platforms, and to the other environments of the workspace."""
    ours = [each for each in frame.catalog.environments if each.subscription == view.subscription]
    platforms = [each for each in ours if each.environment == view.environment]
    if len(platforms) > 1:
        items = "".join(
            f'<li><a href="{frame.environment(each)}"{_current(each is view)}>{name(each.platform)}</a></li>'
            for each in platforms
        )
        yield f'<nav aria-label="Platforms"><ul>{items}</ul></nav>\n'
    others: dict[str, EnvironmentView] = {}
    for each in ours:
        if each.environment != view.environment and (each.environment not in others or each.platform == view.platform):
            others[each.environment] = each
    if others:
        items = "".join(f"<li>{link(frame.environment(each), name(key))}</li>" for key, each in others.items())
        yield (
            f"<details><summary>{count(len(others), 'other environment')} of {name(view.workspace)}</summary>\n"
            f'<nav aria-label="Other environments"><ul>{items}</ul></nav></details>\n'
        )


def _current(is_it: bool) -> str:  # noqa: FBT001 - of one attribute
    return ' aria-current="page"' if is_it else ""


def _space(frame: PageFrame, view: EnvironmentView) -> Iterator[str]:
    if not view.size:
        yield "<p>Nothing whose size is known.</p>\n"
        return
    sizes: dict[RepositoryKey, int] = {}
    for each in view.files:
        sizes[each.repository] = sizes.get(each.repository, 0) + each.size
    groups = sorted(sizes, key=lambda key: (-sizes[key], key))
    tints = {key: tint_of(number) for number, key in enumerate(groups)}
    parts = [PicturePart(each.name, each.size, tints[each.repository]) for each in view.files]
    largest = max(view.files, key=lambda each: each.size)
    yield "<figure>\n"
    yield from treemap(
        parts,
        f"Packages by size: the largest is {name(largest.name)} with {format_size(largest.size)}; "
        "the table of packages has all of them",
    )
    yield "</figure>\n<h3>By channel and index</h3>\n"
    shares = [PicturePart(frame.catalog.titles[key], sizes[key], tints[key]) for key in groups]
    yield strip(shares, "Shares of the channels and indexes, as in the list below")
    items = "".join(
        f"<li>{swatch(each.tint)}{name(each.label)} "
        f'<span class="soft">{format_size(each.size)}, {_percent(each.size, view.size)}</span></li>'
        for each in shares
    )
    yield f'<ul class="legend">{items}</ul>\n'


def _percent(size: int, whole: int) -> str:
    part = 100 * size / whole
    return f"{part:.0f} %" if part >= 1 or not size else "below 1 %"


def _changes(frame: PageFrame, view: EnvironmentView, change: LastChange) -> Iterator[str]:
    when = moment(change.made_at)
    if change.base is None:
        yield f"<p>Generation {change.number}, of {when}, is the first that this mirror knows.</p>\n"
        return
    found = change.environments.get((view.subscription, view.environment, view.platform), ())
    made = f"generation {change.number}, of {when}, from generation {change.base}"
    if not found:
        yield f"<p>Nothing in this environment by {made}.</p>\n"
        return
    yield f"<p>{count(len(found), 'package')} by {made}; {_growth(found)}.</p>\n"
    rows = [_changed(frame, each) for each in found]
    yield table("Packages that changed", ("Package", "Change", "Size"), rows, numbers=1, is_named=True)


def _growth(changes: Sequence[ChangedFact]) -> str:
    more = sum(_size(each.after) - _size(each.before) for each in changes)
    return f"{format_size(abs(more))} {'more' if more >= 0 else 'less'}"


def _size(facts: FileFacts | None) -> int:
    return 0 if facts is None else facts.size


def _changed(frame: PageFrame, change: ChangedFact) -> Sequence[str]:
    label = name(change.name)
    more = _size(change.after) - _size(change.before)
    sign = "+" if more >= 0 else "\N{MINUS SIGN}"
    named = change.after or change.before
    shown = frame.catalog.packages.get((named.kind, segment_of(named.name))) if named is not None else None
    return (
        link(frame.package(shown.kind, shown.name), label) if shown is not None else label,
        _versions(change),
        f"{sign}{format_size(abs(more))}",
    )


def _versions(change: ChangedFact) -> str:
    if change.before is None or change.after is None:
        stated = "added" if change.before is None else "removed"
        there = change.after or change.before
        return f'<span class="soft">{stated}</span> {"" if there is None else name(there.version)}'
    before, after = name(change.before.version), name(change.after.version)
    same = "another build of " if before == after else f'{before} <span aria-label="to">→</span> '
    return f"{same}{after}"


def _packages(frame: PageFrame, view: EnvironmentView) -> Iterator[str]:
    ordered = sorted(view.files, key=lambda each: (-each.size, each.name))
    rows = [_row(frame, view, each) for each in ordered[:_MOST_ROWS]]
    if not rows:
        yield "<p>None: what it wants is not here.</p>\n"
        return
    yield table("The largest first", ("Name", "Version", "Build", "Size"), rows, numbers=1)
    if more := len(ordered) - len(rows):
        yield f"<p>And {count(more, 'further package')}, which the search finds.</p>\n"


def _row(frame: PageFrame, view: EnvironmentView, file: ShownFile) -> Sequence[str]:
    building = ' <span class="chip">to build</span>' if file.path in view.building else ""
    return (
        f"{link(frame.package(file.kind, file.name), name(file.name))}{building}{share(file.size, view.size)}",
        name(file.version),
        f'<span class="soft">{name(file.build or file.kind)}</span>',
        format_size(file.size),
    )
