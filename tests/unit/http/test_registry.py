"""The client of a registry: what it says while it asks again, and at its end."""

import pytest
from fetching import PATIENT, Heard
from harness.upstream import Upstream, status

from pixi_mirror.errors import FetchError
from pixi_mirror.http import registry
from pixi_mirror.http.registry import RegistryClient
from pixi_mirror.model.network import Network


@pytest.fixture
def ask(monkeypatch):
    """A function that asks for a manifest at an endpoint: its notes, and its last word."""
    monkeypatch.setattr(registry, "_FIRST_BACK_OFF_S", 0.01)

    def asked(endpoint):
        heard = Heard()
        client = RegistryClient(Network(**PATIENT), heard, host="h.example", endpoint=endpoint, connections=1)
        try:
            with pytest.raises(FetchError) as caught:
                client.read_manifest("team/x", "latest")
        finally:
            client.close()
        return heard.notes, str(caught.value)

    return asked


def test_advice_for_the_end_is_given_at_the_end_alone(ask):
    notes, last = ask("http://127.0.0.1:1")
    assert len(notes) == PATIENT["retries"]
    assert all(each.endswith(". It is tried again.") and "later" not in each for each in notes), notes
    assert last.count("Run the same command again later") == 1


def test_an_answer_that_may_pass_is_named_each_time(ask):
    with Upstream() as upstream:
        upstream.script("*", status(503))
        notes, last = ask(upstream.url)
    assert len(notes) == PATIENT["retries"]
    assert all("503" in each and each.endswith("It is tried again.") for each in notes), notes
    assert "503" in last
