"""Say what the files of packs are called; pure."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from pixi_mirror.errors import UsageError

Form: TypeAlias = Literal["tar", "folder", "executable"]

STDOUT = "-"
_ENVIRONMENT, _PLATFORM = "{environment}", "{platform}"


class PackTarget(NamedTuple):
    """Whose pack a name is for."""

    environment: str
    platform: str
    """Its name."""
    subdir: str


def output_names(template: str | None, form: Form, targets: Sequence[PackTarget]) -> tuple[str, ...]:
    """A name for the pack of each target; None: pixi-pack's for a single one, else one that tells it apart.

    A self-extracting file ends as its system wants it, whatever was asked for: pixi-pack does the same.

    Raises:
        UsageError: several packs would have one name.
    """
    if template is None:
        template = "environment" if len(targets) == 1 else f"{_ENVIRONMENT}-{_PLATFORM}"
        template += ".tar" if form == "tar" else ""
    if template == STDOUT:
        if len(targets) > 1:
            raise UsageError(f"stdout takes one pack, and {len(targets)} are asked for: name files with -o.")
        return (STDOUT,)
    names = tuple(_name(template, form, target) for target in targets)
    if len(set(names)) < len(names):
        lacking = " and ".join(each for each in (_ENVIRONMENT, _PLATFORM) if each not in template)
        raise UsageError(
            f"-o {template} gives several packs one name. Put {lacking or 'something'} into it that tells them apart."
        )
    return names


def _name(template: str, form: Form, target: PackTarget) -> str:
    name = template.replace(_ENVIRONMENT, _plain(target.environment)).replace(_PLATFORM, _plain(target.platform))
    if form != "executable":
        return name
    path = Path(name)
    return str(path.with_suffix(".ps1" if target.subdir.startswith("win-") else ".sh")) if path.name else name


def _plain(word: str) -> str:
    return word.replace("/", "_").replace("\\", "_")
