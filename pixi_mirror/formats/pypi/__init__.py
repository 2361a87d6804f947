"""What the specifications of PyPI say: names, index pages, core metadata, and the package that an entry stands for."""

from pixi_mirror.formats.pypi.metadata import CoreMetadata, build_requirements, read_metadata, required_name
from pixi_mirror.formats.pypi.names import (
    Form,
    WheelName,
    file_name_of,
    form_of,
    is_wheel_name,
    normalised,
    sdist_version,
    wheel_name,
)
from pixi_mirror.formats.pypi.package import called, pypi_package
from pixi_mirror.formats.pypi.page import Listed, read_page
from pixi_mirror.formats.pypi.resolved import Resolved, fits, read_pylock, read_report
from pixi_mirror.formats.pypi.writing import Link, html_page, html_root, json_page, json_root

__all__ = [
    "CoreMetadata",
    "Form",
    "Link",
    "Listed",
    "Resolved",
    "WheelName",
    "build_requirements",
    "called",
    "file_name_of",
    "fits",
    "form_of",
    "html_page",
    "html_root",
    "is_wheel_name",
    "json_page",
    "json_root",
    "normalised",
    "pypi_package",
    "read_metadata",
    "read_page",
    "read_pylock",
    "read_report",
    "required_name",
    "sdist_version",
    "wheel_name",
]
