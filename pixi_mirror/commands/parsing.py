"""Parse options from the command line, and for those not given from `PIXI_MIRROR_<OPTION>`."""

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, NoReturn

from pixi_mirror.commands.values import admitted
from pixi_mirror.errors import UsageError

_TRUE = {"1", "true", "yes", "on"}
PREFIX = "PIXI_MIRROR_"
"""What the names of our environment variables begin with."""

_FALSE = {"0", "false", "no", "off", ""}


class Declared(NamedTuple):
    """One option or word, with what argparse does not keep of it."""

    action: argparse.Action
    convert: Callable[[str], Any]
    choices: Sequence[str] | None


class Parser:
    """argparse without abbreviations, with errors as `UsageError`, and an environment variable for every option."""

    def __init__(
        self,
        program: str,
        description: str,
        environ: Mapping[str, str],
        *,
        foreign: Mapping[str, str] | None = None,
        argparse_parser: argparse.ArgumentParser | None = None,
    ) -> None:
        """Begin with no option.

        Args:
            program: what the user types to run this.
            description: what it does.
            environ: the environment variables.
            foreign: options that other programs have for the same, with what to do here instead.
            argparse_parser: what takes the options; None: a new one.
        """
        self._environ = environ
        self._foreign = foreign or {}
        self._settle: list[Callable[[argparse.Namespace], None]] = []
        self._parser = argparse_parser or _Strict(
            prog=program, description=description, allow_abbrev=False, formatter_class=_Formatter
        )
        self.declared: list[Declared] = []
        """All options that take a value, and all words."""
        self._group: argparse._ArgumentGroup | argparse.ArgumentParser = self._parser
        self._is_mixed = False

    def group(self, title: str) -> None:
        """Put the options that follow under a title."""
        self._group = self._parser.add_argument_group(title)

    def positional(
        self,
        name: str,
        *,
        default: Any,
        help: str,  # noqa: A002
        choices: Sequence[str] | None = None,
        convert: Callable[[str], Any] = str,
    ) -> None:
        """Declare a word that may be left out."""
        what = "the first word" if choices else name.upper()
        action = self._parser.add_argument(
            name,
            nargs="?",
            default=default,
            help=help,
            type=lambda raw: admitted(what, raw, convert, choices),
            metavar=name.upper(),
        )
        self.declared.append(Declared(action, convert, choices))

    def words(self, name: str, *, help: str) -> None:  # noqa: A002
        """Declare any number of words, which may stand before, between and behind the options."""
        self._is_mixed = True
        self._parser.add_argument(name, nargs="*", default=[], help=help, metavar=name.upper())

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
        variable, longest = _variable(names), max(names, key=len)
        if raw := self._environ.get(variable):
            default = admitted(variable, raw, convert, choices)
        action = self._group.add_argument(
            *names,
            default=default,
            type=lambda raw: admitted(longest, raw, convert, choices),
            metavar=f"{{{','.join(choices)}}}" if choices else metavar,
            help=help,
        )
        self.declared.append(Declared(action, convert, choices))

    def values(
        self,
        *names: str,
        help: str,  # noqa: A002
        metavar: str,
        convert: Callable[[str], Any] = str,
        choices: Sequence[str] | None = None,
    ) -> None:
        """Declare an option that may be given several times, one value each."""
        variable, longest = _variable(names), max(names, key=len)
        raw = self._environ.get(variable)
        known = [admitted(variable, part, convert, choices) for part in raw.split(",") if part] if raw else []
        action = self._group.add_argument(
            *names,
            action=_Append,
            default=known,
            type=lambda raw: admitted(longest, raw, convert, choices),
            metavar=metavar,
            help=f"{help}; repeatable",
        )
        self.declared.append(Declared(action, convert, choices))

    def settle(self, change: Callable[[argparse.Namespace], None]) -> None:
        """Have a function complete the options when all are read."""
        self._settle.append(change)

    def was_typed(self, options: argparse.Namespace, name: str) -> bool:
        """Whether an option of the command line itself has given the value, and neither a variable nor the default."""
        return getattr(options, name) is not self._parser.get_default(name)

    def parse_args(self, arguments: Sequence[str]) -> argparse.Namespace | None:
        """Parse the options; None: help was printed.

        Raises:
            UsageError: they cannot be understood.
        """
        try:
            parse = self._parser.parse_known_intermixed_args if self._is_mixed else self._parser.parse_known_args
            options, rest = parse(arguments)
        except SystemExit:
            return None
        if rest:
            raise self._unknown(rest[0])
        for change in self._settle:
            change(options)
        return options

    def _unknown(self, word: str) -> UsageError:
        from pixi_mirror.commands.other_words import misplaced_file  # only a failing run needs it

        option = word.partition("=")[0]
        if advice := self._foreign.get(option) or _ALONE.get(option):
            return UsageError(
                f"{option} is no option of `{self._parser.prog}`: {advice}; see `{self._parser.prog} --help`."
            )
        if word.startswith("-"):
            from pixi_mirror.suggest import perhaps  # only a failing run needs it

            known = [name for name in self._parser._option_string_actions if name.startswith("--")]  # noqa: SLF001
            known += [name for name in _ALONE if name.startswith("--")]
            problem = f"there is no option {option!r}{perhaps(option, known)}"
        elif advice := misplaced_file(word, program=self._parser.prog, options=self._parser._option_string_actions):  # noqa: SLF001
            problem = f"{word!r} is one word too many: {advice}"
        else:
            problem = f"{word!r} is one word too many"
        return UsageError(f"{problem}; see `{self._parser.prog} --help`.")


_ALONE = dict.fromkeys(("--version", "-V"), "`pixi-mirror --version` says it")
"""Options of the program that stand alone."""


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """The help in the width of the terminal."""

    def __init__(self, prog: str, width: int = 80) -> None:
        # argparse makes one for each option that is declared. Only one that prints needs the true width.
        super().__init__(prog, width=width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        from pixi_mirror.commands.help_text import reflowed  # most runs print no help

        return reflowed(text, width - len(indent))


class _Strict(argparse.ArgumentParser):
    def format_help(self) -> str:
        self._take_width()
        return super().format_help()

    def format_usage(self) -> str:  # words that stand between options have argparse make it before it prints help
        self._take_width()
        return super().format_usage()

    def _take_width(self) -> None:
        from pixi_mirror.commands.help_text import help_width

        self.formatter_class = partial(_Formatter, width=help_width())

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{_in_our_words(message)}; see `{self.prog} --help`.")


def _in_our_words(message: str) -> str:
    """What argparse says about options whose value is missing, or that have one too many."""
    if found := re.fullmatch(r"argument (\S+): expected one argument", message):
        return f"{found[1].rpartition('/')[2]} needs a value after it"
    if found := re.fullmatch(r"argument (\S+): ignored explicit argument (.*)", message):
        return f"{found[1].rpartition('/')[2]} takes no value, so {found[2]} has no place there"
    return message


class _Append(argparse._AppendAction):  # noqa: SLF001 - by this class shtab knows what may be repeated
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
    return PREFIX + longest.lstrip("-").upper().replace("-", "_")


def _truth(variable: str, raw: str | None) -> bool:
    if raw is None or raw.lower() in _FALSE:
        return False
    if raw.lower() in _TRUE:
        return True
    raise UsageError(f"{variable} is {raw!r}, and it takes true or false.")
