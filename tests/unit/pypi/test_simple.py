"""Index pages: what was written is read again, and what others wrote is read as something hostile."""

import html.parser
import json
import string
from contextlib import suppress
from dataclasses import fields, replace
from urllib.parse import quote, urljoin

import pytest
from harness.examples import examples, first
from hypothesis import given, settings
from hypothesis import strategies as st

from pixi_mirror.model.values import Sha256
from pixi_mirror.pypi.simple import FileLink
from pixi_mirror.pypi.simple_reader import read_page
from pixi_mirror.pypi.simple_writer import html_page, html_root, json_page, json_root

PAGE = "https://pypi.example/simple/x/"
JSON = "application/vnd.pypi.simple.v1+json"
SHA = Sha256("0123456789abcdef" * 4)
TIME = "2024-06-07T18:52:13Z"
WHEEL = "x-1.0-py3-none-any.whl"
URL = f"https://files.pypi.example/packages/{WHEEL}"


def of_html(text: str, *, url: str = PAGE, content_type: str | None = "text/html") -> tuple[FileLink, ...]:
    return read_page(text.encode(), url=url, content_type=content_type)[0]


def of_json(*files: object, **more: object) -> tuple[FileLink, ...]:
    page = {"meta": {"api-version": "1.1"}, "name": "x", "files": files, **more}
    return read_page(json.dumps(page).encode(), url=PAGE, content_type=JSON)[0]


def listed(**changed: object) -> FileLink:
    nothing = dict.fromkeys(field.name for field in fields(FileLink))
    return FileLink(**{**nothing, "file_name": WHEEL, "url": URL, **changed})


def link(**changed: object) -> FileLink:
    return listed(**{"sha256": SHA, "size": 7, "version": "1.0", **changed})


def as_read(link: FileLink) -> FileLink:
    return replace(link, url=urljoin(PAGE, link.url), version=None)


shown = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z"), include_characters=" "), min_size=1, max_size=40
)
names = st.text(
    st.sampled_from(string.ascii_letters + string.digits + "_.-+!<>&'\" ü"), min_size=1, max_size=30
).filter(lambda name: name.strip(". ") != "")
hashes = st.text(st.sampled_from("0123456789abcdef"), min_size=64, max_size=64).map(Sha256)


@st.composite
def links(draw: st.DrawFn) -> FileLink:
    name = draw(names)
    folder = draw(st.sampled_from(["https://files.pypi.example/a%2Bb/", "HTTP://h:8/", "../../files/", "/r/", "./"]))
    return FileLink(
        file_name=name,
        url=folder + quote(name, safe="+!'"),
        sha256=draw(hashes),
        size=draw(st.integers(0, 10**15)),
        version=draw(shown),
        requires_python=draw(st.none() | shown),
        yanked=draw(st.none() | st.just("") | shown),
        upload_time=draw(st.none() | st.datetimes().map(lambda time: time.isoformat() + "Z")),
        core_metadata=draw(st.none() | hashes),
    )


@settings(max_examples=examples(40))
@given(st.lists(links(), max_size=3), st.sampled_from([(html_page, "text/html"), (json_page, JSON)]))
def test_what_is_written_is_read_again(written, form):
    write, content_type = form
    page = write("x", written)
    expected = tuple(as_read(link) for link in sorted(written, key=lambda link: (link.file_name, link.url)))
    assert read_page(page, url=PAGE, content_type=content_type)[0] == expected
    assert read_page(page, url=PAGE, content_type=None)[0] == expected


@settings(max_examples=examples(40))
@given(links())
def test_a_written_page_has_one_line_a_file_and_says_to_the_standard_library_what_it_says_to_us(written):
    text = html_page("x", [written]).decode()
    found = []

    class Parser(html.parser.HTMLParser):
        def handle_starttag(self, tag, attrs):
            found.extend([dict(attrs)] if tag == "a" else [])

    Parser().feed(text)
    assert [attributes["href"] for attributes in found] == [f"{written.url}#sha256={written.sha256}"]
    assert found[0].get("data-yanked") == written.yanked
    assert found[0].get("data-requires-python") == written.requires_python
    assert len([line for line in text.split("\n") if line.startswith("<a ")]) == 1


