"""`repodata.json` is written in one way, read back from any writer, and has newer records where newer clients look."""

import json

import pytest

from pixi_mirror.archives.compression import zstd_library
from pixi_mirror.conda.repodata import lists_nothing, read_relations, read_repodata, repodata
from pixi_mirror.conda.shards import read_shard

OLD = {"name": "old", "depends": ["a >=1"]}
NEW = {"name": "new", "depends": ["a >=1", 'b[version="2",when="python>=3.10"]']}


def test_a_record_with_new_specs_stands_under_v3_and_without_extension():
    data = repodata("noarch", {"old-1-0.conda": OLD, "new-1-0.conda": NEW, "newer-1-0.tar.bz2": NEW})
    document = json.loads(data)
    new = {"name": "new", "depends": ['a[version=">=1"]', 'b[version="==2",when="python>=3.10"]']}
    assert document["packages"] == {}
    assert document["packages.conda"] == {"old-1-0.conda": OLD}
    assert document["v3"] == {"conda": {"new-1-0": new}, "tar.bz2": {"newer-1-0": new}}
    assert document["info"] == {"subdir": "noarch", "repodata_revisions": {"v3": {"n_packages": 2}}}
    assert document["repodata_version"] == 1
    assert read_repodata(data) == ("noarch", {"old-1-0.conda": OLD, "new-1-0.conda": new, "newer-1-0.tar.bz2": new})


def test_the_times_of_a_revision_are_those_of_its_records():
    records = {f"new-{at}-0.conda": {**NEW, "indexed_timestamp": at} for at in (3, 1, 2)} | {"new-4-0.conda": NEW}
    revisions = json.loads(repodata("noarch", records))["info"]["repodata_revisions"]
    assert revisions == {"v3": {"n_packages": 4, "newest": 3, "oldest": 1}}


def test_without_new_records_and_relations_the_bytes_are_those_of_before():
    assert repodata("noarch", {}) == (
        b'{"info":{"subdir":"noarch"},\n"packages":{},\n"packages.conda":{},\n"repodata_version":1}\n'
    )
    assert lists_nothing(repodata("noarch", {}))
    assert not lists_nothing(repodata("noarch", {"new-1-0.conda": NEW}))
    assert not lists_nothing(repodata("noarch", {"old-1-0.conda": OLD}))


def test_relations_are_written_and_read_back_as_far_as_they_are_known():
    data = repodata("noarch", {}, relations={"base": "../conda-forge"})
    assert json.loads(data)["info"]["channel_relations"] == {"base": "../conda-forge"}
    assert read_relations(data) == {"base": "../conda-forge"}
    assert lists_nothing(data)
    strange = {"base": 1, "overrides": "../a", "later": "../b"}
    assert read_relations(json.dumps({"info": {"channel_relations": strange}}).encode()) == {"overrides": "../a"}
    for nothing in (b"", b"[]", b"{}", b'{"info":1}', b'{"info":{"channel_relations":[]}}'):
        assert read_relations(nothing) == {}


@pytest.mark.parametrize("section", ["packages", "packages.conda", "v3"])
def test_what_is_no_mapping_of_records_is_refused(section):
    for wrong in ([], 1, {"a": 1}):
        document = {"info": {"subdir": "noarch"}, section: wrong}
        with pytest.raises(ValueError, match=section):
            read_repodata(json.dumps(document).encode())


def test_a_shard_that_is_no_mapping_is_refused():
    with pytest.raises(ValueError, match="no shard"):
        read_shard(zstd_library().compress(b"\x90"))
