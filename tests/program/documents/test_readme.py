"""What README.md and docs/ show is what the program does: the transcripts, every command of the guide, every link."""

import json
import os
import re
import shlex
import subprocess
import sys

import pytest
from harness.channel import lab_packages, led_to_upstream, publish_channel
from harness.child import ROOT, run_python, user_environment
from harness.osv import advisory

README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
DEMO = (ROOT / "docs" / "demo.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def normalised(transcript, directory):
    """The transcript as docs/demo.md has it, where the directory, the port and the dates are made up."""
    text = transcript.replace(directory, "/tmp/pixi-mirror-demo")
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "2026-11-30 06:13 UTC", text)
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:40123", text)


def test_the_transcript_in_the_docs_is_what_the_demo_prints(tmp_path):
    (block,) = re.findall(r"```console\n\$ pixi-mirror demo\n(.*?)```", DEMO, flags=re.DOTALL)
    done = run_python("-m", "pixi_mirror", "demo", "stage", env=user_environment(tmp_path / "home"), cwd=tmp_path)
    assert done.status == 0
    assert normalised(done.stdout, str(tmp_path / "stage")) == block


def test_the_readme_begins_with_names_and_is_short():
    assert re.search(r"```\w*\n(?:# .*\n)?(\$ )?(\S+ \S+)", README)[2] == "pixi-mirror init"
    assert README.count("\n") <= 150


@pytest.mark.rattler
def test_the_transcript_in_the_readme_is_what_its_commands_print(world):
    """On a terminal notes and results are one; small packages stand in for those of conda-forge."""
    publish_channel(world, lab_packages())
    env = world.environment | led_to_upstream(world) | {"PIXI_MIRROR_PROGRESS": "none"}
    (block,) = re.findall(r"```console\n(.*?)```", README, flags=re.DOTALL)
    printed, here = "", world.directory
    for command in re.findall(r"^\$ (.*)$", block, flags=re.MULTILINE):
        printed += f"$ {command}\n"
        words = shlex.split(command, comments=True)
        if words[0] == "cd":
            here /= words[1]
            continue
        assert words[0] == "pixi-mirror"
        done = subprocess.run(
            [sys.executable, "-m", "pixi_mirror", *words[1:]],
            env=env, cwd=here, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=100,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        printed += done.stdout
    printed = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "2026-11-30 06:13 UTC", printed)
    assert printed.replace(str(world.directory), "/home/me") == re.sub(r"\n(?=\n\$)", "", block)


def guide_commands():
    """Every command of the guide, with the status that it says it ends with."""
    blocks = re.findall(r"```console\n(.*?)```", GUIDE, flags=re.DOTALL)
    lines = [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ pixi-mirror")]
    return [(line, int(found[1]) if (found := re.search(r"# .*ends with status (\d+)", line)) else 0) for line in lines]


def test_every_command_of_the_guide_works_in_the_order_of_the_guide(world, monkeypatch):
    world.workspace(".")
    world.workspace("analysis")
    monkeypatch.setenv("PROJECT", str(world.directory))
    commands = guide_commands()
    assert len(commands) > 15
    for line, status in commands:
        words = [os.path.expandvars(word) for word in shlex.split(line, comments=True)]
        done = world.run(*words[1:])
        assert done.status == status, f"{line}\n{done.stdout}\n{done.stderr}"


def test_every_option_that_the_guide_or_the_docs_name_exists(world):
    from pixi_mirror.commands.program import VERBS

    known = "\n".join(world.run(verb, "--help").stdout for verb, _ in VERBS)
    texts = [README, *(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))]
    commands = [line for text in texts for line in re.findall(r"^\$? ?pixi-mirror .*", text, flags=re.MULTILINE)]
    for line in commands:
        for option in re.findall(r"(?<=\s)--?[a-z][a-z-]*", line.partition("#")[0]):
            assert re.search(rf"(?<![\w-]){option}(?![\w-])", known), f"{option} in {line}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_test_that_a_page_names_is_there(path):
    for name, test in re.findall(
        r"`(?:tests/)?([\w/]*test_\w+\.py)(?:::(test_\w+))?", path.read_text(encoding="utf-8")
    ):
        (file,) = (ROOT / "tests").rglob(name)
        assert f"def {test}" in file.read_text(encoding="utf-8"), f"{name}::{test}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_module_that_a_page_names_is_there(path):
    for name in re.findall(r"`((?:\w+/)+\w+\.(?:py|toml|yaml|yml))`", path.read_text(encoding="utf-8")):
        places = [ROOT / name, ROOT / "pixi_mirror" / name, ROOT / "tests" / name]
        assert any(place.exists() for place in places), name


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_folder_of_tests_that_a_page_names_is_there(path):
    for name in re.findall(r"\btests/[a-z_/]+(?![\w.*/])", path.read_text(encoding="utf-8")):
        assert (ROOT / name).is_dir(), name


def shape(value):
    """The keys of an object and of those in it; of a list, that of its first row."""
    match value:
        case dict():
            return {key: shape(inner) for key, inner in value.items()}
        case [first, *_]:
            return [shape(first)]
        case []:
            return []
        case _:
            return None


def agree(documented, real):
    """Whether two shapes have the same keys; an empty list and a full one agree."""
    if isinstance(documented, dict) and isinstance(real, dict):
        return documented.keys() == real.keys() and all(agree(documented[key], real[key]) for key in real)
    if isinstance(documented, list) and isinstance(real, list):
        return not documented or not real or agree(documented[0], real[0])
    return documented == real


def test_the_documented_json_has_the_keys_of_a_real_run(world):
    text = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    documented = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, flags=re.DOTALL)]
    lock = world.workspace(".", version=7)
    runs = [
        world.run_json("--lock", "pixi.lock", "-e", "prd", "--dry-run", status=3),
        world.run_json("--lock", "pixi.lock", "--all-environments"),
        world.run_json("status"),
        world.run_json("ls"),
        world.run_json("why", "base"),
    ]
    next(world.mirror.rglob("tool-*.conda")).unlink()
    runs.append(world.run_json("verify", status=1))
    assert world.run("verify", "--repair").status == 0
    runs.append(world.run_json("prune"))
    runs.append(world.run_json("forget", "--lock", lock))
    assert world.run("host", "add", "team", "own").status == 0
    runs.append(world.run_json("host", "log", "own"))
    runs += [world.run_json("log"), world.run_json("diff", "1", "2")]
    runs += [world.run_json("pin", "1", "release-1"), world.run_json("rollback", "1")]
    runs.append(world.run_json("sbom", "-o", "mirror.cdx.json"))
    (world.directory / "own.json").write_text(json.dumps(advisory()), encoding="utf-8")
    runs += [
        world.run_json("advisories", "update", "--from", "own.json"),
        world.run_json("audit", "--database", "own.json"),
    ]
    runs.append(world.run_json("publish", "site"))
    runs += [world.run_json("export", "--full", "-o", "usb"), world.run_json("inspect", "usb")]
    runs += [world.run_json("import", "usb", "-o", "far"), world.run_json("receipt", "far")]
    (world.directory / "receipt.json").write_text(json.dumps(runs[-1]))
    runs.append(world.run_json("ack", "receipt.json", "--to", "site-b"))
    runs.append(world.run_json("ledger"))
    runs += [world.run_json("cache"), world.run_json("cache", "prune"), world.run_json("config")]
    for example, real in zip(documented, runs, strict=True):
        if real["verb"] == "update" and "record" in str(real):
            for rows in (example["wanted"], real["wanted"]):
                rows[0]["record"] = None  # differs from package to package
        assert agree(shape(example), shape(real)), (shape(example), shape(real))
