"""The scanner of HTML tags: which tags and attributes it finds, and what it takes for text."""

import pytest

from pixi_mirror.pypi.html_tags import tags

WANTED = {"a": frozenset({"href", "title"}), "meta": frozenset({"name"})}


def scanned(text):
    return [(name, dict(attributes)) for name, attributes in tags(text, WANTED)]


@pytest.mark.parametrize(
    ("text", "attributes"),
    [
        ("<a href=x>", {"href": "x"}),
        ("<A\n HREF = 'x y' TITLE=\"&lt;\">", {"href": "x y", "title": "<"}),
        ("<a/href=x/>", {"href": "x/"}),
        ("<a href>", {"href": ""}),
        ("<a href=one href=two other=three>", {"href": "one"}),
        ("<a>", {}),
        ("<a title='>' href=x>", {"title": ">", "href": "x"}),
        ("<a ='x' href=y>", {"href": "y"}),
        (f"<a href=x title='{'t' * 16_385}'>", {"href": "x", "title": ""}),
        (f"<a href=x title='&#{'9' * 5000};'>", {"href": "x", "title": ""}),
    ],
)
def test_a_tag_has_the_attributes_that_a_browser_gives_it(text, attributes):
    assert scanned(text) == [("a", attributes)]


@pytest.mark.parametrize(
    "text",
    ["<!-- <a href=x> -->", "<!doctype a><?a href=x?>", "</a href=x>", "<script>'<a href=x>'</script>", "< a href=x>",
     "<title><a href=x></title>", "<TEXTAREA><a href=x></textarea >", "<a href='x", "<ab href=x>", "1 <2 and a>"],
)  # fmt: skip
def test_what_is_text_to_a_browser_is_no_tag(text):
    assert scanned(text) == []


def test_tags_come_in_their_order_and_only_those_that_are_wanted():
    text = "<html><meta name=m><b><a href=1></b><script></script><a href=2><!--><a href=3>"
    assert scanned(text) == [("meta", {"name": "m"}), ("a", {"href": "1"}), ("a", {"href": "2"}), ("a", {"href": "3"})]
