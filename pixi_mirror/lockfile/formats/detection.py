"""Which format a lock file has, by its name and by its content; pure, and cheap for a run with nothing to do."""

import re

PIXI = "pixi"
"""What the format of a `pixi.lock` is called; a `conda.lock` of conda-workspaces has the same."""

PREFIX = "prefix"
"""What an installed prefix is called, which is a directory and no file."""

REQUIREMENTS = "requirements"
"""What a requirements file with hashes is called, whose files are found on index pages."""

FORMATS = (PIXI, "pylock", "uv", REQUIREMENTS, "explicit", "conda-lock", PREFIX)
"""What `--lock-format` takes."""

_NAMES = (
    (PIXI, r"pixi\.lock|conda\.lock"),
    ("pylock", r"pylock(?:\.[^.]+)?\.toml"),
    ("uv", r"uv\.lock|.+\.py\.lock"),
    ("explicit", r"explicit\.txt|.+_conda_spec\.txt|conda-[a-z0-9]+-[a-z0-9]+\.lock"),
    ("conda-lock", r"(?:.+\.)?conda-lock\.ya?ml"),
)
"""Names that a format's own tools give to its files. They are compiled where one is looked at."""
_CONTENTS = (
    ("pylock", rb"(?m)^lock-version[ \t]*="),
    ("uv", rb"\A(?:[ \t]*(?:#[^\n]*)?\r?\n)*version[ \t]*="),
    ("explicit", rb"(?m)^@EXPLICIT[ \t]*\r?$"),
    ("conda-lock", rb"(?m)^(?:package:|[{].*\"package\":)"),
    (REQUIREMENTS, rb"(?m)^[^:#\n]*--hash[= ][a-z0-9]+:"),
)
"""What a format alone has.

`lock-version` is a key that PEP 751 requires. uv begins its file with the key `version`; in YAML a colon follows it.
"""
_UNSURE = ((REQUIREMENTS, r"(?:.*[-_.])?requirements(?:[-_.].*)?\.txt"),)
"""Names that files of other formats have, too; people call an `@EXPLICIT` list `requirements.txt`."""


def format_of(name: str, data: bytes) -> str:
    """The format of a lock: one of `FORMATS`.

    A name that a format's own tools give decides. Of another name the content decides, and then a name that may mean
    several formats. What is of no other format is read as a `pixi.lock`, whose reader says what is wrong with it.

    Args:
        name: the last part of the file's path.
        data: the file.
    """
    for found, pattern in _NAMES:
        if re.fullmatch(pattern, name):
            return found
    by_content = (found for found, pattern in _CONTENTS if re.search(pattern, data))
    by_name = (found for found, pattern in _UNSURE if re.fullmatch(pattern, name))
    return next(by_content, None) or next(by_name, PIXI)
