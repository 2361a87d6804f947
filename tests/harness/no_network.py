"""Run a program with no network but loopback, where this machine can do that: `no_network.py PROGRAM [ARGUMENT...]`.

It is started in a network namespace of its own, in which only loopback is up; every program that it starts is in there
too. Where namespaces are forbidden or unknown, it is run as it is, and that is said.
"""

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys

_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1
_INSIDE = "PIXI_MIRROR_TEST_NO_NETWORK"


def namespace() -> list[str]:
    """The command that makes a network namespace for this user; empty: there is none."""
    tool = shutil.which("unshare")
    # Root stays root of the whole machine where it can: other users exist then, to whom files can be given.
    for flags in ("-n", "-rn"):
        if tool and subprocess.run([tool, flags, "true"], capture_output=True, check=False).returncode == 0:
            return [tool, flags]
    return []


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        name = b"lo".ljust(16, b"\0")
        (flags,) = struct.unpack("16xh", fcntl.ioctl(control, _GET_FLAGS, name + bytes(2)))
        fcntl.ioctl(control, _SET_FLAGS, name + struct.pack("h", flags | _UP))


def main(words: list[str]) -> None:
    """Become the program."""
    if os.environ.pop(_INSIDE, None):
        _raise_loopback()
    elif command := namespace():
        os.environ[_INSIDE] = "1"
        os.execvp(command[0], [*command, sys.executable, os.path.abspath(__file__), *words])
    else:
        print("no_network: this machine makes no network namespaces; the network stays as it is", file=sys.stderr)
    os.execvp(words[0], words)


if __name__ == "__main__":
    main(sys.argv[1:])
