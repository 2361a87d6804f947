"""Write the documents of a pack, byte for byte as pixi-pack writes them; pure.

A pack is `channel/<subdir>/` with archives and `repodata.json`, `pypi/` with wheels, `environment.yml` and
`pixi-pack.json`. Ours holds more, which pixi-unpack passes over.
"""

import json
import re
from collections.abc import Iterable, Mapping

from pixi_mirror.conda.repodata import to_milliseconds
from pixi_mirror.model.values import Json, Sha256
from pixi_mirror.pack.parse import CHANNEL, CHECKSUMS, EXPLICIT, PYPI, Metadata

_FIELDS = frozenset(
    {"arch", "build", "build_number", "constrains", "depends", "extra_depends", "features", "flags",
     "legacy_bz2_md5", "legacy_bz2_size", "license", "license_family", "md5", "name", "noarch", "platform", "purls",
     "python_site_packages_path", "run_exports", "sha256", "size", "subdir", "timestamp", "track_features", "version"}
)  # fmt: skip
"""The fields of a record that pixi-pack writes."""
_RUN_EXPORTS = ("weak", "strong", "noarch", "weak_constrains", "strong_constrains")


def metadata_bytes(metadata: Metadata) -> bytes:
    """`pixi-pack.json`."""
    found = {
        "version": metadata.version,
        "pixi-pack-version": metadata.pixi_pack_version,
        "platform": metadata.platform,
    }
    return _pretty({key: value for key, value in found.items() if value is not None})


def repodata_bytes(subdir: str, records: Mapping[str, Mapping[str, Json]], *, is_strict: bool) -> bytes:
    """The `repodata.json` of a pack's `subdir` that lists `records` by file name.

    pixi-pack has all of them under `packages.conda`; unless `is_strict`, a `.tar.bz2` stands under `packages`, where
    conda looks for it.
    """
    old = () if is_strict else tuple(name for name in records if name.endswith(".tar.bz2"))
    return _pretty(
        {
            "info": {"subdir": subdir},
            "packages": {name: _record(records[name]) for name in sorted(old)},
            "packages.conda": {name: _record(records[name]) for name in sorted(records.keys() - set(old))},
            "repodata_version": 2,
        }
    )


def _record(record: Mapping[str, Json]) -> Mapping[str, Json]:
    """As rattler writes it: fields by name, times in milliseconds."""
    found = {key: record[key] for key in sorted(_FIELDS & record.keys()) if record[key] is not None}
    if isinstance(timestamp := found.get("timestamp"), int):
        found["timestamp"] = to_milliseconds(timestamp)
    if exports := found.get("run_exports"):
        found["run_exports"] = {key: exports[key] for key in _RUN_EXPORTS if exports.get(key)}
    if groups := found.get("extra_depends"):
        found["extra_depends"] = {key: groups[key] for key in sorted(groups)}
    return found


def environment_bytes(conda: Iterable[tuple[str, str, str]], pypi: Iterable[tuple[str, str]]) -> bytes:
    """`environment.yml`: of conda packages name, version and build, of wheels name and version, in the order given."""
    lines = ["channels:", f"  - ./{CHANNEL}", "  - nodefaults", "dependencies:"]
    lines += [f"  - {name.lower()}={version}={build}" for name, version, build in conda]
    wheels = [f"    - {name}=={version}" for name, version in pypi]
    if wheels:
        lines += ["  - pip:", "    - --no-index", f"    - --find-links ./{PYPI}", *wheels]
    return "\n".join([*lines, ""]).encode()


def explicit_bytes(platform: str, records: Mapping[str, Mapping[str, Json]]) -> bytes:
    """The list that conda and micromamba install with no solver, in an order in which what is needed comes first.

    `records` are by the path in the pack, which both take as one from where they are run; each has a `sha256`.
    """
    lines = [
        "# The conda packages of this pack, to be installed as they are. In the folder of this file run",
        f"#   conda create --offline --prefix PREFIX --file {EXPLICIT}",
        f"#   micromamba create --offline --prefix PREFIX --file {EXPLICIT}",
        f"# platform: {platform}",
        "@EXPLICIT",
    ]
    lines += [f"{path}#{records[path]['sha256']}" for path in _needed_first(records)]
    return "\n".join([*lines, ""]).encode()


def _needed_first(records: Mapping[str, Mapping[str, Json]]) -> list[str]:
    """The paths, each after those of what it depends on, else by name; of a cycle, whichever comes first."""
    named: dict[str, list[str]] = {}
    for path in sorted(records, key=lambda path: (records[path]["name"], path)):
        named.setdefault(records[path]["name"], []).append(path)
    done: dict[str, None] = {}
    entered: set[str] = set()
    waiting = [path for paths in reversed(named.values()) for path in reversed(paths)]
    while waiting:
        path = waiting[-1]
        if path in entered:
            waiting.pop()
            done[path] = None
            continue
        entered.add(path)
        needed = {re.split(r"[ <>=!~\[;,]", spec, maxsplit=1)[0] for spec in records[path].get("depends", ())}
        waiting += [
            each for name in sorted(needed, reverse=True) for each in named.get(name, ()) if each not in entered
        ]
    return list(done)


def checksums_bytes(sums: Mapping[str, Sha256]) -> bytes:
    """`SHA256SUMS` of the files at these paths in the pack, as `sha256sum --check` takes it.

    Raises:
        ValueError: a path would be escaped there, or read as another.
    """
    for path in sums:
        if not path.isprintable() or "\\" in path or path != path.strip():
            raise ValueError(f"{path!r} is no path that can stand in {CHECKSUMS}")
    return "".join(f"{sums[path]}  {path}\n" for path in sorted(sums)).encode()


def _pretty(document: Mapping[str, Json]) -> bytes:
    return json.dumps(document, indent=2, ensure_ascii=False).encode()
