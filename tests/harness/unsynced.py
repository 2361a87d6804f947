"""Do not wait for the disk in tests: a process that is killed leaves what it wrote, synced or not.

No test takes the power away from a machine. Those of what is synced, and in which order, read a trace of true system
calls, of a new interpreter (`durability.py`); `kill.py` hears these calls, too, and can have them fail.
"""

import os
from typing import Any

_NAMES = ("fsync", "fdatasync")


def install() -> None:
    """Have this process sync nothing from now on; a descriptor that is not open is still an error."""
    for name in _NAMES:
        if hasattr(os, name):
            setattr(os, name, _sync_nothing)


def _sync_nothing(file: Any) -> None:
    os.fstat(file if isinstance(file, int) else file.fileno())
