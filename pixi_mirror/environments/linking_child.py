"""Install conda packages into a prefix with py-rattler: a program of its own, which imports nothing of pixi-mirror.

It leaves by `os._exit`: a process that ends right after an asynchronous call of py-rattler dies of SIGSEGV now and
then, after success (pyo3-async-runtimes issue 40).
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

_SUBDIR: _Foreign = getattr(rattler, "Subdir", None) or rattler.Platform
_READ: _Foreign = getattr(rattler.RepoData, "from_path", rattler.RepoData)


def _records(channel: Path, repodata: list[str]) -> list[_Foreign]:
    source = rattler.Channel(channel.as_uri())
    return [record for path in repodata for record in _READ(Path(path)).into_repo_data(source)]


async def _install(question: Mapping[str, Any]) -> None:
    records = _records(Path(question["channel"]), question["repodata"])
    if len(records) != question["packages"]:
        raise ValueError(f"py-rattler reads {len(records)} records of {question['packages']} packages")
    await rattler.install(
        records,
        target_prefix=question["at"],
        alternative_target_prefix=question["prefix"],
        cache_dir=Path(question["cache"]),
        platform=_SUBDIR(question["subdir"]),
        # Scripts of packages are programs that nobody has looked at; pixi does not run them either.
        execute_link_scripts=False,
        show_progress=False,
    )


if __name__ == "__main__":
    status = 0
    try:
        asyncio.run(_install(json.loads(Path(sys.argv[1]).read_bytes())))
    except Exception as error:  # noqa: BLE001 - told to the parent, in its last words
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        status = 1
    sys.stderr.flush()
    os._exit(status)
