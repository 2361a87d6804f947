"""Make a pack a file that unpacks itself, with our own unpacker or with one that is named."""

from hashlib import sha256 as hashed
from pathlib import Path

from pixi_mirror.archives.self_extracting import Unpacker, write_unix_executable, write_windows_executable
from pixi_mirror.disk.files import explain_errors, hash_file, open_regular
from pixi_mirror.errors import MachineError, UnmirrorableError, UsageError, WrongBytesError
from pixi_mirror.model.packages import Package
from pixi_mirror.model.values import Sha256, Url, admit_path, admit_sha256
from pixi_mirror.pack.obtain import ReadyFile
from pixi_mirror.pack.unpacker.assemble import assembled
from pixi_mirror.pack.write import Fill, Write
from pixi_mirror.paths import file_url, is_local, local_path, url_path

_LARGEST = 256 << 20
"""Bytes of a program that is embedded; pixi-unpack has about 20 MiB."""


def find_unpacker(source: str | None, sha256: str | None, *, directory: Path) -> Package | ReadyFile | None:
    """The unpacker at a path, verified, or at a URL, yet to be had; None: our own. A path starts at `directory`.

    Raises:
        UsageError: the sha256 is none.
        MachineError: the file cannot be read.
        WrongBytesError: it is not what the sha256 promises.
        WorkspaceError: the URL is not one that can be asked for.
        UnmirrorableError: its scheme is not supported.
    """
    if source is None:
        return None
    try:
        expected = admit_sha256(sha256) if sha256 is not None else None
    except ValueError as error:
        raise UsageError(f"--pixi-unpack-sha256: {error}.") from None
    if not is_local(source):
        return _package(Url(source), expected)
    path = Path(source) if not source.lower().startswith("file:") else local_path(file_url(source))
    path = directory / path
    with explain_errors("read the unpacker", path):
        found, status = hash_file(path.resolve(strict=True))
    if expected not in (None, found):
        raise WrongBytesError(f"{path}: expected sha256 {expected}, found {found}. Name the right program or hash.")
    package = _package(Url(path.as_uri()), found)
    return ReadyFile(package=package, path=path.resolve(), sha256=found, size=status.st_size)


def make_self_extracting(fill: Fill, *, subdir: str, unpacker: ReadyFile | None) -> Fill:
    """What writes the script with the tar that `fill` writes, for a platform of `subdir`; None: with our own unpacker.

    Raises:
        MachineError: the unpacker cannot be read.
        WrongBytesError: it has changed since it was verified.
        UnmirrorableError: while it is written, that the whole is too large for PowerShell.
    """
    embedded = Unpacker(content=assembled(), kind="python") if unpacker is None else _embedded(unpacker)

    def filled(write: Write) -> None:
        if not subdir.startswith("win-"):
            write_unix_executable(write, tar=fill, unpacker=embedded)
            return
        try:
            write_windows_executable(write, tar=fill, unpacker=embedded)
        except ValueError as error:
            raise UnmirrorableError(f"the pack for {subdir} is too large: {error}.") from None

    return filled


def _package(url: Url, sha256: Sha256 | None) -> Package:
    return Package(
        path=admit_path("local/pixi-unpack") if url.raw.startswith("file:") else url_path(url.raw),
        url=url,
        sha256=sha256,
        md5=None,
        size=None,
        kind="pypi",
        name="pixi-unpack",
        version="",
        build=None,
        subdir=None,
        record={},
    )


def _embedded(unpacker: ReadyFile) -> Unpacker:
    if unpacker.size > _LARGEST:
        raise MachineError(f"{unpacker.path} has {unpacker.size} bytes, which is no unpacker. Check its name.")
    with explain_errors("read the unpacker", unpacker.path), open(open_regular(unpacker.path), "rb") as file:
        content = file.read()
    if hashed(content).hexdigest() != unpacker.sha256:
        raise WrongBytesError(f"{unpacker.path} has changed since it was verified. Run the same command again.")
    return Unpacker(content=content, kind="python" if unpacker.file_name.endswith(".py") else "program")
