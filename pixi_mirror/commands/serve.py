"""`pixi mirror serve`."""

import sys
import threading
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from queue import Full, Queue
from typing import TYPE_CHECKING, TextIO

from pixi_mirror.commands import options as shared
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.messages import say
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.values import file_size, host, path, port
from pixi_mirror.errors import MachineError, UsageError
from pixi_mirror.model.values import Json

if TYPE_CHECKING:  # `--help` must not pay for a server
    from pixi_mirror.mirror.tree import Tree
    from pixi_mirror.serve.access_log import LogEntry
    from pixi_mirror.serve.connection import Log
    from pixi_mirror.serve.pull_through.pull import PullThrough
    from pixi_mirror.serve.run import UploadOptions
    from pixi_mirror.serve.transport import Tls

_STDERR, _NOWHERE = "-", "none"
_MOST_WAITING = 10_000
"""Lines; further ones are lost."""
_LAST_LINES_S = 1.0


def _declare(parser: Parser) -> None:
    shared.declare_mirror(parser)
    parser.value(
        "--host",
        convert=host,
        default="127.0.0.1",
        metavar="ADDRESS",
        help="the address to listen on (default: 127.0.0.1, this machine alone; 0.0.0.0 or :: for everybody)",
    )
    parser.value("--port", convert=port, default=8765, metavar="PORT", help="0 picks a free one (default: 8765)")
    parser.value("--tls-cert", convert=path, metavar="FILE", help="serve https with this certificate chain (PEM)")
    parser.value("--tls-key", convert=path, metavar="FILE", help="its key (PEM; default: in the same file)")
    parser.value(
        "--users",
        convert=path,
        metavar="FILE",
        help="answer only the users of this file, which `pixi-mirror users` makes (default: everybody)",
    )
    parser.values(
        "--hosted",
        metavar="NAME",
        help="take uploads to this name, which `pixi-mirror host add` makes, from those of --users who may; all takes "
        "them to every such name",
    )
    parser.value(
        "--largest-upload",
        convert=file_size,
        metavar="SIZE",
        help="refuse uploads of larger files; as 500M (decimal) or 2GiB (default: 16GiB)",
    )
    parser.values(
        "--allow-host",
        convert=host,
        metavar="NAME",
        help="answer to this host name (default: on loopback without --users, `localhost` and addresses; else any)",
    )
    parser.flag("--insecure", help="let passwords and tokens cross a network in the clear: --users without --tls-cert")
    parser.flag("--upstream", help="fetch what `update --defer` left out when it is first asked for, and keep it")
    parser.value(
        "--access-log",
        default=_STDERR,
        metavar="FILE",
        help="where a line of JSON goes for each request: a file, `-` for stderr (default), or `none`",
    )
    shared.declare_network(parser)


def _run(options: Namespace) -> Outcome:
    from pixi_mirror.http.origins import is_loopback

    if options.tls_key is not None and options.tls_cert is None:
        raise UsageError("--tls-key is of no use without --tls-cert.")
    is_private = options.tls_cert is not None or is_loopback(options.host.lower())
    if options.users is not None and not (is_private or options.insecure):
        raise UsageError(
            f"with --users on {options.host}, passwords and tokens would cross the network in the clear. Give "
            "--tls-cert, or stay on 127.0.0.1 behind a proxy that speaks TLS; --insecure does it all the same."
        )
    if options.hosted and options.users is None:
        raise UsageError(
            "--hosted goes with --users: an upload is always somebody's. `pixi-mirror users add` adds one."
        )
    if options.largest_upload is not None and not options.hosted:
        raise UsageError("--largest-upload goes with --hosted.")
    from pixi_mirror.serve.run import serve

    with _line_writer(sys.stderr) as log_event, _access_log(options.access_log, log_event) as log:
        serve(
            Path(options.dir),
            host=options.host,
            port=options.port,
            tls=_tls(options),
            announce=_announce,
            log=log,
            report=log_event,
            users=options.users,
            uploads=_uploads(options),
            allowed_hosts=options.allow_host,
            warn=partial(say, "warning"),
            create_fetch=partial(_create_fetch, options, log_event) if options.upstream else None,
        )
    raise MachineError("the server has ended without a signal; start it again.")


def _uploads(options: Namespace) -> "UploadOptions | None":
    from pixi_mirror.commands.options import make_context
    from pixi_mirror.commands.progress_output import Notes
    from pixi_mirror.serve.run import UploadOptions

    if not options.hosted:
        return None
    context = make_context(options, Notes(sys.stderr, verbose=False))
    uploads = UploadOptions(tuple(options.hosted), context)
    return uploads if options.largest_upload is None else uploads._replace(largest=options.largest_upload)


def _tls(options: Namespace) -> "Tls | None":
    from pixi_mirror.serve.transport import Tls

    return None if options.tls_cert is None else Tls(options.tls_cert, options.tls_key)


def _announce(url: str) -> None:
    with suppress(OSError):  # a closed stdout is no reason to end a server
        print(url, flush=True)


def _create_fetch(options: Namespace, log: "Callable[[LogEntry], None]", tree: "Tree") -> "PullThrough":
    from pixi_mirror.commands.options import make_context
    from pixi_mirror.commands.progress_output import Notes
    from pixi_mirror.serve.pull_through.pull import PullThrough

    return PullThrough(tree.root, make_context(options, Notes(sys.stderr, verbose=False)), log=log)


def _access_log(where: str, to_stderr: "Log") -> "AbstractContextManager[Log]":
    if where == _NOWHERE:
        return nullcontext(lambda _: None)
    return nullcontext(to_stderr) if where == _STDERR else _line_writer(_open_log(path(where)))


def _open_log(file: Path) -> TextIO:
    try:
        return file.open("a", encoding="utf-8", newline="\n")
    except OSError as error:
        raise MachineError(f"the access log {file} cannot be written: {error.strerror}.") from error


@contextmanager
def _line_writer(target: TextIO) -> "Iterator[Callable[[LogEntry], None]]":
    """Write lines in a thread of its own, so that no client waits for whoever reads the log."""
    pending: Queue[LogEntry | None] = Queue(_MOST_WAITING)

    def write() -> None:
        for entry in iter(pending.get, None):
            with suppress(OSError, ValueError):  # a full disk or a closed terminal does not end a server
                target.write(f"{entry.line}\n")
                if pending.empty():
                    target.flush()

    def log(entry: "LogEntry") -> None:
        with suppress(Full):
            pending.put_nowait(entry)

    writer = threading.Thread(target=write, daemon=True)
    try:
        writer.start()
    except RuntimeError as error:
        raise MachineError(
            "this machine gives the log no thread; end other programs, or raise the limit (ulimit -u)."
        ) from error
    try:
        yield log
    finally:
        with suppress(Full):
            pending.put(None, timeout=_LAST_LINES_S)
        writer.join(_LAST_LINES_S)


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    return {"verb": "serve", "mirror": str(options.dir)}


COMMAND = Command(
    description="""\
Show the mirror over HTTP to pixi, conda, mamba, pip, uv and browsers; with --hosted, take uploads by twine, uv, pixi
and others. The first line on stdout is the URL. The mirror may be updated meanwhile. Ctrl-C or SIGTERM ends the server
once running downloads and uploads are finished (60 s at most); a second one ends it at once.""",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
)
