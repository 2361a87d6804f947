"""Read a match spec, and compare it with packages, as CEP 29 and pixi's solver do; pure.

Indexers and solvers are lenient: `foo =1.2` is a prefix, `foo =1.2=b` is exact, `foo ==1.2.*` is a prefix again.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

from pixi_mirror.conda.build_patterns import BuildPattern, read_build_pattern
from pixi_mirror.conda.version import CondaVersion
from pixi_mirror.conda.version_ranges import Range, read_range
from pixi_mirror.model.values import Json

_NAME = re.compile(r"[0-9A-Za-z_.-]+")
_BEFORE_NAME = re.compile(r"(?:(?P<channel>.*?):(?P<namespace>[^:]*):)?(?P<rest>[^:]*)", re.DOTALL)
_CONDITION = re.compile(r";\s*if\s+")
_OPENING = re.compile(r"\[\s*+[\w-]++\s*+=")
"""A regular expression has brackets too, but no key in them."""
_FIELD = re.compile(
    r"""\s*+(?P<key>[\w-]++)\s*+=\s*+
    (?: "(?P<double>(?:[^"\\]|\\.)*+)" | '(?P<single>(?:[^'\\]|\\.)*+)' | \[(?P<list>[^\]]*+)\] | (?P<bare>[^,\]'"]++) )
    \s*+(?:,|$)""",
    re.VERBOSE,
)
_ESCAPED = re.compile(r"\\([\"'\\])")
_BUILD_NUMBER = re.compile(r"(==|!=|<=|>=|<|>)?([0-9]{1,20})")
_COMPARED: Mapping[str, Callable[[int, int], bool]] = MappingProxyType(
    {
        "==": lambda number, limit: number == limit,
        "!=": lambda number, limit: number != limit,
        "<=": lambda number, limit: number <= limit,
        ">=": lambda number, limit: number >= limit,
        "<": lambda number, limit: number < limit,
        ">": lambda number, limit: number > limit,
    }
)
_LONGEST_SPEC = 4000
"""Characters; the longest of real locks has some hundred."""

_COMPARED_AS_IT_IS = frozenset({"md5", "sha256", "license", "license_family"})
_WORDS = frozenset({"track_features", "features"})
_ORIGIN_FIELDS = frozenset({"channel", "subdir", "fn", "url", "extras", "flags"})
"""They choose among the packages of channels. A solver does not compare them with a package that it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchSpec:
    """What one text of `depends` or `constrains` requires of a package."""

    text: str
    """As it was spelled."""
    name: str
    """Normalised: in lower case."""
    version: Range | None
    """None: any."""
    build: str | None
    """None: any; else an exact text, a glob, or a regular expression between `^` and `$`."""
    fields: Mapping[str, str] = field(hash=False)
    """What stands in brackets, apart from version, build and condition; unescaped."""
    channel: str | None
    """The channel, and maybe its subdir, that stands before `::`; not judged."""
    condition: str | None
    """What stands behind `; if` or in `when`: without it nothing is required. None: there is no condition."""
    _build: BuildPattern | None = field(repr=False, compare=False)

    @staticmethod
    def parse(text: str) -> "MatchSpec":
        """The spec that `text` spells.

        Raises:
            ValueError: CEP 29 has no such spec, or it is no spec of an exact name.
        """
        return _parsed(text)

    def matches(
        self,
        *,
        name: str,
        version: CondaVersion | str,
        build: str,
        build_number: int | None = None,
        record: Mapping[str, Json] = MappingProxyType({}),
    ) -> bool:
        """Whether the spec fits this package. Its condition is ignored.

        Raises:
            ValueError: `version` is a text and no version, or comparing the build would take too long.
        """
        if name.lower() != self.name:
            return False
        parsed = CondaVersion.parse(version) if isinstance(version, str) else version
        if self.version is not None and not self.version.holds(parsed):
            return False
        if self._build is not None and not self._build.matches(build):
            return False
        return all(_has(key, wanted, build_number, record) for key, wanted in self.fields.items())


