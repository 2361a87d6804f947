"""The page tells what the inventory holds, is sound HTML that nobody's names can break, and stays of a bounded size."""

import base64
import hashlib
import re
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from harness.examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import INDEX, conda, inventory, realistic, wheel

from pixi_mirror.serve.page import html
from pixi_mirror.serve.page.html import html_of
from pixi_mirror.serve.page.style import POLICY

VOID = {"meta", "input"}
UPDATED_S = 1_795_262_400.0  # 2026-11-21, 12:00 UTC
COPIED = {"pixi": '[mirrors]\n"https://a.example" = ["http://127.0.0.1:1"]\n', "pip": "[global]\n"}


class Seen(HTMLParser):
    """Reads a page, and complains of what a lenient browser would forgive."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(page.decode())
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice"
        self.elements.append((tag, dict(attrs), tuple(self.open)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((data, self.open[-1] if self.open else ""))

    def all(self, *tags):
        return [(tag, attrs) for tag, attrs, _ in self.elements if tag in tags]

    def ids(self):
        return [attrs["id"] for _, attrs, _ in self.elements if "id" in attrs]

    @property
    def text(self):
        return "".join(text for text, inside in self.texts if inside not in ("style", "script"))


def page(of, configurations=COPIED):
    return html_of(of, configurations=configurations, updated_s=UPDATED_S)


@pytest.fixture(scope="module")
def some():
    return Seen(page(realistic(40)))


def test_it_tells_packages_versions_sizes_environments_and_the_time():
    of = inventory(
        conda("zlib", "1.3", number=1), conda("zlib", "1.2.13", number=2), wheel("ruff", "0.9", number=3),
        workspace="shop", environment="prod", platform="osx-arm64", sizes=1_500_000,
    )  # fmt: skip
    text = Seen(page(of)).text
    for told in (
        "zlib",
        "1.3, 1.2.13",
        "ruff",
        "0.9",
        "3.0 MB",
        "4.5 MB",
        "shop",
        "prod",
        "osx-arm64",
        "conda-forge",
    ):
        assert told in text
    assert f"Python index {INDEX}" in text
    assert "Updated 2026-11-21 12:00 UTC" in text
    assert "2 packages in 3 files" in text


def test_a_file_that_is_neither_there_nor_deferred_is_not_shown():
    there, waiting, gone = conda("there", number=1), conda("waiting", number=2), conda("gone", number=3)
    of = inventory(there, waiting, gone, deferred=frozenset({waiting.path}))
    del of.tree[gone.path]
    text = Seen(page(of)).text
    assert "waiting" in text
    assert "gone" not in text
    assert "1 file of them fetched at the first request" in text


def test_an_empty_mirror_has_a_page():
    assert "None yet" in Seen(page(inventory())).text


def test_the_newest_versions_come_first_and_the_rest_is_counted():
    versions = ("1.9", "1.10", "1.10rc1", "2!0.1", "1.2", "1.1", "1.0")
    of = inventory(*(conda("a", version, number=number) for number, version in enumerate(versions)))
    assert "2!0.1, 1.10, 1.10rc1, 1.9, 1.2 and 2 more" in Seen(page(of)).text


def test_configurations_can_be_copied_to_the_last_character():
    found = Seen(page(inventory()))
    assert [text for text, inside in found.texts if inside == "code"] == list(COPIED.values())


def test_ids_are_unique_and_every_anchor_leads_somewhere(some):
    ids = some.ids()
    assert len(ids) == len(set(ids))
    anchors = [attrs["href"][1:] for _, attrs in some.all("a") if attrs["href"].startswith("#")]
    assert len(anchors) >= 5
    assert set(anchors) <= set(ids)


def test_it_can_be_used_with_a_screen_reader(some):
    ids = set(some.ids())
    assert some.all("html")[0][1]["lang"] == "en"
    assert [tag for tag, _ in some.all("h1")] == ["h1"]
    labels = {attrs["for"] for _, attrs in some.all("label")}
    assert labels == {attrs["id"] for _, attrs in some.all("input")}
    assert {attrs["aria-labelledby"] for _, attrs, _ in some.elements if "aria-labelledby" in attrs} <= ids
    assert len(some.all("caption")) == len(some.all("table")) == 3
    assert all(attrs["scope"] in ("row", "col") for _, attrs in some.all("th"))
    levels = [int(tag[1]) for tag, _ in some.all("h1", "h2", "h3")]
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_it_needs_nothing_from_elsewhere(some):
    for tag, attrs, _ in some.elements:
        assert not {"src", "srcset", "action", "style"} & set(attrs), tag
        assert not [name for name in attrs if name.startswith("on")], tag
        if "href" in attrs:
            assert tag == "a"
            assert attrs["href"].startswith(("#", "./", "pixi-mirror.json"))


def test_the_policy_admits_exactly_the_style_and_the_script_of_the_page(some):
    for directive, tag in (("style-src", "style"), ("script-src", "script")):
        (text,) = [text for text, inside in some.texts if inside == tag]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert re.search(rf"{directive} ([^;]*)", POLICY)[1] == f"'sha256-{digest}'"
    assert "unsafe" not in POLICY


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("front", ["ink", "soft", "link"])
@pytest.mark.parametrize("back", ["back", "card"])
def test_text_has_contrast_enough_to_be_read(some, scheme, front, back):
    (style,) = [text for text, inside in some.texts if inside == "style"]
    colours = {}
    for name in (front, back):
        colour = re.findall(rf"--{name}:(#[0-9a-f]+)", style)[scheme]
        colours[name] = luminance(colour if len(colour) == 7 else "#" + "".join(2 * each for each in colour[1:]))
    darker, lighter = sorted(colours.values())
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5  # WCAG 2.2, 1.4.3


HOSTILE = st.text(max_size=30) | st.sampled_from(
    ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</code></pre>", "</title>", "&lt;", "javascript:x",
     "a\u202eb", "\ud800", "\0", "]]>", "<!--", "//evil.example/", "é" * 300]
)  # fmt: skip


@settings(max_examples=examples(60), deadline=None)
@given(name=HOSTILE, version=HOSTILE, workspace=HOSTILE, client=HOSTILE, text=HOSTILE)
def test_no_name_or_text_becomes_markup(name, version, workspace, client, text):
    names = {"workspace": workspace, "environment": name, "platform": version}
    plain = dict.fromkeys(names, "p")

    def made(name, version, client, text, cells):
        of = inventory(conda(name, version, number=1), wheel(name, version, number=2), **cells)
        of.tree[f"simple/{name}/index.html"] = next(iter(of.tree.values()))
        return Seen(page(of, {client: text}))

    hostile, tame = made(name, version, client, text, names), made("p", "1", "pixi", "x", plain)
    assert [tag for tag, _, _ in hostile.elements] == [tag for tag, _, _ in tame.elements]
    for (_, told, _), (_, expected, _) in zip(hostile.elements, tame.elements, strict=True):
        assert {key: value for key, value in told.items() if key != "href"} == {
            key: value for key, value in expected.items() if key != "href"
        }
    assert all(href.startswith(("./", "#", "pixi-mirror.json")) for _, a in hostile.all("a") for href in [a["href"]])


def test_what_turns_or_hides_text_is_shown_as_a_replacement():
    text = Seen(page(inventory(conda("a\u202eb\x00c", number=1)))).text
    assert "a\ufffdb\ufffdc" in text


def test_every_package_costs_about_the_same_and_never_much():
    small, large = len(page(realistic(1_000))), len(page(realistic(3_000)))
    assert (large - small) / 2_000 < 160
    many = inventory(*(conda("a", f"{n}.0", number=n) for n in range(3_000)))
    assert len(page(many)) < 20_000


def test_there_is_a_most_of_rows_and_the_rest_is_counted():
    count = html.MOST_ROWS + 7
    made = page(inventory(*(conda(f"n{n}", number=n) if n % 2 else wheel(f"n{n}", number=n) for n in range(count))))
    assert made.count(b'<th scope="row">') == html.MOST_ROWS + 1  # and one environment
    assert "And 7 further packages" in unescape(made.decode())
    assert len(made) < 4_000_000
