"""The oracle's judgement of PyPI: hold the pages of a mirror against its files, its inventory and each other.

It shares no code with pixi-mirror and stands on the standard library alone; `oracle.py` is what is run.
"""

import json
import posixpath
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

if __package__:
    from harness.oracle_pages import (
        HTML,
        METADATA,
        PEP691,
        SIMPLE,
        Link,
        Page,
        Unreadable,
        inside,
        is_simple,
        normalised,
    )
else:  # beside `oracle.py` as a program
    from oracle_pages import (  # type: ignore[import-not-found, no-redef]
        HTML,
        METADATA,
        PEP691,
        SIMPLE,
        Link,
        Page,
        Unreadable,
        inside,
        is_simple,
        normalised,
    )

_INVENTORY = "pixi-mirror.json"
_ARCHIVES = re.compile(r"(.+)(?:\.tar\.(?:gz|bz2|xz|zst|z|lzma)|\.(?:whl|zip|tgz|tbz|txz|tar|egg))", re.IGNORECASE)
_MEMBER = re.compile(r"[^/]+\.dist-info/METADATA")


# What is wrong at every instant.


def false_archives(mirror: Path, pages: Mapping[str, Page]) -> Iterator[str]:
    """Where a file has another size than a page says, or a wheel other metadata than stand beside it.

    Whether a file is there and has its hash is not looked at.
    """
    seen = cache(lambda wheel: _metadata_fault(mirror, wheel))
    for path, page in pages.items():
        for link in page.links:
            archive = mirror / link.path
            if not archive.is_file():
                continue
            found = archive.stat().st_size
            if link.size is not None and link.size != found:
                yield f"{path}: lists {link.path} with {link.size} bytes, it has {found}"
            if link.metadata is not None and link.name.endswith(".whl") and (fault := seen(link.path)):
                yield f"{path}: {fault}"


def _metadata_fault(mirror: Path, wheel: str) -> str | None:
    try:
        beside = (mirror / (wheel + METADATA)).read_bytes()
    except OSError:
        return None
    try:
        with zipfile.ZipFile(mirror / wheel) as archive:
            members = [name for name in archive.namelist() if _MEMBER.fullmatch(name)]
            if len(members) != 1:
                return f"lists {wheel}, in which {len(members)} members are METADATA"
            if archive.read(members[0]) != beside:
                return f"declares {wheel}{METADATA}, which is not the {members[0]} of the wheel"
    except (OSError, zipfile.BadZipFile, NotImplementedError) as error:
        return f"lists {wheel}, which is no wheel: {error}"
    return None


# What is wrong once nobody is writing.


def disagreements(mirror: Path, pages: Mapping[str, Page], *, files: Iterable[str]) -> Iterator[str]:
    """Where pages, roots, the inventory and the files of the mirror (`files`: all that clients see) contradict."""
    inventory = _inventory(mirror)
    try:
        flat, unlisted = _pages_of_links(inventory), [*_unlisted(inventory, pages)]
    except (LookupError, TypeError, AttributeError, Unreadable) as error:
        yield f"{_INVENTORY}: cannot be read: {type(error).__name__}: {error}"
        return
    yield from unlisted
    projects = {path: page for path, page in pages.items() if page.kind == "files" and path not in flat}
    yield from _misplaced(projects)
    for path, page in projects.items():
        yield from _unlike_json(path, page, pages)
    yield from _roots(pages, projects)
    yield from _on_two_indexes(pages, flat)
    present = frozenset(files)
    for path in present:
        if path.endswith(METADATA) and path.removesuffix(METADATA) not in present:
            yield f"{path}: stands without its archive"


def deferred(mirror: Path) -> frozenset[str]:
    """What the mirror says that it lists and has somebody fetch on demand."""
    return frozenset(_inventory(mirror).get("deferred", ()))


def recorded(mirror: Path) -> frozenset[str]:
    """Every file that the mirror says it holds."""
    tree = _inventory(mirror).get("tree", {})
    return frozenset(tree if isinstance(tree, dict) else ())


def _inventory(mirror: Path) -> Mapping[str, Any]:
    """What the mirror says that it holds; nothing where there is no inventory of the format known here."""
    try:
        document = json.loads((mirror / _INVENTORY).read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) and document.get("format") in (1, 2) else {}


