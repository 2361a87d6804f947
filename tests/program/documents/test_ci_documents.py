"""docs/ci.md and docs/install.md say what is so: the jobs are run as they stand there, and what is named exists.

A stub stands for pixi: `pixi exec … pixi-mirror WORDS` runs this checkout with WORDS, and whatever else is asked of it
is a failure. The rest of a job is real: its shell, its variables, what it keeps between runs, and the mirror.
"""

import os
import re
import shlex
import shutil
import stat
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from harness import program
from harness.child import ROOT, Completed, run_program, user_environment
from harness.damage import writable
from harness.looking import archives, repodata
from harness.world import World, small_packages

from pixi_mirror.commands.program import VERBS
from pixi_mirror.demo.packages import build_package
from pixi_mirror.paths import channel

CI = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
INSTALL = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
_VERBS = [verb for verb, _ in VERBS]
_TITLES = {"github": "GitHub Actions", "gitlab": "GitLab CI", "azure": "Azure Pipelines"}
_FLAGS = re.compile(r"(?<!\S)--?[A-Za-z][\w-]*")

runs_shells = pytest.mark.skipif(shutil.which("bash") is None or os.name != "posix", reason="the jobs are for a shell")


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def section(title: str) -> str:
    """What stands in docs/ci.md below a title of the second level."""
    return CI.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def described(system: str) -> dict:
    """The one YAML file that docs/ci.md has for a system."""
    (block,) = blocks(section(_TITLES[system]), "yaml")
    return yaml.safe_load(block)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a CI system makes of its YAML file, all placeholders filled in."""

    shell: tuple[str, ...]
    steps: tuple[str, ...]
    """Each is run by a shell of its own."""
    variables: Mapping[str, str]
    kept: tuple[Path, ...]
    """What is there again in the next run."""
    mirror: Path
    brings_pixi: bool
    """Whether pixi is there before the first step."""


def filled(text: str, pattern: str, values: Mapping[str, str]) -> str:
    """`text` with every placeholder of a CI system replaced; one that the system does not give is a KeyError."""
    return re.sub(pattern, lambda found: values[found[1]], text)


def on_github(agent: Path) -> Job:
    checkout = agent / "s"
    (job,) = described("github")["jobs"].values()
    (cache,) = (step["with"] for step in job["steps"] if step.get("uses", "").startswith("actions/cache@"))
    assert "hashFiles('pixi.lock')" in cache["key"]
    assert cache["key"].startswith(cache["restore-keys"])

    def fill(text: str) -> str:
        return filled(text, r"\$\{\{ ([\w.]+) \}\}", {"github.workspace": str(checkout)})

    return Job(
        shell=("bash", "-eu", "-c"),  # -u is ours: a variable that GitHub does not give is to be seen
        steps=tuple(fill(step["run"]) for step in job["steps"] if "run" in step),
        variables={"GITHUB_REPOSITORY": "someone/project"} | {key: fill(value) for key, value in job["env"].items()},
        kept=tuple(checkout / line for line in cache["path"].split()),
        mirror=checkout / "mirror",
        brings_pixi=any(step.get("uses", "").startswith("prefix-dev/setup-pixi@") for step in job["steps"]),
    )


def on_gitlab(agent: Path) -> Job:
    checkout = agent / "s"
    (job,) = described("gitlab").values()
    assert job["cache"]["key"]["files"] == ["pixi.lock"]
    given = {"CI_PROJECT_DIR": str(checkout), "CI_PROJECT_PATH": "someone/project"}
    return Job(
        shell=("sh", "-eu", "-c"),
        steps=("\n".join(job["script"]),),
        variables=given | {key: filled(value, r"\$(\w+)", given) for key, value in job["variables"].items()},
        kept=tuple(checkout / path for path in job["cache"]["paths"]),
        mirror=checkout / "mirror",
        brings_pixi="/pixi:" in job["image"],
    )


def on_azure(agent: Path) -> Job:
    job = described("azure")
    given = {"Pipeline.Workspace": str(agent), "Build.Repository.Name": "project"}

    def fill(text: str) -> str:
        return filled(text, r"\$\(([\w.]+)\)", given)

    variables = {key: fill(value) for key, value in job["variables"].items()}
    given |= variables
    (cache,) = (step["inputs"] for step in job["steps"] if step.get("task") == "Cache@2")
    assert cache["key"] == f"{cache['restoreKeys']} | pixi.lock"
    return Job(
        shell=("bash", "--noprofile", "--norc", "-c"),
        steps=tuple(fill(step["bash"]) for step in job["steps"] if "bash" in step),
        variables=variables,
        kept=(Path(fill(cache["path"])),),
        mirror=Path(variables["KEPT"]) / "mirror",
        brings_pixi=False,
    )


SYSTEMS = {"github": on_github, "gitlab": on_gitlab, "azure": on_azure}

_PIXI = """\
#!/bin/sh
[ "$1" = exec ] || { echo "the stub of pixi does not know: $*" >&2; exit 99; }
shift
while [ $# -gt 0 ]; do
    case "$1" in
        -c | --channel) [ -n "$2" ] || exit 98; shift 2 ;;
        pixi-mirror) shift; exec PYTHON -m pixi_mirror "$@" ;;
        *) echo "the stub of pixi exec does not know: $1" >&2; exit 99 ;;
    esac
