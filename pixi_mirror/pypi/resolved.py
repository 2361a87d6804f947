"""What a resolver chose: pip's installation report and `pylock.toml` (PEP 751), read for the files they pin; pure."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from pixi_mirror.model.values import Json, Sha256, admit_sha256
from pixi_mirror.pypi.names import WheelName, normalised

_MACHINES = {
    "linux-64": ("linux", ("x86_64",)),
    "linux-aarch64": ("linux", ("aarch64",)),
    "linux-ppc64le": ("linux", ("ppc64le",)),
    "osx-64": ("macosx", ("x86_64", "universal2", "intel")),
    "osx-arm64": ("macosx", ("arm64", "universal2")),
    "win-64": ("win", ("amd64",)),
    "win-arm64": ("win", ("arm64",)),
}
"""Subdir -> how the platform tag of a wheel begins (`manylinux` is linux, too) and ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """One file that a resolver chose."""

    name: str
    """Normalised."""
    version: str
    url: str
    sha256: Sha256


def read_report(text: str) -> tuple[Resolved, ...]:
    """The files of pip's installation report, version 1.

    Raises:
        ValueError: it is none, or a file has no sha256.
    """
    try:
        rows = [(row["metadata"], row["download_info"]) for row in json.loads(text)["install"]]
        return tuple(
            _resolved(about["name"], about["version"], info["url"], info["archive_info"].get("hashes", {}))
            for about, info in rows
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is no report of pip: it lacks or misspells {error}") from None
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"it is no report of pip, but damaged JSON: {error}") from None


def read_pylock(text: str) -> tuple[Resolved, ...]:
    """The wheels of a `pylock.toml`.

    Raises:
        ValueError: it is none, a package has no wheel, or a wheel has no sha256.
    """
    import tomllib

    try:
        document = tomllib.loads(text)
        return tuple(each for package in document.get("packages", []) for each in _wheels(package))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is no pylock.toml: it lacks or misspells {error}") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(f"it is no pylock.toml, but damaged TOML: {error}") from None


def _wheels(package: Json) -> Iterator[Resolved]:
    if not package.get("wheels"):
        raise ValueError(f"{package['name']} has no wheel for this platform")
    for wheel in package["wheels"]:
        yield _resolved(package["name"], package["version"], wheel["url"], wheel["hashes"])


def _resolved(name: str, version: str, url: str, hashes: Json) -> Resolved:
    for key, value in (("name", name), ("version", version), ("url", url)):
        if not isinstance(value, str):
            raise TypeError(f"{key} of {name}")
    if "sha256" not in hashes:
        raise ValueError(f"{name} {version} has no sha256")
    return Resolved(name=normalised(name), version=version, url=url, sha256=admit_sha256(hashes["sha256"]))


def fits(wheel: WheelName, *, python: str, subdir: str) -> bool:
    """Whether a wheel may be installed for CPython `python` (such as `3.12`) on a platform of `subdir`."""
    return _fits_python(wheel, int(python.split(".")[1])) and _fits_platform(wheel, subdir)


def _fits_python(wheel: WheelName, minor: int) -> bool:
    own, earlier = f"cp3{minor}", range(minor + 1)
    tagged = {
        "none": {own, "py3", *(f"py3{each}" for each in earlier)},
        "abi3": {f"cp3{each}" for each in earlier},
        own: {own},  # a build without the global lock has another, such as cp313t
    }
    return any(not tagged.get(abi, set()).isdisjoint(wheel.pythons) for abi in wheel.abis)


def _fits_platform(wheel: WheelName, subdir: str) -> bool:
    if "any" in wheel.platforms:
        return True
    system, machines = _MACHINES.get(subdir, ("", ()))
    return any(
        tag.removeprefix("many").startswith(system) and tag.endswith(machines) for tag in wheel.platforms if machines
    )
