"""Spell a match spec, and a record full of them, in one way, so that what means the same compares equal; pure.

Indexers parse the specs of a record and write them down in their own spelling: rattler-index from 0.33 on turns
`zlib 1.3.2 *_2` into `zlib ==1.3.2 *_2` and `boost =1.82.0` into `boost 1.82.0.*` (1,396 of the 6,300 specs of the
corpus).
"""

import re
from collections.abc import Mapping

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
_DIGESTS = ("sha256", "md5", "legacy_bz2_md5")


def normal_spec(spec: str) -> str:
    """The one spelling of a match spec: name, version and build, `==` for exact, `.*` for a prefix.

    A spec with brackets or a condition stays as it is, apart from white space.
    """
    # With long white space the expressions below would take quadratic time.
    spec = " ".join(spec.split())
    if "[" in spec or ";" in spec:
        return spec
    found = _PARTS.fullmatch(spec)
    if found is None or not found[2]:
        return spec
    name, rest = found[1].lower(), _AFTER_OPERATORS.sub(r"\1", _AROUND_JOINTS.sub(r"\1", found[2]))
    version, _, build = rest.partition(" ")
    # CEP 29: in `name=1.0=build` the single `=` is exact, as it is not in `name=1.0`.
    if not build and (exact := _WITH_BUILD.fullmatch(version)):
        version, build = exact[1], exact[2]
    version, build = _normal_version(version), build.strip()
    if build in ("", "*"):
        return name if version == "*" else f"{name} {version}"
    return f"{name} {version} {build}"


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
        elif key in _DIGESTS:
            normal[key] = value.hex() if isinstance(value, bytes) else value
        elif key == "purls":
            normal[key] = sorted(set(value))
        else:
            normal[key] = value
    return normal
