"""`pixi mirror serve`."""

import sys
import threading
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from queue import Full, Queue
from typing import TYPE_CHECKING, TextIO

from pixi_mirror.cli import options as shared
from pixi_mirror.cli.command import Command, Outcome
from pixi_mirror.cli.parsing import Parser, path
from pixi_mirror.errors import MachineError, UsageError
from pixi_mirror.model import Json

if TYPE_CHECKING:  # `--help` must not pay for a server
    from pixi_mirror.serve import Access, Log, Tls

_LAST_PORT = 65535
_STDERR, _NOWHERE = "-", "none"
_MOST_WAITING = 10_000
"""Lines; those behind them are lost."""
_LAST_WORDS_S = 1.0


def _declare(parser: Parser) -> None:
    shared.declare_mirror(parser)
    parser.value(
        "--host",
        convert=_host,
        default="127.0.0.1",
        metavar="ADDRESS",
        help="the address to listen on (default: 127.0.0.1, this machine alone; 0.0.0.0 or :: for everybody)",
    )
    parser.value("--port", convert=_port, default=8765, metavar="PORT", help="0 picks a free one (default: 8765)")
    parser.value("--tls-cert", convert=path, metavar="FILE", help="serve https with this certificate chain (PEM)")
    parser.value("--tls-key", convert=path, metavar="FILE", help="its key (PEM; default: in the same file)")
    parser.value(
        "--access-log",
        default=_STDERR,
        metavar="FILE",
        help="where a line of JSON goes for each request: a file, `-` for stderr (default), or `none`",
    )


def _host(raw: str) -> str:
    bare = raw.removeprefix("[").removesuffix("]")
    if not bare or any(letter.isspace() or letter == "/" for letter in bare):
        raise ValueError(raw)
    return bare


def _port(raw: str) -> int:
    if not (raw.isascii() and raw.isdigit()) or int(raw) > _LAST_PORT:
        raise ValueError(raw)
    return int(raw)


def _run(options: Namespace) -> Outcome:
    if options.tls_key is not None and options.tls_cert is None:
        raise UsageError("--tls-key is of no use without --tls-cert.")
    from pixi_mirror.verbs.serve import serve

    with _log(options.access_log) as log:
        serve(
            Path(options.dir),
            host=options.host,
            port=options.port,
            tls=_tls(options),
            announce=_announce,
            log=log,
        )
    raise MachineError("the server has ended, and nobody asked it to; start it again.")


def _tls(options: Namespace) -> "Tls | None":
    from pixi_mirror.serve import Tls

    return None if options.tls_cert is None else Tls(options.tls_cert, options.tls_key)


def _announce(url: str) -> None:
    with suppress(OSError):  # whoever does not read it may all the same be served
        print(url, flush=True)


def _log(where: str) -> "AbstractContextManager[Log]":
    if where == _NOWHERE:
        return nullcontext(lambda _: None)
    return _lines(sys.stderr if where == _STDERR else _appended(path(where)))


def _appended(file: Path) -> TextIO:
    try:
        return file.open("a", encoding="utf-8", newline="\n")
    except OSError as error:
        raise MachineError(f"the access log {file} cannot be written: {error.strerror}.") from error


@contextmanager
def _lines(target: TextIO) -> "Iterator[Log]":
    """Write a line a request in a thread of its own: whoever reads them slowly, or not at all, holds up no client."""
    waiting: Queue[Access | None] = Queue(_MOST_WAITING)

    def write() -> None:
        for access in iter(waiting.get, None):
            with suppress(OSError, ValueError):  # a full disk, or a terminal that is gone, stops no server
                target.write(f"{access.line}\n")
                if waiting.empty():
                    target.flush()

    def tell(access: "Access") -> None:
        with suppress(Full):
            waiting.put_nowait(access)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        yield tell
    finally:
        with suppress(Full):
            waiting.put(None, timeout=_LAST_WORDS_S)
        writer.join(_LAST_WORDS_S)


def _blank(options: Namespace) -> Mapping[str, Json]:
    return {"verb": "serve", "mirror": str(options.dir)}


COMMAND = Command(
    description="""\
Show the mirror over HTTP, read-only, to pixi, conda, mamba, pip, uv and browsers. The first line on stdout is the
URL. It may be updated meanwhile. Ctrl-C or SIGTERM ends it once running downloads are finished (60 s at most); a
second one ends it at once.""",
    declare=_declare,
    run=_run,
    blank=_blank,
)
