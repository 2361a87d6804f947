"""What messages quote of a program that failed."""

import pytest

from pixi_mirror.process import Output


def output(stderr="", stdout=""):
    return Output(status=1, stdout=stdout, stderr=stderr)


def test_the_end_of_stderr_is_quoted_else_that_of_stdout():
    assert output("a\n", "b").last_words == "a"
    assert output(" \n", "b\n").last_words == "b"
    assert output().last_words == "it said nothing"
    assert output("x" * 3000).last_words == "one word of 3000 characters"


@pytest.mark.parametrize("separator", [" ", "\n"])
def test_a_long_text_is_quoted_from_a_whole_word_on(separator):
    url = "https://me:cAnArY7@c.example/x"
    for number in range(1950, 2001):
        shown = output(f"{url}{separator}{'x' * (number - 10)} {'y' * 9}").last_words
        assert shown.startswith(url) or "cAnArY7" not in shown
        assert shown.endswith("y" * 9)
