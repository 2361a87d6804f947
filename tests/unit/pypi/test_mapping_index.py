"""The files that stand for the host of the conda-to-PyPI mapping."""

import json
from pathlib import Path

from pixi_mirror.model.indexes import Contents
from pixi_mirror.model.packages import Package
from pixi_mirror.model.values import Sha256, Url, admit_path
from pixi_mirror.pypi.mapping_index import MappingIndex

NAMES = "conda-mapping.prefix.dev/compressed-v0/compressed_mapping.json"
BY_HASH = "conda-mapping.prefix.dev/hash-v0"


def package(name, purls, sha256="ab" * 32, kind="conda"):
    path = f"conda-forge/noarch/{name}-1.0-{(sha256 or '0')[:2]}.conda"
    record = {} if purls is None else {"purls": purls}
    return Package(
        path=admit_path(path), url=Url(f"https://h.example/{path}"), sha256=sha256 and Sha256(sha256), md5=None, size=1,
        kind=kind, name=name, version="1.0", build="0", subdir="noarch", record=record,
    )  # fmt: skip


def files(*packages):
    contents = Contents(packages=packages, channels=(), listings={}, standing=(), where=Path)
    return {path: json.loads(file.content()) for path, file in MappingIndex().files(contents).items()}


def test_a_package_tells_its_projects_by_normalised_names_without_qualifiers():
    purls = ["pkg:pypi/Ruamel.Yaml?source=hash-mapping", "pkg:pypi/a@1.0#x", "pkg:npm/b", "pkg:pypi/a_", "pkg:pypi/"]
    found = files(package("ruamel.yaml", purls))
    assert found[f"{BY_HASH}/{'ab' * 32}"]["pypi_normalized_names"] == ["a", "a-", "ruamel-yaml"]
    assert found[NAMES] == {"ruamel.yaml": ["a", "a-", "ruamel-yaml"]}


def test_no_purls_and_an_empty_list_of_them_differ():
    found = files(package("known", [], "ab" * 32), package("unknown", None, "cd" * 32), package("x", [], sha256=None))
    assert found == {f"{BY_HASH}/{'ab' * 32}": found[f"{BY_HASH}/{'ab' * 32}"], NAMES: {"known": None}}
    assert found[f"{BY_HASH}/{'ab' * 32}"]["pypi_normalized_names"] is None


def test_the_projects_of_all_builds_of_a_package_are_one_list_and_one_project_is_a_word():
    one, two = package("a", ["pkg:pypi/one"], "ab" * 32), package("a", ["pkg:pypi/two"], "cd" * 32)
    other = package("b", ["pkg:pypi/b"], "ef" * 32)
    assert files(one, two, other)[NAMES] == {"a": ["one", "two"], "b": "b"}


def test_the_file_of_all_names_comes_last():
    assert list(files(package("a", [])))[-1] == NAMES
