"""The house rules that code can check: floors, keepers, sizes. Read this first to learn how the house is built."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "pixi_mirror"

FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors",),
    ("model",),
    ("plan", "report", "identity", "formats"),
    ("process", "fetch", "tree", "settings", "unchanged"),
    ("sources", "cache", "archives", "pages", "building", "clients", "access", "page"),
    ("indexes", "solving", "serve", "installs"),
    ("mirror", "unpacking", "standalone"),
    ("packing",),
    ("verbs",),
    ("demo",),
    ("cli",),
    ("__main__",),
)
"""A room imports only from floors below its own (the lowest comes first); inside a room everything goes."""

KEEPERS: dict[str, set[str]] = {
    "requests": {"fetch"},
    "urllib3": {"fetch"},
    "yaml": {"formats"},
    "tomllib": {"settings", "formats", "clients"},
    "netrc": {"settings"},
    "keyring": {"settings"},
    "boto3": {"fetch"},
    "botocore": {"fetch"},
    "platformdirs": {"settings"},
    "tqdm": {"cli"},
    "argparse": {"cli", "standalone"},
    "subprocess": {"process", "standalone"},
    "threading": {"access", "cache", "cli", "demo", "fetch", "serve", "settings", "verbs"},
    "concurrent": {"tree", "sources", "pages", "installs", "packing", "unpacking", "standalone"},
    "http": {"demo", "fetch", "serve"},
    "socketserver": {"serve"},
    "tarfile": {"archives", "demo", "standalone"},
    "zipfile": {"archives", "demo", "standalone"},
    "fcntl": {"standalone", "tree"},
    "msvcrt": {"tree"},
}
"""Who alone may import what. The demo plays the part of other people's servers and builders, so it may more; the
standalone unpacker runs where nothing of ours is installed, so it has the standard library alone."""

EFFECTS_OF_CLI = ("print(", "sys.exit(", "os.environ", "input(")

LONGEST_MODULE = 320
LONGEST_FUNCTION = 55


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def floor(name: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if name in rooms)


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in the file, `TYPE_CHECKING` included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides the floor"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def ours(path: Path) -> Iterator[str]:
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "pixi_mirror" and len(parts) > 1 and parts[1] != "__version__":
            yield parts[1]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_from_floors_below(path: Path) -> None:
    if path == PACKAGE / "__init__.py":
        assert not list(ours(path))
        return
    here = room(path)
    for other in ours(path):
        assert other == here or floor(other) < floor(here), f"{here} must not import {other}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_its_keeper_imports_a_thing(path: Path) -> None:
    for name in imports(path):
        keepers = KEEPERS.get(name.split(".")[0])
        assert keepers is None or room(path) in keepers, f"{name} is kept by {keepers}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_command_line_prints_exits_and_reads_the_environment(path: Path) -> None:
    if room(path) == "cli":
        return
    text = "\n".join(line.partition("#")[0] for line in _code_lines(path))
    for effect in EFFECTS_OF_CLI:
        assert not re.search(rf"(?<![\w.]){re.escape(effect)}", text), f"{effect} belongs into cli"


def _code_lines(path: Path) -> list[str]:
    """The lines of a module outside its docstrings."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            for number in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[number] = ""
    return lines


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_tells_one_thing_and_says_which(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a module opens with one sentence: what it is for"
    assert text.count("\n") <= LONGEST_MODULE
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno <= LONGEST_FUNCTION, node.name


def test_no_room_is_named_after_nothing() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "base"}
    assert not [path for path in modules() if path.stem in vague]


def test_every_room_stands_on_a_floor() -> None:
    rooms = {room(path) for path in modules()} - {"__init__"}
    assert rooms == {name for rooms_of_floor in FLOORS for name in rooms_of_floor}


def test_hard_dependencies_are_the_four_of_the_design_card() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[<>=~!;\[ ]", entry)[0] for entry in project["dependencies"]}
    assert names == {"pyyaml", "requests", "tqdm", "platformdirs"}


def test_what_is_imported_is_a_dependency_or_an_extra_or_the_standard_library() -> None:
    allowed = {"yaml", "requests", "urllib3", "tqdm", "platformdirs", "pixi_mirror"}
    optional = {"rattler", "installer", "keyring", "zstandard", "compression", "botocore"}
    for path in modules():
        for name in imports(path):
            top = name.split(".")[0]
            assert top in sys.stdlib_module_names or top in allowed | optional, f"{path}: {name}"
