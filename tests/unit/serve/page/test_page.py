"""Every page is sound HTML that no name can break, needs nothing from elsewhere, and can be used by everybody."""

import base64
import hashlib
import re
from itertools import pairwise

import pytest
from harness.examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from seen import Seen
from synthetic import INDEX, conda, inventory, realistic, wheel

from pixi_mirror.mirror.generation_changes import ChangedFact, FileFacts, LastChange
from pixi_mirror.serve.page.catalog import catalog_of
from pixi_mirror.serve.page.dependants import Dependants
from pixi_mirror.serve.page.elements import PageFrame
from pixi_mirror.serve.page.environment import environment_page
from pixi_mirror.serve.page.home import home_page
from pixi_mirror.serve.page.package import package_page
from pixi_mirror.serve.page.search import Question, search_page
from pixi_mirror.serve.page.style import POLICY, STYLE, TINTS

UPDATED_S = 1_795_262_400.0  # 2026-11-21, 12:00 UTC
COPIED = {"pixi": '[mirrors]\n"https://a.example" = ["http://127.0.0.1:1"]\n', "pip": "[global]\n"}
URL = "http://127.0.0.1:8765"


def catalog(of):
    return catalog_of(of, updated_s=UPDATED_S)


def home(of, configurations=COPIED):
    return home_page(PageFrame(catalog(of), "", URL), configurations)


def search(of, text="", page=1, source=""):
    return search_page(PageFrame(catalog(of), "../", URL), Question(text, source, page))


def package(of, kind, name, read=lambda _: None):
    found = catalog(of)
    view = next(each for each in found.packages.values() if (each.kind, each.name) == (kind, name))
    frame = PageFrame(found, "../../../", URL)
    return package_page(frame, view, Dependants(found, read).of(view), read)


def environment(of, change=None):
    found = catalog(of)
    return environment_page(PageFrame(found, "../../../../", URL), found.environments[0], change)


CHANGE = LastChange(
    number=3, base=2, made_at=1_795_262_000,
    environments={("one", "default", "linux-64"): (
        ChangedFact(FileFacts("conda", "zlib", "1.2", 10), FileFacts("conda", "zlib", "1.3", 5_010)),
        ChangedFact(None, FileFacts("pypi", "ruff", "0.9", 2_000)),
        ChangedFact(FileFacts("conda", "gone", "9", 1_000), None),
    )},
)  # fmt: skip
SOME = realistic(40)
PAGES = {
    "home": home(SOME),
    "search": search(SOME, "n"),
    "package": package(SOME, "conda", "numpy"),
    "project": package(SOME, "pypi", "python-dateutil"),
    "environment": environment(SOME, CHANGE),
}


@pytest.fixture(params=PAGES)
def some(request):
    return Seen(PAGES[request.param])


def test_the_first_page_tells_packages_sizes_environments_and_the_time():
    of = inventory(
        conda("zlib", "1.3", number=1), conda("zlib", "1.2.13", number=2), wheel("ruff", "0.9", number=3),
        workspace="shop", environment="prod", platform="osx-arm64", sizes=1_500_000,
    )  # fmt: skip
    text = Seen(home(of)).text
    for told in ("4.5 MB", "3.0 MB", "shop", "prod", "osx-arm64", "conda-forge", INDEX, "Python index"):
        assert told in text
    assert "Updated 2026-11-21 12:00 UTC" in text
    assert "2 packages in 3 files" in text


def test_a_file_that_is_neither_there_nor_deferred_is_not_shown():
    there, waiting, gone = conda("there", number=1), conda("waiting", number=2), conda("gone", number=3)
    of = inventory(there, waiting, gone, deferred=frozenset({waiting.path}))
    del of.tree[gone.path]
    text = Seen(search(of)).text
    assert "waiting" in text
    assert "gone" not in text
    assert "1 file of them fetched at the first request" in Seen(home(of)).text
    assert "comes at the first request" in Seen(package(of, "conda", "waiting")).text


def test_an_empty_mirror_has_pages():
    assert "None yet" in Seen(home(inventory())).text
    assert "0 packages" in Seen(search(inventory())).text


def test_configurations_can_be_copied_to_the_last_character():
    found = Seen(home(inventory()))
    assert [text for text, inside in found.texts if inside == "code"] == list(COPIED.values())


def test_ids_are_unique_and_every_anchor_leads_somewhere(some):
    ids = some.ids()
    assert len(ids) == len(set(ids))
    anchors = [attrs["href"][1:] for _, attrs in some.all("a") if attrs["href"].startswith("#")]
    assert set(anchors) <= set(ids)


