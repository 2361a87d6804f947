"""A mirror of a few files, made without an upstream, and a server in this process that shows it."""

import hashlib
import random
from pathlib import Path

import pytest
from serving import PAGE_HTML, PAGE_JSON, Client, written

from pixi_mirror.serve.transport import Server

CONDA = "conda-forge/linux-64/tool-1!2.0+cuda12-h12_1.conda"
WHEEL = "files.pypi.example/packages/26/9f/x-1.0+local-py3-none-any.whl"


@pytest.fixture(scope="session")
def stored():
    """Files that were brought: path -> bytes."""
    return {
        CONDA: random.Random(1).randbytes(300_000),
        "conda-forge/linux-64/old-1.0-0.tar.bz2": b"BZh9 not really",
        "conda-forge/noarch/empty-1.0-0.conda": b"",
        WHEEL: random.Random(2).randbytes(1000),
        "files.pypi.example/packages/26/9f/x-1.0.tar.gz": b"\x1f\x8b not really",
    }


@pytest.fixture(scope="session")
def derived():
    """Files that were made: path -> bytes."""
    shard = hashlib.sha256(b"shard").hexdigest()
    return {
        "conda-forge/linux-64/repodata.json": b'{"info":{"subdir":"linux-64"},"packages":{},"packages.conda":{}}\n',
        "conda-forge/linux-64/repodata.json.zst": b"\x28\xb5\x2f\xfd not really",
        "conda-forge/linux-64/repodata_shards.msgpack.zst": b"\x28\xb5\x2f\xfd nor this",
        f"conda-forge/linux-64/shards/{shard}.msgpack.zst": b"shard",
        "conda-forge/noarch/repodata.json": b'{"info":{"subdir":"noarch"},"packages":{},"packages.conda":{}}\n',
        "conda-mapping.prefix.dev/compressed-v0/compressed_mapping.json": b"{}",
        f"conda-mapping.prefix.dev/hash-v0/{shard}": b'{"pypi_normalized_names":null}',
        f"{WHEEL}.metadata": b"Metadata-Version: 2.1\nName: x\n",
        "simple/x/index.html": PAGE_HTML,
        "simple/x/index.v1_json": PAGE_JSON,
        "simple/only-html/index.html": PAGE_HTML,
    }


@pytest.fixture(scope="session")
def mirror(tmp_path_factory, stored, derived) -> Path:
    """A mirror that no test changes."""
    return written(tmp_path_factory.mktemp("shown") / "mirror", stored, derived)


@pytest.fixture(scope="session")
def log():
    """What the server told of each request so far."""
    return []


@pytest.fixture(scope="session")
def server(mirror, log):
    with Server(mirror, host="127.0.0.1", port=0, log=log.append) as server:
        yield server


@pytest.fixture
def client(server):
    """Asks over one connection, which stays open where the server lets it."""
    with Client(server.url) as client:
        yield client
