"""What a channel says of other channels is read from the beginning of each kind of its indexes."""

import json

import pytest

from pixi_mirror.archives.compression import zstd_library
from pixi_mirror.mirror.relations import INDEXES_WITH_RELATIONS, index_relations

INFO = {"subdir": "noarch", "channel_relations": {"base": "../conda-forge", "later": "../x"}}


def packed(value):
    if isinstance(value, dict):
        items = b"".join(packed(key) + packed(each) for key, each in value.items())
        return b"\xdf" + len(value).to_bytes(4, "big") + items
    return b"\xdb" + len(value.encode()).to_bytes(4, "big") + value.encode()


def of(name, document):
    text = json.dumps(document).encode()
    compress = zstd_library().compress
    return {
        "repodata.json": text,
        "repodata.json.zst": compress(text),
        "repodata_shards.msgpack.zst": compress(packed(document)),
    }[name]


@pytest.mark.parametrize("name", INDEXES_WITH_RELATIONS)
def test_each_kind_of_index_has_them(name):
    assert index_relations(name, of(name, {"info": INFO, "shards": {}})) == {"base": "../conda-forge"}
    assert index_relations(name, of(name, {"info": {"subdir": "noarch"}, "shards": {}})) == {}


def test_a_long_index_is_not_read_to_its_end():
    text = b'{"info": ' + json.dumps(INFO).encode() + b', "packages": {' + b" " * (1 << 20)
    assert index_relations("repodata.json", text) == {"base": "../conda-forge"}
    assert index_relations("repodata.json.zst", zstd_library().compress(text)) == {"base": "../conda-forge"}


@pytest.mark.parametrize("data", [b"", b"<html>", b'{"info": [', b'{"info": 1}', b'{"info"'])
def test_what_is_no_repodata_has_none(data):
    if data == b'{"info"':
        data += b": "
    assert index_relations("repodata.json", data) == {}


def test_what_is_no_index_is_said_to_be_none():
    for name in INDEXES_WITH_RELATIONS[:2]:
        with pytest.raises(ValueError, match=r"."):
            index_relations(name, b"no zstd")
    with pytest.raises(ValueError, match="no shard index"):
        index_relations("repodata_shards.msgpack.zst", zstd_library().compress(b"\x90"))