def test_a_written_page_is_what_the_specifications_say():
    one = link(requires_python=">=3.8,<4", yanked='"bad" & <b>\nworse', upload_time="2024-06-07T18:52:13.582Z",
               core_metadata=SHA)  # fmt: skip
    assert html_page("x", [one]).decode() == (
        "<!DOCTYPE html>\n"
        '<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="pypi:repository-version" content="1.1">\n'
        "<title>Links for x</title></head><body>\n"
        f'<a href="{URL}#sha256={SHA}" data-requires-python="&gt;=3.8,&lt;4" '
        'data-yanked="&quot;bad&quot; &amp; &lt;b&gt;&#10;worse" '
        f'data-core-metadata="sha256={SHA}" data-dist-info-metadata="sha256={SHA}" '
        f'data-upload-time="2024-06-07T18:52:13.582Z" data-size="7">{WHEEL}</a><br>\n'
        "</body></html>\n"
    )
    assert json.loads(json_page("x-x", [link(yanked=""), link(version="0.9", url="./y", core_metadata=SHA)])) == {
        "meta": {"api-version": "1.1"},
        "name": "x-x",
        "versions": ["0.9", "1.0"],
        "files": [
            {
                "filename": WHEEL, "url": "./y", "hashes": {"sha256": SHA}, "yanked": False, "size": 7,
                "core-metadata": {"sha256": SHA}, "dist-info-metadata": {"sha256": SHA},
            },
            {
                "filename": WHEEL, "url": URL, "hashes": {"sha256": SHA}, "yanked": True, "size": 7,
                "core-metadata": False, "dist-info-metadata": False,
            },
        ],
    }  # fmt: skip


@pytest.mark.parametrize("write", [html_page, json_page])
def test_the_order_of_the_links_does_not_change_a_page(write):
    several = [link(url=f"https://h.example/{n}/{WHEEL}", file_name=name) for n in (2, 1) for name in ("b", "a")]
    assert write("x", several) == write("x", reversed(several))


@pytest.mark.parametrize("write", [html_root, json_root])
def test_the_list_of_projects_is_sorted_and_safe(write):
    assert write(["b-b", "a", "b-b"]) == write(["a", "b-b"])
    page = write(["<i>", "a"]).decode()
    assert page.index("a") < page.index("i>") if write is json_root else '"%3Ci%3E/">&lt;i&gt;</a>' in page


def test_an_upstream_page_is_read_with_all_that_it_says():
    page = f"""<!doctype html><html><head><META content='1.3' name="pypi:repository-version"></head>
    <!-- <a href="https://files.pypi.example/commented-1.0.zip">no</a> --><script>"<a href='/s-1.0.zip'>"</script>
    <A data-size=7 HREF = '{URL}?a=1&amp;b=2#egg=x&sha256={SHA.upper()}' href="/second-1.0.zip"
       data-requires-python="&gt;=3.8" data-yanked data-core-metadata="sha256={SHA}" data-dist-info-metadata="false"
       data-upload-time="2024-06-07T18:52:13.582Z">text</A>"""
    assert of_html(page) == (
        listed(
            url=f"{URL}?a=1&b=2",
            sha256=SHA,
            requires_python=">=3.8",
            yanked="",
            core_metadata=SHA,
            upload_time="2024-06-07T18:52:13.582Z",
            size=7,
        ),
    )


@pytest.mark.parametrize(
    ("base", "href", "url"),
    [
        ("", f"../../files/{WHEEL}", f"https://pypi.example/files/{WHEEL}"),
        ("", f"//h.example/{WHEEL}", f"https://h.example/{WHEEL}"),
        ("https://h.example/a/", f"\t {WHEEL} ", f"https://h.example/a/{WHEEL}"),
        ("/a/b/", f"../{WHEEL}", f"https://pypi.example/a/{WHEEL}"),
        ("javascript:1", WHEEL, PAGE + WHEEL),
        ("", f"ü b/{WHEEL}", f"{PAGE}%C3%BC%20b/{WHEEL}"),
        ("", f"100%/a%2fb/{WHEEL}", f"{PAGE}100%25/a%2fb/{WHEEL}"),
    ],
)
def test_a_relative_link_starts_at_the_base_of_the_page(base, href, url):
    first = f'<base target=x><base href="{base}"><base href="https://other.example/">' if base else ""
    assert [found.url for found in of_html(f'{first}<a href="{href}">')] == [url]
    if not base:
        assert [found.url for found in of_json({"filename": WHEEL, "url": href})] == [url]


