"""A script activates an environment in every shell that pixi-unpack knows, wherever the environment lies."""

import ast
import json
import os
import random
import re
import shutil
import string
import subprocess
import sys
from pathlib import Path

import pytest

from pixi_mirror.environments.activation import activation_script, default_shell
from pixi_mirror.environments.shells import SHELLS

ALL_KINDS = ("sh", "fish", "xsh", "nu", "ps1", "bat")
HOSTILE = 'it\'s "a" $HOME `x`\\b !^%\né'
"""A folder's name, each sign of which means something to some shell."""


def environment(folder, *, values=None, state=None, scripts=None):
    """What activation reads of an environment."""
    for path, content in {
        "etc/conda/env_vars.d/a.json": json.dumps(values) if values is not None else None,
        "conda-meta/state": json.dumps({"env_vars": state}) if state is not None else None,
        **{f"etc/conda/activate.d/{name}": text for name, text in (scripts or {}).items()},
    }.items():
        if content is not None:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content, encoding="utf-8", newline="")
    return folder


def script(prefix, shell, platform="linux-64", **options):
    return activation_script(Path(prefix), shell=shell, platform=platform, **options)[1].decode()


EXPECTED = {
    "bash": """\
export PATH="P/bin:${PATH}"
export CONDA_SHLVL=1
export CONDA_PREFIX=P
export KEY='a b'
export LIVE='$HOME/x'
. P/etc/conda/activate.d/a.sh
. P/etc/conda/activate.d/b.sh
""",
    "zsh": """\
export PATH="P/bin:${PATH}"
export CONDA_SHLVL="1"
export CONDA_PREFIX="P"
export KEY="a b"
export LIVE="\\$HOME/x"
. "P/etc/conda/activate.d/a.sh"
. "P/etc/conda/activate.d/b.sh"
""",
    "fish": """\
set -gx PATH "P/bin:$PATH"
set -gx CONDA_SHLVL "1"
set -gx CONDA_PREFIX "P"
set -gx KEY "a b"
set -gx LIVE "\\$HOME/x"
source "P/etc/conda/activate.d/a.fish"
""",
    "xonsh": """\
$PATH = "P/bin:${PATH}"
$CONDA_SHLVL = "1"
$CONDA_PREFIX = "P"
$KEY = "a b"
$LIVE = "$HOME/x"
source-bash "P/etc/conda/activate.d/a.sh"
source "P/etc/conda/activate.d/a.xsh"
source-bash "P/etc/conda/activate.d/b.sh"
""",
    "nu": """\
$env.PATH = ($env.PATH | prepend ["P/bin"])
$env.CONDA_SHLVL = "1"
$env.CONDA_PREFIX = "P"
$env.KEY = "a b"
$env.LIVE = "$HOME/x"
source-env "P/etc/conda/activate.d/a.nu"
""",
    "powershell": """\
$OutputEncoding = [System.Console]::OutputEncoding = [System.Console]::InputEncoding = [System.Text.Encoding]::UTF8
${Env:PATH} = "P/bin:$Env:PATH"
${Env:CONDA_SHLVL} = "1"
${Env:CONDA_PREFIX} = "P"
${Env:KEY} = "a b"
${Env:LIVE} = "`$HOME/x"
. "P/etc/conda/activate.d/a.ps1"
""",
    "cmd": """\
@chcp 65001 > nul\r
@SET "PATH=P/bin:%PATH%"\r
@SET "CONDA_SHLVL=1"\r
@SET "CONDA_PREFIX=P"\r
@SET "KEY=a b"\r
@SET "LIVE=$HOME/x"\r
@CALL "P/etc/conda/activate.d/a.bat"\r
""",
}


@pytest.fixture
def full(tmp_path):
    scripts = {f"a.{kind}": "" for kind in ALL_KINDS} | {"b.sh": "", "README": "", ".sh": ""}
    return environment(
        tmp_path / "env", values={"KEY": "old", "N": 1}, state={"key": "a b", "live": "$HOME/x"}, scripts=scripts
    )


@pytest.mark.parametrize("shell", EXPECTED)
def test_the_text_is_that_of_pixi_unpack_but_for_what_is_special_to_the_shell(full, shell):
    assert script(full, shell).replace(str(full), "P") == EXPECTED[shell]


