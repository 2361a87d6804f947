"""Write the pages of the simple API, as HTML and as JSON; the same links give the same bytes; pure.

PEP 503 and 592 (HTML, yanked files), 629 (versions), 658 and 714 (core metadata), 691 (JSON), 700 (sizes, times). Names
of projects are normalised by the caller.
"""

from collections.abc import Iterable, Iterator
from html import escape

from pixi_mirror.model.values import Json, canonical
from pixi_mirror.pypi.simple import FileLink

_API_VERSION = "1.1"
_META = {"api-version": _API_VERSION}
_BEFORE_SIZES = {"api-version": "1.0"}
_IN_ONE_LINE = str.maketrans({"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})


def html_page(project: str, links: Iterable[FileLink]) -> bytes:
    """The page of a project as HTML: PEP 503, "each anchor element representing a file"."""
    title = f"Links for {project}"
    return _document(title, (f"<a{_attributes(link)}>{_text(link.file_name)}</a><br>" for link in _ordered(links)))


def json_page(project: str, links: Iterable[FileLink]) -> bytes:
    """The page of a project as JSON: PEP 691, with the versions and sizes of PEP 700."""
    ordered = _ordered(links)
    return canonical(
        {
            "meta": _BEFORE_SIZES if any(link.size is None for link in ordered) else _META,
            "name": project,
            "versions": sorted({link.version for link in ordered if link.version is not None}),
            "files": [_file(link) for link in ordered],
        }
    )


def html_root(projects: Iterable[str]) -> bytes:
    """The list of projects as HTML: PEP 503, "the text of the anchor tag MUST be the name of the project"."""
    from urllib.parse import quote

    names = sorted(set(projects))
    return _document("Simple index", (f'<a href="{quote(name, safe="")}/">{_text(name)}</a><br>' for name in names))


def json_root(projects: Iterable[str]) -> bytes:
    """The list of projects as JSON: PEP 691."""
    names = sorted(set(projects))
    return canonical({"meta": _META, "projects": [{"name": name} for name in names]})


def _ordered(links: Iterable[FileLink]) -> list[FileLink]:
    return sorted(links, key=lambda link: (link.file_name, link.url))


def _text(raw: str) -> str:
    """What stands for `raw` in HTML, in an attribute too; on one line."""
    return escape(raw).translate(_IN_ONE_LINE)


def _document(title: str, lines: Iterable[str]) -> bytes:
    head = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta name="pypi:repository-version" content="{_API_VERSION}">',
        f"<title>{_text(title)}</title></head><body>",
    ]
    return "\n".join([*head, *lines, "</body></html>", ""]).encode()


def _attributes(link: FileLink) -> str:
    return "".join(f' {name}="{_text(value)}"' for name, value in _pairs(link))


def _pairs(link: FileLink) -> Iterator[tuple[str, str]]:
    """PEP 503, 592, 658 and 714; time and size stand in no PEP for HTML, and uv reads them."""
    yield "href", link.url if link.sha256 is None else f"{link.url}#sha256={link.sha256}"
    if link.requires_python is not None:
        yield "data-requires-python", link.requires_python
    if link.yanked is not None:
        yield "data-yanked", link.yanked
    if link.core_metadata is not None:
        yield "data-core-metadata", f"sha256={link.core_metadata}"
        yield "data-dist-info-metadata", f"sha256={link.core_metadata}"
    if link.provenance is not None:
        yield "data-provenance", link.provenance
    if link.upload_time is not None:
        yield "data-upload-time", link.upload_time
    if link.size is not None:
        yield "data-size", str(link.size)


def _file(link: FileLink) -> Json:
    metadata: Json = False if link.core_metadata is None else {"sha256": link.core_metadata}
    file: dict[str, Json] = {
        "filename": link.file_name,
        "url": link.url,
        "hashes": {} if link.sha256 is None else {"sha256": link.sha256},
        # PEP 691 has no empty reason: `true` says that it was withdrawn.
        "yanked": False if link.yanked is None else link.yanked or True,
        "core-metadata": metadata,
        "dist-info-metadata": metadata,
    }
    if link.size is not None:
        file["size"] = link.size
    if link.requires_python is not None:
        file["requires-python"] = link.requires_python
    if link.provenance is not None:
        file["provenance"] = link.provenance
    if link.upload_time is not None:
        file["upload-time"] = link.upload_time
    return file
