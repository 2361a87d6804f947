"""Work goes on with the threads that the machine gives, and without any in the calling thread."""

import threading

import pytest

from pixi_mirror.threads import ThreadPool, share_out, start_thread


@pytest.fixture
def machine(monkeypatch):
    """Lets only so many threads start from now on."""

    def gives(number: int) -> None:
        left = [number]
        start = threading.Thread.start

        def limited(self: threading.Thread) -> None:
            if not left[0]:
                raise RuntimeError("can't start new thread")
            left[0] -= 1
            start(self)

        monkeypatch.setattr(threading.Thread, "start", limited)

    return gives


@pytest.mark.parametrize("given", [0, 1, 2, 50])
def test_each_item_is_done_once_and_in_order_however_few_threads_there_are(machine, given):
    machine(given)
    done = []
    threads = set()

    def work(item: int) -> int:
        done.append(item)
        threads.add(threading.get_ident())
        return item * 2

    with ThreadPool(4) as pool:
        assert list(pool.map(work, range(200))) == [item * 2 for item in range(200)]
    assert sorted(done) == list(range(200))
    assert (threading.get_ident() in threads) == (given == 0)
    assert len(threads) <= max(1, min(given, 4))


def test_a_failure_is_raised_where_its_result_is_taken(machine):
    machine(1)

    def work(item: int) -> int:
        if item == 3:
            raise ValueError("three")
        return item

    with ThreadPool(2) as pool:
        results = pool.map(work, range(5))
        assert [next(results) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(ValueError, match="three"):
            next(results)


def test_what_has_not_begun_is_dropped_when_that_is_wanted():
    gate, begun = threading.Event(), threading.Event()
    pool = ThreadPool(1)

    def wait() -> None:
        begun.set()
        gate.wait()

    first = pool.submit(wait)
    second = pool.submit(wait)
    begun.wait()
    pool.shutdown(wait=False, cancel_futures=True)
    gate.set()
    first.result()
    assert second.cancelled()


def test_a_pool_starts_no_more_threads_than_work_waits(machine):
    machine(50)
    with ThreadPool(8) as pool:
        for number in range(20):
            assert pool.submit(abs, -number).result() == number
        assert len(pool._started) < 8


def test_whether_a_thread_was_started_is_told(machine):
    machine(1)
    done = threading.Event()
    assert start_thread(done.set)
    assert done.wait(60)
    assert not start_thread(done.set)


@pytest.mark.parametrize(
    ("sizes", "shares"),
    [
        ([], []),
        ([1, 1, 1], [[1, 1, 1]]),
        ([4, 6, 1], [[4, 6], [1]]),
        ([20, 1, 20, 1], [[20], [1, 20], [1]]),
        ([0] * 7, [[0] * 3, [0] * 3, [0]]),
    ],
)
def test_items_are_shared_out_in_their_order_by_size_and_number(sizes, shares):
    most = 3 if 0 in sizes else 10
    assert list(share_out(sizes, int, size=10, most=most)) == shares
