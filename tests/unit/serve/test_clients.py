"""What real clients were seen to ask, asked again: pixi, conda (classic and rattler), micromamba (see clients.md)."""

import gzip
import re

import pytest

CHANNEL = "/conda-forge"
SIDECARS = ("repodata_shards.msgpack.zst", "repodata.json.zst", "repodata.json.bz2", "repodata.json")
PACKAGE = f"{CHANNEL}/linux-64/tool-1!2.0+cuda12-h12_1.conda"


def test_pixi_installs_with_one_request_a_file(client, stored):
    for path, data in stored.items():
        reply = client.ask(f"/{path}", accept="*/*", accept_encoding="gzip, deflate", user_agent="pixi/0.77.0")
        assert (reply.status, reply.body) == (200, data)
        assert "content-encoding" not in reply.fields


@pytest.mark.parametrize(
    ("subdir", "statuses"),
    [("linux-64", [200, 200, 404, 200]), ("noarch", [404, 404, 404, 200]), ("osx-arm64", [404] * 4)],
)
def test_pixi_asks_for_each_form_of_an_index_until_one_is_there(client, subdir, statuses):
    """404 is "not there"; 403 would be fatal, and so would an empty 200."""
    assert [client.ask(f"{CHANNEL}/{subdir}/{name}").status for name in SIDECARS] == statuses
    heads = [client.ask(f"{CHANNEL}/{subdir}/{name}", "HEAD") for name in SIDECARS]
    assert [head.status for head in heads] == statuses
    assert all(int(head.fields["content-length"]) > 0 for head in heads)


def test_rattler_with_a_warm_cache_gets_a_304_that_it_understands(client):
    """Without validators on the 304 every further use of a sharded channel fails."""
    target = f"{CHANNEL}/linux-64/repodata_shards.msgpack.zst"
    first = client.ask(target)
    again = client.ask(target, if_none_match=first.etag, if_modified_since=first.fields["last-modified"])
    assert again.status == 304
    assert {"etag", "last-modified", "cache-control", "date"} <= {*again.fields}


def test_the_mapping_host_has_what_is_fatal_to_lack(client):
    mapping = "/conda-mapping.prefix.dev"
    assert client.ask(f"{mapping}/compressed-v0/compressed_mapping.json").body == b"{}"
    assert client.ask(f"{mapping}/hash-v0/{'0' * 64}").status == 404


def test_micromamba_heads_first_and_reads_how_long_it_may_keep_it(client):
    """Its pattern of `Cache-Control` is `max-age=(\\d+)`; without a match it keeps shards for a day."""
    for name in ("repodata.json.zst", "repodata_shards.msgpack.zst"):
        head = client.ask(f"{CHANNEL}/linux-64/{name}", "HEAD", user_agent="mamba/2.8.1")
        assert head.status == 200
        assert re.search(r"max-age=(\d+)", head.fields["cache-control"])[1] == "0"
        got = client.ask(f"{CHANNEL}/linux-64/{name}")
        assert got.fields["etag"] == head.fields["etag"]
        kept = client.ask(
            f"{CHANNEL}/linux-64/{name}", if_none_match=got.etag, if_modified_since=got.fields["last-modified"]
        )
        assert kept.status == 304
    assert client.ask(f"{CHANNEL}/noarch/repodata.json.zst", "HEAD").status == 404
    assert client.ask(f"{CHANNEL}/noarch/repodata.json").status == 200


def test_conda_classic_asks_for_what_nobody_has_and_goes_on(client, derived):
    names = ("current_repodata.json.zst", "current_repodata.json", "repodata.json.zst", "repodata.json")
    assert [client.ask(f"{CHANNEL}/linux-64/{name}").status for name in names] == [404, 404, 200, 200]
    noarch = client.ask(f"{CHANNEL}/noarch/repodata.json", accept_encoding="gzip, deflate, compress, identity")
    assert noarch.body == derived["conda-forge/noarch/repodata.json"]
    assert not noarch.body.startswith(gzip.compress(b"")[:2])


def test_a_cut_download_goes_on_where_it_was(client, stored):
    """As libcurl and our own fetcher do."""
    data = stored[PACKAGE[1:]]
    first = client.ask(PACKAGE, range="bytes=0-99999")
    rest = client.ask(PACKAGE, range="bytes=100000-", if_range=first.etag)
    assert (rest.status, first.body + rest.body) == (206, data)
    assert client.ask(PACKAGE, range=f"bytes={len(data)}-", if_range=first.etag).status == 416


def test_uv_reads_a_wheels_end_by_ranges(client, stored):
    path = next(path for path in stored if path.endswith(".whl"))
    head = client.ask(f"/{path}", "HEAD", accept_encoding="identity")
    assert (head.status, head.fields["accept-ranges"]) == (200, "bytes")
    tail = client.ask(f"/{path}", range="bytes=-100", accept_encoding="identity")
    assert (tail.status, tail.body) == (206, stored[path][-100:])
    assert tail.fields["content-range"] == f"bytes 900-999/{head.fields['content-length']}"
