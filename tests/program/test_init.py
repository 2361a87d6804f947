"""`init`: the tasks into a workspace; and names to a mirror with a stub that stands for pixi."""

import json
import re
import shutil
import sys
import tomllib

import pytest
from harness import kill, oracle, program
from harness.channel import lab_packages, led_to_upstream, publish_channel, without_rattler
from harness.child import ROOT
from harness.stub_pixi import StubPixi, info_of, rows_of
from harness.upstream import status

from pixi_mirror.lockfile.writer import CondaLockEntry, LockDescription, LockEnvironment, lock_text
from pixi_mirror.workspace.tasks import add_tasks

CONDA_FORGE = "https://conda.anaconda.org/conda-forge"
TASKS = ["mirror-update", "mirror-index", "mirror-serve"]
DAILY = ["pixi update", "pixi run mirror-update", "pixi run mirror-serve"]

needs_stub = pytest.mark.skipif(sys.platform == "win32", reason="the stub is started by its first line")


# The tasks, into a workspace that is there.


def test_the_tasks_go_into_the_manifest_above_and_once_only(world):
    world.workspace("lab")
    manifest = world.directory / "lab" / "pixi.toml"
    manifest.write_text("# mine\n" + manifest.read_text())
    manifest.chmod(0o640)
    before = manifest.read_text()
    below = world.directory / "lab" / "src"
    below.mkdir()
    shown = world.run("init", "--dry-run", cwd=below)
    assert shown.status == 0
    assert "+mirror-update = " in shown.stdout
    assert manifest.read_text() == before
    done = world.run("init", cwd=below)
    assert done.status == 0
    assert f"added {', '.join(TASKS)} to {manifest}" in done.stdout
    assert [line.split("  # ")[0].strip() for line in done.stdout.splitlines()[2:]] == DAILY
    after = manifest.read_text()
    assert after.startswith(before)
    assert list(tomllib.loads(after)["tasks"]) == TASKS
    assert manifest.stat().st_mode & 0o777 == 0o640
    again = world.run("init", cwd=below)
    assert (again.status, again.stdout) == (0, f"nothing to do: {manifest} has the tasks\n")
    assert manifest.read_text() == after
    assert sorted(path.name for path in manifest.parent.iterdir()) == ["pixi.lock", "pixi.toml", "src"]


def test_a_pyproject_that_is_a_manifest_gets_them_and_one_that_is_none_does_not(world):
    other, lab = world.directory / "lab" / "package", world.directory / "lab"
    other.mkdir(parents=True)
    (other / "pyproject.toml").write_text('[project]\nname = "x"\n')
    (lab / "pyproject.toml").write_text("[tool.pixi.workspace]\nchannels = []\nplatforms = []\n")
    assert world.run("init", cwd=other).status == 0
    assert (other / "pyproject.toml").read_text() == '[project]\nname = "x"\n'
    assert list(tomllib.loads((lab / "pyproject.toml").read_text())["tool"]["pixi"]["tasks"]) == TASKS


def test_a_manifest_behind_a_link_is_changed_where_it_is(world):
    (world.directory / "true.toml").write_text("[workspace]\n")
    (world.directory / "lab").mkdir()
    (world.directory / "lab" / "pixi.toml").symlink_to("../true.toml")
    assert world.run("init", cwd=world.directory / "lab").status == 0
    assert (world.directory / "lab" / "pixi.toml").is_symlink()
    assert "mirror-serve" in (world.directory / "true.toml").read_text()


def test_the_json_has_what_was_added_or_would_be(world):
    world.workspace("lab")
    planned = world.run_json("init", "--dry-run", cwd=world.directory / "lab")
    assert (planned["tasks"], planned["dry_run"]) == (TASKS, True)
    assert planned["diff"].startswith("--- a/pixi.toml\n")
    done = world.run_json("init", cwd=world.directory / "lab")
    assert {**done, "dry_run": True} == planned
    assert world.run_json("init", cwd=world.directory / "lab")["tasks"] == []


def test_a_task_of_the_users_stays_and_is_named(world):
    (world.directory / "pixi.toml").write_text('[workspace]\n[tasks]\nmirror-update = "make"\n')
    done = world.run("init")
    assert "the task mirror-update is there already" in done.stderr
    assert tomllib.loads((world.directory / "pixi.toml").read_text())["tasks"]["mirror-update"] == "make"


