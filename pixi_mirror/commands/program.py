"""Choose the verb, run it, and turn whatever happens into output and an exit status."""

import errno
import gc
import importlib
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TextIO

from pixi_mirror import __version__
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.options import refuse_absent_files
from pixi_mirror.commands.parsing import PREFIX, Parser
from pixi_mirror.commands.text import plain
from pixi_mirror.errors import DONE, Interrupted, MachineError, PixiMirrorError, UsageError

VERBS: tuple[tuple[str, str], ...] = (
    ("init", "Make a workspace of package names and mirror it; in a workspace: add the tasks of a mirror."),
    ("update", "Bring the mirror to hold what the locks pin. Never removes a package."),
    ("status", "Say what the mirror holds, which locks it follows, and what is out of date."),
    ("ls", "List the packages that the mirror holds, by name, channel, environment, platform or kind."),
    ("why", "Say who wants a package: locks, environments, platforms, and the packages that need it."),
    ("verify", "Hash every file again, read every index back, say what differs; --repair fetches it."),
    ("forget", "Stop following a lock, or some of its environments."),
    ("prune", "Show what no followed lock wants any more; --apply removes it."),
    ("log", "List the mirror's generations: what it offered after each complete change."),
    ("diff", "Say what differs between two generations, or locks, or one of each: packages, sizes."),
    ("pin", "Give a generation a name, so that prune keeps its files."),
    ("unpin", "Take the name away again."),
    ("rollback", "Let the mirror offer again what it offered in an earlier generation."),
    ("sbom", "Write a bill of materials of the mirror, as CycloneDX or SPDX: hashes, licences, dependencies."),
    ("advisories", "Carry databases of known vulnerabilities in the mirror: update, list, remove."),
    ("audit", "Match what the mirror holds against them, without a network."),
    ("export", "Write the mirror, or what a receiver lacks of it, into archives to carry across an air gap."),
    ("import", "Verify such archives, and offer the highest generation that is complete."),
    ("inspect", "Say what archives are: which generation, from which base, which volumes are missing."),
    ("receipt", "Print what this mirror has, to be carried back to where its archives come from."),
    ("ack", "Record what a receiver has, by its receipt or by a fingerprint that was read to us."),
    ("ledger", "Say what was exported for whom, and what they have acknowledged."),
    ("cache", "Say what the shared cache holds; `cache prune` shows what of it can go."),
    ("serve", "Show the mirror over HTTP, read-only, for pixi, conda, mamba, pip and uv."),
    ("host", "Keep channels and indexes of one's own in the mirror: add, list, remove, put, yank, delete, log."),
    ("users", "Keep the file of those who may read a mirror that is served: add, remove, list."),
    ("config", "Print, or --write, what a client needs to use the mirror where it is served."),
    ("prime", "Put the mirror's conda packages into pixi's package cache, to install with no server."),
    ("pack", "Put one environment for one platform into one file, in the format of pixi-pack."),
    ("unpack", "Make the environment that a pack of this program or of pixi-pack holds; no network is used."),
    ("completion", "Print a script that completes command lines in bash, zsh, fish or PowerShell."),
    ("publish", "Make an object store or a directory hold what the mirror holds, only what is new, safely."),
    ("demo", "Show all this on a small workspace that it makes itself; needs neither pixi nor network."),
)
"""Every verb, each a module beside this one, with what it is for."""

_HELP = """\
usage: pixi-mirror [VERB] [OPTIONS]        (with pixi installed also: pixi mirror [VERB] [OPTIONS])

Mirror exactly the packages that pixi.lock pins, of conda and of PyPI, into a directory: verified, indexed, ready for
use without a network. The mirror remembers which locks it follows, so that the next run needs no options.

  pixi-mirror init lab python=3.12 numpy     make a workspace of package names, its lock, and its mirror
  pixi-mirror --lock pixi.lock -e prod       make ./mirror, or add to it
  pixi-mirror -e prod                        the same for the workspace around you; needs pixi
  pixi-mirror                                refresh ./mirror: bring what is new in the locks that it follows
  pixi-mirror demo                           see it work

verbs (`update` if none is given; `pixi-mirror VERB --help` tells more):
{verbs}

options:
  -h, --help     show this
  -V, --version  show the version

Every option can be set by an environment variable too: PIXI_MIRROR_<OPTION>, for example PIXI_MIRROR_CACHE_DIR; several
values are separated by commas.

exit status: 0 done; 1 something found (verify, status --check, prune, audit), or nothing (why); 2 usage; 3 workspace,
lock, environment or platform; 4 cannot be mirrored; 5 could not be fetched; 6 wrong bytes; 7 a program that was run
failed; 8 a directory, disk or file of this machine; 9 the store that is published to refused; 10 files of a
generation are missing; 75 another process is writing the mirror; 130, 143 interrupted."""


_OBJECTS = 200_000
"""New objects after which Python looks for circles of garbage. By default it does so every 700, which takes a sixth of
the time of a verb over a mirror of 10,000 packages, whose records have no circles."""


