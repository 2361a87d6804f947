"""The tasks go into a manifest as text: everything else of it stays, byte for byte."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixi_mirror.workspace.tasks import MIRROR_TASKS, add_tasks, manifest_diff

NAMES = ("mirror-update", "mirror-index", "mirror-serve")
TABLES = {task.name: dict(task.table) for task in MIRROR_TASKS}

MANIFESTS = {
    "a table of tasks, comments around": (
        '# top\n[workspace]\nname = "x" # c\n\n[tasks]\n# mine\na = "b"\n# end\n\n[dependencies]\n'
    ),
    "an empty table of tasks": "[tasks]\n",
    "a table for each task": '[tasks.a]\ncmd = "b"\n\n[dependencies]\nx = "*"\n',
    "tables for tasks at two places": '[tasks.a]\ncmd = "b"\n[workspace]\nname = "x"\n[tasks.c]\ncmd = "d" # e\n# f\n',
    "a header with spaces and quotes": '[ "tasks" ] # mine\na = "b"\n[workspace]\nname="x"\n',
    "tasks in braces, one in a comment": 'tasks = { a = "}" } # }\n[workspace]\n',
    "tasks in empty braces": "tasks={}\n",
    "tasks by dotted keys": 'tasks.a = "b"\n[workspace]\nname = "x"\n',
    "a header inside of a text": 'x = """\n[tasks]\n"""\n[workspace]\nname = "x"\n',
    "no tasks at all": '[workspace]\nname = "x"\n',
    "no end of the last line": '[workspace]\nname = "x"',
    "tasks at the end, without end of line": '[tasks]\na = "b"',
    "line ends of Windows": '[workspace]\r\nname = "x"\r\n\r\n[tasks]\r\na = "b"\r\n\r\n[dependencies]\r\n',
    "a byte order mark": '\ufeff[workspace]\nname = "x"\n',
    "nothing": "",
    "another table of tasks": '[feature.x.tasks]\na = "b"\n[workspace]\n',
    "a task over several lines": '[tasks]\na = { cmd = """\nx\n""" }\nb = [\n  "c",\n]\n[dependencies]\n',
}


def added_lines(before, after):
    """The lines of a text that are new, where no old line has changed or moved."""
    old, found = iter([*before.splitlines(keepends=True)]), []
    expected = next(old, None)
    for line in after.splitlines(keepends=True):
        if line == expected:
            expected = next(old, None)
        else:
            found.append(line)
    assert expected is None, f"lost or changed: {expected!r}"
    return found


@pytest.mark.parametrize("text", MANIFESTS.values(), ids=MANIFESTS.keys())
def test_the_tasks_are_added_and_all_else_stays(text):
    edited = add_tasks(text, path=())
    assert edited.added == NAMES
    document = tomllib.loads(edited.text.removeprefix("\ufeff").replace("\r\n", "\n"))
    before = tomllib.loads(text.removeprefix("\ufeff").replace("\r\n", "\n"))
    assert document.pop("tasks") == {**before.pop("tasks", {}), **TABLES}
    assert document == before
    if not text.startswith("tasks") or "." in text.partition("=")[0]:
        joined = text if not text or text.endswith("\n") else f"{text}\n"
        new = added_lines(joined, edited.text)
        assert all(line.endswith("\r\n") for line in new) == ("\r\n" in text)


@pytest.mark.parametrize("text", MANIFESTS.values(), ids=MANIFESTS.keys())
def test_a_second_time_nothing_is_changed(text):
    once = add_tasks(text, path=())
    twice = add_tasks(once.text, path=())
    assert (twice.text, twice.added, twice.differing) == (once.text, (), ())


def test_in_a_pyproject_the_tasks_stand_under_tool_pixi():
    text = '[project]\nname = "x"\n\n[tool.pixi.workspace]\nchannels = []\n\n[tool.ruff]\nline-length = 100\n'
    edited = add_tasks(text, path=("tool", "pixi"))
    assert tomllib.loads(edited.text)["tool"]["pixi"]["tasks"] == TABLES
    assert edited.text.startswith(text)
    assert "\n[tool.pixi.tasks]\n" in edited.text


def test_in_a_table_of_tasks_they_stand_at_its_end_as_one_line_each():
    edited = add_tasks('[tasks]\na = "b"\n\n[dependencies]\n', path=())
    lines = edited.text.splitlines()
    assert [line.partition(" ")[0] for line in lines[2:5]] == list(NAMES)
    assert lines[5:] == ["", "[dependencies]"]


def test_a_task_that_is_there_stays_and_is_named_if_it_runs_something_else():
    edited = add_tasks('[tasks]\nmirror-update = "make mirror"\nmirror-serve = "pixi-mirror serve"\n', path=())
    assert edited.added == ("mirror-index",)
    assert edited.differing == ("mirror-update",)
    assert tomllib.loads(edited.text)["tasks"]["mirror-update"] == "make mirror"


def test_a_task_of_a_feature_counts_because_pixi_would_not_know_which_of_two_to_run():
    text = '[feature.mirror.tasks]\nmirror-update = "pixi-mirror"\n'
    assert add_tasks(text, path=()).added == ("mirror-index", "mirror-serve")


@pytest.mark.parametrize(
    ("text", "reason"),
    [('tasks = "x"\n', "no table"), ("[workspace\n", "Expected"), ('[[tasks]]\na = "b"\n', "no table")],
)
def test_what_cannot_be_added_to_is_refused(text, reason):
    with pytest.raises(ValueError, match=reason):
        add_tasks(text, path=())


def test_the_diff_has_only_the_lines_that_are_added():
    before = '[workspace]\nname = "x"\n'
    diff = manifest_diff(before, add_tasks(before, path=()).text, name="pixi.toml")
    assert diff[:2] == ["--- a/pixi.toml", "+++ b/pixi.toml"]
    assert not [line for line in diff[2:] if line.startswith("-")]
    assert sum(line.startswith("+mirror-") for line in diff) == 3


KEYS = st.sampled_from(["tasks", "workspace", "a", '"tasks"', "dependencies"])
LINES = st.one_of(
    st.builds("[{}]".format, KEYS),
    st.builds("[{}.{}]".format, KEYS, KEYS),
    st.builds('{} = "x"'.format, KEYS),
    st.builds('{}.{} = "x" # c'.format, KEYS, KEYS),
    st.builds("{} = {{ b = 'y' }}".format, KEYS),
    st.sampled_from(["", "# [tasks]", '"""', "x = '''", "'''"]),
)


@given(st.lists(LINES, max_size=8).map("\n".join))
def test_whatever_parses_is_changed_in_its_tasks_alone_or_refused(text):
    try:
        before = tomllib.loads(text)
    except ValueError:
        return
    try:
        after = tomllib.loads(add_tasks(text, path=()).text)
    except ValueError:
        return
    tasks = after.pop("tasks")
    assert {name: tasks[name] for name in tasks if name not in NAMES} == {
        name: task for name, task in before.pop("tasks", {}).items() if name not in NAMES
    }
    assert after == before