@pytest.mark.parametrize(
    ("content", "reason"), [(b"[workspace\n", "left as it is"), (b'tasks = "x"\n', "no table"), (b"\xff", "not UTF-8")]
)
def test_a_manifest_that_cannot_be_added_to_is_left_as_it_is(world, content, reason):
    (world.directory / "pixi.toml").write_bytes(content)
    done = world.run("init")
    assert done.status == 3
    assert reason in done.stderr
    assert (world.directory / "pixi.toml").read_bytes() == content


def test_a_variable_for_other_verbs_does_not_stand_for_names(world):
    (world.directory / "pixi.toml").write_text("[workspace]\n")
    done = world.run("init", env={"PIXI_MIRROR_PLATFORM": "linux-64", "PIXI_MIRROR_CHANNEL": "conda-forge"})
    assert done.status == 0, done.stderr
    planned = world.run("init", "lab", "numpy", "--dry-run", env={"PIXI_MIRROR_PLATFORM": "win-64,osx-64"})
    assert tomllib.loads(planned.stdout)["workspace"]["platforms"] == ["win-64", "osx-64"]


def test_outside_of_a_workspace_it_says_how_to_make_one(world):
    done = world.run("init")
    assert done.status == 3
    assert "pixi-mirror init DIR python=3.12 numpy" in done.stderr


# Mistakes on the command line; none of them needs pixi or a network.


@pytest.mark.parametrize(
    ("words", "ends", "said"),
    [
        (["lab"], 2, "no package is named"),
        (["python=3.12", "numpy"], 2, "the first word is the directory"),
        (["-p", "linux-64"], 2, "no directory is named"),
        (["lab", "numpy>>2"], 2, "'>>' is no operator"),
        (["lab", "numpy", "numpy>=2", "numpy<1"], 2, "numpy is named twice"),
        (["lab", "numpy", "-p", "linux64"], 3, "perhaps 'linux-64' was meant"),
        (["lab", "numpy", "-p", "noarch"], 3, "no platform 'noarch'"),
        (["lab", "numpy", "-c", "conda forge"], 2, "the name of a channel"),
        (["lab", "numpy", "-c", "ftp://host.example/c"], 4, "ftp"),
        (["lab", "numpy", "-c", "https://me:hunter2@host.example/c"], 2, "pixi auth login"),
        (["lab", "numpy", "-c", "https://host.example/t/hunter2/c"], 2, "pixi auth login"),
        (["lab", "numpy", "-c", "https://host.example/c/linux-64"], 2, "subdir"),
        (["lab", "--from", "absent.yml"], 3, "there is no file absent.yml"),
        (["lab", "--pypi", "rich=13"], 2, "no package of PyPI"),
        (["lab", "numpy", "-o", "there"], 2, "the mirror is DIR/mirror"),
    ],
)
def test_a_mistake_gets_one_sentence_and_nothing_is_made(world, words, ends, said):
    done = world.run("init", *words, env=led_to_upstream(world))
    assert done.status == ends, done.stderr
    assert said in done.stderr
    assert "hunter2" not in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (world.directory / "lab").exists()


def test_a_full_directory_is_refused_and_stays_as_it_is(world):
    lab = world.directory / "lab"
    lab.mkdir()
    (lab / "thesis.txt").write_text("mine")
    done = world.run("init", "lab", "numpy")
    assert (done.status, "thesis.txt" in done.stderr) == (8, True)
    (lab / "thesis.txt").rename(lab / "pixi.toml")
    done = world.run("init", "lab", "numpy")
    assert (done.status, "is a workspace already" in done.stderr) == (8, True)
    assert (lab / "pixi.toml").read_text() == "mine"
    (world.directory / "file").write_text("mine")
    done = world.run("init", "file", "numpy")
    assert (done.status, "is a file" in done.stderr) == (8, True)


def test_without_pixi_and_py_rattler_it_says_what_to_install(world):
    env = without_rattler(world)
    done = world.run("init", "lab", "numpy", env=env)
    assert done.status == 7
    assert "Install pixi (https://pixi.sh), or py-rattler" in done.stderr
    done = world.run("init", "lab", "numpy", "--pypi", "rich", env=env)
    assert done.status == 7
    assert "packages of PyPI are locked by pixi alone" in done.stderr
    assert not (world.directory / "lab").exists()


def test_a_dry_run_prints_the_manifest_and_needs_no_solver(world):
    done = world.run("init", "lab", "numpy>=2", "-p", "linux-64", "--dry-run", env=without_rattler(world))
    assert done.status == 0
    assert not (world.directory / "lab").exists()
    manifest = tomllib.loads(done.stdout)
    assert manifest["dependencies"] == {"numpy": ">=2"}
    assert manifest["workspace"]["channels"] == ["conda-forge"]
    assert list(manifest["feature"]["mirror"]["tasks"]) == TASKS


