"""Choose what goes into one pack: the packages that a lock has for one environment on one platform."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from packaging.utils import canonicalize_name

from pixi_mirror.errors import UnmirrorableError, WorkspaceError
from pixi_mirror.lockfile.entries import CondaBinary, CondaSource, Entry, Lock, LockedEnvironment, PypiEntry
from pixi_mirror.lockfile.mirrorable import NO_HASH, entry_title, missing_hash, shown_location
from pixi_mirror.lockfile.selection import SUBDIR_PREFIX, Selection, matching_platforms
from pixi_mirror.lockfile.source_entries import source_directory_of
from pixi_mirror.model.packages import Layout, Package
from pixi_mirror.model.request import Refusal, Request
from pixi_mirror.model.sources import SourceDirectory
from pixi_mirror.model.values import Sha256
from pixi_mirror.pack.inject import projects_of
from pixi_mirror.paths import is_local, local_url
from pixi_mirror.pypi.names import form_of

_NO_DIGEST = Sha256("0" * 64)
_SHOWN = 5
"""Packages of one reason that are named."""
_WHEELS = ("wheel", "direct wheel", "local wheel")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackRules:
    """What may be left out or replaced, and what need not be promised."""

    ignores_non_wheels: bool = False
    """Whether Python packages that are no wheels are left out instead of refused."""
    skips_editables: bool = True
    """Whether those that are installed in place are left out, whatever else is refused."""
    requires_hashes: bool = False
    """Whether what the lock promises no sha256 of is refused; else it is packed as it comes, with a warning."""
    given: frozenset[tuple[str, str]] = field(default_factory=frozenset)
    """Kind and name of what is injected: it stands for a source package of that name."""
    replaced: frozenset[tuple[str, str]] = field(default_factory=frozenset)
    """Kind and name of what the lock has and something injected takes the place of."""
    layout: Layout = "channels"
    """How the mirror is laid out that the packages are taken from; of no matter without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackPlan:
    """What a lock has for one environment on one platform."""

    environment: str
    platform: str
    """Its name, which need not be a subdir."""
    subdir: str
    packages: tuple[Package, ...]
    """In the order of the locations that the lock gives: conda, then wheels."""
    skipped: tuple[Refusal, ...]
    warnings: tuple[str, ...]
    directories: tuple[SourceDirectory, ...]
    """Source directories of the environment; the pack lacks what is built from them."""


def choose_packages(lock: Lock, path: Path, *, environment: str, platform: str, rules: PackRules) -> PackPlan:
    """What `lock`, read from `path`, has for an environment on a platform, by name or by subdir.

    An exact name wins; of several platforms of a subdir it is the first, as in pixi-pack, and a warning.

    Raises:
        WorkspaceError: there is no such environment or platform.
        UnmirrorableError: something is no archive, or the lock promises no hash of it; it names them all.
    """
    if environment not in lock.environments:
        known = ", ".join(sorted(lock.environments)) or "none"
        raise WorkspaceError(f"environment not found in lockfile: {environment}. {path} has: {known}.")
    locked = lock.environments[environment]
    name, warnings = _platform(lock, locked, platform, environment, path)
    entries = locked.packages[name]
    directories = _directories(entries, rules, _base(path))
    kept, skipped, refused = _sift((entry for entry in entries if id(entry) not in directories), rules)
    only = _only(lock, environment, name, kept)
    selection = Selection(only, name=str(path), base=_base(path), layout=rules.layout, needs_places=False)
    request = Request(
        environments=(environment,),
        platforms=(name,),
        build_packages=False,
        allow_unhashed=True,
    )
    selection.add(request)
    answer = selection.result(subscription="", workspace="", requests=(request,), source_sha256=_NO_DIGEST)
    refused += [f"{refusal.entry}: {refusal.reason}" for refusal in answer.refusals]
    unhashed = _unhashed(answer.snapshot.packages)
    if refused or (rules.requires_hashes and unhashed):
        by_reason = unhashed if rules.requires_hashes else {}
        items = [*refused, *(f"{url}: {reason}." for reason, urls in by_reason.items() for url in urls)]
        summary = f"{path}: {len(items)} of the environment {environment} for {name} cannot be packed:"
        raise UnmirrorableError("\n  ".join([summary, *refused, *_by_reason(by_reason)]), items=items)
    places = {_url(entry, _base(path)): entry.location for entry in kept}
    packages = sorted(
        answer.snapshot.packages,
        key=lambda package: (package.kind == "pypi", places.get(package.url.raw, package.url.raw), package.path),
    )
    return PackPlan(
        environment=environment,
        platform=name,
        subdir=lock.platforms[name].subdir,
        packages=tuple(packages),
        skipped=tuple(skipped),
        warnings=(
            *warnings,
            *_by_reason(unhashed),
            *(_lacks(directory) for directory in directories.values()),
            *_uninstallable(packages, rules.given, environment),
        ),
        directories=tuple(directories.values()),
    )


def _unhashed(packages: Iterable[Package]) -> Mapping[str, Sequence[str]]:
    """The URLs of packages without sha256, by what the lock has of them."""
    found: dict[str, list[str]] = {}
    for package in packages:
        if (missing := missing_hash(package)) is not None:
            doubt = ", so that nobody can tell whether it is right" if missing is NO_HASH else ""
            found.setdefault(f"the lock has {missing.reason}{doubt}", []).append(str(package.url))
    return found


