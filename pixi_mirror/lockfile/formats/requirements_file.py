"""Read a requirements file with hashes, and the files that it includes; no server is asked.

The syntax is that of pip ("Requirements File Format"); `uv export`, `uv pip compile` and `pip-compile` write it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from pixi_mirror.disk.files import read_bytes
from pixi_mirror.errors import MachineError, WorkspaceError
from pixi_mirror.lockfile.fields import Malformed, conflict_line, shortened
from pixi_mirror.lockfile.yaml_reader import SIZE_LIMIT
from pixi_mirror.model.values import Sha256, admit_sha256
from pixi_mirror.paths import local_path, local_url
from pixi_mirror.pypi.names import file_name_of, form_of, is_wheel_name, wheel_name

_COMMENT = re.compile(r"(?:^|\s)#.*$")
_OPTIONS = re.compile(r"\s(?=--?[a-z])")
"""Where the options of a requirement begin: no marker and no version has a hyphen behind white space."""
_INCLUDE = re.compile(r"(?:-r|-c|--requirement|--constraint)(?:\s*=?\s*)(\S.*)")
_VARIABLE = re.compile(r"\$\{[A-Za-z0-9_]+\}")
_URL = re.compile(r"(?:https?|file)://\S+", re.IGNORECASE)
_GIT = re.compile(r"(git\+[a-z]+://[^@#\s]*(?:@[^/@#\s]+/[^@#\s]*)?)@([0-9a-f]{40})(?:#(.*))?", re.IGNORECASE)
_MOST_FILES = 100
_LONGEST = 8192
"""Characters of a requirement without its hashes; reading a longer one could take long."""
_IGNORED = ("--pre", "--require-hashes", "--trusted-host", "--use-feature", "--prefer-binary", "--only-binary")
"""Options that change nothing about which files are meant."""
_OF_BUILDS = ("--global-option", "--config-settings", "--config-setting", "--build-option", "--install-option")
_LISTS = {
    "-i": "indexes", "--index-url": "indexes", "--pypi-url": "indexes", "--extra-index-url": "extra_indexes",
    "-f": "find_links", "--find-links": "find_links", "--no-binary": "no_binary",
}  # fmt: skip
ADVICE = (
    "write it with hashes, by `uv export --format requirements.txt`, `uv pip compile --generate-hashes` or "
    "`pip-compile --generate-hashes`"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedRequirement:
    """One requirement of the file."""

    name: str
    """Normalised."""
    version: str | None
    """None: it is pinned by a URL or a path."""
    location: str | None
    """A URL or a path, as `PypiEntry` has it; None: it comes from an index."""
    hashes: frozenset[Sha256]
    """Of the files that may be taken; empty: there is none that a mirror keeps."""
    marker: str | None
    is_editable: bool


@dataclass(slots=True, kw_only=True)
class RequirementsFile:
    """A requirements file with all that it includes."""

    requirements: list[LockedRequirement] = field(default_factory=list)
    indexes: list[str] = field(default_factory=list)
    """URLs as written; of several the last one counts."""
    extra_indexes: list[str] = field(default_factory=list)
    find_links: list[str] = field(default_factory=list)
    """URLs or paths as written."""
    no_binary: list[str] = field(default_factory=list)
    """Normalised names of projects whose wheels are not taken; `:all:` for all."""
    has_no_index: bool = False
    included: dict[Path, bytes] = field(default_factory=dict)
    """The files that it includes, directly or not, with their content."""

    @property
    def urls(self) -> tuple[str, ...]:
        """Of all its indexes and pages of links, as written."""
        return (*self.indexes, *self.extra_indexes, *self.find_links)

    def local_archives(self, directory: Path) -> list[Path]:
        """The archives of this machine that it names without a sha256, in order; paths start at `directory`."""
        base = directory.as_uri() + "/"
        places = (each.location for each in self.requirements if each.location is not None and not each.hashes)
        forms = ("local wheel", "local sdist")
        return sorted(local_path(local_url(place, base)) for place in places if form_of(place) in forms)


def _read_included(path: Path, *, by: Path) -> bytes:
    try:
        return read_bytes(path, limit=SIZE_LIMIT)
    except (OSError, ValueError, MachineError) as error:
        problem = getattr(error, "strerror", None) or "it is too large"
        raise WorkspaceError(f"{by} includes {path}, which cannot be read: {problem}.") from None


def read_requirements(data: bytes, path: Path) -> RequirementsFile:
    """Read a requirements file.

    Raises:
        WorkspaceError: it is damaged, has no hashes, or includes what cannot be read.
    """
    found, constraints = RequirementsFile(), RequirementsFile()
    _RequirementsReader(path, found, constraints).read(data, path)
    if not any(each.hashes for each in (*found.requirements, *constraints.requirements)):
        raise WorkspaceError(f"{path} has no hashes (sha256), so it does not say which files are meant: {ADVICE}.")
    found.requirements = [_constrained(each, constraints.requirements) for each in found.requirements]
    return found


def _constrained(requirement: LockedRequirement, constraints: list[LockedRequirement]) -> LockedRequirement:
    """The requirement with the version and the hashes that a constraint has, where it has none itself."""
    if requirement.hashes or requirement.location is not None:
        return requirement
    for each in constraints:
        if each.name == requirement.name and requirement.version in (None, each.version):
            return replace(requirement, version=each.version, hashes=each.hashes)
    return requirement


class _RequirementsReader:
    """Reads one file after the other into one result."""

    def __init__(self, root: Path, into: RequirementsFile, constraints: RequirementsFile) -> None:
        self._root = root
        self._into = into
        self._constraints = constraints

    def read(self, data: bytes, path: Path, *, constrains: bool = False) -> None:
        """Read one file, and those that it includes; `constrains`: it is a file of constraints.

        Raises:
            WorkspaceError: it cannot be read, or has a line that means nothing for a lock; the message has the line.
        """
        if (conflict := conflict_line(data)) is not None:
            raise WorkspaceError(f"{path}: unresolved merge conflict at line {conflict}. Take either side.")
        into = self._constraints if constrains else self._into
        for number, line in _lines(data):
            try:
                self._take(line, path, into)
            except (ValueError, InvalidRequirement) as error:
                problem = shortened(str(error).partition("\n")[0], most=200)
            except RecursionError:
                problem = "a marker that is nested too deeply"
            else:
                continue
            raise WorkspaceError(f"{path}, line {number}: {problem}. Correct it, or {ADVICE}.")

    def _take(self, line: str, path: Path, into: RequirementsFile) -> None:
        if (include := _INCLUDE.fullmatch(line)) is not None:
            place = path.parent / include[1].strip("'\"")
            constrains = into is self._constraints or line.startswith(("-c", "--constraint"))
            if place in self._into.included or place == self._root:
                return
            if len(self._into.included) == _MOST_FILES:
                raise Malformed(f"it includes more than {_MOST_FILES} files, so it is no real lock")
            content = self._into.included[place] = _read_included(place, by=path)
            self.read(content, place, constrains=constrains)
        elif line.startswith(("-e ", "-e=", "--editable ", "--editable=")):
            into.requirements.append(_requirement(re.split(r"[\s=]+", line, maxsplit=1)[1], is_editable=True))
        elif line.startswith("-"):
            self._take_option(line)
        else:
            into.requirements.append(_requirement(line, is_editable=False))

    def _take_option(self, line: str) -> None:
        option, _, value = re.sub(r"\s+|=", " ", line, count=1).partition(" ")
        if option == "--no-index":
            self._into.has_no_index = True
        elif option in _LISTS:
            value = _without_variables(value.strip().strip("'\""))
            known: list[str] = getattr(self._into, _LISTS[option])
            known += map(_project, value.split(",")) if option == "--no-binary" else [value]
        elif option not in _IGNORED:
            raise Malformed(f"there is no option {shortened(option)!r}")


def _project(name: str) -> str:
    return name if name.startswith(":") else canonicalize_name(name)


def _without_variables(url: str) -> str:
    """The URL without a user that variables of the environment spell: credentials are those of the user's stores.

    Raises:
        Malformed: another part of it has a variable.
    """
    bare = re.sub(r"(?<=://)[^/@]*\$\{[^/@]*@", "", url)
    if _VARIABLE.search(bare):
        raise Malformed("a URL with a variable in it, which is not known here")
    return bare


def _lines(data: bytes) -> Iterator[tuple[int, str]]:
    """The logical lines with the number of their first physical one, without comments and empty ones."""
    physical = data.decode("utf-8-sig", "surrogateescape").splitlines()
    whole, first = "", 1
    for number, line in enumerate(physical, start=1):
        is_comment = line.lstrip().startswith("#")
        first = first if whole else number
        if line.endswith("\\") and not is_comment:
            whole += line[:-1].strip() + " "
            continue
        text = _COMMENT.sub("", f"{whole}{'' if is_comment else line}").strip()
        whole = ""
        if text:
            yield first, text
    if whole.strip():
        yield first, whole.strip()


def _requirement(line: str, *, is_editable: bool) -> LockedRequirement:
    """One requirement.

    Raises:
        ValueError: it is none, or not pinned.
    """
    text, *options = _OPTIONS.split(line, maxsplit=1)
    if len(text) > _LONGEST:
        raise Malformed(f"a requirement of more than {_LONGEST} characters")
    hashes = _hashes(options[0] if options else "") or _hash_of_url(text)
    text = _without_variables(text.strip())
    if is_editable or text.startswith((".", "/", "file:")) or "://" in text.partition("@")[0]:
        place, _, marker = text.partition(" ;")
        location = _location(re.sub(r"\[[^]]*\]$", "", place.strip()))
        name, version, condition = _name_of(place.strip()), "", marker.strip() or None
    else:
        parsed = Requirement(text)
        pinned = [each.version for each in parsed.specifier if each.operator in ("==", "===")]
        name, version = canonicalize_name(parsed.name), next((each for each in pinned if "*" not in each), "")
        location = _location(parsed.url) if parsed.url is not None else ""
        condition = None if parsed.marker is None else str(parsed.marker)
    return LockedRequirement(
        name=name,
        version=version or None,
        location=location or None,
        hashes=hashes,
        marker=condition,
        is_editable=is_editable,
    )


def _hashes(options: str) -> frozenset[Sha256]:
    """The sha256 among the hashes; others are not kept by a mirror.

    Raises:
        ValueError: one of them is none, or an option is unknown.
    """
    found = set()
    for option, value in re.findall(r"(--?[a-z-]+)(?:[=\s]\s*(?!-)(\S*))?", options):
        if option in _OF_BUILDS:
            continue
        algorithm, _, digits = value.partition(":")
        if option != "--hash" or not re.fullmatch(r"[a-z0-9_]+", algorithm):
            raise Malformed(f"{shortened(option)} {shortened(value)} is no hash")
        if algorithm == "sha256":
            found.add(admit_sha256(digits.lower()))
    return frozenset(found)


def _hash_of_url(text: str) -> frozenset[Sha256]:
    """The sha256 in the fragment of a URL, as pip takes it."""
    found = re.search(r"://[^#\s]*#(?:\S*&)?sha256=([0-9A-Fa-f]{64})(?=[&\s]|\Z)", text)
    return frozenset() if found is None else frozenset({admit_sha256(found[1].lower())})


def _location(place: str) -> str:
    """A URL or a path, spelled as `PypiEntry` has it.

    Raises:
        Malformed: it is neither.
    """
    if (git := _GIT.fullmatch(place)) is not None:
        query = "&".join(part for part in (git[3] or "").split("&") if part.startswith("subdirectory="))
        return f"{git[1]}{'?' if query else ''}{query}#{git[2]}"
    if place.lower().startswith("git+"):
        raise Malformed("a source in git that is not pinned to a commit")
    if "://" not in place:
        return place
    if not _URL.fullmatch(place):
        raise Malformed("a URL that is not by http, https or file")
    bare = place.partition("#")[0]
    return bare if bare.lower().startswith("file:") else f"direct+{bare}"


def _name_of(place: str) -> str:
    """The name of a project that is named by a URL or a path alone."""
    egg = re.search(r"[#&]egg=([A-Za-z0-9._-]+)", place)
    if egg is not None:
        return canonicalize_name(egg[1])
    last = file_name_of(place.partition("#")[0].rstrip("/")) if place.strip("./") else "project"
    name = wheel_name(last).name if is_wheel_name(last) else re.split(r"-[0-9]|@", last)[0]
    return canonicalize_name(re.sub(r"[^A-Za-z0-9._-]|\[.*", "", name) or "project")