def test_every_shell_word_has_its_family_s_script(full):
    texts = {shell: activation_script(full, shell=shell, platform="linux-64") for shell in SHELLS}
    for family in (
        {"bash", "sh", "dash", "ksh", "busybox", "brush"},
        {"nu", "nushell"},
        {"powershell", "powershell_ise"},
    ):
        assert len({texts[shell] for shell in family}) == 1
    names = {name for name, _ in texts.values()}
    assert names == {"activate." + ending for ending in ("sh", "fish", "xsh", "nu", "ps1", "bat")}
    assert (default_shell("win-arm64"), default_shell("osx-arm64")) == ("cmd", "bash")


def test_on_windows_all_folders_of_programs_are_found():
    prefix = "C:\\envs\\e"
    folders = ["Library/mingw-w64/bin", "Library/usr/bin", "Library/bin", "Scripts", "bin"]
    native = ";".join([prefix, *(f"{prefix}{os.sep}{each}" for each in folders)])
    assert f'@SET "Path={native};%Path%"\r\n' in script(prefix, "cmd", "win-64")
    assert f'${{Env:Path}} = "{native};$Env:Path"\n' in script(prefix, "powershell", "win-64")
    unix = ":".join(["/c/envs/e", *(f"/c/envs/e/{each}" for each in folders)])
    assert f'export PATH="{unix}:${{PATH}}"\n' in script(prefix, "bash", "win-64")


def test_what_is_set_is_read_where_the_environment_is_now(tmp_path):
    environment(tmp_path / "staging", values={"KEY": "v"}, scripts={"a.sh": ""})
    text = script("/final", "bash", contents=tmp_path / "staging")
    assert "staging" not in text
    assert "export KEY=v\n. /final/etc/conda/activate.d/a.sh\n" in text


def test_a_later_file_wins_and_the_user_over_all(tmp_path):
    env = environment(tmp_path, values={"A": "1", "B": "1", "C": "1"}, state={"c": "3"})
    (tmp_path / "etc/conda/env_vars.d/b.json").write_text('{"B": "2"}')
    lines = script(env, "bash").splitlines()[3:]
    assert lines == ["export A=1", "export B=2", "export C=3"]