def test_words_may_stand_behind_options_and_channels_come_from_pixis_configuration(world):
    config = world.directory / "config.toml"
    config.write_text('default-channels = ["https://conda.example.com/team", "bioconda"]\n')
    words = ["init", "-p", "linux-64", "lab", "a", "-p", "osx-64", "b", "--dry-run", "--config-file", config]
    manifest = tomllib.loads(world.run(*words).stdout)
    assert list(manifest["dependencies"]) == ["a", "b"]
    assert manifest["workspace"]["channels"] == ["https://conda.example.com/team", "bioconda"]
    assert manifest["workspace"]["platforms"] == ["linux-64", "osx-64"]
    assert "dependencies" not in manifest["feature"]["mirror"]  # rattler-index is on conda-forge
    given = tomllib.loads(world.run(*words, "-c", "conda-forge", "-c", CONDA_FORGE).stdout)
    assert given["workspace"]["channels"] == ["conda-forge"]


def test_the_channel_of_a_package_is_added_behind_the_others(world):
    done = world.run("init", "lab", "bioconda::samtools", "conda-forge::numpy", "--dry-run")
    manifest = tomllib.loads(done.stdout)
    assert manifest["workspace"]["channels"] == ["conda-forge", "bioconda"]
    assert manifest["dependencies"]["samtools"] == {"version": "*", "channel": "bioconda"}


# Files that list packages.


FILES = {
    "environment.yml": "name: x\nchannels: [conda-forge, defaults, nodefaults]\ndependencies:\n- python=3.12\n"
    "- numpy >=2\n- pip:\n  - rich>=13\nvariables: {A: b}\n",
    "requirements.txt": "# of pip\nrich>=13 \\\n    --hash=sha256:00\n--index-url https://pypi.example/simple\n"
    "pywin32; sys_platform == 'win32'\n",
    "pyproject.toml": '[project]\nname = "x"\nrequires-python = ">=3.12"\ndependencies = ["rich>=13"]\n',
}


@pytest.mark.parametrize("name", FILES)
def test_packages_come_from_a_file(world, name):
    (world.directory / name).write_text(FILES[name])
    done = world.run("init", "lab", "--from", name, "-p", "linux-64", "-p", "win-64", "--dry-run")
    assert done.status == 0, done.stderr
    manifest = tomllib.loads(done.stdout)
    assert manifest["pypi-dependencies"] == {"rich": ">=13"}
    assert "python" in manifest["dependencies"]
    match name:
        case "environment.yml":
            assert manifest["dependencies"] == {"python": "3.12.*", "numpy": ">=2"}
            assert manifest["workspace"]["channels"] == ["conda-forge", "main", "r", "msys2"]
            assert "`variables` is left out" in done.stderr
        case "requirements.txt":
            assert manifest["target"] == {"win-64": {"pypi-dependencies": {"pywin32": "*"}}}
            assert "--index-url https://pypi.example/simple is left out" in done.stderr
        case _:
            assert manifest["dependencies"] == {"python": ">=3.12"}


@pytest.mark.parametrize(
    ("python", "wanted"),
    [
        ("python=3.10", True),
        ("python=3.12", False),
        ("python>=3.10", True),
        ("python", True),
        ("python=3.12|=3.10", True),
    ],
)
def test_a_marker_is_asked_of_the_python_that_is_named(world, python, wanted):
    (world.directory / "r.txt").write_text("tomli; python_version < '3.11'\n")
    done = world.run("init", "lab", python, "--from", "r.txt", "-p", "linux-64", "--dry-run")
    assert done.status == 0, done.stderr
    assert ("tomli" in tomllib.loads(done.stdout).get("pypi-dependencies", {})) is wanted
    assert ("tomli is left out" in done.stderr) is not wanted


@pytest.mark.parametrize(
    ("name", "content", "ends", "said"),
    [
        ("a.yml", "dependencies: numpy\n", 3, "no list `dependencies`"),
        ("a.yml", "dependencies: [{conda: [a]}]\n", 2, "is no package"),
        ("a.yml", "dependencies: [a\n", 3, "not valid YAML"),
        ("a.yml", "dependencies: ['a>>1']\n", 2, "a.yml: 'a>>1' is no package"),
        ("r.txt", "-r other.txt\n", 2, "leads to another file"),
        ("r.txt", "a @ https://h.example/a.whl\n", 2, "names a URL"),
        ("r.txt", "\n", 2, "no package is named"),
        ("p.toml", "[tool.pixi.workspace]\n", 3, "a pixi workspace already"),
        ("p.toml", "[tool.poetry]\n", 3, "no table [project]"),
        ("p.toml", "[project\n", 3, "not valid TOML"),
    ],
)
def test_a_file_that_lists_none_is_refused(world, name, content, ends, said):
    (world.directory / name).write_text(content)
    done = world.run("init", "lab", "--from", name, "--dry-run")
    assert done.status == ends, done.stderr
    assert said in done.stderr