done
exit 97
"""

_CURL = """\
#!/bin/sh
# What is downloaded is an installer, which wants to know which pixi, and where.
echo ': "${PIXI_VERSION:?}"; mkdir -p "$HOME/.pixi/bin"; cp STUB "$HOME/.pixi/bin/pixi"'
"""


def write_program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@dataclass(slots=True, kw_only=True)
class Runner:
    """Runs the job of one system, each time on another agent, with what the job keeps from the time before."""

    world: World
    system: str
    lock: Path
    """The lock in the repository: what a checkout brings."""
    mirror: Path | None = None
    """Where the last run had it."""
    _runs: int = 0
    _kept: Path = field(init=False)

    def __post_init__(self) -> None:
        self._kept = self.world.directory / "kept"
        tools = self.world.directory / "tools"
        write_program(tools / "pixi", _PIXI.replace("PYTHON", shlex.quote(sys.executable)))
        write_program(tools / "bin" / "curl", _CURL.replace("STUB", shlex.quote(str(tools / "pixi"))))
        (tools / "bin-with-pixi").mkdir()
        shutil.copy2(tools / "pixi", tools / "bin-with-pixi" / "pixi")

    def run(self) -> Completed:
        """Run all steps until one fails; what that, or the last one, ended with."""
        self._runs += 1
        agent = self.world.directory / f"agent-{self._runs}"
        checkout = agent / "s"
        checkout.mkdir(parents=True)
        shutil.copy(self.lock, checkout / "pixi.lock")
        job = SYSTEMS[self.system](agent)
        self._restore(job)
        self.mirror = job.mirror
        tools = self.world.directory / "tools"
        path = f"{tools / ('bin-with-pixi' if job.brings_pixi else 'bin')}:{os.defpath}"
        for step in job.steps:
            done = run_shell(job.shell, step, cwd=checkout, env=self.world.environment | job.variables, path=path)
            if done.status != 0:
                return done
            for each in re.findall(r"^##vso\[task\.prependpath\](.+)$", done.stdout, flags=re.MULTILINE):
                path = f"{each}:{path}"
        self._save(job)
        return done

    def _restore(self, job: Job) -> None:
        for number, path in enumerate(job.kept):
            if (self._kept / str(number)).exists():
                shutil.copytree(self._kept / str(number), path)

    def _save(self, job: Job) -> None:
        """Keep what the job says, and destroy the rest of the agent."""
        shutil.rmtree(self._kept, ignore_errors=True)
        for number, path in enumerate(job.kept):
            assert path.is_dir(), f"the job keeps {path}, which is not there"
            shutil.copytree(path, self._kept / str(number))
        if self._runs > 1:
            shutil.rmtree(self.world.directory / f"agent-{self._runs - 1}", ignore_errors=True)


def run_shell(shell: Iterable[str], script: str, *, cwd: Path, env: Mapping[str, str], path: str) -> Completed:
    return run_program(*shell, script, cwd=cwd, env={**env, "PATH": path})


@pytest.fixture(params=["github", *(pytest.param(name, marks=pytest.mark.slow) for name in ("gitlab", "azure"))])
def runner(request: pytest.FixtureRequest, world: World) -> Runner:
    """The runner of each system."""
    return Runner(world=world, system=request.param, lock=world.workspace())


@pytest.fixture
def github(world: World) -> Runner:
    """The runner of one system, for what is the same in all of them."""
    return Runner(world=world, system="github", lock=world.workspace())


def run(runner: Runner, status: int = 0) -> Completed:
    done = runner.run()
    assert done.status == status, f"{done.status}\n{done.stdout}\n{done.stderr}"
    return done


def names(mirror: Path) -> set[str]:
    return {path.rpartition("/")[2].rsplit("-", 2)[0] for path in archives(mirror)}


def break_lock(runner: Runner) -> None:
    runner.lock.write_text("<<<<<<< HEAD\n" + runner.lock.read_text(encoding="utf-8"), encoding="utf-8")


@runs_shells
def test_a_job_makes_a_complete_mirror_and_on_another_agent_fetches_nothing_more(runner, world):
    run(runner)
    assert world.run("status", runner.mirror, "--check").status == 0
    assert names(runner.mirror) == {"tool", "base", "pure"}
    asked = len(world.requests)
    run(runner)
    assert len(world.requests) == asked
    assert world.run("status", runner.mirror, "--check").status == 0
    (subscription,) = world.run_json("status", runner.mirror)["subscriptions"]
    assert subscription["workspace"] in {"project", "someone/project"}


@runs_shells
def test_a_broken_lock_fails_the_job(runner):
    break_lock(runner)
    assert "pixi.lock" in run(runner, status=3).stderr


@runs_shells
def test_a_package_that_cannot_be_fetched_fails_the_job(github, world):
    shutil.rmtree(world.root)
    world.root.mkdir()
    run(github, status=5)


@runs_shells
@pytest.mark.slow
def test_a_changed_lock_brings_only_what_is_new_and_a_broken_one_takes_nothing_away(github, world):
    run(github)
    shutil.rmtree(world.directory / "kept" / "1")  # the downloads: docs/ci.md says that the mirror is enough
    asked = len(world.requests)
    new = world.publish(build_package(name="new"))
    world.lock("workspace", environments={"prod": {"linux-64": [world.publish(small_packages()["base"]), new]}})
    run(github)
    assert {each.path.rpartition("/")[2] for each in world.requests[asked:]} == {"new-1.0-0.conda"}
    assert names(github.mirror) == {"base", "new"}
    break_lock(github)
    run(github, status=3)
    assert names(github.mirror) == {"base", "new"}


@runs_shells
@pytest.mark.slow
def test_a_file_that_came_back_wrong_out_of_the_cache_does_not_stay(github, world):
    run(github)
    for path in (world.directory / "kept").rglob("*.conda"):
        writable(path).write_bytes(b"\0" * path.stat().st_size)
    run(github)
    assert world.run("verify", github.mirror).status == 0


@pytest.mark.slow
@runs_shells
def test_the_refresh_of_a_lasting_mirror_keeps_what_is_not_wanted_for_its_days_of_grace(world):
    Runner(world=world, system="github", lock=world.workspace("one"))
    (script,) = blocks(section("A mirror that others install from"), "sh")
    mirror = world.directory / "lasting"
    extra = world.publish(build_package(name="extra"))
    others = [world.publish(build_package(name=name)) for name in ("first", "second", "third")]
    world.lock("two", environments={"prod": {"linux-64": [extra, *others]}})

    def refresh(project: str) -> None:
        env = world.environment | {"CHANNEL": "https://conda.example.com/team", "MIRROR": str(mirror), "NAME": project}
        path = f"{world.directory / 'tools' / 'bin-with-pixi'}:{os.defpath}"
        done = run_shell(("bash", "-euo", "pipefail", "-c"), script, cwd=world.directory / project, env=env, path=path)
        assert done.status == 0, f"{done.status}\n{done.stdout}\n{done.stderr}"

    refresh("one")
    refresh("two")
    assert names(mirror) == {"tool", "base", "pure", "extra", "first", "second", "third"}
    asked = len(world.requests)
    world.lock("two", environments={"prod": {"linux-64": others}})
    shutil.rmtree(world.directory / "one")  # each project's job has its own checkout alone
    refresh("two")
    assert len(world.requests) == asked
    listed = {name.rsplit("-", 2)[0] for name in repodata(mirror / world.authority_path / "conda-forge" / "noarch")}
    assert listed == {"base", "pure", "first", "second", "third"}
    assert "extra" in names(mirror)


# What is named exists.


@pytest.fixture(scope="module")
def helps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Verb -> the options in its `--help`."""
    home = tmp_path_factory.mktemp("home")
    env = user_environment(home)
    told = {verb: program.run([verb, "--help"], env=env, cwd=home).stdout for verb in _VERBS}
    options = {verb: set(re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", text)) for verb, text in told.items()}
    return options | {"update": options["update"] | {"--version"}}  # the program's own


def shell_lines(text: str) -> Iterator[str]:
    """Every command line in the blocks of a document."""
    scripts = blocks(text, "sh") + re.findall(r'^cmd = "(.*)"$', "\n".join(blocks(text, "toml")), flags=re.MULTILINE)
    if text == CI:
        scripts += [step for make in SYSTEMS.values() for step in make(Path("/agent")).steps]
    for script in scripts:
        yield from script.replace("\\\n", " ").splitlines()


def commands(text: str) -> Iterator[tuple[str | None, list[str]]]:
    """Every use of pixi-mirror in a document: its verb and its options, None where an option is named alone."""
    for line in shell_lines(text):
        for words in re.findall(r"(?<!\S)pixi[- ]mirror( .*|$)", line.partition(" #")[0]):
            if "pixi global install" not in line and "pip install" not in line:
                first = words.split()[0] if words.split() else ""
                yield first if first in _VERBS else "update", _FLAGS.findall(words)
    for span in re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)):
        first, *_ = span.split()
        if first in _VERBS or first.startswith("--"):
            yield first if first in _VERBS else None, _FLAGS.findall(span)


