"""Read a trace of a run as a power loss would: what could be found after it, had it been cut anywhere?

A file that has its name must have its bytes (synced before), and what a later step counts on must last before it:
the folders of all files before the record that lists them, those of the indexes before a file that they no longer
list is removed. `faults` tells every step that came too early.
"""

import collections
import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from harness import tracing

NAMES = (
    "fsync", "fdatasync", "rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir", "mkdirat",
)  # fmt: skip
_LINE = re.compile(r"(?P<thread>\d+) +(?:<\.\.\. (?P<resumed>\w+) resumed>|(?P<name>\w+)\()(?P<rest>.*)")
_SYNCED = re.compile(r"\d+<([^>]*)>")
_QUOTED = re.compile(r'(?:AT_FDCWD|\d+)?(?:<(?P<folder>[^>]*)>)?(?:, )?"(?P<path>[^"]*)"')
_PRIVATE = ".pixi-mirror"


def traced(args: list[object], *, env: Mapping[str, str], cwd: Path) -> list[tuple[str, tuple[str, ...]]]:
    """What a run did of syncing, naming and removing: (call, absolute paths), in the order in which it was done."""
    log = cwd / ".trace"
    done = tracing.run(["-f", "-y", "-s", "4096", "-o", str(log)], args, names=NAMES, env=env, cwd=cwd)
    assert done.status == 0, f"the run that was to be traced ended with {done.status}:\n{done.stderr}"
    events = list(_events(log.read_text(errors="replace").splitlines(), cwd))
    log.unlink()
    return events


def _events(lines: Iterable[str], cwd: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    begun: dict[str, str] = {}
    for line in lines:
        if (parts := _LINE.match(line)) is None:
            continue
        rest = begun.pop(parts["thread"], "") + parts["rest"]
        if rest.endswith("<unfinished ...>"):
            begun[parts["thread"]] = rest
            continue
        if re.search(r"= -1 \w+", rest):
            continue
        name = parts["name"] or parts["resumed"]
        if "sync" in name:
            yield "sync", tuple(_SYNCED.findall(rest)[:1])
        else:
            found = [posixpath.join(cwd, each["folder"] or "", each["path"]) for each in _QUOTED.finditer(rest)]
            yield re.sub(r"at2?$", "", name), tuple(found)


def faults(events: Iterable[tuple[str, tuple[str, ...]]], mirror: Path, *, stood: Iterable[str] = ()) -> list[str]:
    """Every step that a power loss right after it could show without what it counts on.

    `stood` are the files that were there before, and had been synced by those who wrote them.
    """
    root, found = f"{mirror}{os.sep}", []
    whole = set(stood)
    waiting: collections.Counter[str] = collections.Counter()
    for call, paths in events:
        if call == "sync":
            whole |= set(paths)
            for path in paths:
                waiting.pop(path, None)
            continue
        target = paths[-1]
        public = target.startswith(root) and not target.startswith(f"{root}{_PRIVATE}")
        if call in ("rename", "link"):
            if paths[0] not in whole:
                found.append(f"{target} was named before its bytes were synced")
            whole.add(target)
        if public and (target == f"{root}pixi-mirror.json" or call == "unlink"):
            found += [f"{folder} was not synced before {call} {target}" for folder in waiting]
        if public:
            waiting[posixpath.dirname(target)] += 1
    return found + [f"{folder} was not synced at all" for folder in waiting]
