"""The guarded YAML reader: what it gives, what it refuses, and how."""

import subprocess
import sys

import pytest
import yaml

from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.yaml_reader import DEPTH_LIMIT, SIZE_LIMIT, load_yaml


def test_scalars_stay_as_written_and_only_plain_nulls_are_none():
    text = b"a: 7.3_22\nb: 0x1\nc: on\nd: null\ne: 'null'\nf: ~\ng: ''\nh:\ni: 2024-01-01\nj: \"~\"\nk: None\nl: 1e3\n"
    assert load_yaml(text, name="x") == {
        "a": "7.3_22", "b": "0x1", "c": "on", "d": None, "e": "null", "f": None, "g": "", "h": None,
        "i": "2024-01-01", "j": "~", "k": "None", "l": "1e3",
    }  # fmt: skip


def test_lists_mappings_flow_style_and_crlf_are_read():
    assert load_yaml(b"a:\r\n- x\r\n- {b: [1, 2]}\r\nc: {}\r\n", name="x") == {"a": ["x", {"b": ["1", "2"]}], "c": {}}


def test_equal_strings_are_one_object():
    first, second = load_yaml(b"- python >=3.11,<3.12\n- python >=3.11,<3.12\n", name="x")
    assert first is second


def test_the_deepest_allowed_nesting_is_read_and_one_more_is_not():
    assert load_yaml(b"[" * DEPTH_LIMIT + b"]" * DEPTH_LIMIT, name="x") is not None
    with pytest.raises(WorkspaceError, match="nested deeper"):
        load_yaml(b"[" * (DEPTH_LIMIT + 1) + b"]" * (DEPTH_LIMIT + 1), name="x")


REFUSED = [
    (b"", "is empty"),
    (b" \n\n", "is empty"),
    (b"# only words\n", "line 1 .*comments"),
    (b"a: &x 1\n", "line 1 has the anchor &x"),
    (b"a: &x [1]\n", "line 1 has the anchor &x"),
    (b"a: 1\nb: *x\n", "line 2"),
    (b"a: 1\n&k b: 2\n", "line 2 has the anchor &k"),
    (b"a: !!python/object:os.system x\n", "line 1 has the tag"),
    (b"a: !x {}\n", "line 1 has the tag"),
    (b"a: ! x\n", "line 1 has the tag"),
    (b"a:\n  <<: {b: 1}\n", "line 2 has a merge key"),
    (b"a: 1\nb: 2\na: 3\n", "line 3 repeats the key 'a'"),
    (b"a: 1\n---\nb: 2\n", "begins a second document"),
    (b"? [a]\n: 1\n", "line 1 has a key that is no plain name"),
    (b"? {a: 1}\n: 1\n", "line 1 has a key that is no plain name"),
    (b"a: 1\nb\0: 2\n", "NUL byte at line 2"),
    (b"\xef\xbb\xbfa: 1\n", "byte order mark"),
    ("a: 1\n".encode("utf-16"), "byte order mark"),
    ("a: 1\n".encode("utf-16-le"), "NUL byte at line 1"),
    (b"a: 1\nb: \xff\n", "not UTF-8: byte 0xff at line 2"),
    (b"a: \x01\n", "not valid YAML"),
    (b"a: 1\n<<<<<<< HEAD\nb: 2\n=======\nb: 3\n>>>>>>> x\n", "unresolved merge conflict at line 2"),
    (b"a: 1\r\n<<<<<<< HEAD\r\nb: 2\r\n", "unresolved merge conflict at line 2"),
    (b"a: 1\n=======\r\nb: 3\n", "unresolved merge conflict at line 2"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "run `git lfs pull`"),
    (b"a:\n- 'cut", "line 2.*truncated"),
    (b"a: [1,\n", "not valid YAML"),
    (b"a: b: c\n", "not valid YAML.*line 1"),
    (b"a:\n\t- b\n", "not valid YAML.*line 2"),
    (b"a: @x\n", "not valid YAML"),
]


@pytest.mark.parametrize(("data", "words"), REFUSED, ids=[words for _, words in REFUSED])
@pytest.mark.parametrize("libyaml", [True, False])
def test_what_no_machine_writes_is_refused_with_name_and_line(data, words, libyaml, monkeypatch):
    if not libyaml:
        # As PyYAML is where it was built without libyaml.
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    with pytest.raises(WorkspaceError, match="(?s)" + words) as caught:
        load_yaml(data, name="somewhere/pixi.lock")
    assert caught.value.status == 3
    assert "somewhere/pixi.lock" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_libyaml_the_same_is_read(monkeypatch):
    data = b"a: null\nb: ['x', \"y\", ~]\nc:\n- d: 1\n"
    with_libyaml = load_yaml(data, name="x")
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert load_yaml(data, name="x") == with_libyaml == {"a": None, "b": ["x", "y", None], "c": [{"d": "1"}]}


BOMBS = f"""
import sys
from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.yaml_reader import load_yaml

def billion():
    lines = [b"a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    lines += [b"a%d: &a%d [%s]" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 10)]
    return b"\\n".join(lines) + b"\\n"

bombs = {{
    "alias 9^10": billion(),
    "merge depth 30": b"".join(b"m%d: &m%d\\n  <<: *m%d\\n" % (n, n, n - 1) for n in range(1, 31)),
    "flow nesting": b"[" * 1_000_000,
    "mapping nesting": b"{{a: " * 1_000_000,
    "block nesting": b"- " * 1_000_000,
    "key nesting": b"? " * 1_000_000,
    "nesting by indentation": b"".join(b" " * n + b"a:\\n" for n in range(2000)),
    "duplicate keys": b"a: 1\\n" * 1_000_000,
    "object": b"a: !!python/object/apply:os.system [x]\\n",
    "too large": b"a" * ({SIZE_LIMIT} + 1),
    "many lines": b"-\\n" * 5_000_000,
    "many values": b"[" + b"," * 10_000_000 + b"]",
    "NULs": b"\\0" * 10_000_000,
    "one key": b"a" * 2_000_000 + b": 1\\na: 2\\na: 3\\n",
    "open quote": b'a: "' + b"x" * 20_000_000,
    "open key": b"[" + b"x" * 20_000_000,
    "anchors": b"".join(b"- &a%d x\\n" % n for n in range(100_000)),
    "tag directives": b"".join(b"%%TAG !a%d! x\\n" % n for n in range(2000)) + b"---\\n!a1!x y\\n",
    "conflict": b"<<<<<<< HEAD\\n" * 100_000,
}}
for name, data in bombs.items():
    try:
        load_yaml(data, name="pixi.lock")
    except WorkspaceError as error:
        assert error.status == 3 and len(str(error)) < 1000, name
    else:
        sys.exit(name + " was read")
# Not ru_maxrss, which begins with what the parent of the process had.
print(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it so")
def test_bombs_are_refused_within_300_mb_and_without_a_crash():
    done = subprocess.run([sys.executable, "-c", BOMBS], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout) * 1024 < 300_000_000