def test_it_can_be_used_with_a_screen_reader(some):
    ids = set(some.ids())
    assert some.all("html")[0][1]["lang"] == "en"
    assert [tag for tag, _ in some.all("h1")] == ["h1"]
    assert {attrs["for"] for _, attrs in some.all("label")} == {attrs["id"] for _, attrs in some.all("input", "select")}
    assert {attrs["aria-labelledby"] for _, attrs, _ in some.elements if "aria-labelledby" in attrs} <= ids
    assert len(some.all("caption")) == len(some.all("table"))
    assert all(attrs["scope"] in ("row", "col") for _, attrs in some.all("th"))
    assert all(attrs.get("aria-hidden") == "true" or attrs["aria-label"] for _, attrs in some.all("svg"))
    assert len({attrs["aria-label"] for _, attrs in some.all("nav")}) == len(some.all("nav"))
    levels = [int(tag[1]) for tag, _ in some.all("h1", "h2", "h3")]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_it_needs_nothing_from_elsewhere(some):
    assert not some.all("script", "img", "link", "iframe")
    for tag, attrs, _ in some.elements:
        assert not {"src", "srcset", "style"} & set(attrs), tag
        assert not [name for name in attrs if name.startswith("on")], tag
        for where in (attrs.get("href"), attrs.get("action")):
            assert where is None or where.startswith(("#", "./", "../")), (tag, where)


def test_the_policy_admits_the_style_of_the_page_and_nothing_else(some):
    (text,) = [text for text, inside in some.texts if inside == "style"]
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    assert re.search(r"style-src ([^;]*)", POLICY)[1] == f"'sha256-{digest}'"
    assert re.findall(r"([a-z-]+)-src", POLICY) == ["default", "style"]
    assert "unsafe" not in POLICY


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back"),
    [(front, back) for front in ("ink", "soft", "link", "warn") for back in ("back", "card")]
    + [("ink", f"t{number}") for number in range(TINTS)],
)
def test_text_has_contrast_enough_to_be_read(scheme, front, back):
    colours = {}
    for name in (front, back):
        colour = re.findall(rf"--{name}:(#[0-9a-f]+)", STYLE)[scheme]
        colours[name] = luminance(colour if len(colour) == 7 else "#" + "".join(2 * each for each in colour[1:]))
    darker, lighter = sorted(colours.values())
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5  # WCAG 2.2, 1.4.3


HOSTILE = st.text(max_size=30) | st.sampled_from(
    ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</code></pre>", "</title>", "&lt;", "javascript:x",
     "a\u202eb", "\ud800", "\0", "]]>", "<!--", "//evil.example/", "é" * 300, "..", "", "a/../b", "%2e%2e", "x" * 200]
)  # fmt: skip


def every_page(name, version, workspace, client, text):
    """All pages of a mirror in which people have given these names; text stands wherever a record has some."""
    said = {"depends": [text], "constrains": [text], "license": text}
    of = inventory(
        conda(name, version, number=1, **said), wheel(name, version, number=2), workspace=workspace, environment=name,
        platform=version,
    )  # fmt: skip
    change = LastChange(
        number=2, base=1, made_at=0,
        environments={("one", name, version): (ChangedFact(FileFacts("conda", name, text, 1), None),)},
    )  # fmt: skip
    yield home(of, {client: text})
    yield search(of)
    yield package(of, "conda", name)
    yield package(of, "pypi", name)
    yield environment(of, change)


@settings(max_examples=examples(24), deadline=None)
@given(name=HOSTILE, version=HOSTILE, workspace=HOSTILE, client=HOSTILE, text=HOSTILE)
def test_no_name_or_text_becomes_markup(name, version, workspace, client, text):
    hostile = every_page(name, version, workspace, client, text)
    for made in map(Seen, hostile):
        assert {tag for tag, _, _ in made.elements} <= KNOWN
        assert all(not value.startswith("on") for _, attrs, _ in made.elements for value in attrs)
        assert all(attrs["href"].startswith(("./", "../", "#")) for _, attrs in made.all("a"))
        assert all("evil.example" not in attrs["href"].replace("%2F", "").split("/")[:3] for _, attrs in made.all("a"))


KNOWN = {tag for page in PAGES.values() for tag, _, _ in Seen(page).elements} | {"select", "option"}


def test_what_turns_or_hides_text_is_shown_as_a_replacement():
    text = Seen(search(inventory(conda("a\u202eb\x00c", number=1)))).text
    assert "a\ufffdb\ufffdc" in text


def test_the_first_page_does_not_grow_with_the_packages():
    small, large = len(home(realistic(100))), len(home(realistic(3_000)))
    assert large - small < 1_000


def test_a_page_of_a_package_and_of_an_environment_have_a_bounded_length():
    many = inventory(*(conda("a", f"{n}.0", number=n, depends=[f"b >={n}"] * 20) for n in range(1_000)))
    made = package(many, "conda", "a")
    assert len(made) < 600_000
    assert "And 800 further files" in Seen(made).text
    large = environment(inventory(*(conda(f"n{n}", number=n) for n in range(5_100))))
    assert large.count(b'<th scope="row">') == 5_000
    assert "And 100 further packages" in Seen(large).text
