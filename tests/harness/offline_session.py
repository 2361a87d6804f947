"""A session with no network but loopback: serve a mirror, and use it as pixi's engine, pip and uv do.

A program of its own, to be run in a network namespace without a route: `offline_session.py QUESTION.json`; what came of
it is one JSON object on stdout. It leaves by `os._exit`: py-rattler's threads may crash a process that ends (see
`conda_tools`).
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tomllib
import traceback
from pathlib import Path

PROGRAM = [sys.executable, "-m", "pixi_mirror"]
FORMS = {"sharded": (True, True), "zstd": (False, True), "plain": (False, False)}
"""Name -> whether shards and `.zst` are used."""


def session(question):
    """Everything that is asked of one served mirror."""
    serving = subprocess.Popen(
        [*PROGRAM, "serve", question["mirror"], "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        url = serving.stdout.readline().strip()
        config = subprocess.run(
            [*PROGRAM, "config", question["mirror"], "--url", url], capture_output=True, text=True, check=True
        ).stdout
        answer = {"route": _has_route(), "config": config, "url": url}
        mirrors = tomllib.loads(config)["mirrors"]
        answer["solved"] = {
            f"{form} {time}": asyncio.run(_solved(question, mirrors, form))
            for form in FORMS
            for time in ("cold", "warm")
        }
        asyncio.run(_installed(question, mirrors))
        answer["python"] = _said(f"{question['prefix']}/bin/python", "-c", question["code"])
        answer["pip"] = _pip(question, url)
        answer["uv"] = _uv(question, url)
    finally:
        serving.terminate()
        serving.wait(60)
    return answer


def _has_route():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return False
        return True


def _client(mirrors):
    from rattler.networking import Client, MirrorMiddleware

    return Client([MirrorMiddleware(mirrors)])


def _gateway(question, mirrors, form):
    import rattler

    sharded, zstd = FORMS[form]
    return rattler.Gateway(
        cache_dir=Path(question["cache"]) / form,
        default_config=rattler.SourceConfig(sharded_enabled=sharded, zstd_enabled=zstd, bz2_enabled=False),
        client=_client(mirrors),
    )


async def _records(question, mirrors, form):
    import rattler

    return await rattler.solve(
        sources=[rattler.Channel(url) for url in question["channels"]],
        specs=question["specs"],
        gateway=_gateway(question, mirrors, form),
        platforms=[question["platform"], "noarch"],
        virtual_packages=[each.into_generic() for each in rattler.VirtualPackage.detect()],
    )


async def _solved(question, mirrors, form):
    return sorted([record.url, record.sha256.hex()] for record in await _records(question, mirrors, form))


async def _installed(question, mirrors):
    import rattler

    await rattler.install(
        await _records(question, mirrors, "plain"),
        target_prefix=question["prefix"],
        cache_dir=Path(question["cache"]) / "pkgs",
        client=_client(mirrors),
        show_progress=False,
    )


def _said(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def _pip(question, url):
    target = f"{question['prefix']}-pip"
    _said(sys.executable, "-m", "pip", "install", "--isolated", "--no-cache-dir", "--quiet", "--target", target,
          "--index-url", f"{url}/simple/", question["project"])  # fmt: skip
    return sorted(path.name for path in Path(target).glob("*.dist-info"))


def _uv(question, url):
    target = f"{question['prefix']}-uv"
    _said("uv", "pip", "install", "--quiet", "--no-config", "--no-cache", "--target", target, "--python",
          sys.executable, "--default-index", f"{url}/simple/", question["project"])  # fmt: skip
    return sorted(path.name for path in Path(target).glob("*.dist-info"))


if __name__ == "__main__":
    status = 0
    try:
        print(json.dumps(session(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))))
    except BaseException:  # noqa: BLE001 - what leaves by os._exit prints no traceback of its own
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
