"""Names of packages are read as users of conda and pip write them, and refused in one sentence."""

import pytest

from pixi_mirror.errors import UsageError
from pixi_mirror.workspace.specs import (
    read_package,
    read_pypi_package,
    refuse_twice,
    toml_requirement,
    toml_spec,
)

SPECS = {
    "numpy": ("numpy", "*"),
    "Numpy": ("numpy", "*"),
    "python=3.12": ("python", "3.12.*"),
    "python==3.12.1": ("python", "==3.12.1"),
    "python 3.12.*": ("python", "3.12.*"),
    "numpy>=2": ("numpy", ">=2"),
    "numpy >=1.26, <2": ("numpy", ">=1.26,<2"),
    "numpy~=1.26": ("numpy", "~=1.26"),
    "numpy=*": ("numpy", "*"),
    "numpy=1.26=py312*": ("numpy", {"version": "==1.26", "build": "py312*"}),
    "numpy[version='>=2',build='py312*']": ("numpy", {"version": ">=2", "build": "py312*"}),
    "conda-forge::numpy": ("numpy", {"version": "*", "channel": "conda-forge"}),
    "conda-forge::numpy>=2": ("numpy", {"version": ">=2", "channel": "conda-forge"}),
    "https://conda.example.com/team::tool": (
        "tool",
        {"version": "*", "channel": "https://conda.example.com/team"},
    ),
    "pytorch=*=*cuda*": ("pytorch", {"version": "*", "build": "*cuda*"}),
}


@pytest.mark.parametrize(("word", "expected"), SPECS.items(), ids=SPECS.keys())
def test_a_spec_stands_in_a_manifest_as_pixi_writes_it(word, expected):
    spec = read_package(word)
    assert (spec.name, toml_spec(spec)) == expected


@pytest.mark.parametrize(
    ("word", "spec"),
    [
        ("python=3.12", "python 3.12.*"),
        ("numpy", "numpy"),
        ("a=*=py*", "a * py*"),
        ("x::a=1.0=0", "file:///c::a ==1.0 0"),
    ],
)
def test_a_solver_gets_the_same_spec(word, spec):
    read = read_package(word)
    assert read.match_spec("file:///c" if read.channel else None) == spec


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("numpy>>2", "'>>' is no operator"),
        ("numpy=", "no version"),
        ("numpy >=1 <2", "a comma joins"),
        ("requests[socks]", "--pypi"),
        ("a@1", "does not go on with '@'"),
        ("__glibc", "a property of a machine"),
        ("a[md5=00]", "more than name, version, build and channel"),
        ("a;if __unix", "more than"),
        ("./a.conda", "a file or a URL"),
        ("environment.yml", "--from"),
        ("https://host.example/a.conda", "a file or a URL"),
        ("", "does not begin with the name"),
    ],
)
def test_what_is_no_package_is_refused_with_an_example(word, reason):
    with pytest.raises(UsageError, match=reason) as refused:
        read_package(word)
    assert "python=3.12" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_no_password_is_repeated():
    with pytest.raises(UsageError) as refused:
        read_package("https://me:secret@host.example/a.conda")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("rich", ("rich", "*")),
        ("Rich >= 13, <14", ("rich", "<14,>=13")),
        ("typing_extensions", ("typing-extensions", "*")),
        ("rich[jupyter]>=13", ("rich", {"version": ">=13", "extras": ["jupyter"]})),
    ],
)
def test_a_requirement_stands_in_a_manifest_as_pixi_writes_it(word, expected):
    requirement = read_pypi_package(word)
    assert (requirement.name, toml_requirement(requirement)) == expected


@pytest.mark.parametrize(
    ("word", "reason"), [("rich=13", "no package of PyPI"), ("a @ https://h.example/a.whl", "URL")]
)
def test_what_is_no_requirement_is_refused(word, reason):
    with pytest.raises(UsageError, match=reason):
        read_pypi_package(word)


def test_a_package_that_is_named_twice_is_refused():
    refuse_twice(["a", "b"])
    with pytest.raises(UsageError, match="a is named twice"):
        refuse_twice(["a", "b", "a"])
