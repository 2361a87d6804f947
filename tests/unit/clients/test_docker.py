"""The Dockerfile: its instructions are those of Docker; what it has a shell do is done here, with a stub for pixi."""

import re
import subprocess
import tomllib
from dataclasses import replace

import pytest

from pixi_mirror.clients.marked_lines import remove_lines
from pixi_mirror.clients.offer import Offer
from pixi_mirror.clients.registry import CLIENTS
from pixi_mirror.errors import WorkspaceError

URL = "http://mirror.lan"
OFFER = Offer(
    url=URL,
    channels={"https://conda.anaconda.org/conda-forge": f"{URL}/conda-forge"},
    indexes={},
    origins={},
    mapping={},
    environment="prod",
)
INSTRUCTIONS = {"ARG", "CMD", "COPY", "ENTRYPOINT", "FROM", "RUN", "WORKDIR"}


def instructions(text):
    """Each instruction with its words, as Docker's reference has the format."""
    lines = iter(text.splitlines())
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        whole = line
        while whole.endswith("\\"):
            whole = whole[:-1] + next(lines)
        word, _, rest = whole.partition(" ")
        yield word, rest


def test_every_instruction_is_one_of_dockers_and_each_stage_is_named():
    found = list(instructions(CLIENTS["docker"].configuration(OFFER)))
    assert {word for word, _ in found} == INSTRUCTIONS
    assert [rest.split(" AS ")[1] for word, rest in found if word == "FROM"] == ["build", "final"]
    declared = {rest.partition("=")[0] for word, rest in found if word == "ARG"}
    assert declared == {"PIXI_IMAGE", "FINAL_IMAGE"}
    assert {name for _, rest in found for name in re.findall(r"\$\{(\w+)\}", rest)} == declared


def built(tmp_path, offer):
    """Do what the build stage has a shell do, with a stub for pixi that keeps what it is told and finds."""
    stub = tmp_path / "bin" / "pixi"
    stub.parent.mkdir()
    stub.write_text(
        '#!/bin/sh\necho "$@" >> calls\n[ "$1" = install ] && cp .pixi/config.toml found.toml\n'
        '[ "$1" = shell-hook ] && echo "export ACTIVE=\'a b\'"\nexit 0\n'
    )
    stub.chmod(0o755)
    (tmp_path / "app").mkdir()
    environment = {"PATH": f"{stub.parent}:/usr/bin:/bin"}
    for word, command in instructions(CLIENTS["docker"].configuration(offer)):
        if word == "RUN":
            here = command.replace("/app", str(tmp_path / "app"))
            subprocess.run(["sh", "-c", here], cwd=tmp_path, env=environment, check=True)
    return tmp_path


@pytest.mark.parametrize("path", ["conda-forge", "it's/100%25/$HOME"])
def test_pixi_is_led_to_the_mirror_before_it_installs(tmp_path, path):
    offer = replace(OFFER, channels={"https://conda.anaconda.org/conda-forge": f"{URL}/{path}"})
    found = built(tmp_path, offer) / "found.toml"
    assert tomllib.loads(found.read_text()) == tomllib.loads(CLIENTS["pixi"].configuration(offer))


def test_the_entry_point_activates_the_environment_and_runs_what_it_is_given(tmp_path):
    built(tmp_path, OFFER)
    assert (tmp_path / "calls").read_text().splitlines() == [
        "install --frozen --environment prod",
        "shell-hook --frozen --shell bash --environment prod",
    ]
    said = subprocess.run(
        [tmp_path / "app" / "entrypoint.sh", "sh", "-c", 'echo "$ACTIVE $0"', "given"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "a b given\n"


def test_a_shell_hook_that_fails_fails_the_build(tmp_path):
    stub = tmp_path / "pixi"
    stub.write_text("#!/bin/sh\nexit 3\n")
    stub.chmod(0o755)
    hook = next(r for _, r in instructions(CLIENTS["docker"].configuration(OFFER)) if "shell-hook" in r)
    done = subprocess.run(
        ["sh", "-c", hook.replace("/app", str(tmp_path))], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=False
    )
    assert done.returncode != 0


def test_a_dockerfile_that_is_there_is_left_alone_and_a_new_one_can_be_removed():
    with pytest.raises(ValueError, match="cannot be added to"):
        CLIENTS["docker"].merge("FROM scratch\n", OFFER)
    assert remove_lines(CLIENTS["docker"].merge(None, OFFER)) is None


def test_a_name_that_is_none_cannot_get_into_a_command():
    hostile = Offer(url=URL, channels={}, indexes={}, origins={}, mapping={}, environment="x; curl evil")
    with pytest.raises(WorkspaceError):
        CLIENTS["docker"].configuration(hostile)


def test_on_loopback_the_build_needs_this_machines_network():
    near = Offer(url="http://127.0.0.1:8765", channels={}, indexes={}, origins={}, mapping={})
    assert "--network=host" in " ".join(CLIENTS["docker"].notes(near))
    assert CLIENTS["docker"].notes(OFFER) == ()
