"""A form is parsed as it comes, whatever its pieces, and nothing of it is kept that has no use."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixi_mirror.serve.request import RequestRefused
from pixi_mirror.serve.uploads.multipart import MOST_PARTS, FormPart, MultipartReader, boundary_of


def form(*parts, boundary=b"XX", end=b"--\r\n"):
    """Parts of a head and a value each."""
    return (
        b"".join(b"--%s\r\n%s\r\n\r\n%s\r\n" % (boundary, head, value) for head, value in parts)
        + b"--"
        + boundary
        + end
    )


def named(name, value=b"", file_name=None):
    more = b"" if file_name is None else b'; filename="%s"' % file_name
    return b'Content-Disposition: form-data; name="%s"%s' % (name, more), value


def reader_of(data, at_once=1 << 16):
    pieces = iter([data[at : at + at_once] for at in range(0, len(data), at_once)])
    return MultipartReader(lambda: next(pieces, b""), b"XX")


def parsed(data, at_once=1 << 16):
    reader = reader_of(data, at_once)
    found = []
    while (part := reader.next_part()) is not None:
        found.append((part, reader.value(longest=1 << 20)))
    return found


def refusal(data):
    with pytest.raises(RequestRefused) as refused:
        parsed(data)
    assert 400 <= refused.value.status < 500
    return refused.value.reason


@given(
    values=st.lists(st.binary(max_size=60) | st.sampled_from([b"\r\n", b"--XX", b"\r\n--X", b"\r\n-", b"\r\r\n--XY"])),
    at_once=st.integers(1, 40),
)
def test_any_values_in_any_pieces(values, at_once):
    values = [value for value in values if b"\r\n--XX" not in b"\r\n" + value]
    parts = [named(b"f%d" % number, value, b"a.whl") for number, value in enumerate(values)]
    found = parsed(form(*parts), at_once)
    assert [value for _, value in found] == values
    assert [part.name for part, _ in found] == [f"f{number}" for number in range(len(values))]


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b'Content-Disposition: form-data; name="content"; filename="a-1.whl"', "a-1.whl"),
        (b"content-disposition: form-data;name=content;filename=a-1.whl", "a-1.whl"),
        (b'Content-Disposition: form-data; name="content"; filename="a\\"b"', 'a"b'),
        (b"Content-Disposition: form-data; name=\"content\"; filename*=utf-8''a%2B1.whl", "a+1.whl"),
        (b'Content-Disposition: form-data; name="content"', None),
        (b'Content-Type: x/y\r\nContent-Disposition: form-data; name="content"; filename=""', ""),
    ],
)
def test_names_of_fields_and_files(head, expected):
    ((part, _),) = parsed(form((head, b"x")))
    assert (part.name, part.file_name) == ("content", expected)


def test_what_is_not_read_is_skipped():
    reader = reader_of(form(named(b"a", b"1" * 100_000), named(b"b", b"2")), at_once=1000)
    assert reader.next_part() == FormPart("a", None, {"content-disposition": 'form-data; name="a"'})
    assert reader.next_part().name == "b"
    assert reader.value(longest=1) == b"2"
    assert reader.next_part() is None


def test_text_before_and_behind_the_form_means_nothing():
    assert len(parsed(b"preamble\r\n" + form(named(b"a", b"1")) + b"epilogue")) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no form",
        form(named(b"a", b"1"))[:-6],
        form(named(b"a", b"1"), end=b""),
        form((b"Content-Disposition: form-data", b"1")),
        form((b"Content-Disposition: attachment; name=a", b"1")),
        form((b"no colon", b"1")),
        form((b"", b"1")),
        form((b'Content-Disposition: form-data; name="a" ???', b"1")),
        form((b'Content-Disposition: form-data; name="' + b"a" * 20_000 + b'"', b"1")),
        b"x" * 70_000 + form(named(b"a", b"1")),
        form(named(b"a", b"1")) + b"x" * 70_000,
        b"--XXY\r\n" + named(b"a")[0] + b"\r\n\r\n1\r\n--XX--",
    ],
)
def test_what_is_no_form_is_refused(data):
    assert refusal(data)


def test_a_field_that_is_too_long_is_refused():
    reader = reader_of(form(named(b"a", b"x" * 11)))
    reader.next_part()
    with pytest.raises(RequestRefused):
        reader.value(longest=10)


@pytest.mark.parametrize("number", [2_000, MOST_PARTS])
def test_as_many_fields_as_real_packages_have(number):
    assert len(parsed(form(*[named(b"requires_dist", b"x")] * number))) == number


def test_more_fields_are_refused():
    assert "more than" in refusal(form(*[named(b"a", b"x")] * (MOST_PARTS + 1)))


def test_a_form_without_end_takes_no_more_memory():
    piece = b"x" * 65_536
    sent = iter([form(named(b"a", b""), end=b"")[:-6], *[piece] * 1000])
    reader = MultipartReader(lambda: next(sent, b""), b"XX")
    reader.next_part()
    tracemalloc.start()
    with pytest.raises(RequestRefused, match="cut off"):
        reader.next_part()
    assert tracemalloc.get_traced_memory()[1] < 2 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('Multipart/Form-Data; charset=utf-8; boundary="a b c"', b"a b c"),
    ],
)
def test_the_boundary(field, expected):
    assert boundary_of(field) == expected


@pytest.mark.parametrize(
    "field",
    [
        None,
        "",
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=a",
        f"multipart/form-data; boundary={'a' * 71}",
        'multipart/form-data; boundary="a\nb"',
    ],
)
def test_no_boundary(field):
    with pytest.raises(RequestRefused) as refused:
        boundary_of(field)
    assert refused.value.status in (400, 415)
