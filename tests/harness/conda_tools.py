"""Build, index and install conda packages with rattler-build and py-rattler: a program of its own, run as a child.

It leaves by `os._exit`: a process that ends right after an asynchronous call of py-rattler dies of SIGSEGV now and
then, after success (pyo3-async-runtimes issue 40).
"""

import asyncio
import os
import sys
import traceback
from pathlib import Path


def build(recipe: str, output: str, *channels: str) -> None:
    """Build a recipe into the channel `output` and run its tests, with packages of the channels (directories) alone."""
    from rattler_build import Stage0Recipe, ToolConfiguration

    Stage0Recipe.from_file(recipe).run_build(
        tool_config=ToolConfiguration(test_strategy="native"),
        output_dir=output,
        channels=[Path(each).as_uri() for each in channels],
    )


def index(channel: str) -> None:
    """Write the indexes of a channel."""
    from rattler.index import index_fs

    asyncio.run(index_fs(Path(channel)))


def install(prefix: str, names: str, *channels: str) -> None:
    """Solve for the names, separated by spaces, among the channels, and install what that gives into a prefix."""
    asyncio.run(_installed(prefix, names.split(), channels))


async def _installed(prefix: str, names: list[str], channels: tuple[str, ...]) -> None:
    import rattler

    records = await rattler.solve(
        sources=[rattler.Channel(Path(each).as_uri()) for each in channels],
        specs=[rattler.MatchSpec(name) for name in names],
        gateway=rattler.Gateway(cache_dir=Path(os.environ["RATTLER_CACHE_DIR"]) / "repodata"),
        platforms=["linux-64", "noarch"],
        virtual_packages=[each.into_generic() for each in rattler.VirtualPackage.detect()],
    )
    await rattler.install(
        records, target_prefix=prefix, cache_dir=Path(os.environ["RATTLER_CACHE_DIR"]) / "pkgs", show_progress=False
    )
    for record in sorted(records, key=lambda each: each.file_name):
        print(record.file_name)


if __name__ == "__main__":
    status = 0
    try:
        {"build": build, "index": index, "install": install}[sys.argv[1]](*sys.argv[2:])
    except BaseException:  # noqa: BLE001 - what leaves by os._exit prints no traceback of its own
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
