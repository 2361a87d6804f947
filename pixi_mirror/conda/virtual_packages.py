"""Read virtual packages as pixi gives them to its solver, and say which it assumes where a lock has none; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_ARCHSPEC = "__archspec"
_CUDA = "__cuda=13.9"
_ASSUMED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "linux": ("__unix=0", "__linux=6.12", "__glibc=2.43"),
        "osx": ("__unix=0", "__osx=26.0"),
        "win": ("__win=10.0",),
        "emscripten": ("__unix=0",),
    }
)
"""The first part of a subdir -> what pixi assumes for it, or newer."""
_MICROARCHITECTURES: Mapping[str, str] = MappingProxyType(
    {
        "linux-32": "x86",
        "linux-64": "x86_64",
        "linux-aarch64": "aarch64",
        "linux-armv6l": "aarch64",
        "linux-armv7l": "aarch64",
        "linux-loongarch64": "loongarch64",
        "linux-ppc": "ppc",
        "linux-ppc64": "ppc64",
        "linux-ppc64le": "ppc64le",
        "linux-riscv32": "riscv32",
        "linux-riscv64": "riscv64",
        "linux-s390x": "s390x",
        "osx-64": "x86_64",
        "osx-arm64": "m1",
        "win-32": "x86",
        "win-64": "x86_64",
        "win-arm64": "aarch64",
    }
)
"""A subdir -> the oldest microarchitecture that pixi assumes for it."""


_DEFAULTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "linux": ("__unix=0=0", "__linux=4.18", "__glibc=2.28"),
        "osx": ("__unix=0=0", "__osx=13.0"),
        "win": ("__win=10.0",),
        "emscripten": ("__unix=0=0",),
        "wasi": (),
        "zos": (),
    }
)
"""The first part of a subdir -> what pixi solves for if a manifest names no virtual packages, as it is in a lock.

pixi 0.77: crates/pixi_default_versions/src/lib.rs, and `subdir_default_virtual_packages` in pixi_manifest.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualPackage:
    """What stands for a property of the machine, such as `__glibc`."""

    name: str
    version: str
    build: str

    @property
    def text(self) -> str:
        """`NAME=VERSION=BUILD`."""
        return f"{self.name}={self.version}={self.build}"


def read_virtual_package(text: str) -> VirtualPackage:
    """Return the virtual package that a lock spells `NAME[=VERSION[=BUILD]]`, as pixi's solver sees it.

    Of `__archspec` the build alone counts: it names the microarchitecture. Locks have the version 0 there, and the
    solver has 1 in any case.
    """
    name, version, build = (*text.split("="), "", "")[:3]
    if name == _ARCHSPEC:
        version = "1"
    return VirtualPackage(name=name, version=version or "0", build=build or "0")


def assumed_virtual_packages(subdir: str, *, with_cuda: bool) -> tuple[VirtualPackage, ...]:
    """Return what pixi assumes, or newer, for a lock that names no virtual packages."""
    texts = [*_ASSUMED.get(subdir.partition("-")[0], ()), *([_CUDA] if with_cuda else [])]
    if subdir in _MICROARCHITECTURES:
        texts.append(f"{_ARCHSPEC}=1={_MICROARCHITECTURES[subdir]}")
    return tuple(read_virtual_package(text) for text in texts)


def default_virtual_packages(subdir: str) -> tuple[str, ...]:
    """Return what pixi solves for where a manifest names no virtual packages, as its lock spells them."""
    texts = _DEFAULTS.get(subdir.partition("-")[0], ("__unix=0=0",))
    architecture = _MICROARCHITECTURES.get(subdir)
    return texts if architecture is None else (*texts, f"__archspec=0={architecture}")
