"""Exchange two directories in one step, where the system can do that."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

_CURRENT_FOLDER = -100
_LINUX_EXCHANGE, _MAC_SWAP = 2, 2
_CANNOT = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


def exchange(one: Path, other: Path) -> bool:
    """Give each of two directories the name of the other at once; False: the system or the filesystem cannot.

    Raises:
        OSError: it refuses.
    """
    try:
        import ctypes
    except ImportError:  # a Python that was built without it
        return False
    paths = os.fsencode(one), os.fsencode(other)
    library = ctypes.CDLL(None, use_errno=True) if sys.platform != "win32" else None
    if sys.platform == "linux" and hasattr(library, "renameat2"):
        failed = library.renameat2(_CURRENT_FOLDER, paths[0], _CURRENT_FOLDER, paths[1], _LINUX_EXCHANGE)  # type: ignore[union-attr]
    elif sys.platform == "darwin" and hasattr(library, "renamex_np"):
        failed = library.renamex_np(paths[0], paths[1], _MAC_SWAP)
    else:
        return False
    if not failed:
        return True
    number = ctypes.get_errno()
    if number in _CANNOT:
        return False
    raise OSError(number, os.strerror(number), str(one), None, str(other))
