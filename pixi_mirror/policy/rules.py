"""Read our own rules: the table `[mirror]` of a policy file, in the manner of pixi-policy; pure.

pixi-policy 0.3.0 refuses a file with a table that it does not know, so ours is a file of its own.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, TypeAlias

from pixi_mirror.model.values import Json

Grade: TypeAlias = Literal["error", "warn", "allow"]
_GRADES: tuple[Grade, ...] = ("error", "warn", "allow")
TABLE = "mirror"
"""The table of our rules."""
RULES = ("age", "age-unknown", "quarantined", "archived", "deprecated", "yanked", "hosts", "size", "license")
"""The rules that can be waived, without `mirror.` before them."""
_SPAN = re.compile(r"(?a)([0-9]{1,5})([dhw])")
_HOURS = {"h": 1, "d": 24, "w": 168}
_SIZE = re.compile(r"(?a)([0-9]{1,12})(k|M|G|T)?(i?)B?")
_PREFIXES = {None: 0, "k": 1, "M": 2, "G": 3, "T": 4}
_STATUSES: Mapping[str, Grade] = {"quarantined": "error", "yanked": "error", "archived": "warn", "deprecated": "allow"}
"""What each gets once the table `projects` exists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """Something that is allowed for a time, against a rule."""

    rule: str
    """Without `mirror.` before it."""
    package: str
    version: str | None
    """None: any."""
    reason: str
    expires: date
    """The last day on which it holds (UTC)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What our own part of a policy says; a rule that is None or `allow` is not judged."""

    minimum_age: timedelta | None
    ages: Mapping[str, timedelta]
    """For single channels and indexes: a URL without final slash, or the name of a channel -> its own minimum."""
    unknown_age: Grade
    projects: Mapping[str, Grade]
    """`quarantined`, `archived`, `deprecated` (PEP 792) and `yanked` (PEP 592)."""
    hosts: tuple[str, ...] | None
    """Globs of hosts; None: any."""
    largest: int | None
    """Bytes of a file."""
    missing_license: Grade
    waivers: tuple[Waiver, ...]

    @property
    def needs_pages(self) -> bool:
        """Whether the index pages of PyPI files say something that is judged."""
        return self.judges_age or self.judges_projects or self.largest is not None

    @property
    def judges_age(self) -> bool:
        """Whether some package has a minimum age."""
        return self.minimum_age is not None or bool(self.ages)

    @property
    def judges_projects(self) -> bool:
        """Whether the status of a project, or a yanked file, is judged."""
        return any(grade != "allow" for grade in self.projects.values())


def read_rules(raw: Mapping[str, Json]) -> Rules:
    """The rules of the table `[mirror]`.

    Raises:
        ValueError: a key is unknown, or a value is none that it can have.
    """
    _refuse_unknown(raw, ("age", "projects", "sources", "files", "licenses", "waivers"), TABLE)
    age = _table(raw, "age", ("minimum", "unknown", "of"))
    projects = _table(raw, "projects", tuple(_STATUSES))
    sources = _table(raw, "sources", ("allowed-hosts",))
    files, licenses = _table(raw, "files", ("max-size",)), _table(raw, "licenses", ("missing",))
    ages = age.get("of", {})
    if not isinstance(ages, dict):
        raise ValueError("[mirror.age] of is a table: a channel or index, and its minimum")  # noqa: TRY004 - the file's
    return Rules(
        minimum_age=read_span(age["minimum"], "[mirror.age] minimum") if "minimum" in age else None,
        ages={name.rstrip("/"): read_span(each, f"[mirror.age.of] {name!r}") for name, each in ages.items()},
        unknown_age=_grade(age, "unknown", "[mirror.age]", default="error"),
        projects={
            name: _grade(projects, name, "[mirror.projects]", default=usual if "projects" in raw else "allow")
            for name, usual in _STATUSES.items()
        },
        hosts=_hosts(sources["allowed-hosts"]) if "allowed-hosts" in sources else None,
        largest=_size(files["max-size"]) if "max-size" in files else None,
        missing_license=_grade(licenses, "missing", "[mirror.licenses]", default="allow"),
        waivers=_waivers(raw.get("waivers", [])),
    )


