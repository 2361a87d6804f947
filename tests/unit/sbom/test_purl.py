"""Package URLs tell two files apart, spell what the specification wants spelled, and hold no secret."""

from dataclasses import replace

import pytest
from harness.inventories import conda, sdist

from pixi_mirror.model.values import Url, admit_path
from pixi_mirror.sbom.purl import package_purl

CHANNEL = "https://conda.anaconda.org/conda-forge"


def moved(package, channel, folder):
    path = f"{folder}/noarch/{package.name}-1.0-0.conda"
    return replace(package, path=admit_path(path), url=Url(f"{channel}/noarch/{package.name}-1.0-0.conda"))


def test_a_conda_package_has_build_channel_subdir_and_type():
    assert package_purl(conda("zlib")) == (
        f"pkg:conda/zlib@1.0?build=0&channel={CHANNEL}&subdir=noarch&type=conda"
    )  # fmt: skip


def test_two_channels_with_the_same_last_word_share_no_purl():
    one = conda("zlib")
    other = moved(one, "https://prefix.example/conda-forge", "prefix.example/conda-forge")
    assert package_purl(one) != package_purl(other)


def test_a_purl_holds_no_user_and_no_token():
    secret = moved(conda("zlib"), "https://me:hunter2@conda.example/t/tk-hunter2/private", "conda.example/private")
    assert "hunter2" not in package_purl(secret)
    assert "channel=https://conda.example/private&" in package_purl(secret)


def test_a_version_with_an_epoch_and_a_local_part_is_encoded():
    odd = replace(conda("zlib"), version="1!2.0+g1")
    assert package_purl(odd).startswith("pkg:conda/zlib@1%212.0%2Bg1?")


def test_a_python_file_has_its_name_and_its_index():
    assert package_purl(replace(sdist("thing"), name="My.Thing")) == (
        "pkg:pypi/my-thing@1.0?file_name=thing-1.0.tar.gz&repository_url=https://pypi.example/simple"
    )


def test_a_python_file_of_no_index_has_its_url():
    direct = replace(sdist("thing"), record={"indexes": [], "find-links": []})
    assert "download_url=https://files.pypi.example/thing-1.0.tar.gz" in package_purl(direct)


def test_a_local_file_has_no_url():
    local = replace(sdist("thing"), url=Url("file:///home/me/thing-1.0.tar.gz"), record={})
    assert package_purl(local) == "pkg:pypi/thing@1.0?file_name=thing-1.0.tar.gz"


@pytest.mark.parametrize(("name", "kind"), [("a-1.0-0.conda", "conda"), ("a-1.0-0.tar.bz2", "tar.bz2")])
def test_the_type_is_the_ending_of_the_file(name, kind):
    package = replace(conda("a"), path=admit_path(f"conda-forge/noarch/{name}"))
    assert package_purl(package).endswith(f"type={kind}")
