"""conda's names, canonical records, `repodata.json`, and the package of an entry."""

import json
from types import MappingProxyType

import pytest

from pixi_mirror.conda.names import is_subdir, split_file_name, split_safe_file_name
from pixi_mirror.conda.repodata import read_repodata, repodata
from pixi_mirror.errors import UnmirrorableError, WorkspaceError
from pixi_mirror.lockfile.conda_package import conda_package
from pixi_mirror.lockfile.entries import CondaBinary
from pixi_mirror.lockfile.records import conda_binary
from pixi_mirror.lockfile.versions import VERSIONS
from pixi_mirror.model.values import canonical
from pixi_mirror.paths import channel

SHA = "1dd3fffd892081df9726d7eb7e0dea6198962ba775bd88842135a4ddb4deb3c9"
FORGE = "https://conda.anaconda.org/conda-forge"
HERE = "file:///home/me/work%20space/"


def entry_of(location: str, format_version: int = 6, **fields: str) -> CondaBinary:
    return conda_binary({"conda": location, **fields}, location, VERSIONS[format_version], {})


@pytest.mark.parametrize(
    ("file_name", "parts"),
    [
        ("_libgcc_mutex-0.1-conda_forge.tar.bz2", ("_libgcc_mutex", "0.1", "conda_forge", "tar.bz2")),
        ("x264-1!164.3095-h166bdaf_2.tar.bz2", ("x264", "1!164.3095", "h166bdaf_2", "tar.bz2")),
        ("py-x.y-10.1.0dev3+ge31422e3-py_0.conda", ("py-x.y", "10.1.0dev3+ge31422e3", "py_0", "conda")),
        ("a-1-0.conda", ("a", "1", "0", "conda")),
    ],
)
def test_a_file_name_splits_twice_at_the_last_hyphens(file_name, parts):
    assert split_file_name(file_name) == parts


@pytest.mark.parametrize(
    "file_name",
    ["a-1-0.conda\n", "a-1-0", "a-1.conda", "-1-0.conda", "a--0.conda", "a-1-.conda", "a--b-1-0.conda",
     "a_-b-1-0.conda", "__a-1-0.conda", "a-1A-0.conda", "a-1-0!.conda", "a-1-0.whl", ".a-1-0.conda", "a/b-1-0.conda",
     "a-1-0.CONDA",
     "a" * 65 + "-1-0.conda", "a-" + "1" * 65 + "-0.conda", "a-1-" + "0" * 65 + ".conda", "", "ä-1-0.conda"],
)  # fmt: skip
def test_names_outside_cep_26_do_not_split(file_name):
    with pytest.raises(ValueError, match=r"."):
        split_file_name(file_name)


def test_names_older_than_cep_26_are_safe_and_others_are_not():
    assert split_safe_file_name("__anaconda_core_depends-2024.02-py39_mkl_1.conda")[0] == "__anaconda_core_depends"
    assert split_safe_file_name("A-1B-0.conda")[:3] == ("A", "1B", "0")
    for bad in ("a..b-1-0.conda", ".a-1-0.conda", "a b-1-0.conda", "a--0.conda"):
        with pytest.raises(ValueError, match=r"."):
            split_safe_file_name(bad)


def test_a_long_hostile_name_does_not_hang():
    for name in ("a" * 100_000, "a_" * 50_000, "_" * 100_000, "-" * 100_000, "a." * 31 + "!"):
        with pytest.raises(ValueError, match=r"."):
            split_file_name(f"{name}-1-0.conda")


def test_subdirs_by_grammar():
    assert all(is_subdir(name) for name in ("noarch", "linux-64", "emscripten-wasm32", "plan9-68k"))
    assert not any(is_subdir(name) for name in ("linux", "linux-64\n", "Linux-64", "a-b-c", "..", "-", "a" * 40 + "-b"))


