"""What code can check of the architecture beside the import contracts of `pyproject.toml`: owners, sizes, names."""

import argparse
import ast
import functools
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.program import VERBS
from pixi_mirror.commands.variables import VARIABLES

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "pixi_mirror"

KEEPERS: dict[str, set[str]] = {
    "requests": {"http"},
    "urllib3": {"http"},
    "yaml": {"lockfile"},
    "sigstore": {"provenance"},
    "cryptography": {"provenance"},
    "packaging": {"advisories", "lockfile", "pack", "pixi", "pypi", "sbom"},
    "tomllib": {"clients", "lockfile", "policy", "pypi", "settings"},
    "netrc": {"settings"},
    "keyring": {"settings"},
    "boto3": {"http"},
    "obstore": {"publish"},
    "botocore": {"http"},
    "platformdirs": {"settings"},
    "tqdm": {"commands"},
    "shtab": {"commands"},
    "argparse": {"commands", "pack"},
    "subprocess": {"environments", "process"},
    "threading": {
        "cache",
        "commands",
        "demo",
        "environments",
        "hosting",
        "http",
        "publish",
        "serve",
        "settings",
        "threads",
    },
    "concurrent": {"disk", "environments", "mirror", "threads"},
    "http": {"demo", "http", "serve"},
    "socketserver": {"serve"},
    "tarfile": {"demo", "pack"},
    "zipfile": {"airgap", "demo", "environments"},
    "fcntl": {"disk"},
    "msvcrt": {"disk"},
}
"""Which folders alone may import what. `pack` has the unpacker of self-extracting files, which runs where nothing of
ours is installed; the demo plays the part of other people's servers and builders."""

EFFECTS_OF_COMMANDS = ("print(", "sys.exit(", "os.environ", "input(")

LONGEST_MODULE = 320
SHORTEST_MODULE = 40
SHORT_MODULES = {
    "clients/uploading.py": "what the configurations of uploaders have in common, beneath them",
    "clients/whole_file.py": "what Docker and the web servers have in common, beneath both",
    "commands/command.py": "the interface of a verb",
    "commands/variables.py": "a list, which `program` reads without importing the verbs",
    "context.py": "the interface between the command line and what it calls",
    "environments/platform.py": "goes into the unpacker of self-extracting packs by itself",
}
"""Modules that may be shorter, and why. Interfaces, `__init__` and `__main__` may be, too."""

PRIVATE_WORDS = {
    "told", "asked", "said", "shelf", "crowd", "wish", "wishes", "keeping", "trouble", "patience", "pouring",
}  # fmt: skip
"""Words of this project alone, for what the field calls response, request, connections, retry. No name has them."""

LONGEST_FUNCTION = 55


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def nodes(path: Path) -> list[ast.AST]:
    return [*ast.walk(tree_of(path))]