@pytest.mark.parametrize("text", [CI, INSTALL], ids=["ci.md", "install.md"])
def test_every_option_in_a_document_is_an_option_of_that_verb(text, helps):
    anywhere = set().union(*helps.values())
    used = list(commands(text))
    assert len([options for _, options in used if options]) >= 3
    for verb, options in used:
        assert set(options) <= (helps[verb] if verb else anywhere), (verb, options)


@pytest.mark.parametrize("text", [CI, INSTALL], ids=["ci.md", "install.md"])
def test_every_variable_of_ours_in_a_document_stands_for_an_option(text, helps):
    anywhere = set().union(*helps.values())
    for name in set(re.findall(r"PIXI_MIRROR_(\w+)", text)):
        assert f"--{name.lower().replace('_', '-')}" in anywhere, name


def test_every_yaml_block_is_one_of_the_jobs_that_are_run():
    assert len(blocks(CI, "ya?ml")) == len(SYSTEMS) == sum(bool(described(each)) for each in SYSTEMS)


def test_every_pixi_in_the_jobs_is_new_enough_and_the_same(manifest):
    named = set(re.findall(r"(?:pixi-version: v|/pixi:|PIXI_VERSION=v)([\d.]+)", CI))
    assert len(named) == 1
    least = manifest["workspace"]["requires-pixi"].removeprefix(">=")
    assert [int(each) for each in named.pop().split(".")] >= [int(each) for each in least.split(".")]
    assert f"pixi {least} or newer" in INSTALL


