"""Write values as TOML, in one line each; pure."""

import json
import re
from collections.abc import Mapping
from typing import Any

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_DELETE = "\x7f"


def toml_key(key: str) -> str:
    """A key, quoted where it has to be."""
    return key if _BARE_KEY.fullmatch(key) else toml_text(key)


def toml_text(text: str) -> str:
    """A text between quotation marks.

    JSON's spelling is one of TOML 1.0, but for the character DEL, and for halves of characters, which TOML has not.
    """
    quoted = json.dumps(text.encode(errors="replace").decode(), ensure_ascii=False)
    return quoted.replace(_DELETE, "\\u007F")


def inline_toml(value: Any) -> str:  # noqa: ANN401 - what a parser gives
    """A text, a list of texts or a table of such, in one line."""
    match value:
        case str() if '"' in value and "'" not in value and value.isprintable():
            return f"'{value}'"
        case str():
            return toml_text(value)
        case list() | tuple():
            return f"[{', '.join(map(inline_toml, value))}]"
        case Mapping():
            rows = ", ".join(f"{toml_key(key)} = {inline_toml(content)}" for key, content in value.items())
            return f"{{ {rows} }}"
        case _:
            return json.dumps(value)


def toml_table(header: str, values: Mapping[str, Any]) -> list[str]:
    """The lines of a table; none where it is empty."""
    rows = [f"{toml_key(key)} = {inline_toml(value)}" for key, value in values.items()]
    return [f"[{header}]", *rows] if rows else []