# Names to a mirror, with pixi.


class Lab:
    """A user with a pixi that locks python and numpy, and a channel that has them."""

    def __init__(self, world):
        self.world = world
        self.stub = StubPixi(world.directory / "pixi-bin")
        self.directory = world.directory / "lab"
        self.manifest = self.directory / "pixi.toml"
        packages = lab_packages()
        publish_channel(world, packages)
        entry = {package.file_name: package for package in packages if package.record["subdir"] != "osx-arm64"}
        names = ["tzdata-2025b-h1_0.conda", "python-3.12.11-h1_0.conda", "numpy-2.3.1-py312h1_0.conda"]
        self.entries = [self.locked(entry[name]) for name in names]
        tools = [self.locked(entry["rattler-index-0.28.1-h1_0.conda"])]
        described = {
            name: LockEnvironment(channels=(CONDA_FORGE,), packages={"linux-64": tuple(entries)})
            for name, entries in {"default": self.entries, "mirror": tools}.items()
        }
        self.text = lock_text(LockDescription(environments=described))
        platforms = {"default": ["linux-64"], "mirror": ["linux-64"]}
        lists = {"default linux-64": rows_of(self.entries), "mirror linux-64": rows_of(tools)}
        self.stub.knows(self.manifest, info=info_of(self.manifest, platforms), lists=lists)
        self.stub.locks(self.manifest, text=self.text)

    def locked(self, package):
        return CondaLockEntry(
            url=f"{CONDA_FORGE}/{package.record['subdir']}/{package.file_name}", record=dict(package.record)
        )

    @property
    def environment(self):
        return self.world.environment | self.stub.environ(self.world.environment) | led_to_upstream(self.world)

    def run(self, *words, **options):
        words = words or ("python=3.12", "numpy")
        return self.world.run("init", "lab", *words, "-p", "linux-64", env=self.environment, **options)

    @property
    def packages(self):
        return sorted(path.name for path in self.directory.rglob("*.conda"))


@pytest.fixture
def lab(world):
    return Lab(world)


@needs_stub
def test_pixi_locks_it_and_it_is_mirrored_and_verified(lab):
    done = lab.run()
    assert done.status == 0, done.stderr
    assert [call.words[0] for call in lab.stub.calls] == ["lock", "info", "list"]
    assert lab.stub.calls[0].words == ["lock", "--manifest-path", str(lab.manifest)]
    assert (lab.directory / "pixi.lock").read_text() == lab.text
    assert lab.packages == sorted(entry.url.rpartition("/")[2] for entry in lab.entries)  # no rattler-index
    assert oracle.problems(lab.directory / "mirror") == []
    lines = done.stdout.splitlines()
    assert lines[0] == "locked by pixi: lab/pixi.lock (linux-64)"
    assert lines[1].startswith("brought 3 files")
    assert lines[2].endswith("all is as recorded")
    assert lines[3] == "from now on, in lab:"
    if sys.platform == "linux":
        assert [line.split("  # ")[0].strip() for line in lines[4:]] == DAILY
    manifest = tomllib.loads(lab.manifest.read_text())
    assert manifest["environments"]["mirror"]["no-default-feature"] is True
    # And from now on, as the tasks do:
    follows = lab.world.run(cwd=lab.directory, env=lab.environment)
    assert follows.stdout.startswith("nothing to do: mirror holds")


@needs_stub
def test_the_same_command_again_does_nothing_and_another_is_refused(lab):
    assert lab.run().status == 0
    lab.stub.forget_calls()
    again = lab.run()
    assert again.status == 0
    assert again.stdout.startswith("locked before: lab/pixi.lock (linux-64)\nnothing to do: ")
    assert "lock" not in [call.words[0] for call in lab.stub.calls]
    other = lab.run("python=3.13")
    assert (other.status, "not the one that this command makes" in other.stderr) == (8, True)