def test_the_table_of_extras_is_that_of_the_project(project):
    table = re.findall(r"^\| `([\w-]+)` \| (.+) \|$", INSTALL, flags=re.MULTILINE)
    assert {name for name, _ in table} == project["optional-dependencies"].keys() - {"test", "lint"}
    assert all(gives.endswith(".") for _, gives in table)


def test_every_extra_that_a_command_names_exists(project):
    named = {each for words in re.findall(r"\[([\w,-]+)\]'", INSTALL) for each in words.split(",")}
    assert named
    assert named <= project["optional-dependencies"].keys()


def test_the_extras_give_what_their_rows_say(project):
    for name, gives in re.findall(r"^\| `([\w-]+)` \| ([\w-]+):", INSTALL, flags=re.MULTILINE):
        required = {re.split(r"[<>=]", each)[0] for each in project["optional-dependencies"][name]}
        assert gives in required, name


DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_every_task_that_a_document_names_exists(manifest):
    found = {
        (path.name, task)
        for path in DOCUMENTS
        for task in re.findall(r"pixi run ((?!-)[\w-]+)", path.read_text(encoding="utf-8"))
    }
    assert len(found) >= 3
    assert {(name, task) for name, task in found if task not in manifest["tasks"]} == set()


def test_the_task_for_a_workspace_is_the_one_that_this_workspace_has(manifest):
    (block,) = blocks(INSTALL, "toml")
    told = tomllib.loads(block)
    feature = told["feature"]["mirror"]
    assert set(feature["dependencies"]) == {"pixi-mirror"}
    ours = {key: manifest["tasks"]["mirror-update"][key] for key in ("description", "cmd")}
    assert feature["tasks"]["mirror-update"] == ours
    assert [name for name, of in told["environments"].items() if "mirror" in (of or {}).get("features", [])] == [
        "mirror"
    ]


def test_the_channels_of_a_carried_mirror_are_where_the_document_has_them():
    (line,) = (each for each in shell_lines(INSTALL) if "file:///srv/" in each)
    upstream = re.search(r"With a CHANNEL `(\S+)`", INSTALL)[1], "https://conda.anaconda.org/conda-forge"
    places = [channel(url, "channels").path for url in upstream]
    assert re.findall(r"--channel file:///srv/tools/(\S+)", line) == [str(place) for place in places]


def test_the_package_is_built_where_the_document_installs_it_from(manifest):
    directory = re.search(r"--output-dir (\S+)", manifest["tasks"]["build"]["cmd"])[1]
    assert f'--channel "file://$PWD/{directory}"' in INSTALL
