"""Install conda packages into a prefix with py-rattler in a process of its own, and read which are installed."""

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from pixi_mirror.disk.files import explain_errors, read_bytes
from pixi_mirror.environments.staging import RECORDS
from pixi_mirror.errors import DiskFullError, MachineError, ProgramError
from pixi_mirror.model.values import Json
from pixi_mirror.process import run

_PATIENCE_S = 6 * 3600.0
_DIST_INFO = re.compile(r"^(?:.*/)?([^/\n]+\.dist-info)/", re.MULTILINE)
_FULL = re.compile(r"\(os error (?:27|28|112|122)\)")
"""How Rust tells of a full disk (112: on Windows), an exhausted quota or a limit."""
_HISTORY = b"// not relevant for pixi but for `conda run -p`"
"""What pixi writes there: conda takes no directory without a history for an environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A conda package on this disk, verified, and what its record in the environment is to say."""

    file_name: str
    subdir: str
    """It lies in this folder of the channel."""
    record: Mapping[str, Json]
    """As in `repodata.json`."""
    url: str
    """Where it once came from."""
    channel: str | None
    """The URL of its channel; None: nobody knows."""

    @property
    def name(self) -> str:
        """The package's name."""
        return str(self.record["name"])

    @property
    def stem(self) -> str:
        """Name, version and build, as they begin the file's name."""
        return self.file_name.removesuffix(".conda").removesuffix(".tar.bz2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What an environment says of one of its conda packages."""

    name: str
    version: str
    build: str
    sha256: str | None
    md5: str | None
    """Of the archive, both; None: its record does not say."""
    site_packages: str | None
    """Of Python: the folder of its packages, from the prefix; None: where it is by default, or this is no Python."""
    dist_infos: frozenset[str]
    """The names of the folders by which Python knows what is in it."""

    def is_made_of(self, archive: Archive) -> bool:
        """Whether it was installed from the same archive, as far as its record tells."""
        record = archive.record
        if (self.version, self.build) != (record["version"], record["build"]):
            return False
        hashes = ((self.sha256, record.get("sha256")), (self.md5, record.get("md5")))
        return next((one == other for one, other in hashes if one and other), True)


def installed(prefix: Path) -> Mapping[str, Installed]:
    """The conda packages of an environment by name; of a directory that is none, nothing.

    Raises:
        MachineError: its records cannot be read.
    """
    found = {}
    for path, record in _records(prefix):
        try:
            found[record["name"]] = Installed(
                name=record["name"],
                version=record["version"],
                build=record["build"],
                sha256=record.get("sha256"),
                md5=record.get("md5"),
                site_packages=record.get("python_site_packages_path"),
                dist_infos=frozenset(_DIST_INFO.findall("\n".join(map(str, record.get("files") or ())))),
            )
        except KeyError as error:
            raise MachineError(f"{path} is no record of a conda package: it has no {error}. {_REMEDY}") from None
    return found


_REMEDY = "Remove the environment and run the same command again."


def _records(prefix: Path) -> Iterable[tuple[Path, dict[str, Json]]]:
    folder = prefix / RECORDS
    with explain_errors("read", folder):
        paths = sorted(folder.glob("*.json"))
        for path in paths:
            try:
                record = json.loads(read_bytes(path))
            except (ValueError, RecursionError):
                raise MachineError(f"{path} does not parse. {_REMEDY}") from None
            if not isinstance(record, dict):
                raise MachineError(f"{path} is no record of a conda package. {_REMEDY}")
            yield path, record


def require_installer() -> None:
    """Refuse to begin what py-rattler is needed for where it is not.

    Raises:
        ProgramError: it is not installed.
    """
    if find_spec("rattler") is None:
        raise ProgramError(
            "unpacking needs py-rattler, which is not installed for this Python. Install the extra `unpack`, for "
            "example with `pip install 'pixi-mirror[unpack]'`."
        )


def install(
    archives: Sequence[Archive], *, channel: Path, at: Path, prefix: Path, subdir: str, work: Path, jobs: int
) -> None:
    """Make the conda packages in `at` exactly these, for use at `prefix`; only what differs is touched.

    The files of the packages are `channel/<subdir>/<file name>`; `work` is a folder on the filesystem of `at`, in which
    they are extracted, so that they can be linked.

    Raises:
        ProgramError: py-rattler is not there, or failed; it is quoted.
        MachineError: nothing can be written there, or the disk is full.
    """
    require_installer()
    with explain_errors("write", work):
        question = _written_question(archives, channel=channel, at=at, prefix=prefix, subdir=subdir, work=work)
    command = [sys.executable, str(Path(__file__).with_name("linking_child.py")), str(question)]
    done = run(command, cwd=work, environ=_environ(jobs), timeout_s=_PATIENCE_S)
    if done.status != 0 and _FULL.search(done.last_words):
        raise DiskFullError(
            f"the packages cannot be installed into {prefix}: no space is left on its disk, which needs room for the "
            "pack and for what is in its packages. Free some and run the same command again; nothing was changed."
        )
    if done.status != 0:
        raise ProgramError(
            f"the packages cannot be installed into {prefix}: py-rattler ended with status {done.status} and said: "
            f"{done.last_words}"
        )
    _tell_origins(at, archives)
    with explain_errors("write", at / RECORDS):
        (at / RECORDS / "history").write_bytes(_HISTORY)


def _written_question(
    archives: Sequence[Archive], *, channel: Path, at: Path, prefix: Path, subdir: str, work: Path
) -> Path:
    """The file that tells the child what to do, and beside it the records to install."""
    subdirs: dict[str, dict[str, Json]] = {}
    for archive in archives:
        subdirs.setdefault(archive.subdir, {})[archive.file_name] = dict(archive.record)
    repodata = []
    for number, (name, records) in enumerate(sorted(subdirs.items())):
        path = work / f"repodata-{number}.json"
        document = {"info": {"subdir": name}, "packages": {}, "packages.conda": records, "repodata_version": 2}
        path.write_text(json.dumps(document), encoding="utf-8")
        repodata.append(str(path))
    question = work / "question.json"
    told = {
        "channel": str(channel),
        "repodata": repodata,
        "packages": len(archives),
        "at": str(at),
        "prefix": str(prefix),
        "cache": str(work / "pkgs"),
        "subdir": subdir,
    }
    question.write_text(json.dumps(told), encoding="utf-8")
    return question


def _environ(jobs: int) -> Mapping[str, str]:
    """Nothing of the user's: no proxy, no credentials, no settings; Windows starts no program without its root."""
    threads = {name: str(jobs) for name in ("RAYON_NUM_THREADS", "TOKIO_WORKER_THREADS")}
    threads["MALLOC_ARENA_MAX"] = "2"  # measured: 300 packages in 73 MiB instead of 105, and no slower
    return threads | ({"SYSTEMROOT": "C:\\Windows"} if os.name == "nt" else {})


def _tell_origins(at: Path, archives: Iterable[Archive]) -> None:
    """Name in the records where the packages came from, and no folder that is about to vanish."""
    by_stem = {archive.stem: archive for archive in archives}
    for path, record in _records(at):
        archive = by_stem.get(path.name.removesuffix(".json"))
        if archive is None:
            continue
        for key in ("channel", "extracted_package_dir", "package_tarball_full_path", "link"):
            record.pop(key, None)
        record["url"] = archive.url
        if archive.channel is not None:
            record["channel"] = archive.channel
        with explain_errors("write", path):
            path.write_text(json.dumps(record, indent=2, ensure_ascii=False), encoding="utf-8")
