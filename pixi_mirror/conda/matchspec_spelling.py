"""Spell a match spec, and a record full of them, in one way, so that what means the same compares equal; pure.

Indexers parse the specs of a record and write them down in their own spelling: rattler-index from 0.33 on turns
`zlib 1.3.2 *_2` into `zlib ==1.3.2 *_2` and `boost =1.82.0` into `boost 1.82.0.*` (1,396 of the 6,300 specs of the
corpus). In the `v3` section of repodata (CEP 48) every spec has brackets: `zlib[version=">=1",when="python>=3.10"]`.
"""

import re
from collections.abc import Mapping

from pixi_mirror.conda.matchspec import split_brackets, split_condition
from pixi_mirror.model.values import Json

_PARTS = re.compile(r"\s*([^\s<>=!~|,]+)\s*(.*?)\s*", re.DOTALL)
_AROUND_JOINTS = re.compile(r"\s*([,|()])\s*")
_AFTER_OPERATORS = re.compile(r"([<>=!~]=?)\s+")
_WITH_BUILD = re.compile(r"=?=?([^=<>!~,|]+)=([^=<>!~,|]+)")
_CONSTRAINT = re.compile(r"(==|!=|<=|>=|~=|<|>|=)?(.*)", re.DOTALL)
_LEADING_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")

_SPEC_LISTS = ("depends", "constrains")
_SPEC_TABLES = ("extra_depends", "run_exports")
_WORDS = ("track_features", "features")
DIGESTS = ("sha256", "md5", "legacy_bz2_md5", "attestations_sha256")
"""The fields of a record that are text in repodata and bytes in a shard."""

_BARE = ("version", "build")
_LISTS = ("extras", "flags")
_V3_FIELDS = frozenset({"when", *_LISTS})
"""What a spec can have in its brackets since CEP 43, 44 and 45; clients that do not know it cannot read the spec."""
_ORDER = (*_BARE, "build_number", *_LISTS)
_JOINTS_OF_CONDITIONS = re.compile(
    r"""\[(?:"[^"]*+"|'[^']*+'|[^\]"'])*+\] | (?<=[\s)])(?P<word>and|or)(?=[\s(])\s* | (?P<parenthesis>[()])\s*""",
    re.VERBOSE,
)
"""What stands between the specs of a condition; what stands in brackets is none of it."""
_MARKS = ("[", ";", "::")
"""What only a spec has that is more than a name, a version and a build."""


def normal_spec(spec: str) -> str:
    """The one spelling of a match spec: name, version and build, `==` for exact, `.*` for a prefix, then brackets."""
    # With long white space the expressions below would take quadratic time.
    spec = " ".join(spec.split())
    if not any(mark in spec for mark in _MARKS):
        return " ".join(_plain_parts(spec))
    try:
        parts, fields = _taken_apart(spec)
    except ValueError:
        return spec
    return " ".join(parts) + (_spelled(fields) if fields else "")


def bracketed_spec(spec: str) -> str:
    """The spelling of a match spec that CEP 48 requires in the `v3` section: a name alone, or a name and brackets."""
    try:
        (name, *range_parts), fields = _taken_apart(" ".join(spec.split()))
    except ValueError:
        return spec
    fields |= dict(zip(_BARE, range_parts, strict=False))
    return name + (_spelled(fields) if fields else "")


def requires_v3(record: Mapping[str, Json]) -> bool:
    """Whether a record stands in the `v3` section of repodata: one of its specs has `when`, `extras` or `flags`."""
    for key in _SPEC_LISTS:
        specs = record.get(key) or ()
        together = "".join(specs)  # most records have no brackets at all
        if ("[" in together or ";" in together) and any(map(_is_v3, specs)):
            return True
    return False


def v3_record(record: Mapping[str, Json]) -> Mapping[str, Json]:
    """A record as it stands in the `v3` section: all of its specs have brackets."""
    found = dict(record)
    for key in _SPEC_LISTS:
        if found.get(key):
            found[key] = [bracketed_spec(spec) for spec in found[key]]
    if found.get("extra_depends"):
        groups = found["extra_depends"].items()
        found["extra_depends"] = {name: [bracketed_spec(spec) for spec in specs] for name, specs in groups}
    return found


def _is_v3(spec: str) -> bool:
    if "[" not in spec and ";" not in spec:
        return False
    try:
        return not _V3_FIELDS.isdisjoint(_taken_apart(spec)[1])
    except ValueError:
        return False


