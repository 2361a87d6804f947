"""Names in a registry are those that rattler asks for."""

import pytest

from pixi_mirror.http.oci_names import OciReference, is_same_type, naming_problem, place_of, reference_of
from pixi_mirror.model.values import Url

V1, V2 = "application/vnd.conda.package.v1", "application/vnd.conda.package.v2"
INDEX = "application/vnd.conda.repodata"
SHA = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("path", "repository", "tag", "media_type"),
    [
        ("ns/linux-64/a-b-1.0-h1_0.conda", "ns/linux-64/a-b", "1.0-h1_0", V2),
        ("ns/linux-64/a-1.0-0.tar.bz2", "ns/linux-64/a", "1.0-0", V1),
        ("ns/linux-64/_x-0.1-main.tar.bz2", "ns/linux-64/zzz_x", "0.1-main", V1),
        ("ns/noarch/a-1!2.0+cu_=-b+1.conda", "ns/noarch/a", "1__e__2.0__p__cu___eq__-b__p__1", V2),
        ("ns/noarch/repodata.json", "ns/noarch/repodata.json", "latest", f"{INDEX}.v1+json"),
        ("ns/noarch/repodata.json.zst", "ns/noarch/repodata.json", "latest", f"{INDEX}.v1+json+zst"),
        ("ns/noarch/repodata.json.bz2", "ns/noarch/repodata.json", "latest", f"{INDEX}.v1+json+bz2"),
        (
            "ns/noarch/repodata_shards.msgpack.zst",
            "ns/noarch/repodata.json",
            "latest",
            f"{INDEX}.shards.v1+msgpack+zst",
        ),
        (f"ns/noarch/shards/{SHA}.msgpack.zst", "ns/noarch/repodata.json/shards", SHA, f"{INDEX}.shard.v1+msgpack+zst"),
    ],
)
def test_a_file_of_a_channel_has_its_place(path, repository, tag, media_type):
    found = reference_of(path)
    assert (found.repository, found.tag, found.media_type) == (repository, tag, media_type)
    assert found.sha256 == (SHA if "shards/" in path else None)


@pytest.mark.parametrize(
    "path", ["ns/noarch/x-1.0-py3-none-any.whl", "ns/noarch/a.conda", "ns/noarch/", "a", "ns/x.json"]
)
def test_what_no_client_finds_there_has_none(path):
    assert reference_of(path) is None


def test_an_url_is_decoded_and_has_no_port():
    host, found = place_of(Url("oci://User:Word@GHCR.example:5000/ns/noarch/a-1%212.0%2bx-0.conda"))
    assert (host, found.repository, found.tag) == ("ghcr.example", "ns/noarch/a", "1__e__2.0__p__x-0")
    assert place_of(Url("https://ghcr.example/ns/noarch/a-1-0.conda")) is None
    assert place_of(Url("oci://ghcr.example")) is None


@pytest.mark.parametrize(
    ("repository", "tag", "words"),
    [
        ("ns/linux-64/a", "1-0", None),
        ("ns/linux-64/zzz_x", "1-0", None),
        ("ns/linux-64/a__b--c.d", "1-0", None),
        ("ns/linux-64/A", "1-0", "'A' cannot be part"),
        ("ns/linux-64/a___b", "1-0", "'a___b'"),
        ("ns/linux-64/a_.b", "1-0", "'a_.b'"),
        ("ns/linux-64/a-", "1-0", "'a-'"),
        ("my ns/linux-64/a", "1-0", "'my ns'"),
        ("ns//a", "1-0", "''"),
        ("n" * 250 + "/linux-64/a", "1-0", "has 261 characters"),
        ("ns/linux-64/a", "1" * 129, "cannot be a tag"),
        ("ns/linux-64/a", "1@0", "cannot be a tag"),
    ],
)
def test_what_a_registry_cannot_hold_is_said(repository, tag, words):
    problem = naming_problem(OciReference(repository=repository, tag=tag, media_type=V2))
    assert problem is None if words is None else words in problem


def test_both_spellings_of_zstd_are_one_type():
    assert is_same_type(f"{INDEX}.v1+json+zstd", f"{INDEX}.v1+json+zst")
    assert not is_same_type(f"{INDEX}.v1+json", f"{INDEX}.v1+json+zst")