@pytest.mark.parametrize(
    "href",
    ["", "../", "#sha256=0", "?C=M;O=A", "javascript:a/x.zip", "data:,x.zip", "file:///etc/x.zip", "http://[x.zip",
     "https:///x.zip", "x%2fy.zip", "x%00.zip", "x%252B.zip", "x%ff.zip", "a" * 300 + ".zip", "x.zip#sha256=00",
     "b/" * 2500 + "x.zip", f"&#{'9' * 5000};/x.zip", "ftp://h.example/x.zip"],
)  # fmt: skip
def test_a_link_that_can_be_no_file_is_passed_over(href):
    assert of_html(f'<a href="{href}">x.zip</a><a>y.zip</a><a href="{URL}">') == (listed(),)


def test_a_local_page_may_link_to_local_files():
    assert [found.url for found in of_html("<a href=x.zip>", url="file:///links/index.html")] == ["file:///links/x.zip"]


@pytest.mark.parametrize(
    "text", [f"<a href={URL} b='>", f'<a href={URL} b=">', f"<a href={URL}", f"<!-- <a href={URL}>"]
)
def test_a_tag_that_the_end_of_the_page_cuts_is_none(text):
    assert of_html(text) == ()


def test_an_empty_comment_ends_at_once():
    assert of_html(f"<!--><a href={URL}><!-- -->") == (listed(),)


@pytest.mark.parametrize(
    "changed",
    [
        {"filename": None},
        {"filename": ""},
        {"filename": "../x.zip"},
        {"filename": "a\\x.zip"},
        {"filename": "x\n.zip"},
        {"filename": "\ud800.zip"},
        {"filename": "x" * 256},
        {"url": None},
        {"url": 7},
        {"url": [URL]},
        {"url": "file:///etc/x.zip"},
        {"url": "https://h.example/\ud800"},
        {"hashes": {"sha256": "00"}},
        {"hashes": {"sha256": 7}},
        {"hashes": [SHA]},
        {"size": float("nan")},
        {"size": float("inf")},
        {"size": -1},
        {"size": True},
        {"size": "7"},
        {"size": 7.0},
        {"size": 10**18},
        {"yanked": 1},
        {"yanked": ["no"]},
    ],
)
def test_an_impossible_file_of_a_json_page_is_passed_over(changed):
    good = {"filename": WHEEL, "url": URL}
    assert of_json({**good, **changed}, "x", None, [], good) == (listed(),)


SAID = [
    ("requires-python", ">=3.8", "requires_python", ">=3.8"),
    ("requires-python", "x" * 1024, "requires_python", None),
    ("requires-python", ">=3\n", "requires_python", None),
    ("upload-time", "2024-06-07T18:52:13.582Z", "upload_time", "2024-06-07T18:52:13.582Z"),
    ("upload-time", "2024-06-07T18:52:13+02:00", "upload_time", "2024-06-07T18:52:13+02:00"),
    ("upload-time", "2024-06-07T18:52:13", "upload_time", None),
    ("upload-time", "2024-02-30T18:52:13Z", "upload_time", None),
    ("upload-time", "yesterday", "upload_time", None),
    ("yanked", "broken", "yanked", "broken"),
    ("yanked", "a\x07b" + "c" * 2000, "yanked", "a b" + "c" * 1021),
    ("core-metadata", "true", "core_metadata", None),
    ("core-metadata", "false", "core_metadata", None),
    ("core-metadata", "sha256=00", "core_metadata", None),
    ("core-metadata", f"sha256={SHA}", "core_metadata", SHA),
    ("dist-info-metadata", f"sha256={SHA}", "core_metadata", SHA),
]


@pytest.mark.parametrize(("key", "value", "field", "expected"), SAID)
def test_what_is_said_about_a_file_is_admitted_or_dropped(key, value, field, expected):
    assert of_html(f'<a href="{URL}" data-{key}="{value}">') == (listed(**{field: expected}),)
    if field != "core_metadata":
        assert of_json({"filename": WHEEL, "url": URL, key: value}) == (listed(**{field: expected}),)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"core-metadata": True}, {}),
        ({"core-metadata": {"sha256": SHA}}, {"core_metadata": SHA}),
        ({"core-metadata": False, "dist-info-metadata": True}, {}),
        ({"dist-info-metadata": {"sha256": SHA}}, {"core_metadata": SHA}),
        ({"core-metadata": {"sha256": "00"}}, {}),
        ({"core-metadata": {"sha256": 7}}, {}),
        ({"core-metadata": 1}, {}),
        ({"yanked": True}, {"yanked": ""}),
        ({"yanked": ""}, {}),
        ({"yanked": None}, {}),
        ({"requires-python": 3, "upload-time": 4, "size": None, "hashes": {"md5": 5}}, {}),
        ({"size": 0, "hashes": {"sha256": SHA}}, {"size": 0, "sha256": SHA}),
    ],
)
def test_what_a_json_page_says_in_its_own_way_is_read(said, expected):
    assert of_json({"filename": WHEEL, "url": URL + "#sha256=x", **said}) == (listed(**expected),)


