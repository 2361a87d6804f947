"""What the pages of packages and environments say, what a search finds, and what a reader with few rights sees."""

import re

import pytest
from seen import Seen
from synthetic import conda, inventory, wheel
from test_page import CHANGE, UPDATED_S, URL, catalog, environment, package, search

from pixi_mirror.advisories.findings import Finding
from pixi_mirror.advisories.severity import Severity
from pixi_mirror.model.packages import Listing
from pixi_mirror.pypi.metadata import CoreMetadata
from pixi_mirror.serve.page.catalog import catalog_of
from pixi_mirror.serve.page.elements import PageFrame
from pixi_mirror.serve.page.package import package_page
from pixi_mirror.serve.page.picture import PicturePart, strip, treemap
from pixi_mirror.serve.page.search import Question, find_packages, parse_question


def text_of(made):
    return " ".join(Seen(made).text.split())


def found(of, text, source=""):
    return [view.name for view in find_packages(catalog(of), Question(text, source, 1))]


NAMES = ("python", "ipython", "python-dateutil", "python_abi", "zlib", "backports.zstd", "numpy", "numpy-base")
SEARCHED = inventory(*(conda(name, number=number) for number, name in enumerate(NAMES)), wheel("numpy", number=99))


def test_the_name_itself_comes_first_then_names_that_begin_so_then_others():
    assert found(SEARCHED, "python") == ["python", "python_abi", "python-dateutil", "ipython"]


@pytest.mark.parametrize("text", ["backports-zstd", "Backports_ZSTD", "zstd", "ports zst"])
def test_a_part_of_a_name_is_enough_and_separators_are_the_same(text):
    assert found(SEARCHED, text) == ["backports.zstd"]


def test_every_word_has_to_be_in_the_name():
    assert found(SEARCHED, "base num") == ["numpy-base"]
    assert found(SEARCHED, "base python") == []


def test_without_words_everything_is_found_by_name():
    assert found(SEARCHED, "") == sorted([*NAMES, "numpy"])


def test_one_channel_or_index_can_be_searched():
    assert [view.kind for view in find_packages(catalog(SEARCHED), Question("numpy", "conda:conda-forge", 1))] == [
        "conda", "conda",
    ]  # fmt: skip
    assert [
        view.kind for view in find_packages(catalog(SEARCHED), Question("numpy", "pypi:pypi.example/simple", 1))
    ] == ["pypi"]


@pytest.mark.parametrize(
    ("query", "question"),
    [
        ("", Question("", "", 1)),
        ("q=a%20+b&in=conda%3Ax&page=3", Question("a b", "conda:x", 3)),
        ("q=%ff", Question("\ufffd", "", 1)),
        ("page=0", Question("", "", 1)),
        ("page=-1&q=x", Question("x", "", 1)),
        ("page=%C2%B2", Question("", "", 1)),
        ("page=99999999999999", Question("", "", 1)),
        ("&".join("q=x" for _ in range(50)), Question("", "", 1)),
        ("q=" + "y" * 10_000, Question("y" * 100, "", 1)),
    ],
)
def test_a_query_is_parsed_whatever_it_is(query, question):
    assert parse_question(query) == question


def test_a_long_result_has_pages_that_lead_to_each_other():
    of = inventory(*(conda(f"n{number:04}", number=number) for number in range(250)))
    first, last = Seen(search(of, "n")), Seen(search(of, "n", page=99))
    assert "250 packages" in first.text
    assert [text for text, inside in first.texts if inside == "a"][-2:] == ["Later", "Last"]
    assert "n0099" in first.text
    assert "n0100" not in first.text
    assert "n0249" in last.text
    assert [attrs["href"] for _, attrs in first.all("a")][-1] == "../-/search?q=n&page=3"


def test_a_package_page_tells_everything_of_each_file():
    of = inventory(
        conda("app", "1.10", "h1_0", number=1, license="MIT", depends=["lib >=2", "python"], constrains=["old <1"],
              timestamp=1_700_000_000_000),
        conda("app", "1.9", "h0_0", number=2), conda("lib", "2.1", number=3),
        workspace="shop", environment="prod", platform="osx-arm64", sizes=1_500_000,
    )  # fmt: skip
    made = package(of, "conda", "app")
    text = text_of(made)
    for told in (
        "Newest here: 1.10. 2 versions in 2 files, 3.0 MB", "pixi add app==1.10", "conda install app=1.10", "MIT",
        "lib >=2", "old <1", "2023-11-14", "0" * 64, "h1_0", "prod", "shop", "osx-arm64",
        "https://conda.anaconda.org/conda-forge/linux-64/c1.conda",
    ):  # fmt: skip
        assert told in text
    links = [attrs["href"] for _, attrs in Seen(made).all("a")]
    assert "../../../-/packages/conda/lib" in links
    assert "../../../-/packages/conda/python" not in links  # it is not here
    assert "../../../conda-forge/linux-64/c1-h1_0.conda" in links
    assert "../../../-/environments/shop/prod/osx-arm64" in links


def test_it_names_who_needs_a_package_conda_packages_and_wheels_alike():
    of = inventory(
        conda("lib", number=1, purls=["pkg:pypi/the-lib"]), conda("app", number=2, depends=["lib >=2"]),
        conda("lib-tools", number=3, depends=["libfoo"]), wheel("client", number=4), wheel("other", number=5),
    )  # fmt: skip
    for path in [each.path for each in of.wanted if each.kind == "pypi"]:
        of.listings[path] = Listing(
            index=None, is_settled=True, requires_python=">=3.9", yanked="broken", upload_time="2026-01-02T03:04:05Z",
            metadata="1" * 64, build_requires=None,
        )  # fmt: skip

    def read(file):
        wants = ("The_Lib>=1.5",) if file.name == "client" else ()
        plain = CoreMetadata(name=file.name, version="1.0", requires_python=None, requires_dist=wants, license="BSD")
        return plain if file.kind == "pypi" else None

    needed = text_of(package(of, "conda", "lib", read)).partition("Needed by")[2]
    assert "app lib >=2" in needed
    assert "client The_Lib>=1.5" in needed
    assert "lib-tools" not in needed
    assert "other" not in needed
    project = text_of(package(of, "pypi", "client", read))
    for told in ("BSD", "2026-01-02T03:04:05Z", ">=3.9", "broken", "yanked", "pip install --index-url"):
        assert told in project


