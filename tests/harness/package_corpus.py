"""Some forty small conda packages and some wheels, each for one thing that an installer has to get right."""

import tarfile

from harness.conda_packages import PLACEHOLDER, File, Folder, Link, conda_package

from pixi_mirror.demo.distributions import BuiltDistribution, build_wheel
from pixi_mirror.demo.packages import BuiltPackage

_PREFIX = PLACEHOLDER.encode()
_SITE = "lib/python3.12/site-packages"
_SCRIPT = b"#!" + _PREFIX + b"/bin/python -E\nprint('" + _PREFIX + b"')\n"


def corpus() -> list[BuiltPackage]:
    """Packages that rattler installs, too; they fit into one environment."""
    return [*_files(), *_archives(), *_pythons(), *_twins(), *_odd_records()]


def _files() -> list[BuiltPackage]:
    text = _PREFIX + b"/share and " + _PREFIX + b"\n"
    program = b"\x7fELF" + _PREFIX + b"/lib:" + _PREFIX + b"/lib64\0tail\0" + _PREFIX + b"\0end"
    return [
        conda_package("text", {"share/text": text, "etc/text.cfg": b"home = " + _PREFIX}),
        conda_package("program", {"lib/libprogram.so.1": program, "bin/program": program}),
        conda_package("unended", {"lib/unended": b"\0" + _PREFIX + b"/without end"}),
        conda_package("shebangs", {"bin/perlish": _SCRIPT.replace(b"python -E", b"perl -w"), "bin/pyish": _SCRIPT}),
        conda_package("longtext", {"share/longtext": (b"x" * 997 + text) * 1500}),
        conda_package("longprogram", {"lib/longprogram": (b"x" * 997 + program) * 1500}),
        conda_package("links", {"lib/l.so.1": b"l", "lib/l.so": Link(target="l.so.1"), "l": Link(target="lib/l.so")}),
        conda_package("dangling", {"share/dangling": Link(target="nowhere/to/be/found")}),
        conda_package("tofolder", {"share/real/x": b"x", "share/alias": Link(target="real")}),
        conda_package(
            "modes",
            {f"share/modes/{mode:o}": File(data=b"m", mode=mode) for mode in (0o600, 0o777, 0o555, 0o4755, 0o640, 0)},
        ),
        conda_package("patchedmode", {"share/patchedmode": File(data=_PREFIX, mode=0o555)}),
        conda_package("empty", {"share/empty": b""}),
        conda_package("large", {"share/large": bytes(range(256)) * 12_000}),
        conda_package("times", {f"share/times/{time}": File(data=b"t", mtime=time) for time in (1, 10**9, 2**32)}),
        conda_package("names", {"share/with space": b"s", "share/grüße": b"u", "share/a$b'c": b"q"}),
        conda_package("deep", {f"share/{'deep/' * 40}x": b"d", "share/" + "n" * 150: b"n"}),
        conda_package("scripts", {"bin/.scripts-post-link.sh": b"exit 1\n", "bin/.scripts-pre-link.sh": b"exit 1\n"}),
        conda_package(
            "activation",
            {"etc/conda/activate.d/x.sh": b"export SEEN=1\n", "etc/conda/env_vars.d/x.json": b'{"LIVE": "1"}'},
        ),
    ]


def _archives() -> list[BuiltPackage]:
    files = {"bin/x": b"#!" + _PREFIX + b"/bin/sh\n", "share/y": b"y"}

    def named(name: str) -> dict[str, bytes]:
        return {f"{path}-{name}": data for path, data in files.items()}

    second = {"share/second": Link(target="share/y-hard", hard=True), "bin/third": Link(target="bin/x-hard", hard=True)}
    sloppy = [{"_path": path, "path_type": "hardlink"} for path in named("sloppy")]
    return [
        conda_package("bzipped", named("bzipped"), extension="tar.bz2"),
        conda_package("oldlists", named("oldlists"), extension="tar.bz2", old_lists=True),
        conda_package("oldconda", {**named("oldconda"), "oldl": Link(target="share/y-oldconda")}, old_lists=True),
        conda_package("hard", {**named("hard"), **second}),
        conda_package("hardbz", {"share/hb": b"hb", "hb": Link(target="share/hb", hard=True)}, extension="tar.bz2"),
        conda_package("pax", named("pax"), dialect=tarfile.PAX_FORMAT),
        conda_package("ustar", named("ustar"), dialect=tarfile.USTAR_FORMAT),
        conda_package("unlisted", {**named("unlisted"), "share/secret": b"not listed"}, unlisted=["share/secret"]),
        conda_package("sloppy", named("sloppy"), listed=sloppy),
        conda_package("documents", named("documents"), info={"info/licenses/LICENSE": b"MIT", "info/git": b""}),
        conda_package("infofirst", named("infofirst"), extension="tar.bz2", info={"info/about.json": b"{}"}),
    ]


