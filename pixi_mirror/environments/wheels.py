"""Install wheels into an environment with the library `installer`: whatever the platform, and nothing of them is run.

Not with uv, though it is faster: it writes the path of the folder that the environment is built in into scripts, and
starts the Python of the environment, which another platform's does not.
"""

import base64
import hashlib
import json
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

from pixi_mirror.archives.zip import ZipMember, read_content, read_members
from pixi_mirror.disk.files import explain_errors
from pixi_mirror.environments.distributions import INSTALLER, NOTE, Python
from pixi_mirror.errors import MachineError, PixiMirrorError, ProgramError, WrongBytesError
from pixi_mirror.model.values import Json, Sha256

_LAUNCHERS = {"win-64": "win-amd64", "win-arm64": "win-arm64", "win-32": "win-ia32"}
_CHUNK = 1 << 20
_LARGEST_ENTRY_POINTS = 1 << 20
_STRANGE = frozenset('\\:<>"|?*\0')


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A wheel on this disk."""

    path: Path
    name: str
    """Of the project, normalised."""
    version: str
    sha256: Sha256
    """What its bytes come to."""
    is_verified: bool
    """Whether that is what the pack promised; else its content has to be what its own RECORD says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The environment that wheels are installed into."""

    at: Path
    """Where its files are now."""
    prefix: Path
    """Where they will be used."""
    subdir: str
    python: Python

    @property
    def interpreter(self) -> str:
        """The Python that scripts are run by."""
        return str(self.prefix / ("python.exe" if self.is_windows else "bin/python"))

    @property
    def is_windows(self) -> bool:
        """Whether it is for Windows, wherever it is made."""
        return self.subdir.startswith("win-")

    def schemes(self, project: str) -> dict[str, str]:
        """Where the files of a project belong, by the names that wheels have for such places."""
        site_packages = str(self.at / self.python.site_packages)
        headers = "Include" if self.is_windows else f"include/python{self.python.series}"
        return {
            "purelib": site_packages,
            "platlib": site_packages,
            "scripts": str(self.at / ("Scripts" if self.is_windows else "bin")),
            "headers": str(self.at / headers / project),
            "data": str(self.at),
        }


def require_wheel_installer() -> None:
    """Refuse to begin what the library `installer` is needed for where it is not.

    Raises:
        ProgramError: it is not installed.
    """
    if find_spec("installer") is None:
        raise ProgramError(
            "the pack holds wheels, and installing them needs the library `installer`, which this Python does not "
            "have. Install the extra `unpack`, for example with `pip install 'pixi-mirror[unpack]'`."
        )


def install_wheels(wheels: Sequence[Wheel], site: Site, *, jobs: int) -> None:
    """Install wheels, `jobs` at a time; of a file that several bring, the last one's stays, in the order given.

    Raises:
        WrongBytesError: a wheel is damaged, or none that can be installed safely.
        ProgramError: the library is not there.
        MachineError: a file cannot be written.
    """
    require_wheel_installer()
    claimed: set[str] = set()
    alone: list[Wheel] = []
    after: list[Wheel] = []
    for wheel in wheels:
        claims = _claims(wheel)
        (after if claims & claimed else alone).append(wheel)
        claimed |= claims
    with warnings.catch_warnings():
        # It leaves out compiled files that a wheel brings, as it should, and warns of it.
        warnings.simplefilter("ignore")
        pool = ThreadPoolExecutor(jobs)
        try:
            for done in [pool.submit(_install, wheel, site) for wheel in alone]:
                done.result()
        finally:
            pool.shutdown(cancel_futures=True)
        for wheel in after:
            _install(wheel, site)


def _claims(wheel: Wheel) -> set[str]:
    """The names that a wheel is going to write to; all are safe."""
    from installer.utils import parse_entrypoints

    found = set()
    try:
        with explain_errors("read", wheel.path), open(wheel.path, "rb") as file:
            for member in read_members(file):
                _refuse_name(member)
                found.add(_placed(member.name))
                if member.name.endswith(".dist-info/entry_points.txt"):
                    text = read_content(file, member, limit=_LARGEST_ENTRY_POINTS).decode()
                    found |= {f"scripts/{name}" for name, *_ in parse_entrypoints(text)}
    except PixiMirrorError:
        raise
    except Exception as error:  # the library's own have no common kind
        raise _wrong(wheel, error) from error
    for name in found:
        if name.startswith("scripts/") and not _is_plain(name):
            raise _wrong(wheel, ValueError(f"its command {name.removeprefix('scripts/')!r} is no name of a file"))
    return found


def _placed(name: str) -> str:
    """A member's name as that of the place it is installed to; PEP 427 spreads `<name>-<version>.data/<scheme>/`."""
    first, _, rest = name.partition("/")
    if not first.endswith(".data"):
        return f"lib/{name}"
    scheme, _, path = rest.partition("/")
    return f"{'lib' if scheme in ('purelib', 'platlib') else scheme}/{path}"