def shown(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def folder(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in the file, `TYPE_CHECKING` included."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides the floor"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_only_its_keeper_imports_a_thing() -> None:
    for path in modules():
        for name in imports(path):
            keepers = KEEPERS.get(name.split(".")[0])
            assert keepers is None or folder(path) in keepers, f"{shown(path)}: {name} is kept by {keepers}"


def test_only_the_command_line_prints_exits_and_reads_the_environment() -> None:
    for path in modules():
        text = "\n".join(line.partition("#")[0] for line in _code_lines(path)) if folder(path) != "commands" else ""
        for effect in EFFECTS_OF_COMMANDS:
            found = re.search(rf"(?<![\w.]){re.escape(effect)}", text)
            assert not found, f"{shown(path)}: {effect} belongs into commands"


def _code_lines(path: Path) -> list[str]:
    """The lines of a module outside its docstrings."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for node in nodes(path):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            for number in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[number] = ""
    return lines


def test_a_module_is_about_one_thing_and_says_which() -> None:
    for path in modules():
        assert ast.get_docstring(tree_of(path)), f"{shown(path)} opens with one sentence: what it is for"
        assert path.read_text(encoding="utf-8").count("\n") <= LONGEST_MODULE, shown(path)
        for node in nodes(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                assert node.end_lineno - node.lineno <= LONGEST_FUNCTION, f"{shown(path)}: {node.name}"


def test_one_module_names_the_index_files_of_conda() -> None:
    """The unpacker of self-extracting packs is left out: it imports nothing but what it is assembled of."""
    from pixi_mirror.conda.index_files import INDEX_FILES, SHARD_SUFFIX

    for path in modules():
        # A registry has names of its own for them, and requests are made below the layer of conda.
        if shown(path) in ("conda/index_files.py", "http/oci_names.py") or shown(path).startswith("pack/unpacker/"):
            continue
        for node in nodes(path):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
                name = node.value.rpartition("/")[2]
                assert name not in {*INDEX_FILES, SHARD_SUFFIX}, f"{shown(path)}:{node.lineno}"


def test_no_module_is_named_after_nothing() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "base"}
    assert not [path for path in modules() if path.stem in vague]


def test_no_module_is_too_short_to_be_one() -> None:
    short = {
        shown(path)
        for path in modules()
        if path.read_text(encoding="utf-8").count("\n") < SHORTEST_MODULE
        and path.stem not in ("__init__", "__main__", "interface")
    }
    assert short == set(SHORT_MODULES), "let another module have it, or write down why it stands alone"


def test_no_two_classes_have_one_name() -> None:
    found: dict[str, list[str]] = {}
    for path in modules():
        for node in nodes(path):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(shown(path))
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}


def names_in(path: Path) -> Iterator[str]:
    """Every name that a module gives or uses."""
    for node in nodes(path):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.arg(arg=str(name)) | ast.keyword(arg=str(name)) | ast.Name(id=name) | ast.Attribute(attr=name):
                yield name
            case ast.alias(asname=str(name)):
                yield name
            case _:
                pass


def test_no_name_has_a_word_of_this_project_alone() -> None:
    found = {
        f"{shown(path)}: {name}"
        for path in modules()
        for name in [path.stem, *names_in(path)]
        if PRIVATE_WORDS & {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}
    }
    assert found == set()


def test_hard_dependencies_are_those_of_the_design_card() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[<>=~!;\[ ]", entry)[0] for entry in project["dependencies"]}
    assert names == {"pyyaml", "requests", "tqdm", "platformdirs", "packaging", "backports.zstd"}


def test_what_is_imported_is_a_dependency_or_an_extra_or_the_standard_library() -> None:
    allowed = {"yaml", "requests", "urllib3", "tqdm", "platformdirs", "pixi_mirror"}
    optional = {
        "rattler", "keyring", "compression", "packaging", "backports", "botocore", "obstore", "shtab", "sigstore",
        "cryptography",
    }  # fmt: skip
    for path in modules():
        for name in imports(path):
            top = name.split(".")[0]
            assert top in sys.stdlib_module_names or top in allowed | optional, f"{path}: {name}"


def _layers() -> list[str]:
    """The layers of the package below `__main__`, the highest first, as the import contracts have them."""
    import tomllib

    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (layers,) = (each["layers"] for each in contracts if each["type"] == "layers")
    return [layer for layer in layers if layer != "__main__"]


def test_the_layers_in_the_documents_are_those_of_the_contracts() -> None:
    text = (ROOT / "docs" / "CONTRIBUTING.md").read_text(encoding="utf-8")
    block = text.partition("\n## Layers\n")[2].partition("```\n")[2].partition("```")[0]
    assert [line.partition("  ")[0] for line in block.splitlines()] == _layers()


def test_every_folder_has_its_line_in_the_document_of_the_architecture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text.partition("\n## The folders\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (.+?) \|", table, flags=re.MULTILINE)
    named = {name.removesuffix(".py").rstrip("/") for cell in cells for name in re.findall(r"`(.+?)`", cell)}
    assert {name for layer in _layers() for name in layer.split(" | ")} == named


def test_the_known_variables_are_those_of_the_options_of_all_verbs(monkeypatch: pytest.MonkeyPatch) -> None:
    found = set()
    add = argparse._ActionsContainer.add_argument

    def recording(self: Any, *names: str, **options: Any) -> argparse.Action:
        found.update("PIXI_MIRROR_" + name[2:].upper().replace("-", "_") for name in names if name.startswith("--"))
        return add(self, *names, **options)

    monkeypatch.setattr(argparse._ActionsContainer, "add_argument", recording)
    for verb, _ in VERBS:
        command = importlib.import_module(f"pixi_mirror.commands.{verb}").COMMAND
        command.declare(Parser("p", "", {}))
    assert found - {"PIXI_MIRROR_HELP"} == VARIABLES, "pixi_mirror/commands/variables.py has one for each option"
