"""Resolve match specs with py-rattler: a program of its own, which imports nothing of pixi-mirror.

It leaves by `os._exit`, as `solve_child.py` does and for the same reason.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import rattler

_Foreign: TypeAlias = Any
"""What py-rattler makes: its types differ from version to version."""

_BUILD: _Foreign = getattr(rattler, "BuildString", str)
"""Before 0.28 a build was a plain string."""
_NO_RECORD = ("fn", "url", "channel")


async def _answer(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    records = await rattler.solve(
        sources=[rattler.Channel(channel) for channel in request["channels"]],
        specs=[rattler.MatchSpec(spec) for spec in request["specs"]],
        gateway=rattler.Gateway(),
        platforms=list(dict.fromkeys([request["subdir"], "noarch"])),
        virtual_packages=[_virtual(text) for text in request["virtual_packages"]],
    )
    return [_row(record, request["channels"]) for record in records]


def _row(record: _Foreign, channels: list[str]) -> Mapping[str, Any]:
    fields = {key: value for key, value in json.loads(record.to_json()).items() if value is not None}
    home = next((channel for channel in channels if record.url.startswith(f"{channel}/")), "")
    return {
        "url": record.url,
        "channel": home,
        "record": {key: value for key, value in fields.items() if key not in _NO_RECORD},
    }


def _virtual(text: str) -> _Foreign:
    name, version, build = text.split("=")
    return rattler.GenericVirtualPackage(rattler.PackageName(name), rattler.Version(version), _BUILD(build))


if __name__ == "__main__":
    status = 0
    try:
        sys.stdout.write(json.dumps(asyncio.run(_answer(json.loads(Path(sys.argv[1]).read_bytes())))))
    except Exception as error:  # noqa: BLE001 - the parent shows it
        sys.stderr.write(f"{' '.join(str(error).split())[:1000]}\n")
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
