"""A wheel is injected beside a conda package that may stand for the same Python project."""

from pathlib import Path

import pytest
from harness.inventories import conda, digest

from pixi_mirror.errors import UnmirrorableError
from pixi_mirror.model.packages import Package
from pixi_mirror.model.values import Url, admit_path
from pixi_mirror.pack.inject import refuse_doubles
from pixi_mirror.pack.obtain import ReadyFile


def wheel(name):
    sha256 = digest(f"{name}.whl")
    package = Package(
        path=admit_path(f"local/{sha256}/{name}-1.0-py3-none-any.whl"), url=Url("file:///x"), sha256=sha256, md5=None,
        size=1, kind="pypi", name=name, version="1.0", build=None, subdir=None, record={},
    )  # fmt: skip
    return ReadyFile(package=package, path=Path(f"{name}.whl"), sha256=sha256, size=1)


@pytest.mark.parametrize("purl", ["pkg:pypi/a", "pkg:pypi/A@1.0?b=c@d#e", "pkg:pypi/a#e", "pkg:pypi/a#e?f"])
def test_a_purl_names_a_project_whatever_follows_it(purl):
    with pytest.raises(UnmirrorableError, match=r"would stand beside other=1\.0=0"):
        refuse_doubles([conda("other", purls=[purl])], [wheel("a")])


@pytest.mark.parametrize("purls", [[], ["pkg:pypi/"], ["pkg:npm/other"], ["pkg:pypi/b"]])
def test_a_package_whose_purls_name_no_such_project_is_not_in_the_way(purls):
    refuse_doubles([conda("other", purls=purls)], [wheel("other")])


def test_a_package_whose_purls_nobody_knows_stands_for_the_project_of_its_name():
    with pytest.raises(UnmirrorableError):
        refuse_doubles([conda("other")], [wheel("other")])
