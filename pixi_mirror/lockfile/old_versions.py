"""Read locks of the oldest versions through py-rattler, where it is installed. One temporary file is written for it."""

import json
from types import MappingProxyType
from typing import Any

from pixi_mirror.conda.names import SUBDIRS
from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.entries import (
    CondaBinary,
    CondaSource,
    Entry,
    Lock,
    LockedEnvironment,
    LockedPlatform,
    PypiEntry,
)
from pixi_mirror.lockfile.records import location_parts, timestamp_ms
from pixi_mirror.model.values import Md5, Sha256, mask_secrets

_NOT_REPODATA = ("fn", "url", "channel")


def read_old_lock(data: bytes, *, version: int, name: str) -> Lock:
    """Read a lock with py-rattler.

    Args:
        data: the file.
        version: its format version.
        name: how messages name the lock.

    Raises:
        WorkspaceError: py-rattler is not installed, or refuses it.
    """
    try:
        from rattler import LockFile
    except ImportError:
        raise WorkspaceError(
            f"{name} has the old lock format version {version}, which is read through py-rattler, and that is not "
            "installed. Either `pip install py-rattler`, or write the lock anew with `pixi lock` of a "
            "newer pixi."
        ) from None
    from pixi_mirror.process import scratch_directory  # a run that reads no such lock starts no program

    # py-rattler reads files only.
    with scratch_directory() as directory:
        path = directory / "pixi.lock"
        path.write_bytes(data)
        try:
            return _lock(LockFile.from_path(path), version)
        except Exception as error:  # noqa: BLE001 - py-rattler has no common class of errors
            problem = mask_secrets(str(error)).replace(str(path), name)
    raise WorkspaceError(
        f"{name} has the old lock format version {version} and py-rattler cannot read it: {problem}. Write the lock "
        "anew with `pixi lock` of a newer pixi."
    )


def _lock(found: Any, version: int) -> Lock:  # noqa: ANN401 - py-rattler is optional
    platforms = {}
    environments = {}
    newest = 0
    for name, environment in found.environments():
        packages: dict[str, tuple[Entry, ...]] = {}
        for platform in environment.platforms():
            subdir = str(platform.subdir)
            platforms[platform.name] = LockedPlatform(name=platform.name, subdir=subdir, virtual_packages=())
            entries = tuple(_entry(package) for package in environment.packages(platform) or ())
            packages[platform.name] = entries
            records = (entry.record for entry in entries if isinstance(entry, CondaBinary))
            newest = max(newest, *map(timestamp_ms, records), 0)
        environments[name] = LockedEnvironment(
            channels=tuple(_channel(channel) for channel in environment.channels()),
            indexes=(),
            find_links=(),
            packages=MappingProxyType(packages),
            build_packages=MappingProxyType(dict.fromkeys(packages, ())),
        )
    return Lock(
        version=version,
        platforms=MappingProxyType(platforms),
        environments=MappingProxyType(environments),
        newest_timestamp=newest,
    )


def _entry(package: Any) -> Entry:  # noqa: ANN401 - py-rattler is optional
    location = str(package.location)
    kind = type(package).__name__
    if kind == "PypiLockedPackage":
        return PypiEntry(
            name=str(package.name),
            version=_version(package),
            location=location,
            sha256=Sha256(sha256) if (sha256 := _digest(package, "sha256")) else None,
            md5=Md5(md5) if (md5 := _digest(package, "md5")) else None,
            index=None,
            requires_dist=tuple(str(item) for item in package.requires_dist),
            requires_python=str(package.requires_python) if package.requires_python else None,
            editable=False,
        )
    if kind == "CondaLockedSourcePackage":
        return CondaSource(name=str(package.name), location=location)
    record = json.loads(package.repo_data_record().to_json())
    for key in _NOT_REPODATA:
        record.pop(key, None)
    parts = location_parts(location)
    known = parts.parent in SUBDIRS or parts.parent == record["subdir"]
    return CondaBinary(
        location=location,
        channel=parts.channel,
        subdir=parts.parent if known else None,
        file_name=parts.file_name,
        record=record,
    )


def _version(package: Any) -> str | None:  # noqa: ANN401 - py-rattler is optional
    version = str(package.version)
    return None if version in ("None", "<dynamic>") else version


def _digest(package: Any, kind: str) -> str | None:  # noqa: ANN401 - py-rattler is optional
    try:
        digest: bytes | None = getattr(package.hashes, kind)
    except AttributeError:  # py-rattler 0.28 wraps the absence of hashes without looking
        return None
    return digest.hex() if digest else None


def _channel(channel: Any) -> str:  # noqa: ANN401 - py-rattler is optional
    return str(channel)
