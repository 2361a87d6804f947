"""Several things are done at a time, and all of them end when one fails."""

import threading

import pytest

from pixi_mirror.environments.parallel import Threads


def test_results_come_in_the_order_of_the_items():
    threads = Threads(4)
    assert list(threads.each(lambda each: each * 2, range(50))) == [each * 2 for each in range(50)]
    assert list(zip("ab", threads.each(str, [1, 2]), strict=True)) == [("a", "1"), ("b", "2")]
    assert list(threads.each(str, [3])) == ["3"], "they can be used again"


def test_a_failure_ends_what_waits_and_what_runs_and_is_the_one_that_is_told():
    threads, begun = Threads(2), threading.Event()

    def work(number):
        if number == 0:
            begun.set()
            while True:
                threads.check()
        begun.wait()
        if number == 1:
            raise ZeroDivisionError
        raise AssertionError("it began after the failure")

    with pytest.raises(ZeroDivisionError):
        list(threads.each(work, range(10)))
