"""Make the index of PyPI files: pages at each index's own URL, core metadata beside wheels, and `simple/`.

Links on the pages of an index are upstream's own, absolute, so that a solve through pixi's `[mirrors]` leaves no
address of a mirror in `pixi.lock`. Those of `simple/` are relative, for pip, uv and other clients without `[mirrors]`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from pixi_mirror.errors import MachineError
from pixi_mirror.model.hosted import hosted_projects, is_hosted_url
from pixi_mirror.model.indexes import Contents, IndexFile
from pixi_mirror.model.packages import Listing, Package
from pixi_mirror.model.values import MirrorPath, Sha256, admit_path, admit_sha256, canonical, sha256_of
from pixi_mirror.pypi.index_urls import index_of, index_urls
from pixi_mirror.pypi.names import WHEEL
from pixi_mirror.pypi.simple import METADATA, PAGE_HTML, PAGE_JSON, PAGES_OF_LINKS, PROVENANCE, SIMPLE, FileLink
from pixi_mirror.pypi.simple_writer import html_page, html_root, json_page, json_root


class PypiIndex:
    """HTML and JSON pages (PEP 503, 592, 658, 691, 700, 714); only files that are there or deferred are on them."""

    def files(self, contents: Contents) -> Mapping[MirrorPath, IndexFile]:
        """The core metadata, then the pages of projects, then those that list projects."""
        made = {
            admit_path(path + METADATA): IndexFile(
                listing.metadata, partial(_metadata, contents.where(path), path.rpartition("/")[2]), is_part=True
            )
            for path, listing in sorted(contents.listings.items())
            if listing.metadata is not None and path.endswith(WHEEL)
        }
        made |= dict(_provenance(contents.packages))
        links = _PageLinks(contents.hosted_indexes, hosted_projects(contents.packages))
        for package in contents.packages:
            if package.kind == "pypi" and package.sha256 is not None:
                links.add(package, contents.listings.get(package.path))
        return {**made, **{path: IndexFile.of(data) for path, data in links.pages()}}

    def problem(
        self,
        path: MirrorPath,
        data: bytes,  # noqa: ARG002 - that it is not what the inventory gives is known
        contents: Contents,
        *,
        read: Callable[[MirrorPath], bytes | None],  # noqa: ARG002 - pages refer to nothing that has to be read
    ) -> str | None:
        """What is wrong with a page, or with core metadata."""
        if path.endswith(METADATA) and path.removesuffix(METADATA) in contents.listings:
            return "it is not the METADATA of the wheel beside it"
        if path.lower().endswith((*PAGES_OF_LINKS, f"/{PAGE_JSON}")):
            return "it is not the page that the inventory gives"
        return None


class _PagePlace(NamedTuple):
    """Where a page stands."""

    folder: str
    """The path of the index; of a page of links that of the page itself."""
    project: str | None
    """None: it is a page of links, of all projects."""


class _PageLinks:
    """The links of every page, added file by file."""

    def __init__(self, indexes: Iterable[MirrorPath], hosted: frozenset[str]) -> None:
        """Begin with no links.

        Args:
            indexes: the folders of indexes that exist even when they are empty.
            hosted: projects of which `simple/` lists only what the mirror hosts: nobody who takes the name of one's
                own project elsewhere gets his files installed in its place.
        """
        self._indexes = tuple(indexes)
        self._hosted = hosted
        self._links: dict[_PagePlace, dict[tuple[str, Sha256 | None], FileLink]] = {}

    def add(self, package: Package, listing: Listing | None) -> None:
        """List a file on its index, if it is of any, and in `simple/`."""
        link = _link(package, listing)
        if (place := _place_of(package, listing)) is not None:
            self._put(place, link)
        if package.name in self._hosted and not is_hosted_url(package.url.raw):
            return
        # As it is spelled on the disk: every web server finds it so, and no client that resolves `//` to `/` loses it.
        merged = replace(link, url="../../" + quote(package.path))
        if link.provenance is not None:
            merged = replace(merged, provenance=merged.url + PROVENANCE)
        self._put(_PagePlace(SIMPLE, package.name), merged)

    def _put(self, place: _PagePlace, link: FileLink) -> None:
        # The same bytes under one name from two hosts are one file; other bytes are another file.
        known = self._links.setdefault(place, {})
        key = (link.file_name, link.sha256)
        if key not in known or link.url < known[key].url:
            known[key] = link

    def pages(self) -> Iterator[tuple[MirrorPath, bytes]]:
        """Every page, those of projects first."""
        projects: dict[str, list[str]] = {folder: [] for folder in self._indexes}
        for place in sorted(self._links, key=lambda place: (place.folder, place.project or "")):
            links = list(self._links[place].values())
            if place.project is None:
                yield admit_path(place.folder), html_page("links", links)
                continue
            projects.setdefault(place.folder, []).append(place.project)
            yield admit_path(f"{place.folder}/{place.project}/{PAGE_HTML}"), html_page(place.project, links)
            yield admit_path(f"{place.folder}/{place.project}/{PAGE_JSON}"), json_page(place.project, links)
        for folder, names in projects.items():
            yield from root_pages(folder, names)


def root_pages(folder: str, projects: Iterable[str]) -> Iterator[tuple[MirrorPath, bytes]]:
    """The pages of an index that list its projects."""
    names = sorted(set(projects))
    yield admit_path(f"{folder}/{PAGE_HTML}"), html_root(names)
    yield admit_path(f"{folder}/{PAGE_JSON}"), json_root(names)


def repeated_file_names(packages: Iterable[Package]) -> tuple[str, ...]:
    """One sentence for each file name that `simple/` lists with several hashes."""
    hashes: dict[tuple[str, str], dict[str | None, str]] = {}
    for package in packages:
        if package.kind == "pypi":
            files = hashes.setdefault((package.name, package.path.rpartition("/")[2]), {})
            files.setdefault(package.sha256, str(package.url))
    return tuple(
        f"{SIMPLE}/{project}/ lists {name} with {len(files)} different hashes, from "
        f"{' and '.join(sorted(files.values()))}; pip and uv take one of them unless they are given a hash"
        for (project, name), files in sorted(hashes.items())
        if len(files) > 1
    )


def possible_pages(packages: Iterable[Package]) -> Iterator[tuple[MirrorPath, str]]:
    """Every path at which a page for these packages may come to stand, with the URL of its index.

    Which of them do is known only when upstream's pages have been read.
    """
    for package in packages:
        for index in index_urls(package) if package.kind == "pypi" else ():
            if index.path is not None:
                yield index.page_of_links or admit_path(f"{index.path}/{package.name}/{PAGE_HTML}"), index.url


def _place_of(package: Package, listing: Listing | None) -> _PagePlace | None:
    index = index_of(package, listing)
    if index is None or index.path is None:
        return None
    page = index.page_of_links
    return _PagePlace(index.path, package.name) if page is None else _PagePlace(page, None)


def _link(package: Package, listing: Listing | None) -> FileLink:
    return FileLink(
        file_name=package.path.rpartition("/")[2],
        url=_relative(package) if is_hosted_url(package.url.raw) else package.url.stripped,
        sha256=admit_sha256(package.sha256 or ""),
        size=package.size,
        version=package.version,
        requires_python=listing.requires_python if listing else None,
        yanked=listing.yanked if listing else None,
        upload_time=listing.upload_time if listing else None,
        core_metadata=listing.metadata if listing else None,
        provenance=_relative(package) + PROVENANCE if "provenance" in package.record else None,
    )


def _provenance(packages: Iterable[Package]) -> Iterator[tuple[MirrorPath, IndexFile]]:
    """What uploaders attested of their files, as it came (PEP 740)."""
    for package in packages:
        if package.kind == "pypi" and (found := package.record.get("provenance")) is not None:
            data = canonical(found)
            yield admit_path(package.path + PROVENANCE), IndexFile(sha256_of(data), partial(bytes, data), is_part=True)


def _relative(package: Package) -> str:
    """The link to a hosted file from the page of its project, which stands in `NAME/simple/PROJECT/`."""
    return "../../" + quote(package.path.partition("/")[2])


def _metadata(wheel: Path, file_name: str) -> bytes:
    from pixi_mirror.pypi.wheel import read_wheel_metadata

    try:
        return read_wheel_metadata(wheel, file_name=file_name)
    except ValueError as error:
        raise MachineError(
            f"the core metadata of {wheel} cannot be read again: {error}. Run `pixi-mirror verify --repair`."
        ) from None
