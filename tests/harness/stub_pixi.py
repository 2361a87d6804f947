"""A program that stands for pixi: it replays recorded answers, and fails loudly when it is not called with care."""

import gzip
import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.lockfile.writer import CondaLockEntry, LockEntry, PypiLockEntry

RECORDED = Path(__file__).parents[1] / "recorded"
"""Answers of the real pixi about a small workspace."""

_PROGRAM = """\
import json, os, sys

HERE = os.path.dirname(os.path.realpath(__file__))
ALLOWED = {"PIXI_HOME", "PIXI_CONFIG_FILE", "PIXI_NO_CONFIG", "PIXI_AUTH_FILE", "PIXI_OFFLINE", "PIXI_CACHE_DIR"}
words = sys.argv[1:]

def end(status, stdout="", stderr=""):
    sys.stdout.write(stdout)
    sys.stderr.write(stderr)
    sys.exit(status)

def refuse(why):
    end(99, stderr="Error:   \\u00d7 the stub was called carelessly: " + why + "\\n")

def option(name):
    return words[words.index(name) + 1] if name in words else None

with open(HERE + "/calls.jsonl", "a") as log:
    log.write(json.dumps({"words": words, "cwd": os.getcwd()}) + "\\n")
with open(HERE + "/answers.json") as file:
    answers = json.load(file)
inherited = sorted(name for name in os.environ if name.startswith("PIXI_") and name not in ALLOWED)
if inherited:
    refuse("it inherits " + ", ".join(inherited))
if words[:2] not in (["info", "--json"], ["list", "--json"]) and words[:1] != ["lock"]:
    refuse("it is asked " + " ".join(words))
manifest = option("--manifest-path")
if manifest is not None and not os.path.isabs(manifest):
    refuse("its manifest path is relative: " + manifest)
if (manifest is not None or words[0] != "info") and os.listdir():
    refuse("it is asked about a manifest from " + os.getcwd() + ", which is not empty")
if words[0] == "list" and ("--frozen" in words) == ("--locked" in words):
    refuse("it needs --frozen or --locked, and not both")
if words[0] != "info" and manifest is None:
    refuse("it is asked to " + words[0] + " without a manifest")

def around():
    folder = os.getcwd()
    while True:
        for name in ("pixi.toml", "pyproject.toml", "mojoproject.toml"):
            path = os.path.join(folder, name)
            if path in answers["workspaces"]:
                return path
        if folder == os.path.dirname(folder):
            return None
        folder = os.path.dirname(folder)

manifest = manifest or around()
known = answers["workspaces"].get(manifest, {})

def told(answer):
    text = answer.get("stdout", "")
    if "path" in answer:
        import gzip
        with (gzip.open if answer["path"].endswith(".gz") else open)(answer["path"], "rt") as file:
            text = file.read()
    end(answer.get("status", 0), text, answer.get("stderr", ""))

if words[0] == "lock":
    lock = known.get("lock", {"status": 1, "stderr": "Error:   \\u00d7 the stub knows no lock\\n"})
    with open(manifest) as file:
        text = file.read()
    for word, stderr in lock.get("refused", {}).items():
        if word in text:
            end(1, stderr=stderr)
    if "text" in lock:
        with open(os.path.join(os.path.dirname(manifest), "pixi.lock"), "w") as file:
            file.write(lock["text"])
    told(lock)
if words[0] == "info":
    told(known.get("info") or {"stdout": json.dumps({"version": answers["version"], "project_info": None,
                                                     "environments_info": []})})
if "failure" in known:
    told(known["failure"])
if "--locked" in words:
    told(known.get("locked", {"stdout": "[]"}))
if option("--environment") is None or option("--platform") is None:
    if known.get("loads", True):
        end(0, "[]")
    refuse("it needs --environment and --platform")
place = option("--environment") + " " + option("--platform")
told(known.get("list", {}).get(place, {"stdout": "[]"}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One time that the stub was started."""

    words: list[str]
    cwd: str

    @property
    def place(self) -> str | None:
        """Environment and platform that were asked for; None: none."""
        if "--environment" not in self.words:
            return None
        return " ".join(self.words[self.words.index(name) + 1] for name in ("--environment", "--platform"))


