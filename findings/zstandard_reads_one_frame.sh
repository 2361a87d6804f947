#!/bin/sh
# Guess: the two zstd libraries of Python give the same bytes for the same file.
# Truth: a zstd file may be several frames in a row (RFC 8878, 3.1). `zstd.decompress` of the standard library's
#   interface gives the content of all; `zstandard.decompress` gives that of the first, and no error. Of a frame that
#   does not say its size, as a stream writes it, `zstandard.decompress` gives nothing but an error. zstandard's
#   readers of streams give all of both.
# Seen with backports.zstd 1.8.0 and zstandard 0.25.0, 2026-11-30.
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 exec python3 - <<'FINDING'
"""Give both libraries one frame, two frames, and a frame without a size."""

import tempfile
from pathlib import Path

from pinned import compare, install, run

ASK = """
import io
import zstandard
from backports import zstd

stream = zstd.ZstdCompressor()
files = {
    "one frame": zstd.compress(b"one "),
    "two frames": zstd.compress(b"one ") + zstd.compress(b"two"),
    "without a size": stream.compress(b"one ") + stream.flush(),
}
ways = {
    "backports.zstd.decompress": zstd.decompress,
    "zstandard.decompress": zstandard.decompress,
    "zstandard.open": lambda data: zstandard.open(io.BytesIO(data)).read(),
}
for title, data in files.items():
    for way, decompress in ways.items():
        try:
            print(f"{title:14} {way:25} {decompress(data)!r}")
        except zstandard.ZstdError:
            print(f"{title:14} {way:25} ZstdError")
"""

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    programs = install(folder, "backports.zstd==1.8.0; python_version < '3.14'", "zstandard==0.25.0")
    done = run(programs / "python", "-c", ASK, folder=folder)

compare(
    done.stdout.splitlines(),
    [
        "one frame      backports.zstd.decompress b'one '",
        "one frame      zstandard.decompress      b'one '",
        "one frame      zstandard.open            b'one '",
        "two frames     backports.zstd.decompress b'one two'",
        "two frames     zstandard.decompress      b'one '",
        "two frames     zstandard.open            b'one two'",
        "without a size backports.zstd.decompress b'one '",
        "without a size zstandard.decompress      ZstdError",
        "without a size zstandard.open            b'one '",
    ],
)
FINDING