def _taken_apart(spec: str) -> tuple[list[str], dict[str, str]]:
    """Name, version and build of a spec, as far as it has them, and the rest of what stands in its brackets."""
    rest, condition = split_condition(spec)
    rest, fields = split_brackets(rest)
    if condition is not None:
        fields.setdefault("when", condition)
    channel, mark, plain = rest.rpartition("::")
    if mark:
        fields.setdefault("channel", channel)
    parts = _plain_parts(plain.strip())
    # What stands in brackets counts, as in pixi.
    version, build = (*parts[1:], "", "")[:2]
    version, build = fields.pop("version", version), fields.pop("build", build)
    if "when" in fields:
        fields["when"] = _normal_condition(fields["when"])
    for key in _LISTS:
        if key in fields:
            fields[key] = ",".join(sorted(word.strip(" \"'") for word in fields[key].split(",")))
    return _plain_parts(f"{parts[0]} {version or '*'} {build}" if version or build else parts[0]), fields


def _plain_parts(spec: str) -> list[str]:
    """Name, version and build of a spec without brackets, as far as it has them."""
    found = _PARTS.fullmatch(spec)
    if found is None or not found[2]:
        return [spec]
    name, rest = found[1].lower(), _AFTER_OPERATORS.sub(r"\1", _AROUND_JOINTS.sub(r"\1", found[2]))
    version, _, build = rest.partition(" ")
    # CEP 29: in `name=1.0=build` the single `=` is exact, as it is not in `name=1.0`.
    if not build and (exact := _WITH_BUILD.fullmatch(version)):
        version, build = exact[1], exact[2]
    version, build = _normal_version(version), build.strip()
    if build in ("", "*"):
        return [name] if version == "*" else [name, version]
    return [name, version, build]


def _normal_condition(text: str) -> str:
    """A condition of CEP 43: specs between `and`, `or` and parentheses, each in the one spelling."""
    text, joined, start = " ".join(text.split()), "", 0
    for joint in _JOINTS_OF_CONDITIONS.finditer(text):
        if joint["word"] or joint["parenthesis"]:
            joined += _inner_spec(text[start : joint.start()].strip())
            joined += f" {joint['word']} " if joint["word"] else joint["parenthesis"]
            start = joint.end()
    return joined + _inner_spec(text[start:])


def _inner_spec(spec: str) -> str:
    """A spec inside of a condition: brackets, but for a name and a version, which stand without white space."""
    if not spec:
        return ""
    parts, fields = _taken_apart(spec)
    if not fields and len(parts) <= len(_BARE) and not parts[-1][0].isdigit():
        return "".join(parts)
    fields |= dict(zip(_BARE, parts[1:], strict=False))
    return parts[0] + _spelled(fields)


def _spelled(fields: Mapping[str, str]) -> str:
    """The brackets of a spec."""
    last = sorted(fields.keys() - {*_ORDER, "when"})
    named = [key for key in (*_ORDER, *last, "when") if key in fields]
    return "[" + ",".join(f"{key}={_quoted(key, fields[key])}" for key in named) + "]"


def _quoted(key: str, value: str) -> str:
    if key in _LISTS:
        return f"[{value}]"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _normal_version(version: str) -> str:
    return "".join(
        part if part in ("", ",", "|", "(", ")") else _normal_constraint(part)
        for part in re.split(r"([,|()])", version)
    )


def _normal_constraint(text: str) -> str:
    found = _CONSTRAINT.fullmatch(text)
    if found is None or text.startswith("^"):
        return text
    operator, version = found[1] or "", _LEADING_ZEROS.sub("", found[2].strip().lower())
    if version.strip("*.") == "":
        return "*"
    bare = version.rstrip("*").rstrip(".")
    is_prefix = version.endswith("*")
    if operator in ("", "=="):
        return f"{bare}.*" if is_prefix else f"=={version}"
    if operator == "=":
        return f"{bare}.*"
    if operator == "!=" and is_prefix:
        return f"!={bare}.*"
    return f"{operator}{bare}"


def normal_record(record: Mapping[str, Json]) -> Mapping[str, Json]:
    """A record of repodata or of a shard, in the one spelling: what is absent, null or an empty list is the same."""
    normal: dict[str, Json] = {}
    for key, value in record.items():
        if value is None or value in ([], ""):
            continue
        if key in _SPEC_LISTS:
            normal[key] = [normal_spec(spec) for spec in value]
        elif key in _SPEC_TABLES:
            normal[key] = {name: [normal_spec(spec) for spec in specs] for name, specs in value.items() if specs}
        elif key in _WORDS:
            normal[key] = sorted(value.replace(",", " ").split() if isinstance(value, str) else value)
        elif key in DIGESTS:
            normal[key] = value.hex() if isinstance(value, bytes) else value
        elif key == "purls":
            normal[key] = sorted(set(value))
        else:
            normal[key] = value
    return normal
