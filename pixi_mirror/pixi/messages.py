"""Take one sentence out of pixi's error messages, without its frames and without secrets; pure."""

import re

from pixi_mirror.model.values import Url

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_START = re.compile(r"^\s*error:\s*(?:\u00d7\s*)?", re.IGNORECASE)
_CAUSE = re.compile(r"^\s*(?:\u00d7|[├╰]─▶)\s*")
_PLACE = re.compile(r"^\s*[╭┌][─-]+\[(?P<place>[^\]]+)\]")
_END = re.compile(r"^\s*(?:help:|tip:|Usage:|For more information|\d+\s*│|·|[╰╭]─|\[possible values)")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?:[^\s/?#]*@)?[^\s'\"`<>]+")
"""A quote ends it, but a password may have one."""
_WIDTH = 78
"""A line of at least so many characters was broken because it was full, perhaps inside a word."""
_LONGEST = 600


def reason_of(stderr: str, *, status: int) -> str:
    """Why pixi failed, as part of a sentence: its error, the causes of that, and the place in a file.

    Args:
        stderr: what pixi printed there.
        status: its exit status.
    """
    lines = _ESCAPE.sub("", stderr).splitlines()
    starts = [number for number, line in enumerate(lines) if _START.match(line)]
    if not starts:
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return _shown(last) or f"it ended with status {status} and gave no reason"
    parts: list[str] = []
    place = ""
    full = False
    for number, line in enumerate(lines[starts[-1] :]):
        if number and (found := _PLACE.match(line)):
            place = f" (at {found['place']})"
        if number and (_END.match(line) or _PLACE.match(line) or not line.strip()) and not _CAUSE.match(line):
            break
        opening = (_CAUSE if number else _START).match(line)
        if opening:
            parts.append(line[opening.end() :].strip())
        else:
            parts[-1] = _continued(parts[-1], line.strip().removeprefix("│").strip(), full=full)
        full = len(line) >= _WIDTH
    return _shown(": ".join(part for part in parts if part)) + place


def _continued(text: str, more: str, *, full: bool) -> str:
    """A wrapped text joined again: a URL is also broken behind hyphens and slashes, where no space belongs."""
    inside_url = "://" in text.rpartition(" ")[2]
    return text + ("" if inside_url and (full or text.endswith(("-", "/"))) else " ") + more


def _shown(text: str) -> str:
    masked = _URL.sub(lambda found: str(Url(found[0])), text).strip().rstrip(".")
    return masked if len(masked) <= _LONGEST else masked[:_LONGEST] + "..."
