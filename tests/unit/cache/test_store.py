"""The store: files by their sha256, believed by their identity, and never wrong for long."""

import hashlib
import os

import pytest

from pixi_mirror.cache.store import Store
from pixi_mirror.errors import BusyError, MachineError
from pixi_mirror.model.values import admit_sha256

DATA = b"verified"
SHA256 = admit_sha256(hashlib.sha256(DATA).hexdigest())


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "cache")
    with store.used():
        yield store


def admit(store, data=DATA):
    partial = store.partial / "download"
    partial.write_bytes(data)
    store.admit(partial, SHA256)


def test_it_is_private_and_tagged(store):
    assert store.directory.stat().st_mode & 0o777 == 0o700
    assert (store.directory / "CACHEDIR.TAG").read_bytes().startswith(b"Signature: 8a477f597d28d172789f06886806bc55")


def test_an_admitted_file_is_there_and_its_partial_file_is_not(store):
    assert store.verified(SHA256, suspect=False) is None
    assert store.size_of(SHA256) is None
    admit(store)
    assert store.path(SHA256).read_bytes() == DATA
    assert store.verified(SHA256, suspect=False) == store.size_of(SHA256) == len(DATA)
    assert list(store.partials()) == []


def test_another_process_believes_it_by_its_identity(store):
    admit(store, b"VERIFIED")  # what would not pass a hash
    assert Store(store.directory).verified(SHA256, suspect=False) == len(DATA)


def test_a_link_of_a_mirror_does_not_change_its_identity(store, tmp_path):
    admit(store, b"VERIFIED")
    os.link(store.path(SHA256), tmp_path / "mirror")
    assert Store(store.directory).verified(SHA256, suspect=False) == len(DATA)
    (blob,) = store.blobs()
    assert (blob.sha256, blob.size, blob.links) == (SHA256, len(DATA), 1)


def test_a_suspect_file_is_hashed_and_removed_if_it_is_wrong(store):
    admit(store, b"VERIFIED")
    assert store.verified(SHA256, suspect=True) is None
    assert not store.path(SHA256).exists()


def test_a_file_without_a_known_identity_is_hashed_and_then_believed(store):
    admit(store)
    (store.directory / "identities").unlink()
    fresh = Store(store.directory)
    assert fresh.verified(SHA256, suspect=False) == len(DATA)
    assert SHA256 in (store.directory / "identities").read_text()


def test_a_torn_or_foreign_log_only_costs_time(store):
    admit(store)
    (store.directory / "identities").write_bytes(f"{SHA256} 8\nabc\n\xff\xfe 1 2 x\n".encode("latin-1"))
    assert Store(store.directory).verified(SHA256, suspect=False) == len(DATA)


def test_a_rewritten_log_names_what_is_still_there(store):
    admit(store)
    store.remember(admit_sha256("f" * 64), store.path(SHA256).stat())
    store.forget_identities()
    (line,) = (store.directory / "identities").read_text().splitlines()
    assert line.startswith(SHA256)


def test_a_log_with_a_line_that_begins_with_no_hash_can_be_rewritten(store):
    admit(store)
    with (store.directory / "identities").open("a") as log:
        log.write(f"{SHA256[:9]}{SHA256} 8 1 2\n")  # a torn line, and the next one behind it
    fresh = Store(store.directory)
    fresh.forget_identities()
    (line,) = (store.directory / "identities").read_text().splitlines()
    assert line.startswith(f"{SHA256} ")


def test_a_prune_waits_for_nobody_and_nobody_uses_it_meanwhile(store):
    with pytest.raises(BusyError), Store(store.directory).pruned():
        pass


def test_a_cache_that_others_can_write_is_refused(tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    with pytest.raises(MachineError, match="plant"):
        Store(tmp_path / "cache").used()
