"""One file, many files: verified, resumed, fetched once; over a real server on loopback."""

import hashlib
import threading

import pytest
from harness import upstream as steps
from harness.damage import writable
from harness.upstream import Upstream

from pixi_mirror.cache.batch import Batch, FailedPackage, ObtainedPackage, obtain
from pixi_mirror.cache.download import admit_download, download
from pixi_mirror.cache.store import Store
from pixi_mirror.errors import FetchError, MachineError, WrongBytesError
from pixi_mirror.http.fetcher import Fetcher
from pixi_mirror.model.network import Network
from pixi_mirror.model.packages import Package
from pixi_mirror.model.values import Url, admit_md5, admit_path, admit_sha256
from pixi_mirror.progress import NoProgress
from pixi_mirror.threads import start_thread

DATA = bytes(range(256)) * 40


class Count(NoProgress):
    """Adds up what it is told."""

    def __init__(self):
        self.files = self.size = 0
        self.warnings = []
        self.lock = threading.Lock()

    def warn(self, message):
        self.warnings.append(message)

    def advance(self, *, files=0, size=0):
        with self.lock:
            self.files += files
            self.size += size


@pytest.fixture
def server():
    with Upstream() as server:
        yield server


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "cache")
    with store.used():
        yield store


def fetcher(retries=0):
    return Fetcher(Network(retries=retries), NoProgress(), connections=4, first_back_off_s=0.0)


def package(server, name, data=DATA, *, promised=None, **known):
    hashes = {"sha256": admit_sha256(hashlib.sha256(promised or data).hexdigest()), "md5": None, "size": len(data)}
    return Package(
        path=admit_path(f"c/noarch/{name}-1-0.conda"), url=Url(server.put(f"/{name}", data)), kind="conda", name=name,
        version="1", build="0", subdir="noarch", record={}, **hashes | known,
    )  # fmt: skip


def test_one_file_is_fetched_once_and_then_taken_from_the_store(server, store):
    wanted = package(server, "a")
    first, was_fetched = obtain(wanted, wanted.sha256, store, fetcher(), Count())
    again, was_fetched_again = obtain(wanted, wanted.sha256, store, fetcher(), Count())
    assert (was_fetched, was_fetched_again) == (True, False)
    assert first == again
    assert first.path.read_bytes() == DATA
    assert len(server.requests) == 1
    assert list(store.partials()) == []


def test_wrong_bytes_leave_nothing(server, store):
    wanted = package(server, "a", promised=b"other")
    with pytest.raises(WrongBytesError, match="expected sha256"):
        download(wanted, store, fetcher(), Count())
    assert list(store.partials()) == list(store.blobs()) == []


def test_a_body_that_is_much_longer_than_promised_is_cut(server, store):
    wanted = package(server, "a", bytes(3 << 20), size=10)
    with pytest.raises((WrongBytesError, FetchError)):
        download(wanted, store, fetcher(), Count())
    assert list(store.blobs()) == []


def test_a_download_that_was_cut_goes_on_behind_what_is_there(server, store):
    wanted, told = package(server, "a"), Count()
    server.script("/a", steps.truncate(4000), steps.ok())
    with pytest.raises(FetchError):
        download(wanted, store, fetcher(), told)
    verified = download(wanted, store, fetcher(), told)
    admit_download(verified, store)
    assert store.path(wanted.sha256).read_bytes() == DATA
    assert [request.headers.get("range") for request in server.requests] == [None, "bytes=4000-"]
    assert list(store.partials()) == []


def test_a_poisoned_rest_is_fetched_once_more_from_the_start(server, store):
    wanted = package(server, "a")
    server.script("/a", steps.truncate(4000), steps.ok())
    with pytest.raises(FetchError):
        download(wanted, store, fetcher(), Count())
    partial = store.partial / wanted.sha256
    partial.write_bytes(b"X" * 4000)
    admit_download(download(wanted, store, fetcher(), Count()), store)
    assert store.path(wanted.sha256).read_bytes() == DATA
    assert [request.headers.get("range") for request in server.requests] == [None, "bytes=4000-", None]


def test_an_md5_is_checked_where_there_is_no_sha256(server, store):
    right = package(server, "a", sha256=None, md5=admit_md5(hashlib.md5(DATA).hexdigest()))
    assert download(right, store, fetcher(), Count()).sha256 == hashlib.sha256(DATA).hexdigest()
    wrong = package(server, "b", sha256=None, md5=admit_md5("0" * 32))
    with pytest.raises(WrongBytesError, match="expected md5"):
        download(wrong, store, fetcher(), Count())


def batch(store, told, **options):
    return Batch(store, fetcher(**options), told, jobs=4)