def _by_reason(urls_by_reason: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """A sentence for each reason: some packages are named, and the rest are counted."""
    for reason, urls in urls_by_reason.items():
        if len(urls) == 1:
            yield f"{urls[0]}: {reason}."
        else:
            more = f" and {len(urls) - _SHOWN} more" if len(urls) > _SHOWN else ""
            yield f"{len(urls)} packages: {reason}: {', '.join(urls[:_SHOWN])}{more}."


def _uninstallable(packages: Iterable[Package], given: Iterable[tuple[str, str]], environment: str) -> tuple[str, ...]:
    """What to warn of where there are wheels, and not what would install them."""
    named = {*((package.kind, package.name) for package in packages), *given}
    if not any(kind == "pypi" for kind, _ in named):
        return ()
    if ("conda", "python") not in named:
        return (
            f"{environment} has wheels and no python to install them for: pixi-unpack and `pixi-mirror unpack` refuse "
            "its pack. Add python to its dependencies, or inject it with -i FILE.conda.",
        )
    if ("conda", "pip") in named:
        return ()
    return (
        f"{environment} has wheels and no pip, with which conda and micromamba would install them: of its pack they "
        "make the conda part alone. pixi-unpack and `pixi-mirror unpack` need no pip.",
    )


def _base(path: Path) -> str:
    return path.parent.as_uri() + "/"


def _platform(
    lock: Lock, locked: LockedEnvironment, requested: str, environment: str, path: Path
) -> tuple[str, tuple[str, ...]]:
    """The name of the platform that is meant, and what to warn of."""
    # In the order of the lock, as in pixi-pack, and not in that of the environment.
    names = matching_platforms(
        requested, {name: each.subdir for name, each in lock.platforms.items() if name in locked.packages}
    )
    subdir = requested.removeprefix(SUBDIR_PREFIX)
    if not names:
        known = ", ".join(locked.packages) or "none"
        raise WorkspaceError(
            f"platform not found in lockfile: {subdir}. {path} has the environment {environment!r} for: {known}. "
            "Choose with -p PLATFORM."
        )
    first, *others = names
    if not others:
        return first, ()
    return first, (
        f"{environment} has several platforms of {subdir}, and {first} is packed; for another say -p "
        f"{' or -p '.join(others)}.",
    )


def _lacks(directory: SourceDirectory) -> str:
    where = "your checkout" if directory.is_inside else "a directory outside the workspace"
    return f"the pack lacks {directory.entry}, which is built from {where} where it is installed."


def _sift(entries: Iterable[Entry], rules: PackRules) -> tuple[list[CondaBinary | PypiEntry], list[Refusal], list[str]]:
    """Those of a lock's entries that are packed, those that are left out, and why others cannot be either."""
    kept: list[CondaBinary | PypiEntry] = []
    skipped: list[Refusal] = []
    refused: list[str] = []
    for entry in entries:
        match entry:
            case CondaBinary():
                projects = (("pypi", project) for project in projects_of(entry.record))
                if rules.replaced.isdisjoint([("conda", entry.record["name"]), *projects]):
                    kept.append(entry)
            case CondaSource():
                if ("conda", entry.name) in rules.given:
                    skipped.append(Refusal(entry=entry.name, reason="what is injected stands for this source package"))
                else:
                    refused.append(
                        f"package {entry.name} is built from source at {shown_location(entry.location)}, so it has no "
                        "archive; build it, and inject what comes of it with -i FILE.conda."
                    )
            case PypiEntry() if form_of(entry.location) in _WHEELS:
                if ("pypi", canonicalize_name(entry.name)) not in rules.replaced:
                    kept.append(entry)
            case PypiEntry():
                reason = _reason_to_skip(entry, rules)
                if reason is not None:
                    skipped.append(Refusal(entry=entry_title(entry), reason=reason))
                else:
                    refused.append(
                        f"package {entry.name} is not a wheel file, we currently require all dependencies to be "
                        f"wheels. It is {entry_title(entry)}: inject its wheel with -i FILE.whl, or leave such "
                        "packages out with --ignore-pypi-non-wheel."
                    )
    return kept, skipped, refused


def _directories(entries: Iterable[Entry], rules: PackRules, base: str) -> dict[int, SourceDirectory]:
    """The entries that are built from a directory where they are installed, by their identity.

    One is not among them if an injected package stands for it, or if it is left out for another reason.
    """
    if not rules.skips_editables:
        return {}  # as pixi-pack, which refuses them
    found: dict[int, SourceDirectory] = {}
    for entry in entries:
        match entry:
            case CondaSource():
                is_free = ("conda", entry.name) not in rules.given
            case PypiEntry():
                is_free = _reason_to_skip(entry, rules) is None
            case _:
                continue
        directory = source_directory_of(entry, base, (), read=_read_nothing) if is_free else None
        if directory is not None:
            found[id(entry)] = directory
    return found


def _read_nothing(_path: Path) -> None:
    """What a directory needs to be built is of no matter to a pack, which does not have it."""


def _reason_to_skip(entry: PypiEntry, rules: PackRules) -> str | None:
    """Why what is no wheel is left out; None: it is not."""
    if ("pypi", canonicalize_name(entry.name)) in rules.given:
        return "the injected wheel stands for it"
    if entry.editable and rules.skips_editables:
        return "it is editable, so it is installed where its source is"
    return "it is not a wheel file (--ignore-pypi-non-wheel)" if rules.ignores_non_wheels else None


def _only(lock: Lock, environment: str, platform: str, entries: Iterable[Entry]) -> Lock:
    """The lock as if it had nothing but these entries."""
    locked = replace(
        lock.environments[environment],
        packages=MappingProxyType({platform: tuple(entries)}),
        build_packages=MappingProxyType({}),
    )
    return replace(lock, environments=MappingProxyType({environment: locked}))


def _url(entry: CondaBinary | PypiEntry, base: str) -> str:
    """The URL of the package that an entry becomes."""
    return local_url(entry.location, base) if is_local(entry.location) else entry.location.removeprefix("direct+")
