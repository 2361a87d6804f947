"""Write the report of a run to a file: JSON or a page to print, with a signature beside it where one is wanted."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pixi_mirror.errors import MachineError, PixiMirrorError

PAGE = ".html"
"""How the name of a report ends that is a page."""
SIGNATURE = ".sig"
"""What stands behind the name of a report in the name of its signature."""
PURPOSE = "report@pixi-mirror"
"""The namespace of such a signature, so that it is none of an export."""


def write_report(
    target: Path, found: Mapping[str, Any], text: str, *, sign: Callable[[bytes], bytes] | None
) -> PixiMirrorError | None:
    """Write a report.

    Args:
        target: the file; by the ending `.html` that of `verify` is a page.
        found: the result of the run, as JSON has it.
        text: the same as text of JSON.
        sign: gives the signature of bytes; None: there is to be none.

    Returns:
        Why it could not be written or signed; None: it was.
    """
    data = f"{text}\n".encode()
    if target.name.lower().endswith(PAGE) and found.get("verb") == "verify":
        from pixi_mirror.commands.evidence_page import evidence_page

        data = evidence_page(found)
    try:
        target.write_bytes(data)
        if sign is not None:
            target.with_name(f"{target.name}{SIGNATURE}").write_bytes(sign(data))
    except OSError as error:
        return MachineError(f"the report {target} cannot be written: {error.strerror}.")
    except PixiMirrorError as error:
        return error
    return None
