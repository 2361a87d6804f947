"""Judge packages by our own rules; pure, the clock is given."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from pixi_mirror.conda.repodata import to_milliseconds
from pixi_mirror.model.packages import Listing, Package, Target, home_channel
from pixi_mirror.model.policy import PolicyFinding
from pixi_mirror.policy.rules import TABLE, Grade, Rules, Waiver
from pixi_mirror.progress import format_size
from pixi_mirror.pypi.index_urls import index_of
from pixi_mirror.pypi.names import canonical_name


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedPackage:
    """A package file with all that the rules look at."""

    package: Package
    """With its size, if that is known."""
    listing: Listing | None
    """What its index says; None: it was not asked."""
    targets: tuple[Target, ...]
    has_license: bool | None
    """Whether it says something of its licence; None: that is in its file, which is not here yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnVerdict:
    """What was found against our own rules."""

    findings: tuple[PolicyFinding, ...]
    """Of both severities."""
    waived: tuple[PolicyFinding, ...]


def judge_packages(packages: Iterable[JudgedPackage], rules: Rules, now: datetime) -> OwnVerdict:
    """Judge packages.

    Args:
        packages: those that are wanted.
        rules: what they must keep.
        now: the moment by which ages and waivers are judged.
    """
    found = _grouped(finding for each in packages for finding in _judge(each, rules, now))
    valid = [waiver for waiver in rules.waivers if waiver.expires >= now.astimezone(UTC).date()]
    expired = [waiver for waiver in rules.waivers if waiver not in valid]
    left, waived = [], []
    used: set[Waiver] = set()
    for finding in found:
        waiver = next((each for each in valid if _covers(each, finding)), None)
        if waiver is None:
            left.append(_with_expired(finding, expired))
            continue
        used.add(waiver)
        waived.append(replace(finding, message=f"{finding.message}; waived until {waiver.expires}: {waiver.reason}"))
    idle = (
        PolicyFinding(
            rule=f"{TABLE}.waiver-unused", severity="warning", package=waiver.package, version=waiver.version,
            message=f"has a waiver for {TABLE}.{waiver.rule}, and nothing is found that it is for",
            help="remove the waiver",
        )
        for waiver in valid if waiver not in used
    )  # fmt: skip
    return OwnVerdict(findings=(*left, *idle), waived=tuple(waived))


def _covers(waiver: Waiver, finding: PolicyFinding) -> bool:
    same = finding.package is not None and canonical_name(waiver.package) == canonical_name(finding.package)
    return same and finding.rule == f"{TABLE}.{waiver.rule}" and waiver.version in (None, finding.version)


def _with_expired(finding: PolicyFinding, expired: Iterable[Waiver]) -> PolicyFinding:
    last = max((each for each in expired if _covers(each, finding)), key=lambda each: each.expires, default=None)
    if last is None:
        return finding
    message = f"{finding.message}; its waiver expired on {last.expires} ({last.reason})"
    return replace(finding, message=message, help="mend it, or renew the waiver with a reason that still holds")


def _grouped(findings: Iterable[PolicyFinding]) -> list[PolicyFinding]:
    """The findings, those that say the same of several files together."""
    groups: dict[PolicyFinding, list[PolicyFinding]] = {}
    for finding in findings:
        groups.setdefault(replace(finding, paths=(), where=()), []).append(finding)
    return [
        replace(
            same,
            paths=tuple(sorted(path for each in group for path in each.paths)),
            where=tuple(sorted({place for each in group for place in each.where})),
        )
        for same, group in sorted(
            groups.items(), key=lambda pair: (pair[0].rule, pair[0].package or "", pair[0].message)
        )
    ]


def _judge(each: JudgedPackage, rules: Rules, now: datetime) -> Iterator[PolicyFinding]:
    for judge in _JUDGES:
        for rule, grade, message, advice in judge(each, rules, now):
            if grade != "allow":
                yield PolicyFinding(
                    rule=f"{TABLE}.{rule}",
                    severity="error" if grade == "error" else "warning",
                    package=each.package.name,
                    version=each.package.version,
                    message=message,
                    help=advice,
                    paths=(each.package.path,),
                    where=tuple(f"{to.workspace}/{to.environment}/{to.platform}" for to in each.targets),
                )


_UNKNOWN_AGE = 'give its source a minimum of "0d" in [mirror.age.of] of a policy, or waive it there'
_Found = Iterator[tuple[str, Grade, str, str]]
"""Rule, grade, message, advice."""