def test_an_environment_tells_its_largest_packages_first_and_what_changed():
    of = inventory(conda("small", number=1), conda("zlib", "1.3", number=2), wheel("ruff", "0.9", number=3))
    of.tree[of.snapshots[0].packages[1].path] = of.tree[of.snapshots[0].packages[1].path].__class__(
        sha256="0" * 64, size=9_000_000
    )
    text = text_of(environment(of, CHANGE))
    table = text.partition("The largest first")[2]
    assert table.index("zlib") < table.index("ruff")
    assert "9.0 MB" in table
    assert "3 packages by generation 3, of 2026-11-21 11:53 UTC, from generation 2; 6.0 kB more" in text
    assert "1.2 → 1.3" in text
    assert "added 0.9" in text
    assert "removed 9" in text


def test_the_first_generation_and_an_unknown_one_say_so_or_nothing():
    of = inventory(conda("a", number=1))
    first = CHANGE.__class__(number=1, base=None, made_at=0, environments={})
    assert "is the first that this mirror knows" in text_of(environment(of, first))
    nothing = CHANGE.__class__(number=2, base=1, made_at=0, environments={})
    assert "Nothing in this environment by generation 2" in text_of(environment(of, nothing))
    assert "What changed last" not in text_of(environment(of, None))


def rectangles(svg):
    numbers = re.findall(r'<rect class="t\d" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"/>', svg)
    return [tuple(map(float, each)) for each in numbers]


@pytest.mark.parametrize("sizes", [[1], [5, 5], [100, 1, 1], [*range(1, 60)], [10**12, 1], [7] * 200])
def test_the_areas_of_a_picture_are_the_shares_and_do_not_overlap(sizes):
    svg = "".join(treemap([PicturePart(f"p{n}", size, n % 7) for n, size in enumerate(sizes)], "what"))
    broad, narrow = (rectangles(each) for each in svg.split("</svg>")[:2])
    for boxes, (width, height) in ((broad, (1000, 400)), (narrow, (340, 460))):
        assert len(boxes) == min(len(sizes), 61)
        assert sum(w * h for _, _, w, h in boxes) == pytest.approx(width * height, rel=0.02)
        assert all(x >= 0 and y >= 0 and x + w <= width + 0.2 and y + h <= height + 0.2 for x, y, w, h in boxes)
    largest = max(sizes) * 1000 * 400 / sum(sizes)
    assert max(w * h for _, _, w, h in broad) >= 0.98 * largest


def test_a_picture_of_nothing_is_none():
    assert "".join(treemap([PicturePart("a", 0, 0)], "what")) == ""
    assert strip([PicturePart("a", 0, 0)], "what") == ""


def test_a_reader_sees_the_files_that_may_be_read_and_only_whole_environments():
    of = inventory(conda("open", number=1), conda("closed", number=2), wheel("ruff", number=3))
    whole = catalog_of(of, updated_s=UPDATED_S)
    part = whole.restricted(lambda path: path != "" and "c2" not in path)
    assert {view.name for view in part.packages.values()} == {"open", "ruff"}
    assert part.environments == ()
    assert [repository.files for repository in part.repositories] == [1, 1]
    assert not part.is_whole
    everything = whole.restricted(lambda _: True)
    assert len(everything.environments) == 1
    nothing = whole.restricted(lambda _: False)
    assert (nothing.packages, nothing.repositories, nothing.environments) == ({}, (), ())


def test_two_workspaces_of_one_name_have_pages_of_their_own():
    first = inventory(conda("a", number=1), workspace="shop").snapshots[0]
    second = inventory(conda("b", number=2), workspace="shop").snapshots[0]
    of = inventory(conda("a", number=1), conda("b", number=2))
    both = of.__class__(
        layout="channels",
        snapshots=(first, second.__class__(**{**_fields(second), "id": "two"})),
        kept={},
        tree=of.tree,
    )
    places = [each.place for each in catalog(both).environments]
    assert places == ["shop~one", "shop~two"]


def _fields(snapshot):
    return {name: getattr(snapshot, name) for name in snapshot.__slots__}


def test_a_package_page_names_vulnerabilities_of_the_versions_that_are_here_and_of_no_other():
    of = inventory(wheel("shop-lib", "1.0", number=1))

    def finding(version, **more):
        return Finding(
            names=("CVE-2026-1",), advisories=("GHSA-x",), kind="pypi", package="shop-lib", project="shop-lib",
            version=version, severity=Severity("high", 7.5), summary="<b>bad</b>", fixed=("1.5",), is_decided=True,
            files=(), **more,
        )  # fmt: skip

    def shown(findings):
        found = catalog(of)
        frame = PageFrame(found, "../../../", URL)
        return text_of(package_page(frame, found.packages["pypi", "shop-lib"], (), lambda _: None, findings))

    text = shown([finding("1.0"), finding("0.9")])
    assert "1 known vulnerability" in text
    assert "CVE-2026-1high 7.5in 1.0, fixed in 1.5<b>bad</b>" in text
    assert "0.9" not in text
    assert "None, by the advisories in this mirror" in shown([])
    assert "Known vulnerabilities" not in shown(None)
