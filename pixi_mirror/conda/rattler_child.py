"""Solve environments, and resolve match specs, with py-rattler: a program of its own, which imports nothing of ours.

It leaves by `os._exit`: a process that ends right after an asynchronous call of py-rattler dies of SIGSEGV now and
then, after success (pyo3-async-runtimes issue 40).
"""

import asyncio
import inspect
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote

import rattler

_Foreign: TypeAlias = Any
"""What py-rattler makes: its types differ from version to version."""

_BUILD: _Foreign = getattr(rattler, "BuildString", str)
"""Before 0.28 a build was a plain string."""
_NO_RECORD = ("fn", "url", "channel")


async def _solved(requests: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    gateway = rattler.Gateway()
    return [await _answer(request, gateway) for request in requests]


async def _answer(request: Mapping[str, Any], gateway: _Foreign) -> Mapping[str, Any]:
    channels = request["channels"]
    is_ranked = len(channels) > 1
    packages = request["packages"]
    if not packages:
        return {"problem": None, "otherwise": [], "strict": [] if is_ranked else None}
    wanted = {package["path"] for package in packages}
    exact = [_exact_spec(package) for package in packages]
    everywhere = list(dict.fromkeys([*channels, *request["homes"]]))
    try:
        # The specs say which file, so the order of channels has nothing to decide.
        found = await _solve(request, gateway, exact, channels=everywhere, strict=False)
    except Exception as error:  # noqa: BLE001 - py-rattler's own, of no common kind
        return {"problem": _shown(error, 1000), "otherwise": [], "strict": [] if is_ranked else None}
    lacking, extra = sorted(wanted - found.keys()), sorted(found.keys() - wanted)
    problem = None
    if lacking or extra:
        problem = f"the solve {'lacks ' + lacking[0] if lacking else 'takes ' + extra[0]}, unlike the lock"
    return {
        "problem": problem,
        "otherwise": await _otherwise(request, gateway, strict=False),
        "strict": await _otherwise(request, gateway, strict=True) if is_ranked else None,
    }


async def _otherwise(request: Mapping[str, Any], gateway: _Foreign, *, strict: bool) -> list[str]:
    """What names alone would give instead, a line a package."""
    locked = {package["name"]: f"{package['version']} {package['build']}" for package in request["packages"]}
    given = {*request["given_paths"].values()}
    # What the lock names by its URL or path is the only one of its name.
    specs = [_exact_spec(each) if each["path"] in given else each["name"] for each in request["packages"]]
    try:
        found = await _solve(request, gateway, specs, channels=request["channels"], strict=strict)
    except Exception as error:  # noqa: BLE001 - py-rattler's own, of no common kind
        return [f"no solution: {_shown(error, 300)}"]
    chosen = {name: f"{version} {build}" for name, version, build in found.values()}
    return [
        f"{name} {chosen.get(name, 'nothing')} instead of {locked.get(name, 'nothing')}"
        for name in sorted({*chosen, *locked})
        if chosen.get(name) != locked.get(name)
    ]


def _exact_spec(package: Mapping[str, Any]) -> str:
    brackets = f'[sha256="{package["sha256"]}"]' if package["sha256"] else ""
    return f"{package['name']} =={package['version']} {package['build']}{brackets}"


async def _solve(
    request: Mapping[str, Any], gateway: _Foreign, specs: list[str], *, channels: list[str], strict: bool
) -> dict[str, tuple[str, str, str]]:
    """Path in the mirror -> name, version and build of what a solve takes."""
    priorities = rattler.ChannelPriority
    given = [request["given"]] if request["given"] else []
    records = await rattler.solve(
        sources=[rattler.Channel(Path(channel).as_uri()) for channel in (*given, *channels)],
        specs=[rattler.MatchSpec(spec) for spec in specs],
        gateway=gateway,
        platforms=list(dict.fromkeys([request["subdir"], "noarch"])),
        virtual_packages=[_virtual(text) for text in request["virtual_packages"]],
        channel_priority=priorities.Strict if strict else priorities.Disabled,
    )
    return {
        _path(unquote(record.url), request): (record.name.normalized, str(record.version), str(record.build))
        for record in records
    }


def _path(url: str, request: Mapping[str, Any]) -> str:
    """The path in the mirror of what lies at an unquoted `file:` URL."""
    if request["given"] and url.startswith(unquote(Path(request["given"]).as_uri()) + "/"):
        return str(request["given_paths"][url.rpartition("/")[2]])
    return url.removeprefix(unquote(Path(request["root"]).as_uri()) + "/")


async def _resolved(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    options: dict[str, Any] = {}
    if request["alone"] and "channel_relations" in inspect.signature(rattler.solve).parameters:
        options["channel_relations"] = "disabled"  # a copy of a channel has no siblings
    records = await rattler.solve(
        sources=[rattler.Channel(channel) for channel in request["channels"]],
        specs=[rattler.MatchSpec(spec) for spec in request["specs"]],
        gateway=rattler.Gateway(),
        platforms=list(dict.fromkeys([request["subdir"], "noarch"])),
        virtual_packages=[_virtual(text) for text in request["virtual_packages"]],
        **options,
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


def _shown(error: Exception, at_most: int) -> str:
    """In one line of so many characters."""
    return " ".join(str(error).split())[:at_most]


if __name__ == "__main__":
    status = 0
    question, details = json.loads(Path(sys.argv[1]).read_bytes())
    try:
        sys.stdout.write(json.dumps(asyncio.run(_solved(details) if question == "solve" else _resolved(details))))
    except Exception as error:  # noqa: BLE001 - the parent shows it
        shown = f"{type(error).__name__}: {error}" if question == "solve" else _shown(error, 1000)
        sys.stderr.write(f"{shown}\n")
        status = 1 if type(error).__name__ == "SolverError" else 2
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