def main() -> NoReturn:
    """Run the command line of this process and exit."""
    _open_closed_streams()
    _handle_signals()
    if sys.argv[1:2] != ["serve"]:  # a server lives long, and has to stay small
        gc.set_threshold(_OBJECTS)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr: a missing character is no failure
    try:
        status = run(sys.argv[1:])
        sys.stdout.flush()
    except OSError as error:
        if error.filename is not None:
            raise  # it is not of printing
        status = _status_unprinted(error)
    except (KeyboardInterrupt, Interrupted) as stop:
        _leave_at_once(stop if isinstance(stop, Interrupted) else Interrupted(signal.SIGINT))
    _drop_unwritten_notes()
    sys.exit(status)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; its exit status, with everything printed.

    Raises:
        KeyboardInterrupt: the user stopped it.
        Interrupted: a signal stopped it.
    """
    try:
        verb, rest = _choose_verb(list(arguments))
        if verb is None:
            return 0
        command: Command = importlib.import_module(f"pixi_mirror.commands.{verb}").COMMAND
        parser = Parser(f"pixi-mirror {verb}", command.description, os.environ, foreign=command.foreign)
        command.declare(parser)
        options = parser.parse_args(rest)
        if options is None:
            return 0
    except UsageError as error:
        _print_error(error)
        return error.status
    _warn_of_unknown_variables()
    try:
        refuse_absent_files(options)
        outcome = command.run(options)
    except UsageError as error:
        _print_error(error)
        return error.status
    except PixiMirrorError as error:
        outcome = Outcome(error=error, json=command.empty_json(options))
    except OSError as error:
        outcome = Outcome(error=_of_file(error), json=command.empty_json(options))
    if getattr(options, "quiet", False) and outcome.error is None and not (outcome.status or outcome.is_requested):
        outcome = outcome._replace(lines=())
    return _print_outcome(outcome, as_json=getattr(options, "json", False), report=getattr(options, "report", None))


def _of_file(error: OSError) -> MachineError:
    """What was said nowhere else of a file: most often that this user may not enter a folder above it.

    Raises:
        OSError: it is not of a file, but of printing.
    """
    from pixi_mirror.disk.files import explain_errors  # most runs have none

    if error.filename is None and error.errno != errno.ENOENT:
        raise error
    try:
        with explain_errors("reach", "the current directory" if error.filename is None else str(error.filename)):
            raise error
    except MachineError as explained:
        return explained


def _choose_verb(arguments: list[str]) -> tuple[str | None, list[str]]:
    """The verb and its arguments; None: help or the version was printed."""
    if arguments in (["-h"], ["--help"]):
        _print_help()
        return None, []
    if arguments in (["-V"], ["--version"]):
        print(f"pixi-mirror {__version__}")
        return None, []
    if not arguments or arguments[0].startswith("-"):
        return "update", arguments
    names = [name for name, _ in VERBS]
    if arguments[0] == "help":  # as of git and cargo
        return _choose_verb([*arguments[1:2], "--help"])
    if arguments[0] in names:
        return arguments[0], arguments[1:]
    from pixi_mirror.commands.other_words import verb_advice

    advice = verb_advice(arguments[0], names)
    raise UsageError(f"there is no verb {arguments[0]!r}{advice}; see `pixi-mirror --help`.")


def _warn_of_unknown_variables() -> None:
    if not any(name.startswith(PREFIX) for name in os.environ):
        return
    from pixi_mirror.commands.messages import say
    from pixi_mirror.commands.variables import unknown_variables

    for sentence in unknown_variables(os.environ):
        say("warning", sentence)


def _print_help() -> None:
    from pixi_mirror.commands.help_text import help_width, reflowed

    verbs = "\n".join(f"  {name:<11}{sentence}" for name, sentence in VERBS)
    print(reflowed(_HELP.format(verbs=verbs), help_width()))


def _print_outcome(outcome: Outcome, *, as_json: bool, report: Path | None) -> int:
    status = outcome.status if outcome.error is None else outcome.error.status
    text = json.dumps(_json_of(outcome, status), indent=2, ensure_ascii=False) if as_json or report else ""
    try:
        for line in [text] if as_json else outcome.lines:
            print(plain(line))
        sys.stdout.flush()
    except OSError as error:
        status = status or _status_unprinted(error)
    if outcome.error is not None:
        _print_error(outcome.error)
    if report is not None:
        from pixi_mirror.commands.report_file import write_report

        failure = write_report(report, _json_of(outcome, status), plain(text), sign=outcome.sign_report)
        if failure is not None:
            _print_error(failure)
            return status or failure.status
    return status


def _json_of(outcome: Outcome, status: int) -> Mapping[str, Any]:
    if outcome.error is None:
        return outcome.json
    error = {"status": status, "message": str(outcome.error), "items": list(outcome.error.items)}
    return {**outcome.json, "error": error}


def _print_error(error: PixiMirrorError) -> None:
    from pixi_mirror.commands.messages import say_error  # most runs have none

    say_error(str(error))


def _handle_signals() -> None:
    def stop(number: int, _frame: FrameType | None) -> NoReturn:
        signal.signal(number, signal.SIG_DFL)  # the second one ends the process at once
        raise Interrupted(number)

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:  # as `nohup` has it
            signal.signal(number, stop)


def _leave_at_once(stop: Interrupted) -> NoReturn:
    """End without waiting for threads, which a stalled server could hold for a minute."""
    number = stop.status - 128
    by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
    then = "" if sys.argv[1:2] == ["serve"] else "; run the same command again and it goes on from here"
    from pixi_mirror.commands.messages import say

    say("error", f"stopped{by}{then}.")
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(stop.status)


def _open_closed_streams() -> None:
    """Open the streams that a caller has closed (`>&-`), or the next file that we open gets the number of one."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - it stays open to the end


def _status_unprinted(error: OSError) -> int:
    """The exit status of a run whose results could not be printed; a reader that has left is no failure."""
    _discard(sys.stdout)
    if isinstance(error, BrokenPipeError):  # as `| head` does
        return DONE
    from pixi_mirror.commands.messages import say

    say("error", f"the results cannot be printed: {error.strerror}.")
    return MachineError.status


def _drop_unwritten_notes() -> None:
    """Drop what cannot be written to stderr, or Python ends with an exit status of its own."""
    try:
        sys.stderr.flush()
    except OSError:
        _discard(sys.stderr)


def _discard(stream: TextIO) -> None:
    """Send what is still to be flushed nowhere, so that it raises no second time."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