@pytest.mark.parametrize(
    "content_type", [None, "", "text/html; charset=utf-8", "application/vnd.pypi.simple.v1+HTML;q=1"]
)
def test_html_is_told_by_its_content_type_or_by_its_first_letter(content_type):
    assert of_html(f"\ufeff<a href={URL}>", content_type=content_type) == (listed(),)
    page = json_page("x", [link()])
    expected = (listed(size=7, sha256=SHA),) if not content_type else ()
    assert read_page(b" " + page, url=PAGE, content_type=content_type)[0] == expected


@pytest.mark.parametrize("content_type", ["application/json", "application/octet-stream", "text/plain",
                                          "application/vnd.pypi.simple.v2+json"])  # fmt: skip
def test_another_content_type_is_no_index_page(content_type):
    with pytest.raises(ValueError, match="where a page of an index is"):
        read_page(json_page("x", []), url=PAGE, content_type=content_type)[0]


@pytest.mark.parametrize("byte", [b"\xe9", b"\xff\xfe", b"\xed\xa0\x80"])
def test_what_is_not_utf_8_costs_one_attribute_of_an_html_page(byte):
    text = (
        "<title>caf\N{BLACK STAR}</title><!-- \N{BLACK STAR} --><p title='\N{BLACK STAR}'>\N{BLACK STAR}"
        f"<a x\N{BLACK STAR}=1 href={URL}#a=\N{BLACK STAR}&sha256={SHA} data-size='\N{BLACK STAR}' "
        "data-requires-python='>=3\N{BLACK STAR}' data-upload-time='2024-06-07T18:52:13Z' "
        "data-yanked='not\N{BLACK STAR}good'>text</a>"
        f"<a href='\N{BLACK STAR}.zip'><a href={URL} data-size=7>"
    )
    page = text.encode().replace("\N{BLACK STAR}".encode(), byte)
    first, second = read_page(page, url=PAGE, content_type="text/html")[0]
    assert first == listed(sha256=SHA, upload_time=TIME, yanked=f"not{' ' * len(byte)}good")
    assert second == listed(size=7)


@pytest.mark.parametrize("byte", [b"\xe9", b"\xff\xfe"])
def test_what_is_not_utf_8_costs_one_attribute_of_a_json_page(byte):
    files = [
        {
            "filename": WHEEL,
            "url": URL,
            "yanked": "not?good",
            "requires-python": "?",
            "upload-time": "2024-06-07T18:52:13Z",
        },
        {"filename": "?.zip", "url": URL},
        {"filename": WHEEL, "url": URL, "size": 7},
    ]
    page = json.dumps({"meta": {"api-version": "1.1"}, "name": "?", "files": files}).encode().replace(b"?", byte)
    first, second = read_page(page, url=PAGE, content_type=JSON)[0]
    assert first == listed(upload_time=TIME, yanked=f"not{' ' * len(byte)}good")
    assert second == listed(size=7)


@pytest.mark.parametrize("content_type", [JSON, None])
def test_a_json_page_may_begin_with_a_byte_order_mark(content_type):
    assert read_page(b"\xef\xbb\xbf" + json_page("x", [link()]), url=PAGE, content_type=content_type)


DAMAGED = {
    b"\xff{}": "damaged: Expecting",
    b"{": "damaged: Expecting",
    b"[" * 100_000: "nested too deep",
    b'{"files": ' + b"9" * 5000 + b"}": "damaged: ",
    b"[]": "no object: list",
    b"{}": "no list of files",
    b'{"files": {}}': "no list of files",
    b'{"files": [], "meta": {"api-version": "2.0"}}': "'2.0' of the API",
    b'{"files": [], "meta": {"api-version": "10"}}': "'10' of the API",
    b'{"files": [], "meta": {"api-version": 1}}': "'1' of the API",
    b'{"files": [], "meta": null}': "'None' of the API",
}


@pytest.mark.parametrize("page", DAMAGED)
def test_a_damaged_json_page_is_refused_saying_why(page):
    with pytest.raises(ValueError, match=DAMAGED[page]):
        read_page(page, url=PAGE, content_type=JSON)[0]


