"""Say what is in a pack, as a bill of materials in a file beside it; nothing of it goes into the pack itself."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pixi_mirror.disk.files import explain_errors
from pixi_mirror.model.packages import Cell, Inventory, PackageFile, Snapshot
from pixi_mirror.model.values import MirrorPath, sha256_of
from pixi_mirror.pack.choose import PackPlan
from pixi_mirror.pack.obtain import ReadyFile
from pixi_mirror.pypi.names import is_wheel_name
from pixi_mirror.pypi.simple import METADATA
from pixi_mirror.pypi.wheel import read_wheel_metadata
from pixi_mirror.sbom.components import Bill, list_components
from pixi_mirror.sbom.cyclonedx import ENDING

_ENDINGS = (".tar", ".sh", ".ps1")


def bill_beside(output: Path) -> Path:
    """The file for the bill of a pack: the pack's name with another ending."""
    name = next((output.name.removesuffix(each) for each in _ENDINGS if output.name.endswith(each)), output.name)
    return output.with_name(f"{name}{ENDING}")


def bill_of_pack(workspace: str, plan: PackPlan, files: Sequence[ReadyFile]) -> Bill:
    """The bill of what goes into a pack.

    Args:
        workspace: its name.
        plan: of the pack.
        files: everything in it, what is injected too.
    """
    held = {file.package.path: file for file in files}
    cell = Cell(
        environment=plan.environment,
        platform=plan.platform,
        subdir=plan.subdir,
        channels=(),
        packages=tuple(sorted(held)),
    )
    packages = tuple(held[path].package for path in sorted(held))
    stamps = (package.record.get("timestamp") or 0 for package in packages if package.kind == "conda")
    snapshot = Snapshot(
        id="pack",
        workspace=workspace,
        source_sha256=sha256_of(b""),
        newest_timestamp=max(stamps, default=0),
        requests=(),
        cells=(cell,),
        packages=packages,
        refused=(),
    )
    tree = {path: PackageFile(sha256=file.sha256, size=file.size) for path, file in held.items()}

    def read(path: MirrorPath) -> bytes | None:
        file = held.get(MirrorPath(path.removesuffix(METADATA)))
        if file is None or not is_wheel_name(file.file_name):
            return None
        with suppress(ValueError), explain_errors("read", file.path):
            return read_wheel_metadata(file.path, file_name=file.file_name)
        return None

    return list_components(Inventory(layout="channels", snapshots=(snapshot,), kept={}, tree=tree), read)
