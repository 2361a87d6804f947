import pytest
from fetching import Fetching
from harness.upstream import Upstream


@pytest.fixture
def upstream():
    with Upstream() as server:
        yield server


@pytest.fixture
def elsewhere():
    with Upstream(address="127.0.0.2") as server:
        yield server


@pytest.fixture
def fetching():
    with Fetching() as it:
        yield it
