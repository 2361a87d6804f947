"""Reads a page, and complains of what a lenient browser would forgive."""

from html.parser import HTMLParser

VOID = {"meta", "input"}
ALONE = {"rect"}
"""Elements of SVG that close themselves."""


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
        if tag not in VOID | ALONE:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in ALONE:
            return
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