def _pages_of_links(inventory: Mapping[str, Any]) -> frozenset[str]:
    """Where the pages that a lock calls find-links stand: they are of no project, and have no JSON beside."""
    paths = set()
    for package in inventory.get("packages", ()):
        for url in package["record"].get("find-links") or ():
            if url.lower().startswith(("http:", "https:")):
                path = inside("", url)
                paths.add(path if path.lower().endswith((".html", ".htm")) else posixpath.join(path, HTML))
    return frozenset(paths)


def _misplaced(projects: Mapping[str, Page]) -> Iterator[str]:
    for path, page in projects.items():
        project = posixpath.basename(posixpath.dirname(path))
        if normalised(project) != project:
            yield f"{path}: stands in {project!r}, and clients look in {normalised(project)!r}"
        for link in page.links:
            if not _is_of(normalised(project), link.name):
                yield f"{path}: lists {link.name}, which is no archive of {project}"


def _is_of(project: str, file_name: str) -> bool:
    """Whether an archive may be one of `project`: sdists of old have hyphens in names and in versions."""
    match = _ARCHIVES.fullmatch(file_name)
    parts = match[1].split("-") if match else []
    ends = [1] if file_name.endswith(".whl") else range(1, len(parts))
    return any(normalised("-".join(parts[:end])) == project for end in ends)


_TOLD: tuple[tuple[str, Callable[[Link], object]], ...] = (
    ("size", lambda link: link.size),
    ("core metadata", lambda link: link.metadata),
    ("Requires-Python", lambda link: link.requires_python),
    ("yanked", lambda link: link.yanked),
    ("upload time", lambda link: link.upload_time),
)


def _unlike_json(path: str, page: Page, pages: Mapping[str, Page]) -> Iterator[str]:
    """What the two formats of a project's page do not both say; that they list the same files is looked at before."""
    place, name = posixpath.split(path)
    first = PEP691 if name == HTML else HTML
    other = pages.get(posixpath.join(place, first))
    if other is None:
        yield f"{path}: stands without {first} beside it"
    elif name == HTML:
        json_links = {link.path: link for link in other.links}
        for link in page.links:
            for what, of in _TOLD:
                if link.path in json_links and of(link) != of(json_links[link.path]):
                    theirs = of(json_links[link.path])
                    yield f"{path}: says {of(link)!r} as {what} of {link.name}, but {first} says {theirs!r}"


def _roots(pages: Mapping[str, Page], projects: Mapping[str, Page]) -> Iterator[str]:
    """Each project is in both formats of its root; that what a root lists is there is looked at elsewhere."""
    for place in sorted({posixpath.dirname(path) for path in projects}):
        for name in (HTML, PEP691):
            root = posixpath.join(posixpath.dirname(place), name)
            if root not in pages:
                yield f"{root}: is missing, and {place} has pages"
            elif place not in pages[root].projects:
                yield f"{root}: lacks the project in {place}"
    for path, page in pages.items():
        for place in page.projects:
            for name in (HTML, PEP691):
                if posixpath.join(place, name) not in projects:
                    yield f"{path}: links to {place}/, which has no {name} of files"


def _on_two_indexes(pages: Mapping[str, Page], flat: frozenset[str]) -> Iterator[str]:
    indexes: dict[str, set[str]] = {}
    for path, page in pages.items():
        if not is_simple(path):
            index = path if path in flat else posixpath.dirname(posixpath.dirname(path))
            for link in page.links:
                indexes.setdefault(link.path, set()).add(index)
    for file, of in sorted(indexes.items()):
        if len(of) > 1:
            yield f"{file}: is on the pages of several indexes: {', '.join(sorted(of))}"


def _unlisted(inventory: Mapping[str, Any], pages: Mapping[str, Page]) -> Iterator[str]:
    """Files that the inventory wants and `simple/` does not show; the same bytes from another host count."""
    wanted = {number for row in inventory.get("subscriptions", ()) for number in row["packages"]}
    for number, package in enumerate(inventory.get("packages", ())):
        if number not in wanted or package["kind"] != "pypi":
            continue
        page = pages.get(f"{SIMPLE}/{normalised(package['name'])}/{HTML}")
        # The lock of an unhashed file has no hash, and the tree has that of its first fetch.
        sha256 = package["sha256"] or inventory["tree"].get(package["path"], {}).get("sha256")
        key = (posixpath.basename(package["path"]), sha256)
        if page is None or key not in {(link.name, link.sha256) for link in page.links}:
            yield f"{package['path']}: is wanted, and {SIMPLE}/{normalised(package['name'])}/ does not list it"