def read_span(raw: Json, what: str) -> timedelta:
    """A span of time, as `7d`, `36h` or `2w`.

    Raises:
        ValueError: it is none.
    """
    found = _SPAN.fullmatch(raw) if isinstance(raw, str) else None
    if found is None:
        raise ValueError(f'{what} takes a span as "7d", "36h" or "2w", not {str(raw)[:40]!r}')
    return timedelta(hours=int(found[1]) * _HOURS[found[2]])


def _table(raw: Mapping[str, Json], name: str, keys: Collection[str]) -> Mapping[str, Json]:
    found = raw.get(name, {})
    if not isinstance(found, dict):
        raise ValueError(f"[mirror.{name}] is no table")  # noqa: TRY004 - the file is wrong, no argument
    _refuse_unknown(found, keys, f"mirror.{name}")
    return found


def _refuse_unknown(raw: Mapping[str, Json], keys: Collection[str], table: str) -> None:
    if unknown := sorted(raw.keys() - {*keys}):
        raise ValueError(f"[{table}] has no key {unknown[0]!r}; it takes {', '.join(keys)}")


def _grade(table: Mapping[str, Json], key: str, name: str, *, default: Grade) -> Grade:
    found = table.get(key, default)
    for grade in _GRADES:
        if found == grade:
            return grade
    raise ValueError(f"{name} {key} takes {', '.join(_GRADES)}, not {str(found)[:40]!r}")


def _hosts(raw: Json) -> tuple[str, ...]:
    if not isinstance(raw, list) or not all(isinstance(each, str) and each for each in raw):
        raise ValueError("[mirror.sources] allowed-hosts is no list of hosts")
    return tuple(each.lower() for each in raw)


def _size(raw: Json) -> int:
    if isinstance(raw, int) and not isinstance(raw, bool) and raw > 0:
        return raw
    found = _SIZE.fullmatch(raw) if isinstance(raw, str) else None
    if found is None or int(found[1]) == 0:
        raise ValueError(f'[mirror.files] max-size takes a size as "500M" or "2GiB", not {str(raw)[:40]!r}')
    base = 1024 if found[3] else 1000
    return int(found[1]) * int(base ** _PREFIXES[found[2]])


def _waivers(raw: Json) -> tuple[Waiver, ...]:
    if not isinstance(raw, list) or not all(isinstance(each, dict) for each in raw):
        raise ValueError("[[mirror.waivers]] is no list of tables")
    return tuple(_waiver(each, number) for number, each in enumerate(raw, start=1))


def _waiver(raw: Mapping[str, Json], number: int) -> Waiver:
    where = f"waiver {number}"
    _refuse_unknown(raw, ("rule", "package", "version", "reason", "expires"), "[mirror.waivers]")
    texts = {key: raw.get(key) for key in ("rule", "package", "reason")}
    for key, text in texts.items():
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"{where} lacks {key!r}: a waiver has a rule, a package, a reason and an end (`expires`)")
    rule = str(texts["rule"]).removeprefix(f"{TABLE}.")
    if rule not in RULES:
        raise ValueError(f"{where} is for the rule {texts['rule']!r}, and the rules are {', '.join(RULES)}")
    version = raw.get("version")
    if version is not None and not isinstance(version, str):
        raise ValueError(f"{where}: version is a text")
    try:
        expires = date.fromisoformat(str(raw.get("expires")))
    except ValueError:
        raise ValueError(f"{where} has no end: expires = 2027-03-31, for example") from None
    return Waiver(
        rule=rule,
        package=str(texts["package"]),
        version=version,
        reason=" ".join(str(texts["reason"]).split()),
        expires=expires,
    )