def _pythons() -> list[BuiltPackage]:
    python = {"bin/python3.12": b"#!/bin/sh\n", "bin/python": Link(target="python3.12"), f"{_SITE}/README": b"r"}
    pip = {"site-packages/pip/__init__.py": b"", "site-packages/pip-1.dist-info/RECORD": b""}
    tool = {"site-packages/tool/cli.py": b"", "python-scripts/tool-run": _SCRIPT, "share/tool": b"t"}
    return [
        conda_package("python", python, version="3.12.1", depends=["pip"]),
        conda_package("pip", pip, noarch="python", depends=["python >=3.8"], commands=["pip = pip:main"]),
        conda_package("tool", tool, commands=["tool = tool.cli:main.go", "tool2=tool.cli:other"], depends=["python"]),
        conda_package("quietly", {"site-packages/quietly.py": b""}, noarch="python", noarch_in_record=None),
        conda_package("falsely", {"site-packages/falsely.py": b""}, noarch="generic", noarch_in_record="python"),
        conda_package("generic", {"share/generic": b"g"}, noarch="generic"),
    ]


def _twins() -> list[BuiltPackage]:
    """Packages that bring the same paths."""
    return [
        conda_package("twin-a", {"share/twin": b"a", "share/only-a": b"a"}),
        conda_package("twin-b", {"share/twin": b"b"}),
        conda_package("twin-c", {"share/twin": b"c"}, depends=["twin-a"]),
        conda_package("twin-d", {"share/patched-twin": _PREFIX + b"d", "link-twin": Link(target="share/twin")}),
        conda_package("twin-e", {"share/patched-twin": _PREFIX + b"e", "link-twin": Link(target="share")}),
    ]


def _odd_records() -> list[BuiltPackage]:
    return [
        conda_package("epoch", {"share/epoch": b"e"}, version="1!2.0"),
        conda_package("features", {"share/f": b"f"}, track_features="one two", constrains=["zlib >=9"]),
    ]


def only_ours() -> list[BuiltPackage]:
    """Packages that rattler refuses, dies of, or installs by chance: of a file and an entry point of one path."""
    return [
        conda_package("twin-f", {"bin/tool2": b"#!/bin/sh\n"}),
        conda_package("folders", {"share/folders/empty": Folder(), "share/folders/x": b"x"}),
        conda_package("UpperCase", {"share/upper": b"u"}),
    ]


def wheel_corpus() -> list[BuiltDistribution]:
    """Wheels for one environment."""
    return [
        build_wheel(
            name="My.Tool",
            version="1.0",
            files={
                "my_tool/__init__.py": b"",
                "my_tool/__pycache__/__init__.cpython-312.pyc": b"stale",
                "my_tool-1.0.data/scripts/run": b"#!python\nprint(1)\n",
                "my_tool-1.0.data/scripts/plain.sh": b"#!/bin/sh\n",
                "my_tool-1.0.data/data/share/doc": b"d",
                "my_tool-1.0.data/headers/x.h": b"h",
                "my_tool-1.0.data/platlib/native.so": b"n",
            },
            entry_points={"console_scripts": {"my-Tool": "my_tool:main"}, "gui_scripts": {"my-gui": "my_tool:gui.go"}},
        ),
        build_wheel(name="share-a", version="1", files={"common/__init__.py": b"a", "share_a.py": b""}),
        build_wheel(name="share-b", version="1", files={"common/__init__.py": b"b", "share_b.py": b""}),
        build_wheel(name="over", version="1", files={"over-1.data/data/share/generic": b"of the wheel"}),
    ]
