"""Parse options from the command line, and for those not given from `PIXI_MIRROR_<OPTION>`."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from pixi_mirror.errors import UsageError

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}


class Parser:
    """argparse without abbreviations, with errors as `UsageError`, and an environment variable for every option."""

    def __init__(self, program: str, description: str, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._parser = _Strict(
            prog=program,
            description=description,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self._group: argparse._ArgumentGroup | argparse.ArgumentParser = self._parser

    def group(self, title: str) -> None:
        """Put the options that follow under a title."""
        self._group = self._parser.add_argument_group(title)

    def positional(self, name: str, *, default: Any, help: str, choices: Sequence[str] | None = None) -> None:  # noqa: A002
        """Declare a word that may be left out."""
        self._parser.add_argument(name, nargs="?", default=default, help=help, choices=choices, metavar=name.upper())

    def flag(self, *names: str, help: str) -> None:  # noqa: A002
        """Declare an option without a value."""
        raw = self._environ.get(_variable(names))
        self._group.add_argument(*names, action="store_true", default=_truth(_variable(names), raw), help=help)

    def value(
        self,
        *names: str,
        help: str,  # noqa: A002
        default: Any = None,
        convert: Callable[[str], Any] = str,
        metavar: str | None = None,
        choices: Sequence[str] | None = None,
    ) -> None:
        """Declare an option with one value; given twice, the last one counts."""
        variable = _variable(names)
        if raw := self._environ.get(variable):
            default = _converted(variable, raw, convert, choices)
        self._group.add_argument(
            *names, default=default, type=convert, metavar=None if choices else metavar, choices=choices, help=help
        )

    def values(self, *names: str, help: str, metavar: str, convert: Callable[[str], Any] = str) -> None:  # noqa: A002
        """Declare an option that may be given several times, one value each."""
        variable = _variable(names)
        raw = self._environ.get(variable)
        known = [_converted(variable, part, convert, None) for part in raw.split(",") if part] if raw else []
        self._group.add_argument(
            *names, action=_Append, default=known, type=convert, metavar=metavar, help=f"{help}; repeatable"
        )

    def parse_args(self, arguments: Sequence[str]) -> argparse.Namespace | None:
        """Parse the options; None: help was printed.

        Raises:
            UsageError: they cannot be understood.
        """
        try:
            return self._parser.parse_args(arguments)
        except SystemExit:
            return None


class _Strict(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see `{self.prog} --help`.")


class _Append(argparse.Action):
    """Appends values; the first one replaces those of the environment variable."""

    def __call__(
        self,
        _parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        _option: str | None = None,
    ) -> None:
        held = getattr(namespace, self.dest)
        setattr(namespace, self.dest, [*([] if held is self.default else held), values])


def _variable(names: Sequence[str]) -> str:
    longest = max(names, key=len)
    return "PIXI_MIRROR_" + longest.lstrip("-").upper().replace("-", "_")


def _truth(variable: str, raw: str | None) -> bool:
    if raw is None or raw.lower() in _FALSE:
        return False
    if raw.lower() in _TRUE:
        return True
    raise UsageError(f"{variable} is {raw!r}; say true or false.")


def _converted(variable: str, raw: str, convert: Callable[[str], Any], choices: Sequence[str] | None) -> Any:
    try:
        value = convert(raw)
    except ValueError:
        raise UsageError(f"{variable} is {raw!r}, which is not what it takes.") from None
    if choices and value not in choices:
        raise UsageError(f"{variable} is {raw!r}; choose from {', '.join(choices)}.")
    return value


def positive(raw: str) -> int:
    """A whole number above zero.

    Raises:
        ValueError: it is none.
    """
    number = int(raw)
    if number < 1:
        raise ValueError(raw)
    return number


def natural(raw: str) -> int:
    """A whole number, zero or above.

    Raises:
        ValueError: it is none.
    """
    number = int(raw)
    if number < 0:
        raise ValueError(raw)
    return number


def word(raw: str) -> str:
    """A word that is not empty.

    Raises:
        ValueError: it is.
    """
    if not raw.strip():
        raise ValueError(raw)
    return raw


def path(raw: str) -> Path:
    """A path; the user's home may be written `~`.

    Raises:
        ValueError: it is empty.
    """
    if not raw:
        raise ValueError(raw)
    return Path(raw).expanduser()