@pytest.mark.parametrize("content", ["[]", "{", '{"a": 1}\0', "[" * 100_000, b"\xff"])
def test_variables_that_cannot_be_read_are_named(tmp_path, content):
    env = environment(tmp_path, values={})
    (tmp_path / "etc/conda/env_vars.d/b.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=r"b\.json"):
        script(env, "bash")


@pytest.mark.parametrize("name", ["", "A=B", "A\nB", "A;reboot", "A B", "1A"])
@pytest.mark.parametrize("shell", EXPECTED)
def test_no_name_of_a_variable_becomes_a_command(tmp_path, shell, name):
    with pytest.raises(ValueError, match="no name of a variable"):
        script(environment(tmp_path, values={name: "v"}), shell)


def test_what_a_shell_cannot_say_is_refused(tmp_path):
    with pytest.raises(ValueError, match="cmd has no words"):
        script(environment(tmp_path, values={"A": "one\ntwo"}), "cmd")
    with pytest.raises(ValueError, match="NUL"):
        script(environment(tmp_path, values={"A": "\0"}), "bash")
    with pytest.raises(ValueError, match="'tcsh' is an unknown shell"):
        script(tmp_path, "tcsh")
    with pytest.raises(ValueError, match="relative"):
        script("env", "bash")


TELL = "import os; print(ascii([os.environ.get(each) for each in ('PATH', 'CONDA_PREFIX', 'LIVE', 'SEEN')]))"
RUNNERS = {
    "bash": ["bash", "-c"],
    "dash": ["dash", "-c"],
    "ksh": ["ksh", "-c"],
    "busybox": ["busybox", "sh", "-c"],
    "zsh": ["zsh", "-f", "-c"],
    "fish": ["fish", "--no-config", "-c"],
}


@pytest.mark.skipif(sys.platform == "win32", reason="no such folder there")
@pytest.mark.parametrize("shell", RUNNERS)
def test_a_shell_activates_an_environment_wherever_it_lies(tmp_path, shell):
    program = shutil.which(RUNNERS[shell][0])
    if program is None:
        pytest.skip(f"{shell} is not installed")
    prefix = environment(
        tmp_path / HOSTILE,
        values={"LIVE": "$HOME/x y"},
        scripts={"a b.sh": "export SEEN=yes\n", "a b.fish": "set -gx SEEN yes\n"},
    )
    name, text = activation_script(prefix, shell=shell, platform="linux-64")
    (tmp_path / name).write_bytes(text)
    tell = f"exec '{sys.executable}' -c \"{TELL}\""
    done = subprocess.run(
        [program, *RUNNERS[shell][1:], f". ./{name}; {tell}"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "home"), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = [f"{prefix}/bin:/usr/bin:/bin", str(prefix), "$HOME/x y", "yes"]
    assert done.stdout.strip() == ascii(expected)
    assert done.stderr == ""


SPECIAL = "$\\\"'`!%^&|<>(){}[]*?~#;=@ \t\n\r" + string.ascii_letters[:6] + "é"
CHECKERS = {shell: [*words[:-1], "-n"] for shell, words in RUNNERS.items()}


def hostile_values(shell):
    """Values of everything that is special to any shell, by the name of a variable."""
    chance = random.Random(shell)
    found = {f"V{each}": "".join(chance.choices(SPECIAL, k=1 + each % 12)) for each in range(400)}
    return found | {
        "HOME_LIKE": "$HOME",
        "COMMAND": "$(exit 3)`exit 3`",
        "ENDS": "\\",
        "HISTORY": "!!",
        "BREAKS": "a\n\n",
    }


@pytest.mark.skipif(sys.platform == "win32", reason="no such folder there")
@pytest.mark.parametrize("shell", RUNNERS)
def test_every_value_comes_out_as_it_is_written(tmp_path, shell):
    program = shutil.which(RUNNERS[shell][0])
    if program is None:
        pytest.skip(f"{shell} is not installed")
    values = hostile_values(shell)
    prefix = environment(tmp_path / HOSTILE, values=values)
    name, text = activation_script(prefix, shell=shell, platform="linux-64")
    (tmp_path / name).write_bytes(text)
    subprocess.run([program, *CHECKERS[shell][1:], name], cwd=tmp_path, check=True)
    tell = f"exec '{sys.executable}' -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    command = [program, *RUNNERS[shell][1:], f". ./{name}; {tell}"]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert {each: found.get(each) for each in values} == values


@pytest.mark.parametrize("shell", ["powershell", "cmd", "nu", "xonsh"])
def test_what_is_special_is_quoted_or_refused_where_no_shell_is_at_hand(tmp_path, shell):
    """Read back what the script says, by the quoting of the shell."""
    refused = 0
    for name, value in hostile_values(shell).items():
        env = environment(tmp_path / name, values={name: value})
        try:
            text = activation_script(env, shell=shell, platform="linux-64")[1].decode()
        except ValueError:
            refused += 1
            assert shell == "cmd"
            assert set(value) & set('\n\r"')
            continue
        assert read_back(text, name, shell) == value
    assert refused < 300


def read_back(text, name, shell):
    if shell == "cmd":
        return re.search(rf'@SET "{name}=(.*)"\r\n', text)[1].replace("%%", "%")
    start = {"powershell": "${Env:%s} = ", "nu": "$env.%s = ", "xonsh": "$%s = "}[shell] % name
    quoted = text[text.index(start) + len(start) :]
    if shell == "xonsh":
        return ast.literal_eval(quoted.partition("\n")[0])
    escape = "`" if shell == "powershell" else "\\"
    found, at = "", 1
    while quoted[at] != '"':
        assert quoted[at] != "$" or shell == "nu", "it would be expanded"
        at += quoted[at] == escape
        found += quoted[at]
        at += 1
    return found


def test_a_path_that_path_cannot_hold_is_refused(tmp_path):
    with pytest.raises(ValueError, match="has a :, which ends a folder in PATH"):
        script(tmp_path / "a:b", "bash")


@pytest.mark.rattler
@pytest.mark.parametrize("shell", EXPECTED)
@pytest.mark.parametrize("platform", ["linux-64", "win-64"])
def test_py_rattler_writes_the_same(full, shell, platform):
    from rattler import Subdir
    from rattler.shell import ActivationVariables, Shell, activate

    shells = {"powershell": "powershell", "cmd": "cmd_exe"}
    if not hasattr(Shell, shells.get(shell, shell)):
        pytest.skip("py-rattler has no such shell")
    chance = random.Random(8)
    values = {f"V{each}": "".join(chance.choices(string.printable[:95] + "é", k=each % 7)) for each in range(300)}
    # Of these rattler has some expanded, and in others the script breaks.
    plain = {name: value for name, value in values.items() if not set(value) & set('"\\`$%')}
    environment(full, values=plain, state={"key": "a b"})
    variables = ActivationVariables(None, ["/x"])
    theirs = activate(full, variables, getattr(Shell, shells.get(shell, shell)), Subdir(platform)).script
    # It puts the folders of the running process in between, which pixi-unpack does not.
    between = ";/x" if platform == "win-64" and shell != "bash" else ":/x"
    theirs = theirs.replace(between, "", 1)
    ours = script(full, shell, platform)
    assert ours == theirs