def test_canonical_bytes_do_not_depend_on_order_or_on_the_kind_of_mapping():
    assert canonical({"b": 1, "a": ["é"]}) == '{"a":["é"],"b":1}'.encode()
    assert canonical(MappingProxyType({"a": ["é"], "b": MappingProxyType({})})) == '{"a":["é"],"b":{}}'.encode()


def test_an_empty_repodata_is_complete():
    assert json.loads(repodata("noarch", {})) == {
        "info": {"subdir": "noarch"}, "packages": {}, "packages.conda": {}, "repodata_version": 1,
    }  # fmt: skip


def test_repodata_is_the_same_bytes_in_any_order_one_record_a_line_and_reads_back():
    records = {
        "b-1-0.conda": {"name": "b", "depends": ["a"]},
        "a-1-0.tar.bz2": {"name": "a"},
        "a-1-0.conda": {"name": "é"},
    }
    data = repodata("linux-64", records)
    assert data == repodata("linux-64", {name: dict(reversed(records[name].items())) for name in sorted(records)})
    document = json.loads(data)
    assert list(document["packages"]) == ["a-1-0.tar.bz2"]
    assert list(document["packages.conda"]) == ["a-1-0.conda", "b-1-0.conda"]
    assert data.endswith(b"}\n")
    assert b'\n"b-1-0.conda":{"depends":["a"],"name":"b"}\n' in data
    assert read_repodata(data) == ("linux-64", records)


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"", "not JSON"), (b"\xff", "not JSON"), (b"[" * 200_000, "not JSON"), (b"[]", "info.subdir"),
     (b"{}", "info.subdir"),
     (b'{"info":{"subdir":1}}', "info.subdir"), (b'{"info":{"subdir":"a"},"packages":[]}', "packages"),
     (b'{"info":{"subdir":"a"},"packages.conda":{"x":1}}', "packages.conda")],
)  # fmt: skip
def test_what_is_no_repodata_is_a_value_error_in_words(data, words):
    with pytest.raises(ValueError, match=words):
        read_repodata(data)


def test_a_package_is_what_the_lock_says():
    entry = entry_of(f"{FORGE}/linux-64/a-1.0-h_3.conda", sha256=SHA, size="12", license="MIT")
    package = conda_package(entry, layout="channels", base=HERE)
    assert (package.path, package.url.raw) == ("conda-forge/linux-64/a-1.0-h_3.conda", entry.location)
    assert (package.sha256, package.md5, package.size, package.kind) == (SHA, None, 12, "conda")
    assert (package.name, package.version, package.build, package.subdir) == ("a", "1.0", "h_3", "linux-64")
    assert package.record == entry.record
    assert conda_package(entry, layout="flat", base=HERE).path == "linux-64/a-1.0-h_3.conda"


def test_an_encoded_name_is_decoded_once_and_the_url_kept():
    package = conda_package(entry_of(f"{FORGE}/noarch/a-1%212%2B3-py_0.conda"), layout="channels", base=HERE)
    assert package.path == "conda-forge/noarch/a-1!2+3-py_0.conda"
    assert package.url.raw.endswith("a-1%212%2B3-py_0.conda")


def test_the_folder_wins_over_a_wrong_subdir_field():
    entry = entry_of(f"{FORGE}/noarch/a-1-0.conda", 5, name="a", version="1", subdir="linux-64", noarch="python")
    package = conda_package(entry, layout="channels", base=HERE)
    assert (package.path, package.subdir) == ("conda-forge/noarch/a-1-0.conda", "noarch")
    assert (package.record["subdir"], "arch" in package.record, "platform" in package.record) == (
        "noarch",
        False,
        False,
    )
    assert entry.record["subdir"] == "linux-64"


@pytest.mark.parametrize("field", ["name", "version", "build"])
def test_a_record_of_another_package_is_refused(field):
    with pytest.raises(WorkspaceError, match="another package than the file name"):
        conda_package(entry_of(f"{FORGE}/noarch/a-1-0.conda", **{field: "9"}), layout="channels", base=HERE)


