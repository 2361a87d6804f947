"""The build backend of a conda source package is read from where pixi reads it."""

from pathlib import Path

import pytest

from pixi_mirror.lockfile.source_entries import BuildBackend, read_build_backend

HERE, PACKAGE = Path("/workspace"), Path("/workspace/package")


def backend_of(files: dict[str, str], directory: Path = PACKAGE) -> BuildBackend | None:
    found = {HERE / name: text.encode() for name, text in files.items()}
    return read_build_backend(directory, HERE, read=found.get)


def manifest(build: str) -> dict[str, str]:
    return {"package/pixi.toml": build}


@pytest.mark.parametrize(
    ("build", "specs", "channels"),
    [
        ('[package.build]\nbackend = { name = "b", version = "==0.4.3" }', ('b[version="==0.4.3"]',), ()),
        ('[package.build]\nbackend = { name = "b", version = "*" }', ("b",), ()),
        ('[package.build]\nbackend = { name = "b" }', ("b",), ()),
        (
            '[package.build.backend]\nname = "b"\nversion = "0.4.*"\nbuild = "h*"\n'
            'channels = ["https://c.example/x", "y"]',
            ('b[version="0.4.*",build="h*"]',),
            ("https://c.example/x", "y"),
        ),
        (
            '[package.build]\nchannels = ["y"]\nbackend = { name = "b" }\n'
            '[package.build.additional-dependencies]\nmore = ">=2"\nother = { version = "1.*" }',
            ("b", 'more[version=">=2"]', 'other[version="1.*"]'),
            ("y",),
        ),
    ],
)
def test_a_manifest_names_the_backend_its_additions_and_its_channels(build, specs, channels):
    assert backend_of(manifest(build)) == BuildBackend(specs=specs, channels=channels)


def test_a_pyproject_has_it_below_tool_pixi_and_a_pixi_toml_wins():
    text = '[tool.pixi.package.build]\nbackend = { name = "b" }'
    assert backend_of({"package/pyproject.toml": text}) == BuildBackend(specs=("b",), channels=())
    both = {"package/pyproject.toml": text, **manifest('[package.build]\nbackend = { name = "c" }')}
    assert backend_of(both) == BuildBackend(specs=("c",), channels=())
    broken = {"package/pyproject.toml": text, **manifest("not toml")}
    assert backend_of(broken) == BuildBackend(specs=("b",), channels=())


def test_a_backend_inherits_its_version_from_the_workspace():
    files = manifest('[package.build]\nbackend = { name = "b", workspace = true }')
    files["pixi.toml"] = '[workspace.dependencies]\nb = ">=3"'
    assert backend_of(files) == BuildBackend(specs=('b[version=">=3"]',), channels=())
    assert backend_of(manifest('[package.build]\nbackend = { name = "b", workspace = true }')) is None


@pytest.mark.parametrize(
    ("file", "backend"), [("recipe.yaml", "pixi-build-rattler-build"), ("package.xml", "pixi-build-ros")]
)
def test_a_recipe_without_manifest_has_the_backend_that_pixi_takes_for_it(file, backend):
    expected = BuildBackend(specs=(backend,), channels=())
    assert backend_of({f"package/{file}": "x"}) == expected
    assert backend_of({f"package/{file}": "x"}, PACKAGE / file) == expected


@pytest.mark.parametrize(
    "build",
    [
        "",
        "[package.build]\n",
        "[package.build]\nbackend = " + "[" * 100_000,
        '[package.build]\nbackend = "b"',
        "[package.build]\nbackend = { name = 1 }",
        '[package.build]\nbackend = { name = "b", path = "../b" }',
        '[package.build]\nbackend = { name = "b", git = "https://git.example/b" }',
        '[package.build]\nbackend = { name = "b", version = 1 }',
        '[package.build]\nbackend = { name = "b", channels = [1] }',
        '[package.build]\nbackend = { name = "b", additional-dependencies = [1] }',
    ],
    ids=range(10),
)
def test_what_is_not_known_is_none(build):
    assert backend_of(manifest(build)) is None
