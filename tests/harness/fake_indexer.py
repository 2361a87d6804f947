"""An indexer that stands for rattler-index: the same command line, the same files, and it can misbehave.

What it was started with, and how large the packages were that it was shown, is appended to `$INDEXER_LOG`, a line of
JSON a run. `$INDEXER_MOOD` is `honest`, `lies` (one record differs), `shards lie`, `fails`, or `idle` (writes nothing).
"""

import hashlib
import json
import os
import sys
import tomllib
from pathlib import Path

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

HELP = {
    "0.28": "--write-zst <WRITE_ZST>  --write-shards <WRITE_SHARDS>  --config <CONFIG>",
    "0.34": "--config <CONFIG>  Per-channel index options are read from the `index-config` section",
}


def main(arguments):
    mood = os.environ.get("INDEXER_MOOD", "honest")
    if arguments == ["--help"]:
        print(HELP[os.environ.get("INDEXER_VERSION", "0.34")])
        return 0
    channel = Path(arguments[-1])
    note(arguments, channel)
    if mood == "fails":
        print("Error: it is a bad day", file=sys.stderr)
        return 3
    if mood == "idle":
        return 0
    shards = wants_shards(arguments)
    for path in sorted(channel.glob("*/repodata.json")):
        index(path, lies=mood == "lies", shards=shards)
    return 0


def note(arguments, channel):
    sizes = [path.stat().st_size for path in channel.glob("*/*") if path.suffix in {".conda", ".bz2"}]
    with open(os.environ["INDEXER_LOG"], "a") as log:
        log.write(json.dumps({"arguments": arguments, "sizes": sizes}) + "\n")


def wants_shards(arguments):
    if "--write-shards" in arguments:
        return arguments[arguments.index("--write-shards") + 1] == "true"
    if "--config" in arguments:
        config = tomllib.loads(Path(arguments[arguments.index("--config") + 1]).read_text())
        return config["index-config"]["write-shards"]
    return True


def index(path, *, lies, shards):
    document = json.loads(path.read_bytes())
    records = {**document["packages"], **document["packages.conda"]}
    for record in records.values():
        record["depends"] = [respelled(spec) for spec in record["depends"]]
    if lies and records:
        next(iter(records.values()))["depends"] = ["something-else"]
    data = json.dumps({**document, "v3": {}}).encode()
    path.with_name("repodata.json.zst").write_bytes(zstd.compress(data))
    if os.environ.get("INDEXER_MOOD") == "shards lie" and records:
        next(iter(records.values()))["depends"] = ["something-else"]
    if shards:
        write_shards(path.parent, records)


def respelled(spec):
    """As rattler-index from 0.33 on: an exact version gets its operator."""
    name, _, rest = spec.partition(" ")
    return f"{name} =={rest}" if rest[:1].isdigit() and "*" not in rest else spec


def write_shards(folder, records):
    (folder / "shards").mkdir(exist_ok=True)
    digests = {}
    for name in {record["name"] for record in records.values()}:
        own = {file: record for file, record in records.items() if record["name"] == name}
        shard = {
            "packages": {file: record for file, record in own.items() if file.endswith(".bz2")},
            "packages.conda": {file: record for file, record in own.items() if file.endswith(".conda")},
            "removed": [],
        }
        for record in own.values():
            record.update({key: bytes.fromhex(record[key]) for key in ("sha256", "md5") if key in record})
        data = zstd.compress(packed(shard))
        digests[name] = hashlib.sha256(data).digest()
        (folder / f"shards/{digests[name].hex()}.msgpack.zst").write_bytes(data)
    info = {"subdir": folder.name, "base_url": "", "shards_base_url": "./shards/", "created_at": "2026-01-01T00:00:00Z"}
    data = zstd.compress(packed({"info": info, "shards": digests}))
    (folder / "repodata_shards.msgpack.zst").write_bytes(data)


def packed(value):  # noqa: PLR0911 - one a kind
    """MessagePack, the widest form of each kind."""
    match value:
        case None:
            return b"\xc0"
        case bool():
            return b"\xc3" if value else b"\xc2"
        case int():
            return b"\xcf" + value.to_bytes(8, "big")
        case str():
            return b"\xdb" + len(value.encode()).to_bytes(4, "big") + value.encode()
        case bytes():
            return b"\xc6" + len(value).to_bytes(4, "big") + value
        case list():
            return b"\xdd" + len(value).to_bytes(4, "big") + b"".join(map(packed, value))
        case dict():
            pairs = b"".join(packed(key) + packed(each) for key, each in value.items())
            return b"\xdf" + len(value).to_bytes(4, "big") + pairs
    raise TypeError(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
