"""Which wheels can be installed for which Python, on which platforms."""

import pytest

from pixi_mirror.pypi.names import wheel_name
from pixi_mirror.pypi.wheel_tags import fits

FITS = [
    ("py3-none-any", "3.12", "linux-64", True),
    ("py2.py3-none-any", "3.12", "win-64", True),
    ("py2-none-any", "3.12", "linux-64", False),
    ("py312-none-any", "3.12", "linux-64", True),
    ("py311-none-any", "3.12", "linux-64", True),  # a newer Python takes what was made for an older one
    ("py313-none-any", "3.12", "linux-64", False),
    ("cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64", "3.12", "linux-64", True),
    ("cp312-cp312-linux_x86_64", "3.12", "linux-64", True),
    ("cp312-cp312-manylinux_2_17_x86_64", "3.11", "linux-64", False),
    ("cp311-cp311-manylinux_2_17_x86_64", "3.12", "linux-64", False),
    ("cp311-none-any", "3.12", "linux-64", False),
    ("cp312-none-any", "3.12", "linux-64", True),
    ("cp313-cp313t-manylinux_2_17_x86_64", "3.13", "linux-64", False),  # of the build without the lock
    ("pp310-pypy310_pp73-manylinux_2_17_x86_64", "3.10", "linux-64", False),
    ("cp38-abi3-manylinux_2_17_x86_64", "3.12", "linux-64", True),
    ("cp38.cp39-abi3-win_amd64", "3.12", "win-64", True),
    ("cp313-abi3-manylinux_2_17_x86_64", "3.12", "linux-64", False),
    ("py3-none-manylinux_2_17_aarch64", "3.12", "linux-64", False),
    ("py3-none-manylinux_2_17_aarch64", "3.12", "linux-aarch64", True),
    ("py3-none-musllinux_1_2_x86_64", "3.12", "linux-64", False),  # conda's Python is one of glibc
    ("py3-none-macosx_10_9_x86_64", "3.12", "osx-64", True),
    ("py3-none-macosx_10_9_x86_64", "3.12", "osx-arm64", False),
    ("py3-none-macosx_11_0_arm64", "3.12", "osx-arm64", True),
    ("py3-none-macosx_11_0_arm64", "3.12", "linux-aarch64", False),
    ("py3-none-macosx_10_9_universal2", "3.12", "osx-64", True),
    ("py3-none-macosx_10_9_universal2", "3.12", "osx-arm64", True),
    ("py3-none-win_amd64", "3.12", "win-64", True),
    ("py3-none-win32", "3.12", "win-64", False),
    ("py3-none-win_arm64", "3.12", "win-64", False),
    ("py3-none-win_arm64", "3.12", "win-arm64", True),
    ("py3-none-macosx_10_6_intel", "3.12", "osx-64", True),
    ("py3-none-macosx_10_9_universal", "3.12", "osx-64", True),
    ("py3-none-macosx_15_0_arm64", "3.12", "osx-arm64", True),
    ("py3-none-macosx_26_0_x86_64", "3.12", "osx-64", True),
    ("py3-none-any", "3.12", "linux-riscv64", True),
    ("py3-none-manylinux_2_39_riscv64", "3.12", "linux-riscv64", True),
    ("py3-none-manylinux1_i686", "3.12", "linux-32", True),
    ("py3-none-linux_armv7l", "3.12", "linux-armv7l", True),
    ("py3-none-any", "3.12", "emscripten-wasm32", True),
    ("py3-none-pyodide_2024_0_wasm32", "3.12", "emscripten-wasm32", False),
    ("cp31-abi3-win_amd64", "3.12", "win-64", False),  # the stable ABI began with 3.2
    ("py3-none-manylinux_2_39_riscv64", "3.12", "linux-32", False),
]


@pytest.mark.parametrize(("tag", "python", "subdir", "expected"), FITS)
def test_a_wheel_fits_the_pythons_and_platforms_of_its_tags(tag, python, subdir, expected):
    assert fits(wheel_name(f"thing-1.0-{tag}.whl").tags, python=python, subdir=subdir) is expected


def test_more_of_a_version_of_python_than_its_series_does_not_count():
    assert fits(wheel_name("thing-1.0-cp312-cp312-win_amd64.whl").tags, python="3.12.7", subdir="win-64")
