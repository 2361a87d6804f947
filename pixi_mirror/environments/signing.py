"""Sign a program that was changed: macOS on arm64 starts none whose signature is wrong."""

from __future__ import annotations

import subprocess
import sys

from pixi_mirror.errors import ProgramError

_LONGEST_MESSAGE = 500


def sign(program: str, subdir: str) -> bool | None:
    """Sign a program for the platform `subdir`; None: it needs no signature; False: this machine cannot sign.

    Raises:
        ProgramError: the system's `codesign` failed.
    """
    if subdir != "osx-arm64":
        return None
    if sys.platform != "darwin":
        return False
    command = ["/usr/bin/codesign", "--sign", "-", "--force", "--preserve-metadata=entitlements", program]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - the system's own program
    if done.returncode:
        message = done.stderr.decode("utf-8", "replace").strip()[:_LONGEST_MESSAGE]
        raise ProgramError(f"{program} could not be signed: codesign ended with {done.returncode} and said: {message}")
    return True
