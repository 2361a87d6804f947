"""Read the file behind a `file://` URL."""

import errno
import os
import stat
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pixi_mirror.disk.files import READ_THROUGH_LINKS
from pixi_mirror.errors import FetchError, MachineError, WrongBytesError
from pixi_mirror.http.sinks import Sink
from pixi_mirror.model.values import Url

_PIECE = 1 << 19


def copy_local(url: Url, sink: Sink, *, limit: int | None) -> None:
    """Write the whole regular file behind `url` to the sink, from its first byte.

    Raises:
        FetchError: the URL names another machine.
        MachineError: the file cannot be read, or is no regular file.
        WrongBytesError: it is longer than `limit` bytes.
    """
    path = _path(url)
    descriptor = _open(path)
    try:
        sink.begin(0, None)
        held = 0
        while chunk := _read(descriptor, path):
            held += len(chunk)
            if limit is not None and held > limit:
                raise WrongBytesError(f"{path} is longer than the {limit} bytes that it may have: it is another file.")
            sink.write(chunk)
    finally:
        os.close(descriptor)


def _path(url: Url) -> str:
    split = urlsplit(url.raw.partition("#")[0])
    if split.netloc not in {"", "localhost"}:
        raise FetchError(
            f"{url} names a file of another machine; only file:///… of this machine can be read.", lasting=True
        )
    return url2pathname(split.path)


def _open(path: str) -> int:
    problem: str | None
    try:
        descriptor = os.open(path, READ_THROUGH_LINKS)
    except (OSError, ValueError) as error:
        descriptor, problem = -1, _problem(error)
    else:
        problem = None if stat.S_ISREG(os.fstat(descriptor).st_mode) else "it is not a regular file"
    if problem is not None:
        if descriptor >= 0:
            os.close(descriptor)
        raise MachineError(f"{path} cannot be read: {problem}. Put the file there, or correct what names it.")
    return descriptor


def _read(descriptor: int, path: str) -> bytes:
    try:
        return os.read(descriptor, _PIECE)
    except OSError as error:
        problem = _problem(error)
    raise MachineError(f"{path} cannot be read: {problem}. Check the disk that it is on.")


def _problem(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return error.strerror or errno.errorcode.get(error.errno or 0, "unknown error")
    return "its name is not one that this system can open"
