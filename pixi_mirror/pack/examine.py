"""Refuse to pack what could not be unpacked, while there is still somebody to do something about it."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pixi_mirror.disk.files import explain_errors, hash_file
from pixi_mirror.environments.conda_archive import CondaArchive
from pixi_mirror.environments.examine import examine_packages
from pixi_mirror.environments.stored_file import StoredFile
from pixi_mirror.environments.wheel_archive import PackedWheel
from pixi_mirror.errors import PixiMirrorError, SeveralErrors, UnmirrorableError
from pixi_mirror.pack.choose import PackPlan
from pixi_mirror.pack.contents import Style
from pixi_mirror.pack.obtain import ReadyFile


def refuse_what_unpack_refuses(files: Sequence[ReadyFile], plan: PackPlan, style: Style) -> None:
    """Refuse packages that `unpack` would refuse, such as those with links that lead outside.

    Raises:
        UnmirrorableError: a package is one; it is named.
        SeveralErrors: several of them.
        MachineError: one cannot be read.
    """
    # What is injected may be locked, too.
    by_name = {each.package.name.lower(): each for each in files if each.package.kind == "conda"}
    conda = [_conda(each, plan.subdir) for each in by_name.values()]
    wheels = [_wheel(each, style) for each in files if each.file_name.endswith(".whl")]
    with explain_errors("read the packages of", plan.environment), tempfile.TemporaryDirectory() as scratch:
        errors = examine_packages(conda, wheels, subdir=plan.subdir, scratch=Path(scratch), jobs=os.cpu_count() or 1)
        if errors and any(hash_file(each.path)[0] != each.sha256 for each in files):
            return  # a file has changed since it was verified, which whoever packs it finds, and mends
    found: list[PixiMirrorError] = [UnmirrorableError(f"{error} `unpack` would refuse it.") for error in errors]
    if len(found) == 1:
        raise found[0]
    if found:
        raise SeveralErrors(f"{len(found)} packages of {plan.environment} could not be unpacked:", found)


def _conda(file: ReadyFile, subdir: str) -> CondaArchive:
    package = file.package
    return CondaArchive(
        stored=StoredFile(file.path, 0, file.size),
        file_name=file.file_name,
        subdir=package.subdir or subdir,
        record={"name": package.name, "version": package.version, "build": package.build, **package.record},
        url="",
        channel=None,
    )


def _wheel(file: ReadyFile, style: Style) -> PackedWheel:
    return PackedWheel(
        stored=StoredFile(file.path, 0, file.size),
        file_name=file.file_name,
        name=file.package.name,
        version=file.package.version,
        sha256=file.sha256,
        is_verified=not style.is_strict,  # others have SHA256SUMS
    )