def _has(key: str, wanted: str, build_number: int | None, record: Mapping[str, Json]) -> bool:
    if key == "build_number":
        found = _BUILD_NUMBER.fullmatch(wanted)
        assert found is not None  # noqa: S101 - it was parsed
        return build_number is not None and _COMPARED[found[1] or "=="](build_number, int(found[2]))
    if key in _COMPARED_AS_IT_IS:
        return bool(record.get(key) == wanted)
    if key in _WORDS:
        return _words(wanted) <= _words(record.get(key) or "")
    return True


def _words(value: Json) -> frozenset[str]:
    return frozenset(value.replace(",", " ").split() if isinstance(value, str) else value)


@lru_cache(maxsize=1 << 14)
def _parsed(text: str) -> MatchSpec:
    try:
        return _read(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no match spec: {error}") from error


def _read(text: str) -> MatchSpec:
    if len(text) > _LONGEST_SPEC:
        raise ValueError(f"it is {len(text)} characters long")
    rest, behind_if = split_condition(text)
    rest, fields = split_brackets(rest)
    condition = fields.pop("when", behind_if)
    found = _BEFORE_NAME.fullmatch(rest.partition("#")[0].strip())
    if found is None or "://" in found["rest"]:
        raise ValueError("it has more colons than a channel and a namespace need")
    named = _NAME.match(found["rest"])
    if named is None:
        raise ValueError("it does not begin with the name of a package")
    after = found["rest"][named.end() :]
    if after and after[0] not in "=!<>~" and not after[0].isspace():
        raise ValueError(f"a name does not go on with {after[0]!r}")
    version, build = read_range(after.strip()) if after.strip() else (None, None)
    # What stands in brackets comes last and counts, as in pixi.
    if "version" in fields:
        version = read_range(fields.pop("version"), is_bare=True)[0]
    build = fields.pop("build", build)
    _refuse_fields(fields)
    return MatchSpec(
        text=text,
        name=named[0].lower(),
        version=version,
        build=build,
        fields=MappingProxyType(fields),
        channel=found["channel"] or fields.get("channel"),
        condition=condition,
        _build=None if build is None else read_build_pattern(build),
    )


def _refuse_fields(fields: Mapping[str, str]) -> None:
    for key, value in fields.items():
        if key not in {"build_number"} | _COMPARED_AS_IT_IS | _WORDS | _ORIGIN_FIELDS:
            raise ValueError(f"what {key!r} in its brackets requires is not known")
        if key == "build_number" and not _BUILD_NUMBER.fullmatch(value):
            raise ValueError(f"the build number {value!r} is no number behind an operator")


def split_condition(text: str) -> tuple[str, str | None]:
    """Return what stands before `; if`, and what behind it; None: there is no condition."""
    for found in _CONDITION.finditer(text):
        before = text[: found.start()]
        if before.count('"') % 2 == before.count("'") % 2 == 0:
            return before.rstrip(), text[found.end() :].strip()
    return text, None


def split_brackets(text: str) -> tuple[str, dict[str, str]]:
    """Return what stands before the brackets at the end of a spec, and what in them, unescaped.

    Raises:
        ValueError: the brackets are not closed, or hold something else than keys and values.
    """
    opening = _OPENING.search(text)
    if opening is None:
        return text, {}
    inner = text[opening.start() :].strip()
    if not inner.endswith("]"):
        raise ValueError("its brackets are not closed, or not its end")
    inner = inner[1:-1]
    fields: dict[str, str] = {}
    position = 0
    while position < len(inner) and inner[position:].strip():
        found = _FIELD.match(inner, position)
        if found is None:
            raise ValueError("its brackets do not hold KEY=VALUE with commas between")
        quoted = found["double"] if found["double"] is not None else found["single"]
        if quoted is not None:
            value = _ESCAPED.sub(r"\1", quoted)
        else:
            value = (found["list"] if found["list"] is not None else found["bare"]).strip()
        fields[found["key"]] = value
        position = found.end()
    return text[: opening.start()], fields
