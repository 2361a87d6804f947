"""Which URLs of a PyPI file are indexes and which are pages of links, and where each stands in a mirror."""

from types import MappingProxyType

import pytest

from pixi_mirror.model.packages import Listing, Package
from pixi_mirror.model.values import Sha256, Url, admit_path
from pixi_mirror.pypi.index import possible_pages, repeated_file_names
from pixi_mirror.pypi.index_urls import IndexUrl, index_of, index_urls, indexes_without_place

SHA = Sha256("ab" * 32)
SIMPLE = "https://pypi.example/simple"
PAGE = "https://links.example/whl/page.html"
FOLDER = "https://links.example/whl/cpu/"
NO_PLACE = "https://h.example/a%2F../simple"


def package(*, indexes=(), links=(), path="files.example/thing-1.0.zip", sha256=SHA, kind="pypi"):
    record = {"indexes": list(indexes), "find-links": list(links)} if kind == "pypi" else {}
    return Package(
        path=admit_path(path), url=Url(f"https://{path}"), sha256=sha256, md5=None, size=None, kind=kind, name="thing",
        version="1.0", build=None, subdir=None, record=MappingProxyType(record),
    )  # fmt: skip


def listing(index):
    nothing = dict.fromkeys(("requires_python", "yanked", "upload_time", "metadata", "build_requires"))
    return Listing(index=index, is_settled=True, **nothing)


@pytest.mark.parametrize(
    ("indexes", "links", "expected"),
    [
        ([SIMPLE], [], [(SIMPLE, False)]),
        ([SIMPLE], [PAGE], [(SIMPLE, False), (PAGE, True)]),
        # as locks of version 7 have it: the page where the file was found comes first, as an index
        ([PAGE, SIMPLE], [PAGE], [(PAGE, True), (SIMPLE, False)]),
        ([FOLDER.rstrip("/"), SIMPLE], [FOLDER], [(FOLDER, True), (SIMPLE, False)]),
        ([PAGE, SIMPLE], [], [(PAGE, True), (SIMPLE, False)]),
        (["https://links.example/X.HTM"], [], [("https://links.example/X.HTM", True)]),
        ([], [FOLDER, FOLDER.rstrip("/")], [(FOLDER.rstrip("/"), True)]),
        ([], [], []),
    ],
)
def test_an_index_and_a_page_of_links_are_told_apart(indexes, links, expected):
    assert [tuple(each) for each in index_urls(package(indexes=indexes, links=links))] == expected


@pytest.mark.parametrize(
    ("index", "path", "page"),
    [
        (IndexUrl(SIMPLE, is_page_of_links=False), "pypi.example/simple", None),
        (IndexUrl(PAGE, is_page_of_links=True), "links.example/whl/page.html", "links.example/whl/page.html"),
        (IndexUrl(FOLDER, is_page_of_links=True), "links.example/whl/cpu", "links.example/whl/cpu/index.html"),
        (IndexUrl(NO_PLACE, is_page_of_links=False), None, None),
        (IndexUrl(NO_PLACE, is_page_of_links=True), None, None),
    ],
)
def test_each_has_its_place_or_none(index, path, page):
    assert (index.path, index.page_of_links) == (path, page)


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (None, SIMPLE),
        (listing(None), SIMPLE),
        (listing(FOLDER), FOLDER),
        (listing(FOLDER.rstrip("/")), FOLDER),  # as earlier builds recorded it
        (listing("https://elsewhere.example/simple"), SIMPLE),
    ],
)
def test_a_file_is_of_the_index_that_lists_it_else_of_its_own(listed, expected):
    assert index_of(package(indexes=[SIMPLE], links=[FOLDER]), listed).url == expected
    assert index_of(package(), listed) is None


def test_indexes_that_can_have_no_place_are_named_once():
    several = [package(indexes=[SIMPLE, NO_PLACE]), package(indexes=[NO_PLACE]), package(kind="conda")]
    assert indexes_without_place(several) == (NO_PLACE,)


def test_possible_pages_are_those_of_every_index_that_can_have_a_place():
    found = list(possible_pages([package(indexes=[SIMPLE, NO_PLACE], links=[PAGE, FOLDER]), package(kind="conda")]))
    assert found == [
        ("pypi.example/simple/thing/index.html", SIMPLE),
        ("links.example/whl/page.html", PAGE),
        ("links.example/whl/cpu/index.html", FOLDER),
    ]


def test_a_file_name_with_several_hashes_is_told_with_its_places():
    one, same = package(), package(path="cdn.example/thing-1.0.zip")
    assert repeated_file_names([one, same, package(kind="conda")]) == ()
    other = package(path="other.example/thing-1.0.zip", sha256=Sha256("cd" * 32))
    (line,) = repeated_file_names([one, same, other])
    assert "simple/thing/ lists thing-1.0.zip with 2 different hashes" in line
    assert one.url.raw in line
    assert other.url.raw in line
