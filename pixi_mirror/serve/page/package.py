"""Format the page of a package as HTML: its files, how to install it, who wants it, and who needs it; pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime

from pixi_mirror.advisories.findings import Finding
from pixi_mirror.mirror.requirements_graph import name_of_spec
from pixi_mirror.paths import PAGES
from pixi_mirror.progress import format_size
from pixi_mirror.pypi.licenses import license_of_metadata
from pixi_mirror.pypi.metadata import CoreMetadata
from pixi_mirror.pypi.requirements import required_name
from pixi_mirror.pypi.simple import SIMPLE
from pixi_mirror.serve.page.contents import EnvironmentView, PackageView, ShownFile, segment_of
from pixi_mirror.serve.page.dependants import ReadMetadata, Requirement
from pixi_mirror.serve.page.elements import (
    PageFrame,
    block,
    count,
    document,
    facts,
    kind_of,
    link,
    name,
    section,
    table,
    text,
    word,
)

_MOST_FILES = 200
"""Of further ones the page shows only the number."""
_MOST_LINKS = 300
_MOST_FIXED = 3
_MOST_WANTING = 8
"""Environments; a longer table has to be opened."""
_OPEN = 3
"""If there are no more files than these, all of them are shown at once."""


def package_page(
    frame: PageFrame,
    view: PackageView,
    dependants: Iterable[Requirement],
    read_metadata: ReadMetadata,
    findings: Sequence[Finding] | None = None,
) -> bytes:
    """Format the page.

    Args:
        frame: What surrounds it.
        view: The package.
        dependants: Who needs it, by name.
        read_metadata: Gives what a wheel says of itself.
        findings: The vulnerabilities that are known, the worst first; None: the mirror carries no advisories.
    """
    packages = (frame.href(f"{PAGES}/search"), "Packages")
    trail = [(frame.home, "Mirror"), packages] if frame.catalog.is_whole else [packages]
    return document(
        frame, name(view.name), _content(frame, view, tuple(dependants), read_metadata, findings), trail=trail
    )


def _content(
    frame: PageFrame,
    view: PackageView,
    dependants: tuple[Requirement, ...],
    read_metadata: ReadMetadata,
    findings: Sequence[Finding] | None,
) -> Iterator[str]:
    newest = view.files[0]
    stated = _license(newest, read_metadata(newest))
    versions = count(len(view.versions), "version")
    yield f"<h1>{name(view.name)}</h1>\n"
    chips = [kind_of(view.kind), *([name(stated)] if stated else [])]
    yield "<p>" + "".join(f'<span class="chip">{chip}</span>' for chip in chips) + "</p>\n"
    yield (
        f'<p class="lead">Newest here: {name(newest.version)}. {versions} in '
        f"{count(len(view.files), 'file')}, {format_size(view.size)}.</p>\n"
    )
    if any(each.yanked is not None for each in view.files):
        yield '<p class="warn">Some of its files were yanked: see below.</p>\n'
    versions_here = set(view.versions)  # who may read a part of the mirror learns of no other version
    known = None if findings is None else [each for each in findings if each.version in versions_here]
    if known:
        vulnerable = count(len(known), "known vulnerability", "known vulnerabilities")
        yield f'<p class="warn">{link("#vulnerabilities", vulnerable)}</p>\n'
    yield from section("install", "Install", _install(frame, view))
    yield from section("wanted", "Wanted by", _wanted(frame, view))
    yield from section("files", "Files", _files(frame, view, read_metadata))
    yield from section("needed", "Needed by", _needed(frame, dependants))
    if known is not None:
        yield from section("vulnerabilities", "Known vulnerabilities", _vulnerabilities(known))


def _install(frame: PageFrame, view: PackageView) -> Iterator[str]:
    newest = view.files[0]
    configured = "a client that is configured for this mirror"
    if frame.catalog.is_whole:
        configured = f"{link(f'{frame.home}#configuration', 'a client that is configured')} for this mirror"
    if view.kind == "git":
        yield f"<p>Build it from its commit, with {configured}:</p>\n"
        yield block(f"git clone {word(newest.url)}\n", "Commands")
        return
    pinned = f"{view.name}=={newest.version}"
    yield f"<p>With {configured}:</p>\n"
    if view.kind == "conda":
        lines = f"pixi add {word(pinned)}\nconda install {word(f'{view.name}={newest.version}')}\n"
    else:
        lines = f"pixi add --pypi {word(pinned)}\nuv pip install {word(pinned)}\npip install {word(pinned)}\n"
    yield block(lines, "Commands")
    if view.kind == "pypi" and frame.catalog.is_whole:
        yield "<p>Without any configuration:</p>\n"
        index = word(f"{frame.url}/{SIMPLE}/")
        yield block(f"pip install --index-url {index} {word(pinned)}\n", "Command")


def _wanted(frame: PageFrame, view: PackageView) -> Iterator[str]:
    found: dict[tuple[str, str], dict[str, tuple[EnvironmentView, list[ShownFile]]]] = {}
    for file in view.files:
        for environment in frame.catalog.wanted_in.get(file.path, ()):
            platforms = found.setdefault((environment.subscription, environment.environment), {})
            platforms.setdefault(environment.platform, (environment, []))[1].append(file)
    rows = [_wanting(frame, [platforms[key] for key in sorted(platforms)]) for _, platforms in sorted(found.items())]
    if rows:
        shown = table(
            "Environments that have it", ("Environment", "Workspace", "Platforms and versions"), rows, is_named=True
        )
        summary = f"{count(len(rows), 'environment')} of {count(len({key for key, _ in found}), 'workspace')}"
        is_long = len(rows) > _MOST_WANTING
        yield f"<details><summary>{summary}</summary>\n{shown}</details>\n" if is_long else shown
    elif frame.catalog.is_whole:
        yield "<p>No environment any more; it is here until it is pruned, or it only serves to build others.</p>\n"
    else:
        yield "<p>No environment of which you may read all.</p>\n"


def _wanting(frame: PageFrame, platforms: Sequence[tuple[EnvironmentView, list[ShownFile]]]) -> Sequence[str]:
    """The row of one environment."""
    first = platforms[0][0]
    shown = []
    for environment, files in platforms:
        versions = ", ".join(dict.fromkeys(name(file.version) for file in files))
        building = ' <span class="chip">to build</span>' if all(f.path in environment.building for f in files) else ""
        platform = link(frame.environment(environment), name(environment.platform))
        shown.append(f'<li>{platform} <span class="soft">{versions}</span>{building}</li>')
    listed = f'<ul class="list">{"".join(shown)}</ul>'
    return link(frame.environment(first), name(first.environment)), name(first.workspace), listed


def _files(frame: PageFrame, view: PackageView, read_metadata: ReadMetadata) -> Iterator[str]:
    is_open = len(view.files) <= _OPEN
    for number, file in enumerate(view.files[:_MOST_FILES]):
        where = f'<span class="chip">{name(file.subdir)}</span> ' if file.subdir else ""
        state = ' <span class="soft">comes at the first request</span>' if file.is_deferred else ""
        yanked = ' <span class="warn">yanked</span>' if file.yanked is not None else ""
        yield (
            f"<details{' open' if is_open or not number else ''}>"
            f"<summary><h3>{name(file.path.rpartition('/')[2])}</h3> {where}"
            f'<span class="soft">{format_size(file.size)}</span>{yanked}{state}</summary>\n'
        )
        yield facts(_facts(frame, file, read_metadata(file)))
        yield "</details>\n"
    if more := len(view.files) - _MOST_FILES:
        yield f"<p>And {count(more, 'further file')}, which the indexes list.</p>\n" if more > 0 else ""


def _facts(frame: PageFrame, file: ShownFile, metadata: CoreMetadata | None) -> Iterator[tuple[str, str]]:
    yield "Version", name(file.version) + (f" <code>{name(file.build)}</code>" if file.build else "")
    yield "Licence", text(_license(file, metadata) or "")
    yield "Built", _date(file.built_s)
    yield "Uploaded", name(file.upload_time or "")
    yield "Yanked", "" if file.yanked is None else text(file.yanked) or "without a reason"
    yield "Python", name(file.requires_python or "")
    yield "File", link(frame.href(file.path), text(file.path))
    yield "From", text(file.url)
    yield "SHA-256", f"<code>{file.sha256}</code>" if file.sha256 else ""
    yield "MD5", f"<code>{text(file.md5)}</code>" if file.md5 else ""
    yield "Provenance", "" if file.attestations is None else _provenance(frame, file.attestations)
    yield "Depends on", _links(frame, "conda", file.depends, name_of_spec)
    yield "Constrains", ", ".join(map(text, file.constrains[:_MOST_LINKS]))
    if metadata is not None:
        yield "Requires", _links(frame, "pypi", metadata.requires_dist, required_name)
    if file.kind == "pypi" and frame.catalog.is_whole:
        yield "Index", link(frame.href(f"{SIMPLE}/{file.name}/"), f"{SIMPLE}/{name(file.name)}/")


def _provenance(frame: PageFrame, path: str) -> str:
    return f"{link(frame.href(path), 'attestations')}, which <code>pixi-mirror verify --attestations</code> checks"


def _links(frame: PageFrame, kind: str, lines: Iterable[str], named: Callable[[str], str | None]) -> str:
    """The requirements of a package, each leading to the page of what it needs, if that is here."""
    shown = []
    for line in [*lines][:_MOST_LINKS]:
        needed = named(line)
        view = frame.catalog.packages.get((kind, segment_of(needed))) if needed else None
        label = f"<code>{text(line)}</code>"
        shown.append(f"<li>{link(frame.package(view.kind, view.name), label) if view is not None else label}</li>")
    return f'<ul class="list">{"".join(shown)}</ul>' if shown else ""


def _needed(frame: PageFrame, dependants: tuple[Requirement, ...]) -> Iterator[str]:
    if not dependants:
        yield "<p>No other package here, as far as records and metadata of wheels say.</p>\n"
        return
    items = "".join(
        f"<li>{link(frame.package(each.kind, each.name), name(each.name))} "
        f'<span class="soft"><code>{text(each.line)}</code></span></li>'
        for each in dependants[:_MOST_LINKS]
    )
    yield f"<p>{count(len(dependants), 'package')} in this mirror:</p>\n"
    yield f'<ul class="list">{items}</ul>\n'
    if (more := len(dependants) - _MOST_LINKS) > 0:
        yield f"<p>And {more:,} more.</p>\n"


def _vulnerabilities(known: Sequence[Finding]) -> Iterator[str]:
    if not known:
        yield "<p>None, by the advisories in this mirror.</p>\n"
        return
    rows = [
        (
            name(each.names[0]),
            f"{name(each.severity.level)}{'' if each.severity.score is None else f' {each.severity.score:.1f}'}",
            f"in {name(each.version)}"
            + (f", fixed in {', '.join(map(name, each.fixed[:_MOST_FIXED]))}" if each.fixed else ""),
            text(each.summary),
        )
        for each in known
    ]
    yield table("By the advisories in this mirror", ("Advisory", "Severity", "Versions", "Summary"), rows)


def _license(file: ShownFile, metadata: CoreMetadata | None) -> str | None:
    if metadata is None:
        return file.license
    found = license_of_metadata(metadata.license_expression, metadata.license, metadata.classifiers)
    return None if found is None else found.text


def _date(seconds: float | None) -> str:
    return "" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
