"""Make packs as pixi-pack of several ages made them, with `tarfile` and `json` and nothing of ours but the packages."""

import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from pixi_mirror.demo.distributions import BuiltDistribution
from pixi_mirror.demo.packages import BuiltPackage


def pack_files(
    packages: Iterable[BuiltPackage],
    wheels: Iterable[BuiltDistribution] = (),
    *,
    platform: str = "linux-64",
    version: str | None = "0.7.10",
    hashes: bool = True,
) -> dict[str, bytes]:
    """What a pack holds, by path: as pixi-pack writes it, which has every package under `packages.conda`."""
    found: dict[str, bytes] = {}
    subdirs: dict[str, dict[str, dict]] = {}
    for package in packages:
        record = dict(package.record)
        if not hashes:
            record = {key: value for key, value in record.items() if key not in ("sha256", "md5", "size")}
        subdirs.setdefault(str(record["subdir"]), {})[package.file_name] = record
        found[f"channel/{record['subdir']}/{package.file_name}"] = package.data
    for subdir, records in subdirs.items():
        document = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": records, "repodata_version": 2}
        found[f"channel/{subdir}/repodata.json"] = json.dumps(document, indent=2).encode()
    metadata = {"version": "1", "pixi-pack-version": version, "platform": platform}
    found["pixi-pack.json"] = json.dumps({key: value for key, value in metadata.items() if value}, indent=2).encode()
    found["environment.yml"] = b"channels:\n  - ./channel\n  - nodefaults\n"
    return found | {f"pypi/{wheel.file_name}": wheel.data for wheel in wheels}


def tar_of(files: Mapping[str, bytes], *, dots: bool = False, dialect: int = tarfile.GNU_FORMAT) -> bytes:
    """A tar of the files and of the folders that they lie in; its names begin with `./` on demand."""
    buffer = io.BytesIO()
    folders = {str(parent) for path in files for parent in Path(path).parents} - {"."}
    before = "./" if dots else ""
    with tarfile.open(fileobj=buffer, mode="w", format=dialect) as archive:
        for name in sorted({*files, *folders}):
            entry = tarfile.TarInfo(before + name)
            if name in files:
                entry.size = len(files[name])
                archive.addfile(entry, io.BytesIO(files[name]))
            else:
                entry.type = tarfile.DIRTYPE
                entry.mode = 0o755
                archive.addfile(entry)
    return buffer.getvalue()


def write_folder(files: Mapping[str, bytes], folder: Path) -> Path:
    """The same as a folder, as `pixi-pack --directory-only` leaves it."""
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder
