"""Add the three tasks of a mirror to the text of a manifest, and change nothing else of it; pure."""

import copy
import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pixi_mirror.clients.marked_lines import lines_of
from pixi_mirror.clients.toml import Statement, parse_toml, statements, table
from pixi_mirror.workspace.toml_text import inline_toml, toml_key

_TASKS = "tasks"


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorTask:
    """A task of pixi for work with a mirror."""

    name: str
    description: str
    cmd: str
    args: tuple[str, ...] = ()

    @property
    def table(self) -> Mapping[str, Any]:
        """The task as a manifest has it."""
        args = {"args": list(self.args)} if self.args else {}
        return {"description": self.description, **args, "cmd": self.cmd}


MIRROR_TASKS = (
    MirrorTask(
        name="mirror-update",
        description="Bring ./mirror to hold what pixi.lock pins",
        cmd="pixi-mirror",
    ),
    MirrorTask(
        name="mirror-index",
        description="Make repodata.json.zst and shards from the repodata.json of a channel; pixi-mirror runs it",
        cmd="rattler-index --config '{{ config }}' fs '{{ channel }}'",
        args=("channel", "config"),
    ),
    MirrorTask(
        name="mirror-serve",
        description="Show ./mirror over HTTP, read-only, on this machine",
        cmd="pixi-mirror serve",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedManifest:
    """A manifest with the tasks."""

    text: str
    added: tuple[str, ...]
    """The tasks that were not there, by name."""
    differing: tuple[str, ...]
    """The tasks that were there and run something else; they stay as they are."""


def add_tasks(text: str, *, path: Sequence[str]) -> EditedManifest:
    """Add those tasks that a manifest lacks. Comments, order and everything else stay as they are.

    Several places are tried. What the standard parser reads of the result decides: nothing but the tasks may have
    changed.

    Args:
        text: of the manifest.
        path: where pixi's tables are in it: nothing in a `pixi.toml`, `tool` and `pixi` in a `pyproject.toml`.

    Raises:
        ValueError: it does not parse, or the tasks cannot be added to it; the text is a part of a sentence.
    """
    document = parse_toml(text)
    expected = copy.deepcopy(dict(document))
    here = expected
    for key in (*path, _TASKS):
        here = here.setdefault(key, {})
        if not isinstance(here, dict):
            raise ValueError(f"its `{'.'.join([*path, _TASKS])}` is no table")  # noqa: TRY004 - the file is wrong
    known = {**_tasks_of_features(document, path), **here}
    added = [task for task in MIRROR_TASKS if task.name not in known]
    differing = [task.name for task in MIRROR_TASKS if task.name in known and _command(known[task.name]) != task.cmd]
    if not added:
        return EditedManifest(text=text, added=(), differing=tuple(differing))
    here.update({task.name: dict(task.table) for task in added})
    for candidate in _candidates(text, (*path, _TASKS), added):
        try:
            fits = parse_toml(candidate) == expected
        except ValueError:
            fits = False
        if fits:
            return EditedManifest(text=candidate, added=tuple(task.name for task in added), differing=tuple(differing))
    raise ValueError("it defines its tasks in a way to which none can be added as text")


def _tasks_of_features(document: Mapping[str, Any], path: Sequence[str]) -> Mapping[str, Any]:
    """The tasks that environments with some feature have; of a second one of that name pixi would not know which."""
    here = document
    for key in path:
        here = table(here, key)
    features = table(here, "feature")
    return {name: task for feature in features for name, task in table(table(features, feature), _TASKS).items()}


def _command(task: object) -> object:
    return task.get("cmd") if isinstance(task, dict) else task


def manifest_diff(before: str, after: str, *, name: str) -> list[str]:
    """The lines of a unified diff, without their ends."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), f"a/{name}", f"b/{name}", lineterm="")
    return list(lines)


def _candidates(text: str, path: tuple[str, ...], tasks: Sequence[MirrorTask]) -> Iterator[str]:
    """Texts with the tasks, the one that fits the style of the manifest first."""
    found = list(statements(text))
    inline = [f"{toml_key(task.name)} = {inline_toml(task.table)}" for task in tasks]
    blocks = task_blocks(tasks, path)
    if (end := _end_of(found, lambda header: header == path)) is not None:
        yield _inserted(text, end, inline)
    if (end := _end_of(found, lambda header: header[: len(path)] == path)) is not None:
        yield _inserted(text, end, ["", *blocks])
    yield from _extended_inline(text, found, path[-1], ", ".join(inline))
    last = len(lines_of(text))
    yield _inserted(text, last, [*([""] if text.strip() else []), f"[{'.'.join(path)}]", *inline])
    yield _inserted(text, last, ["", *blocks])


def task_blocks(tasks: Iterable[MirrorTask], path: tuple[str, ...]) -> list[str]:
    """The lines of a table for each task, below a table of tasks."""
    lines: list[str] = []
    for task in tasks:
        rows = [f"{key} = {inline_toml(value)}" for key, value in task.table.items()]
        lines += [*([""] if lines else []), f"[{'.'.join((*path, toml_key(task.name)))}]", *rows]
    return lines


def _end_of(found: Sequence[Statement], wanted: Any) -> int | None:  # noqa: ANN401 - a predicate of a path
    """The number of the line after the last statement below the last header that is wanted; None: there is none."""
    end, inside = None, False
    for each in found:
        if each.key is None:
            inside = wanted(_header_path(each.table))
        if inside:
            end = each.lines.stop
    return end


def _header_path(header: str) -> tuple[str, ...]:
    """The keys of a header."""
    try:
        value: Any = parse_toml(header)
    except ValueError:
        return ()
    path: list[str] = []
    while value:
        value = value[0] if isinstance(value, list) else value
        if not value:
            break
        (key,) = value
        path.append(key)
        value = value[key]
    return tuple(path)


def _extended_inline(text: str, found: Sequence[Statement], key: str, tasks: str) -> Iterator[str]:
    """Texts in which a table in braces has the tasks, too; one for each brace that may be its end."""
    lines = lines_of(text)
    for each in found:
        if each.key is None or each.key.rpartition(".")[2].strip(" \"'") != key:
            continue
        statement = "".join(lines[number] for number in each.lines)
        before, after = "".join(lines[: each.lines.start]), "".join(lines[each.lines.stop :])
        end = statement.rfind("}")
        while end > 0:
            head = statement[:end].rstrip()
            joint = " " if head.endswith("{") else ", "
            yield f"{before}{head}{joint}{tasks} {statement[end:]}{after}"
            end = statement.rfind("}", 0, end)


def _inserted(text: str, at: int, new: Iterable[str]) -> str:
    lines = lines_of(text)
    newline = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    if at and not lines[at - 1].endswith("\n"):
        lines[at - 1] += newline
    return "".join([*lines[:at], *(f"{line}{newline}" for line in new), *lines[at:]])
