"""Read YAML as plain lists, dicts and strings, within limits of size and depth. Only this module reads YAML."""

from collections.abc import Callable
from typing import Any

from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.fields import conflict_line
from pixi_mirror.model.values import Json, mask_secrets

SIZE_LIMIT = 64 * 1024 * 1024
"""Largest document in bytes; whoever reads a file needs to read no more than one byte beyond it."""

DEPTH_LIMIT = 32
"""Deepest nesting; a lock needs eight."""

NODE_LIMIT = 4_000_000
"""Most lines, commas and brackets in a document; a lock of 50,000 packages needs a third of them."""

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
"""YAML 1.2, core schema: these plain scalars are null."""


class _RefusedYaml(Exception):
    def __init__(self, line: int, problem: str) -> None:
        super().__init__(mask_secrets(problem))
        self.line = line


def load_yaml(data: bytes, *, name: str, command: str = "pixi lock") -> Json:
    """Read the one YAML document in `data`: dicts, lists, strings, and None for a plain null; scalars stay strings.

    Args:
        data: the file.
        name: how messages name it.
        command: what writes such a file anew.

    Raises:
        WorkspaceError: it is too large, no YAML or not UTF-8, is empty or cut off, holds merge-conflict markers, or
            uses what no machine writes: anchors, aliases, tags, merge keys, duplicate keys, deep nesting, several
            documents, keys that are no scalars.
    """
    _refuse_accidents(data, name, command)
    import yaml

    # libyaml is 20 times faster; PyYAML may have been built without it.
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _document(loader(data).get_event, yaml)
    except _RefusedYaml as refused:
        raise WorkspaceError(
            f"{name} cannot be read: line {refused.line} {refused}. no machine writes that; restore the file from "
            f"version control or write it anew with `{command}`."
        ) from None
    except yaml.YAMLError as error:
        raise WorkspaceError(_syntax(data, name, error, command)) from None


def _refuse_accidents(data: bytes, name: str, command: str) -> None:
    if len(data) > SIZE_LIMIT:
        raise WorkspaceError(
            f"{name} is larger than {SIZE_LIMIT // 1024**2} MiB. No lock file is; check that it is the right file."
        )
    if not data.strip():
        raise WorkspaceError(f"{name} is empty. Write it anew with `{command}` or restore it from version control.")
    if data.startswith(b"version https://git-lfs.github.com/spec/"):
        raise WorkspaceError(f"{name} is a Git LFS pointer and not the file itself: run `git lfs pull`.")
    _refuse_bytes(data, name, command)
    conflict = conflict_line(data)
    if conflict is not None:
        raise WorkspaceError(
            f"{name}: unresolved merge conflict at line {conflict}. Resolve it, most simply by "
            f"taking either side and running `{command}`."
        )
    if sum(data.count(sign) for sign in (b"\n", b"\r", b",", b"[", b"{")) > NODE_LIMIT:
        raise WorkspaceError(f"{name} holds more than {NODE_LIMIT} values. No lock file does; check the file.")


def _refuse_bytes(data: bytes, name: str, command: str) -> None:
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise WorkspaceError(
            f"{name} begins with a byte order mark (line 1). Locks are plain UTF-8: save the file without the mark."
        )
    # libyaml takes a NUL for the end and would silently read the first half.
    zero = data.find(b"\0")
    if zero >= 0:
        raise WorkspaceError(
            f"{name} holds a NUL byte at line {_line(data, zero)}: it is damaged or no text. Restore it from version "
            f"control or write it anew with `{command}`."
        )
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError as error:
            raise WorkspaceError(
                f"{name} is not UTF-8: byte 0x{data[error.start]:02x} at line {_line(data, error.start)}. Restore it "
                f"from version control or write it anew with `{command}`."
            ) from None


def _line(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1


def cut_off(data: bytes) -> str:
    """A sentence for a message, if `data` looks as if its end were missing; else nothing."""
    if data.endswith((b"\n", b"}", b"]")):
        return ""
    return " The file does not end with a line end, as such files do: its end seems to be missing (truncated)."


def _syntax(data: bytes, name: str, error: Exception, command: str) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    where = f"at line {mark.line + 1}" if mark else f"near byte {getattr(error, 'position', 0)}"
    problem = mask_secrets(
        str(getattr(error, "problem", None) or getattr(error, "reason", None) or "it does not parse")
    )
    return (
        f"{name} is not valid YAML: {problem} {where}.{cut_off(data)} Restore it from version control or write it "
        f"anew with `{command}`."
    )


def _document(event: Callable[[], Any], yaml: Any) -> Json:  # noqa: ANN401 - the lazily imported module
    event()
    if type(event()) is not yaml.DocumentStartEvent:
        raise _RefusedYaml(1, "begins no document: there are only comments")
    content = _content(event, yaml)
    event()
    after = event()
    if type(after) is not yaml.StreamEndEvent:
        raise _RefusedYaml(after.start_mark.line + 1, "begins a second document")
    return content


def _content(event: Callable[[], Any], yaml: Any) -> Json:  # noqa: ANN401, C901 - lazily imported; three loops in one
    """Build the document in one pass over its events; no list of them is kept.

    Nested functions and local names, because they run for each of some 140,000 events of a large lock.
    """
    scalar, mapping_start, sequence_start = yaml.ScalarEvent, yaml.MappingStartEvent, yaml.SequenceStartEvent
    mapping_end, sequence_end = yaml.MappingEndEvent, yaml.SequenceEndEvent
    share = dict[str, str]().setdefault  # a lock repeats most of its strings: keys, specs, URLs

    def node(found: Any, depth: int) -> Json:  # noqa: ANN401 - events have no common type
        kind = type(found)
        if kind is scalar:
            value = found.value
            if found.tag is not None or found.anchor is not None:
                raise _decorated(found)
            return None if value in _NULLS and not found.style else share(value, value)
        if kind is not mapping_start and kind is not sequence_start:
            raise _RefusedYaml(found.start_mark.line + 1, f"uses the alias *{found.anchor}")
        if found.tag is not None or found.anchor is not None:
            raise _decorated(found)
        if depth == DEPTH_LIMIT:
            raise _RefusedYaml(found.start_mark.line + 1, f"is nested deeper than {DEPTH_LIMIT} levels")
        return mapping(depth + 1) if kind is mapping_start else sequence(depth + 1)

    def sequence(depth: int) -> list[Json]:
        result = []
        found = event()
        while type(found) is not sequence_end:
            result.append(node(found, depth))
            found = event()
        return result

    def mapping(depth: int) -> dict[str, Json]:
        result: dict[str, Json] = {}
        found = event()
        while type(found) is not mapping_end:
            if type(found) is not scalar:
                raise _RefusedYaml(found.start_mark.line + 1, "has a key that is no plain name")
            key = share(found.value, found.value)
            if key in result or key == "<<" or found.tag is not None or found.anchor is not None:
                raise _bad_key(found)
            result[key] = node(event(), depth)
            found = event()
        return result

    return node(event(), 0)


def _decorated(found: Any) -> _RefusedYaml:  # noqa: ANN401 - events have no common type
    what = f"has the anchor &{found.anchor}" if found.anchor is not None else f"has the tag {found.tag}"
    return _RefusedYaml(found.start_mark.line + 1, what)


def _bad_key(found: Any) -> _RefusedYaml:  # noqa: ANN401 - events have no common type
    if found.tag is not None or found.anchor is not None:
        return _decorated(found)
    what = "has a merge key (<<)" if found.value == "<<" else f"repeats the key {mask_secrets(found.value)[:80]!r}"
    return _RefusedYaml(found.start_mark.line + 1, what)