def _refuse_name(member: ZipMember) -> None:
    if member.is_link or not _is_plain(member.name.removesuffix("/")):
        raise ValueError(f"its member {member.name!r} is a link, or would lie outside of the environment")


def _is_plain(name: str) -> bool:
    """Whether it is a relative path that means the same on every system."""
    return not {"", ".", ".."} & set(name.split("/")) and not _STRANGE & set(name)


def _install(wheel: Wheel, site: Site) -> None:
    import installer
    from installer.destinations import SchemeDictionaryDestination
    from installer.records import RecordEntry
    from installer.sources import WheelFile

    class Source(WheelFile):
        """One that a failure closes, too: the library leaves the file open until it is collected."""

        def get_contents(self) -> Iterator[Json]:
            contents = super().get_contents()
            closing.callback(contents.close)  # type: ignore[attr-defined]
            return contents

    class Destination(SchemeDictionaryDestination):
        """One that never writes into a file that is there: it may be linked from elsewhere."""

        def write_to_fs(self, scheme: Json, path: str, stream: BinaryIO, is_executable: Json) -> RecordEntry:
            Path(self.scheme_dict[scheme], path).unlink(missing_ok=True)
            return super().write_to_fs(scheme, path, stream, is_executable)

    destination = Destination(
        scheme_dict=site.schemes(wheel.name),
        interpreter=site.interpreter,
        script_kind=_LAUNCHERS.get(site.subdir, "posix") if site.is_windows else "posix",  # type: ignore[arg-type]
    )
    notes = {"INSTALLER": f"{INSTALLER}\n".encode(), NOTE: json.dumps({"sha256": wheel.sha256}).encode()}
    try:
        with (
            explain_errors("install a wheel into", site.prefix),
            Source.open(wheel.path) as source,
            ExitStack() as closing,
        ):
            if not wheel.is_verified:
                _verify(source.get_contents())
            installer.install(source, destination, additional_metadata=notes)
    except PixiMirrorError:
        raise
    except UnicodeEncodeError as error:
        raise MachineError(
            f"the path of the environment, {str(site.prefix)!r}, cannot be written into the commands of "
            f"{os.path.basename(wheel.path)}: it is no UTF-8, or the locale is not. Choose another directory with -o."
        ) from error
    except Exception as error:  # the library's own have no common kind
        raise _wrong(wheel, error) from error


def _verify(contents: Iterable[Json]) -> None:
    """Make sure that the files of a wheel are what its RECORD says of them."""
    for (path, expected, _), stream, _ in contents:
        algorithm, _, value = expected.partition("=")
        if not value:
            continue  # RECORD itself
        digest = hashlib.new(algorithm, usedforsecurity=False)
        for piece in _pieces(stream):
            digest.update(piece)
        if base64.urlsafe_b64encode(digest.digest()).decode().rstrip("=") != value:
            raise ValueError(f"{path} is not what its RECORD says")


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    while piece := stream.read(_CHUNK):
        yield piece


def _wrong(wheel: Wheel, error: Exception) -> WrongBytesError:
    what = str(error) or type(error).__name__
    return WrongBytesError(
        f"the wheel {os.path.basename(wheel.path)} cannot be installed: {what}. Nothing was installed; make the pack "
        "again, or copy it again."
    )
