"""Say where in an environment each file of a conda package belongs, from what the package says of itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from pixi_mirror.archives.tar import plain_path
from pixi_mirror.environments.commands import EntryPoint, parse_entry_point
from pixi_mirror.environments.prefix import Prefix

_KINDS = {"hardlink": "file", "softlink": "link", "directory": "folder"}
_OLDEST_PLACEHOLDER = "/opt/anaconda1anaconda2anaconda3"
"""What a line of `info/has_prefix` means that names none."""
_FULL_LINE = 3


class PackagePath(NamedTuple):
    """One row of a package's list of files."""

    source: str
    """In the archive."""
    path: str
    """In the prefix."""
    kind: str | None
    """`file`, `link` or `folder`; None: the list does not say, as those from before 2017."""
    sha256: str | None
    """As listed; None: not listed."""
    no_link: bool
    placeholder: str | None
    """The prefix in it that is to be replaced; None: there is none."""
    is_text: bool
    """Whether it is replaced as in a text, which may become longer."""


class PackagePaths(NamedTuple):
    """Everything that a package brings."""

    rows: tuple[PackagePath, ...]
    commands: tuple[EntryPoint, ...]


def package_paths(documents: dict[str, bytes], prefix: Prefix) -> PackagePaths:
    """Return what a package brings, from the documents below its `info/`.

    Whether it is `noarch: python` is what the package itself says; the record of the channel does not decide.

    Raises:
        ValueError: a document is damaged, a path is not a plain relative one, or the package needs a Python and the
            environment has none.
    """
    index = _table(documents, "info/index.json")
    is_python = index.get("noarch") == "python"
    if is_python and prefix.python is None:
        raise ValueError("it is for Python, and the pack holds no package called python")
    entries = _listed(documents) if "info/paths.json" in documents else _old_lists(documents)
    rows = {row.source: row for row in (_row(entry, prefix, is_python=is_python) for entry in entries)}
    commands = tuple(_commands(documents)) if is_python else ()
    return PackagePaths(tuple(rows.values()), commands)


def _table(documents: dict[str, bytes], name: str) -> dict[str, Any]:
    try:
        found = json.loads(documents[name])
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its {name} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"its {name} is not an object")  # noqa: TRY004 - what was read is wrong
    return found


def _listed(documents: dict[str, bytes]) -> list[dict[str, Any]]:
    found = _table(documents, "info/paths.json").get("paths")
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ValueError("its info/paths.json has no `paths`")
    return found


def _old_lists(documents: dict[str, bytes]) -> Iterator[dict[str, Any]]:
    """The same of a package from before 2017, in two lists of lines."""
    placeholders = {}
    for line in _lines(documents.get("info/has_prefix", b"")):
        words = line.split(maxsplit=2)
        if len(words) < _FULL_LINE:
            words = [_OLDEST_PLACEHOLDER, "text", line]
        placeholders[words[2].strip().strip('"')] = {
            "prefix_placeholder": words[0].strip('"'),
            "file_mode": words[1].strip('"'),
        }
    for path in _lines(documents["info/files"]):
        yield {"_path": path, **placeholders.get(path, {})}


def _lines(data: bytes) -> list[str]:
    return [line for line in data.decode("utf-8").splitlines() if line.strip()]


def _row(entry: dict[str, Any], prefix: Prefix, *, is_python: bool) -> PackagePath:
    source = plain_path(str(entry.get("_path") or ""))
    kind = entry.get("path_type")
    if not source or (kind is not None and kind not in _KINDS):
        raise ValueError(f"its list of files has {str(entry)[:200]}")
    placeholder = entry.get("prefix_placeholder") or None
    sha256 = entry.get("sha256")
    return PackagePath(
        source=source,
        path=_path_of_python(source, prefix) if is_python else source,
        kind=None if kind is None else _KINDS[kind],
        sha256=sha256 if isinstance(sha256, str) else None,
        no_link=entry.get("no_link") is True,
        placeholder=None if placeholder is None else str(placeholder),
        is_text=(entry.get("file_mode") or "text") == "text",
    )


def _path_of_python(path: str, prefix: Prefix) -> str:
    """Where a file of a `noarch: python` package belongs."""
    assert prefix.python is not None  # noqa: S101 - `package_paths` has looked
    first, _, rest = path.partition("/")
    places = {"site-packages": prefix.python.site_packages, "python-scripts": prefix.python.commands}
    return f"{places[first]}/{rest}" if rest and first in places else path


def _commands(documents: dict[str, bytes]) -> Iterator[EntryPoint]:
    if "info/link.json" not in documents:
        return
    found = _table(documents, "info/link.json").get("noarch")
    lines = found.get("entry_points") if isinstance(found, dict) else None
    for line in lines or ():
        yield parse_entry_point(str(line))
