"""Scan an HTML page for some of its tags, in time proportional to its length whatever it holds; pure.

The standard library's `html.parser` takes time with the square of the length where a tag is opened often and never
closed: seconds for 24 kB, and hours for a page as long as that of a large project.
"""

import re
from collections.abc import Iterator, Mapping

_LONGEST_VALUE = 16 * 1024
"""Characters of an attribute, still encoded; a longer one is as if it were empty."""
_SPACE = r" \t\n\r\f"
# Possessive, and an open quotation mark ends with the page: nothing is ever looked at again from another start.
_NAME = re.compile(rf"<([A-Za-z][^{_SPACE}/>]*+)")
_ATTRIBUTE = re.compile(
    rf"[{_SPACE}/]*+([^{_SPACE}/>][^{_SPACE}/>=]*+)"
    rf"(?:[{_SPACE}]*+=[{_SPACE}]*+(?:\"([^\"]*+)(?:\"|\Z)|'([^']*+)(?:'|\Z)|([^{_SPACE}>]*+)))?"
)
_END = re.compile(rf"[{_SPACE}/]*+>")
_RAW = {
    name: re.compile(rf"</{name}(?=[{_SPACE}/>])", re.IGNORECASE)
    for name in ("iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp")
}
"""Elements whose content is text, with what ends them."""


def tags(text: str, wanted: Mapping[str, frozenset[str]]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Every start tag whose name is in `wanted`, in their order, with those of its attributes that are wanted of it.

    Names are in lower case, entities in values are decoded; of an attribute that stands twice the first counts.
    """
    position = text.find("<")
    while position >= 0:
        start = _NAME.match(text, position)
        if start is None:
            position = _after_what_is_no_tag(text, position)
        else:
            name = start[1].lower()
            raw: dict[str, str] = {}
            position = _after_attributes(text, start.end(), raw, wanted.get(name, frozenset()))
            if position >= 0 and name in wanted:
                yield name, {key: _decoded(value) for key, value in raw.items()}
            if position >= 0 and name in _RAW:
                end = _RAW[name].search(text, position)
                position = end.start() if end else -1
        position = text.find("<", position) if position >= 0 else -1


def _after_what_is_no_tag(text: str, position: int) -> int:
    """Return the position behind a comment, a declaration, an end tag, or a `<` that is text; -1: it never ends."""
    if text.startswith("<!--", position):
        # `<!-->` is a whole comment.
        end = text.find("-->", position + 2)
        return end + 3 if end >= 0 else -1
    if text.startswith(("<!", "<?", "</"), position):
        return text.find(">", position)
    return position + 1


def _after_attributes(text: str, position: int, into: dict[str, str], wanted: frozenset[str]) -> int:
    """Read attributes into `into`, and return the position behind their tag; -1: the page ends within the tag."""
    while (end := _END.match(text, position)) is None:
        attribute = _ATTRIBUTE.match(text, position)
        if attribute is None:
            return -1
        position = attribute.end()
        name = attribute[1].lower()
        if name in wanted:
            into.setdefault(name, attribute[2] or attribute[3] or attribute[4] or "")
    return end.end()


def _decoded(value: str) -> str:
    from html import unescape

    if len(value) > _LONGEST_VALUE:
        return ""
    try:
        return unescape(value)
    except ValueError:  # the number of a character has more digits than Python reads
        return ""