@needs_stub
def test_if_pixi_fails_nothing_is_left_and_its_reason_is_given(lab):
    lab.stub.locks(lab.manifest, status=1, stderr="Error:   \u00d7 failed to solve\n  \u2570\u2500\u25b6 no way\n")
    done = lab.run()
    assert done.status == 3
    assert "pixi cannot lock these packages: failed to solve: no way" in done.stderr
    assert not lab.directory.exists()
    lab.directory.mkdir()
    assert lab.run().status == 3
    assert list(lab.directory.iterdir()) == []


@needs_stub
def test_a_workspace_that_cannot_be_locked_again_stays_as_it_is(lab):
    assert lab.run().status == 0
    (lab.directory / "pixi.lock").unlink()
    (lab.directory / ".pixi").mkdir()
    before = lab.manifest.read_bytes()
    lab.stub.locks(lab.manifest, status=1, stderr="Error:   \u00d7 failed to solve\n")
    assert lab.run().status == 3
    assert lab.manifest.read_bytes() == before
    assert sorted(path.name for path in lab.directory.iterdir()) == [".pixi", "mirror", "pixi.toml"]
    lab.stub.locks(lab.manifest, text=lab.text)
    assert "nothing to do" in lab.run().stdout


@needs_stub
def test_a_mistyped_name_gets_the_nearest_of_the_channel(lab):
    lab.stub.locks(lab.manifest, status=1, stderr="Error:   \u00d7 no candidates were found for nunpy *\n")
    done = lab.run("python", "nunpy")
    assert done.status == 3
    assert "conda-forge has no package for linux-64 that is called 'nunpy', perhaps 'numpy' was meant." in done.stderr
    assert not lab.directory.exists()


@needs_stub
def test_without_a_network_the_status_is_5(lab):
    lab.stub.locks(lab.manifest, status=1, stderr="Error:   \u00d7 error sending request\n")
    lab.world.upstream.script("*", status(503))
    done = lab.run("python", "numpy", "--retries", "0")
    assert done.status == 5, done.stderr
    assert not lab.directory.exists()


@needs_stub
def test_a_channel_without_rattler_index_makes_a_workspace_without_it(lab):
    for subdir in ("linux-64", "osx-arm64"):
        path = lab.world.root / "conda-forge" / subdir / "repodata.json"
        document = json.loads(path.read_text())
        document["packages.conda"].pop("rattler-index-0.28.1-h1_0.conda")
        path.write_text(json.dumps(document))
    lab.stub.locks(lab.manifest, text=lab.text, refused={"rattler-index = ": "Error:   \u00d7 no candidates\n"})
    done = lab.run()
    assert done.status == 0, done.stderr
    assert "the channels have no rattler-index" in done.stderr
    assert "rattler-index = " not in lab.manifest.read_text()
    assert lab.run().stdout.startswith("locked before")


@pytest.mark.slow
@needs_stub
def test_a_run_that_is_killed_is_finished_by_the_next_one(lab, tmp_path):
    """Of all calls that change a disk a sample, the first and the last among them."""
    words = ["init", "lab", "python=3.12", "numpy", "-p", "linux-64", "--jobs", "1"]
    calls = program.mutating_calls(words, env=lab.environment, cwd=tmp_path, below=lab.directory)
    whole = {path.name: path.read_bytes() for path in lab.directory.glob("pixi.*")}
    expected = lab.packages
    shutil.rmtree(lab.directory)
    assert len(calls) > 20
    for point in [*calls[:6], *calls[6:-1:9], calls[-1]]:
        done = program.run(words, env=lab.environment, cwd=tmp_path, point=point, below=lab.directory)
        assert done.status == kill.KILLED
        again = lab.run("python=3.12", "numpy", "--jobs", "1")
        assert again.status == 0, (point, again.stderr)
        assert {path.name: path.read_bytes() for path in lab.directory.glob("pixi.*")} == whole
        assert lab.packages == expected
        assert [path.name for path in lab.directory.glob(".init.*")] == []
        shutil.rmtree(lab.directory)


@needs_stub
def test_the_documented_json_has_the_keys_of_a_real_run(lab):
    text = (ROOT / "docs" / "init.md").read_text(encoding="utf-8")
    (documented,) = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, flags=re.DOTALL))
    done = lab.run("python=3.12", "numpy", "--json")
    assert done.status == 0, done.stderr
    assert done.json.keys() == documented.keys()
    assert {key: type(value) for key, value in done.json.items()} == {
        key: type(value) for key, value in documented.items()
    }
    failed = lab.world.run_json("init", "lab", "a", status=8)
    assert failed.keys() == documented.keys() | {"error"}


def test_the_tasks_in_the_docs_are_those_that_are_added():
    text = (ROOT / "docs" / "init.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
    assert add_tasks("[tasks]\n", path=()).text == block