@pytest.mark.parametrize("version", ["2.0", "10.1", "", "one"])
def test_a_page_of_an_unknown_major_version_is_refused(version):
    with pytest.raises(ValueError, match=r"only 1\.x is known"):
        of_html(f"<meta content='{version}' name='pypi:repository-version'><a href={URL}>")


@given(st.binary(max_size=200) | st.text(st.sampled_from("<a href='\">/=!-?&#; b{}[]:,"), max_size=60).map(str.encode))
def test_no_bytes_are_a_page_that_crashes(data):
    for content_type in (None, "text/html", JSON):
        with suppress(ValueError):
            assert isinstance(read_page(data, url=PAGE, content_type=content_type)[0], tuple)


KEYS = ["filename", "url", "hashes", "sha256", "size", "yanked", "core-metadata"]
scalars = st.none() | st.booleans() | st.floats() | st.text(max_size=5)


@settings(max_examples=examples(40))
@given(
    st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYS), inner), max_leaves=6)
)
def test_no_json_is_a_file_that_crashes(value):
    of_json(value, {"filename": WHEEL, "url": URL, "hashes": value, "yanked": value, "size": value})


HOSTILE = ["<", "<a ", "<a b ", '<a href="', "<a href='", "<a b='", "<!", "<!--", "<!-->", "<?", "</", "<script>",
           "<script></script", "<div>", "<a href=x>", "<a b c>", "<base href=/>", "b=", " ", "/", "&", "&#", "&#9",
           "<a href=../", "<title></title ", "<![CDATA["]  # fmt: skip


@pytest.mark.parametrize("unit", first(8, HOSTILE))
def test_a_hostile_page_is_read_in_time_that_its_length_allows(unit):
    # What takes time with the square of the length runs into the time-out here.
    of_html(unit * (200_000 // len(unit)))
    of_html(f'<a href="{unit * (200_000 // len(unit))}">' * 2)


def test_a_long_base_is_not_repeated_in_every_link():
    assert (
        of_html(f'<base href="/{"b/" * 1000}">' + "<a href=x.zip>" * 2)
        == (listed(file_name="x.zip", url=PAGE + "x.zip"),) * 2
    )


@pytest.mark.slow
def test_a_page_of_ten_thousand_files_is_read():
    found = of_html("".join(f'<a href="/packages/{n}/x-{n}.zip#sha256={SHA}" data-size={n}>' for n in range(10_000)))
    assert len(found) == 10_000
    assert found[-1].url == "https://pypi.example/packages/9999/x-9999.zip"


LINK = f'<a href="{URL}" data-yanked="no caf\u00e9 here" data-upload-time="{TIME}">x</a>'


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (LINK.encode("utf-16"), "text/html; charset=utf-16"),
        (LINK.encode("utf-16-be"), "text/html; charset=UTF-16BE"),
        (b"\xef\xbb\xbf" + LINK.encode(), "text/html; charset=iso-8859-1"),
        (LINK.encode("latin-1"), 'text/html;Charset="ISO-8859-1"'),
        (LINK.encode("cp1252"), "text/html; charset=windows-1252"),
        (b'<html><meta charset="ISO-8859-1">' + LINK.encode("latin-1"), "text/html"),
        (b"<meta http-equiv=Content-Type content='text/html; charset=iso-8859-15'>" + LINK.encode("latin-1"), ""),
        (LINK.replace("\u00e9", "\u672c").encode("shift_jis"), "text/html; charset=Shift_JIS"),
        (LINK.encode(), "text/html; charset=utf-7"),
        (LINK.encode(), "text/html; charset=utf-8-is-what-it-is"),
    ],
)
def test_a_page_is_read_in_the_encoding_that_it_is_in(data, content_type):
    (found,) = read_page(data, url=PAGE, content_type=content_type)[0]
    assert (found.url, found.upload_time) == (URL, TIME)
    assert found.yanked in ("no caf\u00e9 here", "no caf\u672c here")


@pytest.mark.parametrize("content_type", ["text/html", "text/html; charset=utf-8", "text/html; charset=nonsense"])
def test_bytes_that_are_not_of_the_encoding_cost_what_they_stand_in_alone(content_type):
    (found,) = read_page(LINK.encode("latin-1"), url=PAGE, content_type=content_type)[0]
    assert (found.url, found.upload_time, found.yanked) == (URL, TIME, "no caf  here")