def _judge_age(each: JudgedPackage, rules: Rules, now: datetime) -> _Found:
    minimum = _minimum_age(each, rules)
    if not minimum or each.package.kind not in ("conda", "pypi"):
        return
    born = _moment_of(each)
    if born is None:
        lacking = "its record has no timestamp" if each.package.kind == "conda" else "its index gives no upload time"
        yield "age-unknown", rules.unknown_age, f"is of unknown age: {lacking}", _UNKNOWN_AGE
    elif (age := now - born) < minimum:
        what = "built" if each.package.kind == "conda" else "uploaded"
        until = (born + minimum).astimezone(UTC)
        message = f"was {what} {_span(age)} ago ({born:%Y-%m-%d}), and {_span(minimum)} is the least"
        yield "age", "error", message, f"wait until {until:%Y-%m-%d %H:%M} UTC, or lock an older version"


def _minimum_age(each: JudgedPackage, rules: Rules) -> timedelta | None:
    source = _source(each)
    named = [] if source is None else [name for name in rules.ages if source == name or source.endswith(f"/{name}")]
    return rules.ages[max(named, key=len)] if named else rules.minimum_age


def _source(each: JudgedPackage) -> str | None:
    """URL of the channel or index that a package comes from."""
    if each.package.kind == "pypi":
        index = index_of(each.package, each.listing)
        return None if index is None else index.url.rstrip("/")
    channel = home_channel(each.package)
    return None if channel is None else channel.url


def _moment_of(each: JudgedPackage) -> datetime | None:
    if each.package.kind == "pypi":
        text = None if each.listing is None else each.listing.upload_time
        return None if text is None else datetime.fromisoformat(text).astimezone(UTC)
    stamp = each.package.record.get("timestamp")
    if not stamp:
        return None
    try:
        return datetime.fromtimestamp(to_milliseconds(stamp) / 1000, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _span(length: timedelta) -> str:
    hours = int(length.total_seconds() // 3600)
    if hours < 0:
        return "less than no time"
    return f"{hours} h" if hours < 48 else f"{hours // 24} days"  # noqa: PLR2004 - two days


def _judge_project(each: JudgedPackage, rules: Rules, now: datetime) -> _Found:  # noqa: ARG001 - as the others
    if each.listing is None:
        return
    status = each.listing.status
    if status is not None and status in rules.projects:
        yield (
            status,
            rules.projects[status],
            f"is of a project whose index says that it is {status}",
            "lock another project",
        )
    if each.listing.yanked is not None:
        reason = f": {each.listing.yanked}" if each.listing.yanked else ""
        yield "yanked", rules.projects["yanked"], f"was yanked{reason}", "lock another version"


def _judge_host(each: JudgedPackage, rules: Rules, now: datetime) -> _Found:  # noqa: ARG001 - as the others
    host = urlsplit(each.package.url.stripped.removeprefix("git+")).hostname
    if rules.hosts is not None and host and not any(fnmatchcase(host, glob) for glob in rules.hosts):
        yield "hosts", "error", f"comes from {host}, which is not allowed", "lock it from an allowed host"


def _judge_size(each: JudgedPackage, rules: Rules, now: datetime) -> _Found:  # noqa: ARG001 - as the others
    size = each.package.size
    if rules.largest is not None and size is not None and size > rules.largest:
        yield "size", "error", f"has {format_size(size)}, and {format_size(rules.largest)} is the most", ""


def _judge_license(each: JudgedPackage, rules: Rules, now: datetime) -> _Found:  # noqa: ARG001 - as the others
    if each.has_license is False:
        yield (
            "license",
            rules.missing_license,
            "says nothing of its licence",
            "ask its maintainers, and waive it meanwhile",
        )


_JUDGES: Sequence[Callable[[JudgedPackage, Rules, datetime], _Found]] = (
    _judge_age,
    _judge_project,
    _judge_host,
    _judge_size,
    _judge_license,
)


def unsettled(packages: Iterable[JudgedPackage], rules: Rules) -> Mapping[str, int]:
    """The indexes that could not be asked about files whose pages the rules need, with how many files each."""
    found: dict[str, int] = {}
    for each in packages if rules.needs_pages else ():
        if each.package.kind == "pypi" and (each.listing is None or not each.listing.is_settled):
            source = _source(each)
            if source is not None:
                found[source] = found.get(source, 0) + 1
    return found