class StubPixi:
    """A stub, and what it is to answer."""

    def __init__(self, directory: Path, *, version: str = "0.77.0") -> None:
        """Install it as `pixi` in a directory, which is made."""
        directory.mkdir(parents=True)
        self.directory = directory
        self.program = directory / "pixi"
        # It is started hundreds of times: hence -S, -E and no pathlib.
        self.program.write_text(f"#!{sys.executable} -SE\n{_PROGRAM}")
        self.program.chmod(0o755)
        self._answers = {"version": version, "workspaces": {}}
        self._write()

    def _write(self) -> None:
        (self.directory / "answers.json").write_text(json.dumps(self._answers))

    @property
    def calls(self) -> list[Call]:
        """Every start so far."""
        log = self.directory / "calls.jsonl"
        return [Call(**json.loads(line)) for line in log.read_text().splitlines()] if log.exists() else []

    def forget_calls(self) -> None:
        """Begin to count anew."""
        (self.directory / "calls.jsonl").unlink(missing_ok=True)

    def upgrade(self) -> None:
        """Become another file, as a new version would be."""
        self.program.write_text(self.program.read_text() + "\n# newer\n")

    def knows(
        self,
        manifest: Path,
        *,
        info: Mapping | None,
        lists: Mapping[str, Iterable[Mapping] | Path] | None = None,
        failure: Mapping | None = None,
        locked: Mapping | None = None,
    ) -> None:
        """Answer so about a manifest.

        Args:
            manifest: As it is asked for.
            info: What `pixi info` prints; None: it does not load.
            lists: `environment platform` -> rows, or a file that holds them (may be `.gz`); `[]` for all others.
            failure: `status` and `stderr` of every `pixi list`.
            locked: The same of `pixi list --locked`; None: it is current.
        """
        lists = lists or {}
        answer: dict = {
            "list": {
                place: {"path": str(rows)} if isinstance(rows, Path) else {"stdout": json.dumps(list(rows))}
                for place, rows in lists.items()
            }
        }
        if info is not None:
            answer["info"] = {"stdout": json.dumps(info)}
        if failure is not None:
            answer["failure"] = dict(failure)
        if locked is not None:
            answer["locked"] = dict(locked)
        known = self._answers["workspaces"].get(str(manifest), {})
        self._answers["workspaces"][str(manifest)] = answer | {key: known[key] for key in ("lock",) if key in known}
        self._write()

    def locks(
        self,
        manifest: Path,
        *,
        text: str | None = None,
        refused: Mapping[str, str] | None = None,
        status: int = 0,
        stderr: str = "",
    ) -> None:
        """Answer so to `pixi lock` about a manifest.

        Args:
            manifest: As it is asked for.
            text: Of the lock that it writes; None: it writes none.
            refused: A word -> what it says on stderr, with status 1, while the manifest has that word.
            status: How it ends else.
            stderr: What it says else.
        """
        answer = {"refused": dict(refused or {}), "status": status, "stderr": stderr}
        answer |= {} if text is None else {"text": text}
        self._answers["workspaces"].setdefault(str(manifest), {})["lock"] = answer
        self._write()

    def environ(self, base: Mapping[str, str]) -> dict[str, str]:
        """An environment in which it is found on PATH."""
        return {**base, "PATH": os.pathsep.join([str(self.directory), base.get("PATH", "")])}


def info_of(manifest: Path, environments: Mapping[str, Iterable[str | Mapping]], *, version: str = "0.77.0") -> dict:
    """What `pixi info` says of a workspace: name of an environment -> its platforms."""
    return {
        "version": version,
        "project_info": {"name": manifest.parent.name, "manifest_path": str(manifest)},
        "environments_info": [
            {"name": name, "platforms": [_platform(each) for each in platforms]}
            for name, platforms in environments.items()
        ],
    }


def _platform(platform: str | Mapping) -> Mapping:
    if isinstance(platform, str):
        return {"name": platform, "subdir": platform, "virtual_packages": []}
    return platform


def rows_of(entries: Iterable[LockEntry]) -> list[dict]:
    """What `pixi list` says of entries of a lock: less than the lock does."""
    return [_conda_row(entry) if isinstance(entry, CondaLockEntry) else _pypi_row(entry) for entry in entries]


def _conda_row(entry: CondaLockEntry) -> dict:
    record = entry.record
    return {
        "name": record["name"],
        "version": record["version"],
        "build": record["build"],
        "build_number": record["build_number"],
        "size_bytes": record.get("size"),
        "kind": "conda",
        "source": entry.url.rsplit("/", 2)[0],
        "is_explicit": True,
        "md5": record.get("md5"),
        "sha256": record.get("sha256"),
        "subdir": record["subdir"],
        "timestamp": record.get("timestamp"),
        "noarch": record.get("noarch"),
        "file_name": entry.url.rsplit("/", 1)[1],
        "url": entry.url,
        "depends": list(record.get("depends", ())),
        "constrains": list(record.get("constrains", ())),
        "track_features": [],
    }


def _pypi_row(entry: PypiLockEntry) -> dict:
    return {
        "name": entry.name.replace("-", "_"),
        "version": entry.version,
        "kind": "pypi",
        "sha256": entry.sha256,
        "md5": None,
        "file_name": None,
        "url": entry.url,
    }


def recorded(case: str) -> dict:
    """One recorded call: `stdout`, `stderr` and `status`."""
    return recorded_in(RECORDED / "cases" / case)


def recorded_in(folder: Path) -> dict:
    """A recorded call that is kept in a folder."""
    return {
        "stdout": (folder / "stdout").read_text(encoding="utf-8"),
        "stderr": (folder / "stderr").read_text(encoding="utf-8"),
        "status": json.loads((folder / "command.json").read_text())["exit_status"],
    }


def moved(info: Mapping, manifest: Path) -> dict:
    """A recorded `pixi info` as if the workspace were where `manifest` is."""
    return {**info, "project_info": {**info["project_info"], "manifest_path": str(manifest)}}


def unpacked(path: Path) -> list[dict]:
    """The rows in a recorded `list--ENV--PLATFORM.json.gz`."""
    return json.loads(gzip.decompress(path.read_bytes()))