def test_a_batch_brings_all_and_every_file_once(server, store):
    data = [bytes([number]) * 1000 for number in range(20)]
    packages = [package(server, f"p{number}", each) for number, each in enumerate(data)]
    packages += [package(server, f"same{number}", data[0]) for number in range(5)]
    told = Count()
    outcomes = list(batch(store, told).obtain(packages))
    assert {outcome.package.path for outcome in outcomes} == {each.path for each in packages}
    assert all(isinstance(outcome, ObtainedPackage) for outcome in outcomes)
    assert len(server.requests) == 20  # the same bytes are fetched once
    assert (told.files, told.size) == (25, 20_000)


def test_what_fails_keeps_nothing_else_from_coming(server, store):
    packages = [package(server, f"p{number}", bytes([number]) * 100) for number in range(6)]
    server.script("/p3", steps.status(404))
    server.script("/p4", steps.answer(b"other bytes"))
    outcomes = {each.package.name: each for each in batch(store, Count()).obtain(packages)}
    failed = {name: type(each.error) for name, each in outcomes.items() if isinstance(each, FailedPackage)}
    assert failed == {"p3": FetchError, "p4": WrongBytesError}
    assert len(outcomes) == 6


def test_a_file_with_the_same_bytes_elsewhere_is_taken_from_there(server, store):
    here, there = package(server, "here"), package(server, "there")
    server.script("/here", steps.status(404))
    server.script("/there", steps.ok())
    outcomes = list(batch(store, Count()).obtain([here, there]))
    kinds = {outcome.package.name: type(outcome) for outcome in outcomes}
    assert kinds["there"] is ObtainedPackage
    assert store.verified(here.sha256, suspect=False) == len(DATA)


def test_a_suspect_file_of_the_store_is_fetched_again(server, store):
    wanted = package(server, "a")
    list(batch(store, Count()).obtain([wanted]))
    identity = store.path(wanted.sha256).stat()
    writable(store.path(wanted.sha256)).write_bytes(b"X" * len(DATA))
    store.remember(wanted.sha256, store.path(wanted.sha256).stat())
    assert identity.st_size == len(DATA)
    list(batch(store, Count()).obtain([wanted]))
    assert len(server.requests) == 1  # its identity is believed
    list(batch(store, Count()).obtain([wanted], suspect=frozenset({wanted.sha256})))
    assert store.path(wanted.sha256).read_bytes() == DATA


def test_a_stale_size_under_the_right_hash_is_a_warning(server, store):
    told = Count()
    (outcome,) = batch(store, told).obtain([package(server, "a", size=7)])
    assert isinstance(outcome, ObtainedPackage)
    assert "the lock says 7 bytes" in told.warnings[0]


def test_a_run_that_was_killed_before_it_named_a_read_only_file_stops_no_later_one(server, store):
    wanted = package(server, "a")
    list(batch(store, Count()).obtain([wanted]))
    left = store.partial / wanted.sha256
    store.path(wanted.sha256).rename(left)
    assert not left.stat().st_mode & 0o222
    (outcome,) = batch(store, Count()).obtain([wanted])
    assert outcome.path.read_bytes() == DATA


class Fleeting(Store):
    """Its file comes from another process while the download is prepared, and is gone again before it is taken."""

    def __init__(self, directory):
        super().__init__(directory)
        self.sizes = iter([None, len(DATA), None])

    def verified(self, sha256, *, suspect):
        return next(self.sizes)


def test_what_another_process_fetched_and_lost_again_is_a_failure_and_not_forgotten(server, store):
    wanted = package(server, "a")
    message = "another process fetched it, and it is gone again"
    (outcome,) = batch(Fleeting(store.directory), Count()).obtain([wanted])
    assert isinstance(outcome, FailedPackage)
    assert isinstance(outcome.error, FetchError)
    assert message in str(outcome.error)
    with pytest.raises(FetchError, match=message):
        obtain(wanted, wanted.sha256, Fleeting(store.directory), fetcher(), Count())
    assert server.requests == []


@pytest.mark.parametrize("given", [2, 3, 5])
def test_many_files_come_with_the_few_threads_that_a_machine_gives(server, store, monkeypatch, given):
    threads_of_the_machine(monkeypatch, given)
    wanted = [package(server, f"f{number}", DATA + bytes([number])) for number in range(30)]
    outcomes = list(batch(store, Count()).obtain(wanted))
    assert len(outcomes) == 30
    assert all(isinstance(outcome, ObtainedPackage) for outcome in outcomes)


@pytest.mark.parametrize("given", [0, 1])
def test_without_a_thread_to_fetch_with_it_is_said_what_to_do(server, store, monkeypatch, given):
    threads_of_the_machine(monkeypatch, given)
    with pytest.raises(MachineError, match="ulimit -u"):
        list(batch(store, Count()).obtain([package(server, "a")]))
    assert list(store.blobs()) == []


def threads_of_the_machine(monkeypatch, number):
    """Give the batch only so many threads; the server of the test has its own."""
    left = [number]

    def start(work, **others):
        if not left[0]:
            return False
        left[0] -= 1
        return start_thread(work, **others)

    monkeypatch.setattr("pixi_mirror.cache.batch.start_thread", start)
