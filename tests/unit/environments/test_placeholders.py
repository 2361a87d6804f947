"""The prefix is replaced piece by piece as it would be in the whole."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixi_mirror.environments.placeholders import replace_prefix

OLD, NEW = "/old/placeholder", "/new"
bits = st.lists(
    st.sampled_from([OLD.encode(), b"/old/place", b"holder", b"\0", b"\0", b"text", b"\n", b"#!"]), max_size=12
)


def in_pieces(data, size):
    return [data[start : start + size] for start in range(0, len(data), size)]


def replaced(pieces, *, subdir="linux-64", is_text, new=NEW):
    return b"".join(replace_prefix(pieces, OLD, new, subdir=subdir, is_text=is_text))


def whole(data, *, is_text):
    if is_text:
        return data.replace(OLD.encode(), NEW.encode())
    pattern = re.escape(OLD.encode()) + rb"[^\0]*"
    return re.sub(pattern, lambda found: found[0].replace(OLD.encode(), NEW.encode()).ljust(len(found[0]), b"\0"), data)


@given(bits, st.integers(1, 40), st.booleans())
def test_pieces_make_no_difference(parts, size, is_text):
    data = b"x" + b"".join(parts)  # no shebang
    assert replaced(in_pieces(data, size), is_text=is_text) == whole(data, is_text=is_text)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_first_line_of_a_script_names_the_new_prefix(size):
    script = b"#!/old/placeholder/bin/python -E\nprint('/old/placeholder')\n"
    assert replaced(in_pieces(script, size), is_text=True) == b"#!/new/bin/python -E\nprint('/new')\n"
    spaced = replaced(in_pieces(script, size), is_text=True, new="/a b")
    assert spaced.startswith(b"#!/bin/sh\n'''exec' \"/a b/bin/python\" -E \"$0\" \"$@\" #'''\n")
    perl = replaced([b"#!/old/placeholder/bin/perl -w\n"], is_text=True, new="/" + "long" * 50)
    assert perl == b"#!/usr/bin/env perl -w\n"


def test_a_program_without_room_is_refused():
    with pytest.raises(ValueError, match="Choose a shorter -o"):
        replaced([b"\0" + OLD.encode() + b"\0"], is_text=False, new="/" + "long" * 10)
    assert replaced([b"no prefix"], is_text=False, new="/" + "long" * 10) == b"no prefix"


def test_on_windows_texts_have_slashes_and_programs_stay():
    assert replaced([b"/old/placeholder\0"], subdir="win-64", is_text=True, new="C:\\e") == b"C:/e\0"
    assert replaced([b"/old/placeholder\0"], subdir="win-64", is_text=False, new="C:\\e") == b"/old/placeholder\0"