@pytest.mark.parametrize("scheme", ["gcs", "ftp"])
def test_stores_and_other_schemes_are_refused_by_name(scheme):
    with pytest.raises(UnmirrorableError, match=f"{scheme} URLs are not supported yet") as told:
        conda_package(
            entry_of(f"{scheme}://h.example/c/linux-64/a-1-0.conda", subdir="linux-64"), layout="channels", base=HERE
        )
    assert "--" not in str(told.value), "not every verb that says so has the same options"


def test_a_package_of_a_bucket_lies_below_s3():
    package = conda_package(entry_of("s3://b/c/linux-64/a-1-0.conda", subdir="linux-64"), layout="channels", base=HERE)
    assert (package.path, package.url.raw) == ("s3/b/c/linux-64/a-1-0.conda", "s3://b/c/linux-64/a-1-0.conda")


def test_a_package_by_direct_url_lies_at_its_own_path_outside_every_subdir():
    entry = entry_of("https://example.com/files/a-1-0.conda", subdir="linux-64")
    package = conda_package(entry, layout="channels", base=HERE)
    assert (package.path, package.subdir) == ("example.com/files/a-1-0.conda", "linux-64")


@pytest.mark.parametrize(
    ("location", "url"),
    [("./out/a-1-0.conda", "file:///home/me/work%20space/out/a-1-0.conda"),
     ("../a-1-0.conda", "file:///home/me/a-1-0.conda"),
     ("out put/a-1-0.conda", "file:///home/me/work%20space/out%20put/a-1-0.conda"),
     ("/srv/x y/a-1-0.conda", "file:///srv/x%20y/a-1-0.conda"),
     ("C:\\out\\a-1-0.conda", "file:///C:/out/a-1-0.conda")],
)  # fmt: skip
def test_a_local_archive_is_filed_under_its_sha256(location, url):
    package = conda_package(entry_of(location, subdir="noarch", sha256=SHA), layout="channels", base=HERE)
    assert (package.path, package.url.raw) == (f"local/{SHA}/a-1-0.conda", url)
    assert conda_package(entry_of(location, subdir="noarch"), layout="flat", base=HERE).path == "noarch/a-1-0.conda"
    with pytest.raises(UnmirrorableError, match="the lock has none"):
        conda_package(entry_of(location, subdir="noarch"), layout="channels", base=HERE)


@pytest.mark.parametrize("location", ["/srv/my chan/noarch/a-1-0.conda", "file:///srv/my%20chan/noarch/a-1-0.conda"])
def test_a_package_of_a_local_channel_lies_in_the_channels_directory(location):
    entry = entry_of(location, subdir="noarch", channel="file:///srv/my%20chan")
    package = conda_package(entry, layout="channels", base=HERE)
    assert package.path == f"{channel('file:///srv/my%20chan/', 'channels').path}/noarch/a-1-0.conda"
    assert package.url.raw == "file:///srv/my%20chan/noarch/a-1-0.conda"


def test_a_package_elsewhere_than_its_local_channel_is_filed_alone():
    entry = entry_of("/tmp/noarch/a-1-0.conda", subdir="noarch", channel="file:///srv/chan", sha256=SHA)
    assert conda_package(entry, layout="channels", base=HERE).path == f"local/{SHA}/a-1-0.conda"


def test_secrets_of_a_url_are_in_no_message_and_no_path():
    secret = "https://me:hunter2@h.example/t/TOKEN/c/linux-64"
    package = conda_package(entry_of(f"{secret}/a-1-0.conda"), layout="channels", base=HERE)
    assert package.path == "h.example/c/linux-64/a-1-0.conda"
    with pytest.raises(WorkspaceError) as caught:
        conda_package(entry_of(f"{secret}/a-1-0.conda", name="b"), layout="channels", base=HERE)
    assert "hunter2" not in str(caught.value)
    assert "TOKEN" not in str(caught.value)
