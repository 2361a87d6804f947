"""The names of conda: what CEP 26 lets a package, a subdir and a file be called; pure functions of strings."""

import re

SUFFIXES = (".conda", ".tar.bz2")
"""How the name of a conda package file ends."""

SUBDIRS: dict[str, tuple[str | None, str | None]] = {
    "noarch": (None, None),
    "linux-32": ("x86", "linux"),
    "linux-64": ("x86_64", "linux"),
    "linux-aarch64": ("aarch64", "linux"),
    "linux-armv6l": ("armv6l", "linux"),
    "linux-armv7l": ("armv7l", "linux"),
    "linux-loongarch64": ("loongarch64", "linux"),
    "linux-ppc64le": ("ppc64le", "linux"),
    "linux-ppc64": ("ppc64", "linux"),
    "linux-ppc": ("ppc", "linux"),
    "linux-s390x": ("s390x", "linux"),
    "linux-riscv32": ("riscv32", "linux"),
    "linux-riscv64": ("riscv64", "linux"),
    "freebsd-32": ("x86", "freebsd"),
    "freebsd-64": ("x86_64", "freebsd"),
    "freebsd-arm64": ("arm64", "freebsd"),
    "osx-64": ("x86_64", "osx"),
    "osx-arm64": ("arm64", "osx"),
    "ios-arm64": ("arm64", "ios"),
    "iossimulator-arm64": ("arm64", "iossimulator"),
    "iossimulator-64": ("x86_64", "iossimulator"),
    "android-aarch64": ("aarch64", "android"),
    "android-armv7a": ("armv7a", "android"),
    "android-64": ("x86_64", "android"),
    "android-32": ("x86", "android"),
    "win-32": ("x86", "win"),
    "win-64": ("x86_64", "win"),
    "win-arm64": ("arm64", "win"),
    "emscripten-wasm32": ("wasm32", "emscripten"),
    "emscripten-wasm64": ("wasm64", "emscripten"),
    "wasi-wasm32": ("wasm32", "wasi"),
    "zos-z": ("z", "zos"),
}
"""Every subdir that pixi knows -> `arch` and `platform` of its records; None: the records have none."""

# CEP 26 prints its expressions with ^ and $; `fullmatch` instead, because `re.match(r"^…$", "numpy\n")` succeeds.
_NAME = re.compile(r"(?:[a-z0-9]|[a-z0-9_](?!_))[._-]?(?:[a-z0-9]+(?:[._-]|\Z))*", re.IGNORECASE)
_VERSION = re.compile(r"[0-9a-z._+!]+")
_BUILD = re.compile(r"[A-Za-z0-9_.+]+")
_SUBDIR = re.compile(r"noarch|[a-z0-9]+-[a-z0-9]+")
# Packages older than the CEP may hold upper case, or a second leading underscore: safe, so only a matter of taste.
_LEGACY = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_+!-]|\.(?!\.))*")
_LONGEST_PART = 64
_LONGEST_SUBDIR = 32
_LONGEST_FILE_NAME = 211


def is_subdir(name: str) -> bool:
    """Whether `name` can be a subdir. CEP 26: `noarch` or `[a-z0-9]+-[a-z0-9]+`, 32 characters at most."""
    return len(name) <= _LONGEST_SUBDIR and _SUBDIR.fullmatch(name) is not None


def split_stem(file_name: str) -> tuple[str, str, str, str] | None:
    """Name, version, build and extension as they stand in `file_name`, unchecked; None: there are not three parts.

    CEP 26: the stem is split twice at `-` from the right.
    """
    for suffix in SUFFIXES:
        if file_name.endswith(suffix):
            parts = file_name[: -len(suffix)].rsplit("-", 2)
            return (parts[0], parts[1], parts[2], suffix[1:]) if len(parts) == 3 else None  # noqa: PLR2004 - three parts
    return None


def split_file_name(file_name: str) -> tuple[str, str, str, str]:
    """Name, version, build and extension (`conda` or `tar.bz2`) of a package file's name.

    Raises:
        ValueError: CEP 26 does not allow it.
    """
    parts = split_stem(file_name)
    if parts is None:
        raise ValueError(f"{file_name!r} is not NAME-VERSION-BUILD.conda or .tar.bz2")
    name, version, build, _ = parts
    if len(file_name) > _LONGEST_FILE_NAME:
        raise ValueError(f"the file name {file_name[:40]!r}... is longer than {_LONGEST_FILE_NAME} characters")
    for part, kind, grammar in ((name, "name", _NAME), (version, "version", _VERSION), (build, "build", _BUILD)):
        if len(part) > _LONGEST_PART or not grammar.fullmatch(part):
            raise ValueError(f"{part!r} is not a {kind} that CEP 26 allows (in {file_name!r})")
    return parts


def split_safe_file_name(file_name: str) -> tuple[str, str, str, str]:
    """As `split_file_name`, but names that are only older than CEP 26 and safe pass.

    Raises:
        ValueError: the name is unsafe, or not made of name, version and build.
    """
    try:
        return split_file_name(file_name)
    except ValueError:
        parts = split_stem(file_name)
        if parts is None or not all(parts) or len(file_name) > _LONGEST_FILE_NAME or not _LEGACY.fullmatch(file_name):
            raise
        return parts
